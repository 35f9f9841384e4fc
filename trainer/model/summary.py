"""What a run's model is and what of it learns, in words, for `train check`."""

from typing import Any

from mix665k.schemas.stage import Stage
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.model.attention_needs import in_words, needs_of
from mix665k.trainer.model.cost import count_parameters
from mix665k.trainer.model.hooks import routers_of

Rows = list[tuple[str, str]]


def summarise(model: Any, stage: Stage, *, encoder: Encoder, tokenizer: Any, end_ids: tuple[int, ...]) -> Rows:
    """Rows of a name and what there is of it.

    `model` is an outline of what the stage trains, `end_ids` are the tokens at which its language model ends by itself.
    """
    config = model.config
    kind = config.vision_config.model_type
    ends = encoder.end_tokens
    stops = tokenizer.convert_ids_to_tokens(sorted({*end_ids, *ends.values()}))
    rows = [
        ("vision tower", f"{kind}, layer {config.vision_feature_layer}: {config.image_seq_length} tokens a picture"),
        ("template", f"{encoder.template_name}; answers end with {_listed(ends) or 'no token of their own'}"),
        ("stop tokens", _listed(stops)),
        ("attention", in_words(needs_of(config.text_config))),
    ]
    trained = count_parameters(model, trained=True)
    learning = ", ".join(f"{part.replace('_', ' ')} {count:,}" for part, count in trained.items() if count)
    rows += [("parameters", f"{sum(count_parameters(model).values()):,}; of them learn: {learning}")]
    return rows + _adapter_rows(model, stage) + _expert_rows(model, stage)


def _adapter_rows(model: Any, stage: Stage) -> Rows:
    if stage.lora is None:
        return []
    adapted = [name for name, module in model.named_modules() if hasattr(module, "lora_A")]
    kinds = dict.fromkeys(name.rpartition(".")[2] for name in adapted)
    size = sum(value.numel() for name, value in model.named_parameters() if "lora_" in name)
    return [("adapters", f"{size:,} parameters in {len(adapted):,} linear layers: {', '.join(kinds)}")]


def _expert_rows(model: Any, stage: Stage) -> Rows:
    if not routers_of(model.model.language_model):
        return []
    coefficient = getattr(model.config.text_config, "router_aux_loss_coef", None)
    weight = f"router loss weighs {stage.router_loss:g}" if stage.router_loss else "no router loss"
    own = f"; {coefficient:g} in the model's configuration" if coefficient and not stage.router_loss else ""
    adapted = "; they stay as they are, adapters are in linear layers only" if stage.lora is not None else ""
    return [("experts", f"{weight}{own}{adapted}")]


def _listed(names: Any) -> str:
    return " or ".join(map(repr, names))
