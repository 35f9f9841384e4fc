"""Tiny random vision towers in the exact configuration classes of today's, each with its image processor.

`tower("siglip56")` writes one once and gives its folder.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tests.trainer.families import made

_SMALL: dict[str, Any] = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
_TEXT: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 99,
}
_IMAGENET: dict[str, Any] = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_HALF: dict[str, Any] = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
_BICUBIC = 3


@lru_cache
def tower(name: str) -> Path:
    """The folder of a vision tower; read only."""
    import torch

    model, processor = TOWERS[name]
    out = made() / "vision" / name
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model().save_pretrained(out)
    processor().save_pretrained(out)
    return out


def _clip(px: int, patch: int) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(CLIPVisionConfig(**_SMALL, image_size=px, patch_size=patch))


def _clip_full(px: int, patch: int) -> Any:
    from transformers import CLIPConfig, CLIPModel

    vision = _SMALL | {"image_size": px, "patch_size": patch}
    return CLIPModel(CLIPConfig(vision_config=vision, text_config=_TEXT, projection_dim=48))


def _clip_processor(px: int) -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": px}, crop_size={"height": px, "width": px})


def _siglip(px: int, patch: int) -> Any:
    from transformers import SiglipVisionConfig, SiglipVisionModel

    return SiglipVisionModel(SiglipVisionConfig(**_SMALL, image_size=px, patch_size=patch))


def _siglip_full(px: int, patch: int) -> Any:
    from transformers import SiglipConfig, SiglipModel

    ids: dict[str, Any] = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "max_position_embeddings": 16}
    return SiglipModel(
        SiglipConfig(vision_config=_SMALL | {"image_size": px, "patch_size": patch}, text_config=_TEXT | ids)
    )


def _siglip_processor(px: int) -> Any:
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return SiglipImageProcessorPil(size={"height": px, "width": px}, resample=_BICUBIC, do_convert_rgb=True, **_HALF)


def _naflex() -> Any:
    from transformers import Siglip2VisionConfig, Siglip2VisionModel

    return Siglip2VisionModel(Siglip2VisionConfig(**_SMALL, patch_size=16, num_patches=64))


def _naflex_processor() -> Any:
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    return Siglip2ImageProcessorPil(patch_size=16, max_num_patches=64)


def _dinov2(num_registers: int | None = None) -> Any:
    """Its configuration names the 518 pixels that it was trained with, its processor makes fewer."""
    import transformers

    settings: dict[str, Any] = {
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "mlp_ratio": 2,
        "patch_size": 14,
    }
    if num_registers is None:
        return transformers.Dinov2Model(transformers.Dinov2Config(**settings, image_size=518))
    config = transformers.Dinov2WithRegistersConfig(**settings, image_size=518, num_register_tokens=num_registers)
    return transformers.Dinov2WithRegistersModel(config)


def _dinov2_processor(px: int) -> Any:
    """It resizes to more than it crops, 256 and 224 in the real one."""
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    sizes: dict[str, Any] = {"size": {"shortest_edge": px * 8 // 7}, "crop_size": {"height": px, "width": px}}
    return BitImageProcessorPil(**sizes, resample=_BICUBIC, **_IMAGENET)


def _internvit(px: int, patch: int) -> Any:
    from transformers import InternVLVisionConfig, InternVLVisionModel

    return InternVLVisionModel(InternVLVisionConfig(**_SMALL, image_size=[px, px], patch_size=[patch, patch]))


def _internvit_processor(px: int) -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"height": px, "width": px}, do_center_crop=False, **_IMAGENET)


def _convnext() -> Any:
    """Its features are maps, not tokens."""
    from transformers import ConvNextConfig, ConvNextModel

    return ConvNextModel(ConvNextConfig(hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], image_size=56))


def _convnext_processor() -> Any:
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    return ConvNextImageProcessorPil(size={"shortest_edge": 56})


TOWERS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "clip56": (partial(_clip, 56, 14), partial(_clip_processor, 56)),
    "clip56_full": (partial(_clip_full, 56, 14), partial(_clip_processor, 56)),
    "clip224": (partial(_clip, 224, 32), partial(_clip_processor, 224)),
    "clip336": (partial(_clip, 336, 14), partial(_clip_processor, 336)),
    "siglip56": (partial(_siglip, 56, 14), partial(_siglip_processor, 56)),
    "siglip56_full": (partial(_siglip_full, 56, 14), partial(_siglip_processor, 56)),
    "siglip384": (partial(_siglip_full, 384, 14), partial(_siglip_processor, 384)),
    "siglip2_naflex": (_naflex, _naflex_processor),
    "dinov2": (_dinov2, partial(_dinov2_processor, 56)),
    "dinov2_224": (_dinov2, partial(_dinov2_processor, 224)),
    "dinov2_registers": (partial(_dinov2, 4), partial(_dinov2_processor, 56)),
    "internvit": (partial(_internvit, 56, 14), partial(_internvit_processor, 56)),
    "convnext": (_convnext, _convnext_processor),
}
"""Each by the functions that make its model and its image processor."""
