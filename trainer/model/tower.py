"""What a vision tower is like, found by one look at it without its weights.

Nothing about a tower is taken from its name or from the fields that most configurations have: DINOv2's says 518 pixels
where its image processor makes 224, SigLIP has no class token, InternViT's patch size is a list. One pass on the meta
device over what the tower's own image processor makes of a picture tells it all, and costs no memory.
"""

import inspect
from typing import Any, Literal, NamedTuple

from mix665k.schemas.errors import ModelError, one_line
from mix665k.trainer.data.images import load_processor
from mix665k.trainer.model.loading import load, load_weights, require_model

Strategy = Literal["full", "default"]
FEATURE_LAYER = -2
"""LLaVA's `mm_vision_select_layer`."""


class Tower(NamedTuple):
    """A vision tower, as a language model sees it."""

    config: Any
    """Its configuration: of the vision part alone where the checkpoint holds more."""
    processor: Any
    """Its own image processor."""
    tokens_per_image: int
    """Features of a picture: its patches."""
    image_px: int
    """The side of a picture as its image processor makes it."""
    patch_px: int
    extra_tokens: int
    """Tokens before the patches: 1 for a class token, or 0."""
    layer: int
    """Whose output the features are: 1 is the first, -1 the last."""

    @property
    def strategy(self) -> Strategy:
        """How transformers leaves the class token out."""
        return "default" if self.extra_tokens else "full"


def tower_of(vision: str, *, layer: int = FEATURE_LAYER) -> Tower:
    """The vision tower of a Hub name or folder.

    Raises:
        ModelError: when it has none, or one whose features are not one token for each patch of a square picture.
    """
    require_model(vision)
    config = load(_vision_config, vision, "a vision tower's configuration")
    tower = _on_meta(vision, config)
    processor = load_processor(vision)
    pixels, states = _look(vision, tower, processor)
    last = len(states) - 1
    if layer == 0 or not -last - 1 <= layer <= last:  # transformers takes 0 for no hidden states at all
        raise ModelError(f"{vision}: has no layer {layer}, expected 1 to {last}, or -{last + 1} to -1 from the last")
    features = states[layer]
    if features.ndim != 3 or features.shape[-1] != getattr(config, "hidden_size", None):
        raise ModelError(
            f"{vision}: a {config.model_type} gives maps, expected a tower that gives a token for each patch"
        )
    side, patch = pixels.shape[-1], _patch_px(vision, config)
    num_patches = (side // patch) ** 2
    extra = features.shape[1] - num_patches
    if extra not in (0, 1):
        raise ModelError(
            f"{vision}: a {config.model_type} gives {features.shape[1]} tokens for {num_patches} patches, expected one "
            "for each, and a class token or none"
        )
    if not tower._supports_sdpa:  # which training runs every tower with
        raise ModelError(f"{vision}: a {config.model_type} has no sdpa attention in transformers, expected one with it")
    return Tower(
        config=config,
        processor=processor,
        tokens_per_image=num_patches,
        image_px=side,
        patch_px=patch,
        extra_tokens=extra,
        layer=layer,
    )


def load_tower(vision: str, config: Any, *, on_meta: bool = False) -> Any:
    """A tower with its weights, of a checkpoint that may hold a text model besides.

    Raises:
        ModelError: when it cannot be loaded, or does not hold all of a tower; with `on_meta` no weight is read.
    """
    from transformers import AutoModel

    return load_weights(AutoModel, vision, "a vision tower", config=config, on_meta=on_meta, takes_part=True)


def without_gradient(config: Any, layers: int | list[int]) -> frozenset[str]:
    """The parameters of a tower that its features do not depend on: later layers, a last norm, a head, a mask token.

    `layers` are the feature layers. A pass backward finds them, so that no tower's names are needed.
    """
    import torch

    tower = _on_meta(config.model_type, config)
    # The size that its position embeddings have: which parameters take part is the same for every other.
    size = config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    with torch.enable_grad():
        pixels = torch.zeros((1, 3, height, width), device="meta", dtype=tower.dtype)
        states = tower(pixels, output_hidden_states=True, return_dict=True).hidden_states
        chosen = [layers] if isinstance(layers, int) else layers
        features = torch.stack([states[layer].sum() for layer in chosen]).sum()
        names, parameters = zip(*tower.named_parameters(), strict=True)
        gradients = torch.autograd.grad(features, parameters, allow_unused=True)
    return frozenset(name for name, gradient in zip(names, gradients, strict=True) if gradient is None)


def _vision_config(name: str, **how: Any) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(name, **how)
    return getattr(config, "vision_config", config)


def _on_meta(vision: str, config: Any) -> Any:
    """The tower of a configuration without weights.

    Raises:
        ModelError: when transformers has none for it.
    """
    import torch
    from transformers import MODEL_MAPPING

    # Not `AutoModel.from_config`, which partitions what it makes where ZeRO-3 is on.
    kinds: Any = MODEL_MAPPING
    with torch.device("meta"):
        tower = kinds[type(config)](config) if type(config) in kinds else None
    if getattr(tower, "main_input_name", None) != "pixel_values":
        raise ModelError(f"{vision}: a {config.model_type}, expected a vision tower")
    return tower


def _look(vision: str, tower: Any, processor: Any) -> tuple[Any, Any]:
    """What the tower takes, [1, 3, S, S], and its hidden states, of a picture that is no square.

    Raises:
        ModelError: when the two do not work together, or the tower takes more than pixels of one size.
    """
    import torch
    from PIL import Image

    what = f"{vision}: a {tower.config.model_type}"
    needs = [p.name for p in inspect.signature(tower.forward).parameters.values() if p.default is p.empty]
    if others := [name for name in needs if name not in ("pixel_values", "args", "kwargs")]:
        raise ModelError(f"{what} needs {', '.join(others)}, expected a tower that takes pixels alone")
    try:
        pixels = processor(Image.new("RGB", (90, 60)), return_tensors="pt")["pixel_values"]
        if pixels.ndim != 4 or pixels.shape[:2] != (1, 3) or pixels.shape[2] != pixels.shape[3]:
            raise ModelError(f"{what} takes {list(pixels.shape)}, expected one square picture: [1, 3, S, S]")
        with torch.no_grad():
            states = tower(pixels.to("meta", tower.dtype), output_hidden_states=True, return_dict=True).hidden_states
    except (TypeError, AttributeError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{what} and its image processor do not work together: {one_line(error)[:200]}") from None
    if states is None:
        raise ModelError(f"{what} gives no hidden states, expected a vision tower that does")
    return pixels, states


def _patch_px(vision: str, config: Any) -> int:
    """The side of a patch.

    Raises:
        ModelError: when it has none, or its patches are no squares.
    """
    size = getattr(config, "patch_size", None)
    sides = {size} if isinstance(size, int) else set(size or ())
    if len(sides) != 1:
        raise ModelError(f"{vision}: a {config.model_type} of patch size {size}, expected square patches")
    return int(sides.pop())
