"""A finished LLaVA that a run starts from: llava-hf's form, as our exports are, or a checkpoint of LLaVA's own code."""

import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import ModelError
from mix665k.schemas.template import Template
from mix665k.trainer.model.compose import PARTS, describe
from mix665k.trainer.model.configuration import LLAVAS_OWN, is_llavas_own, read_config, read_fields
from mix665k.trainer.model.layout import from_llava, is_computed, without_vision_model
from mix665k.trainer.model.loading import load, load_weights, require_all
from mix665k.trainer.model.shards import model_folder, read_weights
from mix665k.trainer.model.tower import FEATURE_LAYER, load_tower

if TYPE_CHECKING:
    pass

_WHAT = "a LLaVA model's configuration"


class Finished(NamedTuple):
    """A finished model, known from its configuration; no weight was read."""

    name: str
    """A Hub name or a folder."""
    processor: Any
    """With the chat template of the stage that follows."""
    config: Any
    tower: str | None
    """For one of LLaVA's own checkpoints the vision tower that it was trained with, which it may not hold."""
    rows: int
    """Tokens that it has an embedding of; fewer than its configuration says where `<image>` has yet to be added."""


def look_at_finished(name: str, template: str | Template, *, vision: str = "") -> Finished:
    """What a finished model is; `vision` replaces the name that one of LLaVA's own checkpoints has for its tower.

    Raises:
        ModelError: when there is no such model, or it is none of LLaVA-1.5's form.
    """
    fields = read_fields(name, _WHAT)
    if is_llavas_own(fields):
        return _look_at_llavas(name, template, fields=fields, vision=vision)
    kind = fields.get("model_type")
    if kind != "llava":
        bare = "text_config" not in fields and "vision_config" not in fields
        raise ModelError(
            f"{name}: its model type is {kind}, expected a LLaVA-1.5: llava as llava-hf has it, or one of LLaVA's own, "
            f"{', '.join(LLAVAS_OWN)}{'; a bare language model is for --llm' if bare else ''}"
        )
    if vision:
        raise ModelError(f"--vision {vision}: {name} has a vision tower of its own; leave the option out")
    return _look_at_llava_hf(name, template)


def load_finished(found: Finished, *, seed: int, on_meta: bool = False) -> Any:
    """The model with all its weights, each in the dtype that it was saved in.

    Rows of tokens that it does not have yet are drawn from `seed`. With `on_meta` names and shapes are checked and no
    weight is read.

    Raises:
        ModelError: when a file is missing or damaged, or weights are missing, unknown or of another shape.
    """
    if found.tower is None:
        return _load_llava_hf(found, on_meta=on_meta)
    return _load_llavas(found, tower_name=found.tower, seed=None if on_meta else seed)


def holds_tower(found: Finished) -> bool:
    """Whether a model's weights have a vision tower among them, as those of a LLaVA that trained it.

    Raises:
        ModelError: when a file is missing or damaged.
    """
    return found.tower is None or any(
        from_llava(name).startswith(PARTS["vision_tower"]) for name in read_weights(model_folder(found.name))
    )


def _look_at_llava_hf(name: str, template: str | Template) -> Finished:
    from transformers import LlavaConfig

    kind: Any = LlavaConfig
    config = load(kind.from_pretrained, name, _WHAT)
    layer = config.vision_feature_layer
    if not isinstance(layer, int):
        raise ModelError(f"{name}: takes features of the layers {layer}, expected one layer")
    processor, composed = describe(name, name, template, vision_layer=layer)
    text, tokenizer = config.text_config, processor.tokenizer
    if composed.image_token_id != config.image_token_id:
        raise ModelError(
            f"{name}: {IMAGE_TOKEN} is token {composed.image_token_id} of its tokenizer and {config.image_token_id} of "
            "its model, expected the same"
        )
    if len(tokenizer) > text.vocab_size:
        raise ModelError(f"{name}: its tokenizer has {len(tokenizer):,} tokens, its model rows for {text.vocab_size:,}")
    config.pad_token_id = text.pad_token_id = tokenizer.pad_token_id
    config.image_seq_length = composed.image_seq_length
    return Finished(name, processor, config, tower=None, rows=text.vocab_size)


def _look_at_llavas(name: str, template: str | Template, *, fields: dict[str, Any], vision: str) -> Finished:
    tower = vision or fields.get("mm_vision_tower")
    if not tower:
        raise ModelError(f"{name}: its configuration names no vision tower (mm_vision_tower); name it with --vision")
    rows = read_config(name, _WHAT).vocab_size
    layer = fields.get("mm_vision_select_layer", FEATURE_LAYER)
    processor, config = describe(name, tower, template, vision_layer=layer)
    return Finished(name, processor, config, tower=tower, rows=rows)


def _load_llava_hf(found: Finished, *, on_meta: bool) -> Any:
    from transformers import LlavaForConditionalGeneration

    return load_weights(
        LlavaForConditionalGeneration, found.name, "a LLaVA model", config=found.config, on_meta=on_meta
    )


def _load_llavas(found: Finished, *, tower_name: str, seed: int | None) -> Any:
    """The model; without a seed it is as far as names and shapes go, on the meta device."""
    import torch
    from accelerate import init_empty_weights
    from transformers import GenerationConfig, LlavaForConditionalGeneration

    read = read_weights(model_folder(found.name))
    weights = {from_llava(name): value for name, value in read.items() if not is_computed(name)}
    if not any(name.startswith(PARTS["vision_tower"]) for name in weights):
        tower = load_tower(tower_name, found.config.vision_config).state_dict()
        weights |= {without_vision_model(f"{PARTS['vision_tower']}{name}"): value for name, value in tower.items()}
    config = copy.deepcopy(found.config)
    config.text_config.vocab_size, config.text_config.pad_token_id = found.rows, None  # the token has no row yet
    with init_empty_weights(include_buffers=False):  # what is computed, such as rotations, is in no file
        model = LlavaForConditionalGeneration(config)
    fitting = {without_vision_model(name): (name, value.shape) for name, value in model.state_dict().items()}
    require_all(
        found.name,
        missing=fitting.keys() - weights.keys(),
        unknown=weights.keys() - fitting.keys(),
        shapes=[
            f"{name} is {list(weights[name].shape)}, expected {list(shape)}"
            for name, (_, shape) in fitting.items()
            if name in weights and weights[name].shape != shape
        ],
    )
    if seed is None:
        return model
    model.load_state_dict({fitting[name][0]: value for name, value in weights.items()}, assign=True)
    if found.rows != found.config.text_config.vocab_size:
        with torch.random.fork_rng(devices=[]):  # the embeddings of new tokens are drawn
            torch.manual_seed(seed)
            model.resize_token_embeddings(found.config.text_config.vocab_size)
    config.text_config.pad_token_id = found.config.pad_token_id
    with suppress(OSError):  # older checkpoints have their settings in config.json
        generation: Any = GenerationConfig
        model.generation_config = generation.from_pretrained(found.name)
    model.generation_config.pad_token_id = found.config.pad_token_id
    return model
