"""What published vision towers give, found as training finds it: by one pass without weights."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from docs.generator.tables import table
from mix665k.trainer.model.tower import Tower, tower_of

_BICUBIC = 3
_HALF: dict[str, Any] = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


class Published(NamedTuple):
    """A tower by its name on the Hub, with the shape and the image processor's settings that it is known to have.

    Written down without its files at hand: `train check --vision NAME` says what they hold.
    """

    name: str
    config: str
    shape: dict[str, Any]
    processor: str
    settings: dict[str, Any]


def _vit(hidden: int, layers: int, *, px: int, patch: int) -> dict[str, Any]:
    heads = 16 if hidden > 768 else 12
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads}
    return sizes | {"intermediate_size": 4 * hidden, "image_size": px, "patch_size": patch}


def _cropping(px: int, *, resized: int | None = None) -> dict[str, Any]:
    return {"size": {"shortest_edge": resized or px}, "crop_size": {"height": px, "width": px}, "resample": _BICUBIC}


def _square(px: int) -> dict[str, Any]:
    return {"size": {"height": px, "width": px}, "resample": _BICUBIC, **_HALF}


_SO400M = {"intermediate_size": 4304}
PUBLISHED = (
    Published(
        "openai/clip-vit-large-patch14-336",
        "CLIPVisionConfig",
        _vit(1024, 24, px=336, patch=14),
        "CLIPImageProcessor",
        _cropping(336),
    ),
    Published(
        "openai/clip-vit-base-patch32",
        "CLIPVisionConfig",
        _vit(768, 12, px=224, patch=32),
        "CLIPImageProcessor",
        _cropping(224),
    ),
    Published(
        "google/siglip-so400m-patch14-384",
        "SiglipVisionConfig",
        _vit(1152, 27, px=384, patch=14) | _SO400M,
        "SiglipImageProcessor",
        _square(384),
    ),
    Published(
        "google/siglip2-so400m-patch16-384",
        "SiglipVisionConfig",
        _vit(1152, 27, px=384, patch=16) | _SO400M,
        "SiglipImageProcessor",
        _square(384),
    ),
    Published(
        "facebook/dinov2-large",
        "Dinov2Config",
        _vit(1024, 24, px=518, patch=14),
        "BitImageProcessor",
        _cropping(224, resized=256),
    ),
    Published(
        "OpenGVLab/InternViT-300M-448px",
        "InternVLVisionConfig",
        _vit(1024, 24, px=448, patch=14) | {"image_size": [448, 448], "patch_size": [14, 14]},
        "CLIPImageProcessor",
        _square(448) | {"do_center_crop": False},
    ),
)


def look(published: Published) -> Tower:
    """What training would find."""
    import json

    import transformers

    with tempfile.TemporaryDirectory() as folder:
        getattr(transformers, published.config)(**published.shape).save_pretrained(folder)
        settings = {"image_processor_type": published.processor, **published.settings}
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(settings))
        return tower_of(folder)


def tower_table() -> str:
    """A row for each tower: pixels, tokens and whether it has a class token, which is left out."""
    rows = []
    for published in PUBLISHED:
        found = look(published)
        class_token = "left out" if found.extra_tokens else "has none"
        rows.append((f"`{published.name}`", f"{found.image_px}", f"{found.tokens_per_image}", class_token))
    return table(("`--vision`", "pixels", "tokens an image", "class token"), rows)
