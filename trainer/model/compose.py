"""A LLaVA model composed of a bare language model and a vision tower, in the llava-hf form."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import ModelError, os_reason
from mix665k.schemas.template import Template
from mix665k.trainer.data.chat import exported_chat_template
from mix665k.trainer.model.files import write_model, write_processor
from mix665k.trainer.model.language import language_config, load_language
from mix665k.trainer.model.layout import projector_name
from mix665k.trainer.model.tokenizer import composed_tokenizer, leave_bos_to
from mix665k.trainer.model.tower import FEATURE_LAYER, Tower, load_tower, tower_of

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDING_MULTIPLE = 64
"""Vocabulary sizes are rounded up to this, as llava-hf's conversion does."""
PROJECTORS = {"mlp2x_gelu": "gelu", "linear": "linear"}
"""LLaVA's kinds of projector that fit llava-hf's two layers, and what is between these."""
PARTS = {
    "projector": "model.multi_modal_projector.",
    "language_model": "model.language_model.",
    "vision_tower": "model.vision_tower.",
}
"""The parts that a stage can train and the prefix of their parameters' names; the head goes with the language model."""


def compose(
    llm: str,
    vision: str,
    out: Path,
    *,
    projector: Path | None,
    template: str | Template,
    seed: int,
    vision_layer: int = FEATURE_LAYER,
    projector_type: str = "mlp2x_gelu",
) -> None:
    """Write a model and its processor to a folder that `LlavaForConditionalGeneration.from_pretrained` reads.

    The projector is two linear layers with a GELU between (`mlp2x_gelu`), or one and the identity behind it (`linear`),
    drawn from `seed` or read from a file. Image features are the output of the tower's `vision_layer` without the class
    token, where it has one.

    Raises:
        ModelError: when a part cannot be loaded, or parts do not fit together.
        OSError: when the folder cannot be written.
    """
    import torch
    from transformers import LlavaForConditionalGeneration

    processor, config = describe(llm, vision, template, vision_layer=vision_layer, projector_type=projector_type)
    language = load_language(llm)
    tower = load_tower(vision, config.vision_config)
    with torch.random.fork_rng(devices=[]):  # the embeddings of new tokens are drawn
        torch.manual_seed(seed)
        language.resize_token_embeddings(config.text_config.vocab_size)
    with torch.device("meta"):  # weights are assigned, not copied: a 7B model is in memory once
        model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict(), assign=True)
    model.model.language_model.load_state_dict(language.get_decoder().state_dict(), assign=True)
    model.lm_head.load_state_dict(language.get_output_embeddings().state_dict(), assign=True)
    weights = read_projector(projector, config) if projector else _draw_projector(config, seed)
    weights = {name: value.to(language.dtype) for name, value in weights.items()}
    model.model.multi_modal_projector.load_state_dict(weights, assign=True)
    # Its own generation settings, not those that its configuration implies: end tokens of turns are in them alone.
    model.generation_config = language.generation_config
    model.generation_config.pad_token_id = config.pad_token_id
    write_model(model, out)
    write_processor(processor, out)


def describe(
    llm: str,
    vision: str,
    template: str | Template,
    *,
    vision_layer: int = FEATURE_LAYER,
    projector_type: str = "mlp2x_gelu",
) -> tuple[Any, Any]:
    """The processor and the configuration of a model composed of these parts; no weight is read.

    Raises:
        ModelError: when a part cannot be loaded, or is of another kind.
    """
    from transformers import LlavaConfig

    if projector_type not in PROJECTORS:
        raise ModelError(
            f"projector_type {projector_type}: expected {' or '.join(PROJECTORS)}; the exported form has two linear "
            "layers, which cannot hold another"
        )
    text_config = language_config(llm)
    tower = tower_of(vision, layer=vision_layer)
    processor = _processor(llm, tower, template=template)
    tokenizer = processor.tokenizer
    size = max(len(tokenizer), text_config.vocab_size)
    text_config.vocab_size = -(-size // EMBEDDING_MULTIPLE) * EMBEDDING_MULTIPLE
    text_config.pad_token_id = tokenizer.pad_token_id
    config = LlavaConfig(
        vision_config=tower.config,
        text_config=text_config,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=tower.tokens_per_image,
        projector_hidden_act=PROJECTORS[projector_type],
        vision_feature_select_strategy=tower.strategy,
        vision_feature_layer=tower.layer,
        tie_word_embeddings=text_config.tie_word_embeddings,
    )
    config.pad_token_id = tokenizer.pad_token_id
    return processor, config


def _processor(llm: str, tower: Tower, *, template: str | Template) -> Any:
    """The tokenizer with image and padding tokens, the image processor and the chat template."""
    from transformers import LlavaProcessor

    tokenizer = composed_tokenizer(llm)
    chat_template = exported_chat_template(template, tokenizer)
    leave_bos_to(chat_template, tokenizer)
    kind: Any = LlavaProcessor
    return kind(
        image_processor=tower.processor,
        tokenizer=tokenizer,
        patch_size=tower.patch_px,
        vision_feature_select_strategy=tower.strategy,
        image_token=IMAGE_TOKEN,
        num_additional_image_tokens=tower.extra_tokens,  # which the strategy drops
        chat_template=chat_template,
    )


def _draw_projector(config: Any, seed: int) -> "dict[str, Tensor]":
    import torch
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = dict(LlavaMultiModalProjector(config).state_dict())
    return drawn | _identity(config) if config.projector_hidden_act == "linear" else drawn


def _identity(config: Any) -> "dict[str, Tensor]":
    """The second layer of a projector that is linear."""
    import torch

    size = config.text_config.hidden_size
    return {"linear_2.weight": torch.eye(size), "linear_2.bias": torch.zeros(size)}


def read_projector(path: Path, config: Any) -> "dict[str, Tensor]":
    """The projector of a file: ours, llava-hf's names with any prefix, or LLaVA's `mm_projector.bin`.

    Raises:
        ModelError: when it cannot be read, or does not fit between the parts of a model.
    """
    import torch
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    weights = _read_tensors(path)
    is_linear, identity = config.projector_hidden_act == "linear", _identity(config)
    if is_linear and all(".mm_projector." in f".{name}" for name in weights) and len(weights) == 2:
        weights = {f"linear_1.{name.rpartition('.')[2]}": value for name, value in weights.items()} | identity
    with torch.device("meta"):
        expected = LlavaMultiModalProjector(config).state_dict()
    found = {projector_name(name): value for name, value in weights.items()}
    if len(found) == len(weights) and _shapes(found) == _shapes(expected):
        if is_linear != all(torch.equal(found[name].float(), value) for name, value in identity.items()):
            kinds = ("mlp2x_gelu", "linear") if is_linear else ("linear", "mlp2x_gelu")
            raise ModelError(f"projector {path}: is {kinds[0]}, the stage's projector_type is {kinds[1]}; change one")
        return found
    given = _shapes(weights)
    shown = ", ".join(f"{name} {shape}" for name, shape in list(given.items())[:4])
    raise ModelError(
        f"projector {path}: its {len(given)} weights ({shown}{', …' if len(given) > 4 else ''}) are not those of a "
        f"projector between these models, {_shapes(expected)}; was it trained with other models?"
    )


def _shapes(weights: "Mapping[str, Tensor]") -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in weights.items()}


def _read_tensors(path: Path) -> "dict[str, Tensor]":
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except OSError as error:
        raise ModelError(f"projector {path}: {os_reason(error)}") from None
    except (SafetensorError, pickle.UnpicklingError, EOFError, RuntimeError):
        raise ModelError(f"projector {path}: no file of weights, expected .safetensors or a .bin of tensors") from None
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ModelError(f"projector {path}: expected tensors by name, as torch.save or safetensors writes them")
    return weights
