"""The image processor of an exported model: what training did to pictures, in a form that transformers has."""

import copy
from typing import Any

import torch

from mix665k.schemas.errors import ModelError
from mix665k.trainer.data.images import Mode
from mix665k.trainer.data.pixels import Pixels, draw_noise

_PROBES = ((90, 60), (60, 90), (61, 300), (50, 50))


def exported_image_processor(processor: Any, mode: Mode) -> Any:
    """An image processor that makes of any picture what a stage with this `image` was trained on.

    Its `save_pretrained` writes a `preprocessor_config.json` that transformers 4.49 and later read; a processor's
    `processor_config.json` holds the same. `crop` is the tower's own. `pad` is `LlavaImageProcessor`, which pads to a
    square with the mean colour and is in transformers since 4.49; its size is that of the tower, so that nothing of the
    square is cut off.

    processor  the tower's own, as `load_processor` gives it

    Raises:
        ModelError: when no class of transformers does to pictures what training did.
    """
    made = copy.deepcopy(processor) if mode == "crop" else _padding(processor)
    made.do_convert_rgb = True  # grey pictures and such in CMYK are trained on in RGB
    pixels = Pixels(processor, speed="exact")
    process = pixels.cropped if mode == "crop" else pixels.padded
    for width, height in _PROBES:
        picture = draw_noise(width, height)
        found = torch.from_numpy(made(picture, return_tensors="np")["pixel_values"][0])
        if not torch.equal(found.float(), process(picture)):
            raise ModelError(
                f"{type(processor).__name__}: no image processor of transformers does what `image: {mode}` did to "
                "pictures, expected one that resizes, rescales and normalises; a model with it cannot be exported"
            )
    return made


def _padding(processor: Any) -> Any:
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    side = Pixels(processor, speed="exact").image_px
    kind: Any = LlavaImageProcessorPil
    return kind(
        do_pad=True,
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        resample=processor.resample,
        do_rescale=processor.do_rescale,
        rescale_factor=processor.rescale_factor,
        do_normalize=processor.do_normalize,
        image_mean=_of_each_channel(processor.image_mean),
        image_std=_of_each_channel(processor.image_std),
    )


def _of_each_channel(values: Any) -> list[float]:
    return [float(values)] * 3 if isinstance(values, int | float) else list(values)
