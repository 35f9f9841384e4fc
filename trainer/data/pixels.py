"""The values that a CLIP vision tower takes of a decoded image, faster than its processor computes them.

A processor resizes in 8 bits and then rescales and normalises each value by itself: there are 256 results for each
channel. They are read off the processor once and looked up, so that they are its own to the bit.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

Speed = Literal["exact", "fast"]
Colour = tuple[int, int, int]
Values = NDArray[np.uint8]
"""A decoded image: uint8 [H, W, 3]."""


class Pixels:
    """From an image to float32 [3, H, W]; can be pickled.

    `exact` gives the processor's own values to the bit. `fast` resizes with torch, in 8 bits too: a few values in a
    thousand are one grey level off. `padded` pads to a square before resizing, as LLaVA does; `cropped` loses the edges
    of what is not square.
    """

    def __init__(self, processor: Any, *, speed: Speed) -> None:
        self._processor = processor
        self._resample = Image.Resampling(processor.resample)
        self._fast = speed == "fast" and self._resample == Image.Resampling.BICUBIC
        self._side: int = processor.crop_size["height"]
        self._table = _table(processor, self._side) if _is_clips(processor) else None
        red, green, blue = (int(channel * 255) for channel in processor.image_mean)
        self.mean_colour: Colour = (red, green, blue)

    @property
    def takes_values(self) -> bool:
        """Whether `padded_values` can be called: the image need not be Pillow's."""
        return self._fast and self._table is not None

    def padded_values(self, values: Values) -> torch.Tensor:
        """What `padded` gives for the image with these values; only where `takes_values`."""
        return self._looked_up(_resize(_square(values, self.mean_colour), self._side))

    def padded(self, picture: Image.Image) -> torch.Tensor:
        """All of the image, in the middle of a square of the mean colour: float32 [3, H, W]."""
        if self._table is None:
            return self.cropped(pad_to_square(picture, self.mean_colour))
        if self._fast:
            return self.padded_values(np.asarray(picture))
        width, height = picture.size
        if width > height:
            # Pillow resizes columns before rows, and rows of one colour do not change: the bars are added in between,
            # which gives the same bits and spares resizing them.
            narrow = Image.new("RGB", (self._side, width), self.mean_colour)
            narrow.paste(picture.resize((self._side, height), self._resample), (0, (width - height) // 2))
            return self._looked_up(_planes(narrow.resize((self._side, self._side), self._resample)))
        return self.cropped(pad_to_square(picture, self.mean_colour))

    def cropped(self, picture: Image.Image) -> torch.Tensor:
        """The middle of the image: float32 [3, H, W]."""
        if self._table is None:
            pixels = self._processor(picture, return_tensors="np")["pixel_values"]
            return torch.from_numpy(np.ascontiguousarray(pixels[0], dtype=np.float32))
        width, height = picture.size
        short = min(width, height)
        size = (int(self._side * width / short), int(self._side * height / short))
        resized = picture.resize(size, self._resample)
        left, top = ((length - self._side) // 2 for length in size)
        return self._looked_up(_planes(resized.crop((left, top, left + self._side, top + self._side))))

    def blank(self) -> torch.Tensor:
        """An image of nothing but the mean colour: float32 [3, H, W]."""
        return self.cropped(Image.new("RGB", (self._side, self._side), self.mean_colour))

    def _looked_up(self, values: NDArray[np.uint8]) -> torch.Tensor:
        """float32 [3, H, W] from uint8 [3, H, W]."""
        assert self._table is not None
        out = np.empty(values.shape, dtype=np.float32)
        for table, plane, result in zip(self._table, values, out, strict=True):
            np.take(table, plane, out=result, mode="clip")  # no value is outside; `clip` spares a buffer
        return torch.from_numpy(out)


def pad_to_square(picture: Image.Image, colour: Colour) -> Image.Image:
    """The image in the middle of a square as large as its longer side: LLaVA's `expand2square`."""
    width, height = picture.size
    if width == height:
        return picture
    side = max(width, height)
    square = Image.new("RGB", (side, side), colour)
    square.paste(picture, ((side - width) // 2, (side - height) // 2))
    return square


def _is_clips(processor: Any) -> bool:
    """Whether it does what CLIP's does and no more: resize the shorter side, take the middle, rescale, normalise."""
    done = (processor.do_resize, processor.do_center_crop, processor.do_rescale, processor.do_normalize)
    crop, side = processor.crop_size, processor.size.get("shortest_edge")
    return all(done) and not getattr(processor, "do_pad", None) and crop["height"] == crop["width"] == side


def _table(processor: Any, side: int) -> NDArray[np.float32] | None:
    """float32 [3, 256]: what the processor makes of each value; None where its images have fewer than 256 pixels."""
    if side * side < 256:
        return None
    values = (np.arange(side * side) % 256).astype(np.uint8).reshape(side, side)
    picture = Image.fromarray(np.repeat(values[..., np.newaxis], 3, axis=2))
    pixels = processor(picture, return_tensors="np")["pixel_values"][0]
    return np.ascontiguousarray(pixels.reshape(3, -1)[:, :256], dtype=np.float32)


def _planes(picture: Image.Image) -> NDArray[np.uint8]:
    """uint8 [3, H, W]."""
    return np.asarray(picture).transpose(2, 0, 1)


def _square(values: Values, colour: Colour) -> Values:
    """uint8 [S, S, 3]: what `pad_to_square` gives, in memory of its own."""
    height, width = values.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    line = np.tile(np.array(colour, dtype=np.uint8), side).reshape(side, 3)
    square[:top] = square[top + height :] = line
    square[top : top + height, :left] = line[:left]
    square[top : top + height, left + width :] = line[left + width :]
    square[top : top + height, left : left + width] = values
    return square


def _resize(square: Values, side: int) -> NDArray[np.uint8]:
    """uint8 [3, side, side] by torch's antialiased bicubic in 8 bits; fast with channels last in memory."""
    values = torch.from_numpy(square).permute(2, 0, 1)[None]
    resized: NDArray[np.uint8] = interpolate(values, size=(side, side), mode="bicubic", antialias=True)[0].numpy()
    return resized
