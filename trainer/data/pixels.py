"""The values that a vision tower takes of a decoded image, faster than its processor computes them.

A processor resizes in 8 bits and then rescales and normalises each value by itself: there are 256 results for each
channel. They are read off the processor once and looked up, so that they are its own to the bit.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

from mix665k.schemas.errors import ModelError

Speed = Literal["exact", "fast"]
Colour = tuple[int, int, int]
Values = NDArray[np.uint8]
"""A decoded image: uint8 [H, W, 3]."""
_TORCH_MODES = {Image.Resampling.BICUBIC: "bicubic", Image.Resampling.BILINEAR: "bilinear"}
"""What torch resizes in 8 bits too."""
_PROBES = ((90, 60), (60, 90))


class Pixels:
    """From an image to float32 [3, S, S]; can be pickled.

    `exact` gives the processor's own values to the bit. `fast` resizes with torch, in 8 bits too: a few values in a
    thousand are one grey level off. `padded` pads to a square before resizing, as LLaVA does, and keeps all of it where
    the processor would cut edges off (DINOv2's resizes to 256 and keeps 224). `cropped` is what the processor does by
    itself: CLIP's loses the edges of what is not square, SigLIP's squeezes it.

    Raises:
        ModelError: when the processor has no mean colour.
    """

    def __init__(self, processor: Any, *, speed: Speed) -> None:
        if processor.image_mean is None:
            raise ModelError(f"{type(processor).__name__}: has no image_mean, which pictures are padded with")
        self._processor = processor
        red, green, blue = (int(channel * 255) for channel in np.broadcast_to(processor.image_mean, 3).tolist())
        self.mean_colour: Colour = (red, green, blue)
        self.image_px: int = self._processed(Image.new("RGB", (8, 8)), kept_whole=False).shape[-1]
        self._resample = Image.Resampling(processor.resample)
        self._mode = _TORCH_MODES.get(self._resample) if speed == "fast" else None
        self._shortest_edge: int | None = processor.size.get("shortest_edge")
        self._table: NDArray[np.float32] | None = _table(processor)
        if not all(self._agrees(size) for size in _PROBES):
            self._table = None

    @property
    def takes_values(self) -> bool:
        """Whether `padded_values` can be called: the image need not be Pillow's."""
        return self._mode is not None and self._table is not None

    def padded_values(self, values: Values) -> torch.Tensor:
        """What `padded` gives for the image with these values; only where `takes_values`."""
        assert self._mode is not None
        return self._looked_up(_resize(_square(values, self.mean_colour), self.image_px, self._mode))

    def padded(self, picture: Image.Image) -> torch.Tensor:
        """All of the image, in the middle of a square of the mean colour: float32 [3, S, S]."""
        if self._table is None:
            return self._processed(pad_to_square(picture, self.mean_colour), kept_whole=True)
        if self._mode is not None:
            return self.padded_values(np.asarray(picture))
        width, height = picture.size
        if width <= height:
            return self._resized(pad_to_square(picture, self.mean_colour))
        # Pillow resizes columns before rows, and rows of one colour do not change: the bars are added in between, which
        # gives the same bits and spares resizing them.
        narrow = Image.new("RGB", (self.image_px, width), self.mean_colour)
        narrow.paste(picture.resize((self.image_px, height), self._resample), (0, (width - height) // 2))
        return self._resized(narrow)

    def cropped(self, picture: Image.Image) -> torch.Tensor:
        """What the processor makes of the image by itself: float32 [3, S, S]."""
        if self._table is None:
            return self._processed(picture, kept_whole=False)
        if self._shortest_edge is None:
            return self._resized(picture)
        width, height = picture.size
        short, side = min(width, height), self.image_px
        size = (int(self._shortest_edge * width / short), int(self._shortest_edge * height / short))
        left, top = ((length - side) // 2 for length in size)
        resized = picture.resize(size, self._resample)
        return self._looked_up(_planes(resized.crop((left, top, left + side, top + side))))

    def blank(self) -> torch.Tensor:
        """An image of nothing but the mean colour: float32 [3, S, S]."""
        return self.cropped(Image.new("RGB", (self.image_px, self.image_px), self.mean_colour))

    def _processed(self, picture: Image.Image, *, kept_whole: bool) -> torch.Tensor:
        """What the processor itself makes of a picture; with `kept_whole` of all of it, whatever its shape."""
        given: dict[str, Any] = {}
        if kept_whole:
            given = {"size": {"height": self.image_px, "width": self.image_px}, "do_center_crop": False}
        pixels = self._processor(picture, return_tensors="np", **given)["pixel_values"]
        return torch.from_numpy(np.ascontiguousarray(pixels[0], dtype=np.float32))

    def _agrees(self, size: tuple[int, int]) -> bool:
        """Whether looking up gives what the processor does, for a picture of noise: some do more than resize."""
        picture, side = draw_noise(*size), self.image_px
        square = picture.resize((side, side), self._resample)
        expected = self._processed(picture, kept_whole=False)
        return torch.equal(self.cropped(picture), expected) and torch.equal(
            self._looked_up(_planes(square)), self._processed(picture, kept_whole=True)
        )

    def _resized(self, picture: Image.Image) -> torch.Tensor:
        return self._looked_up(_planes(picture.resize((self.image_px, self.image_px), self._resample)))

    def _looked_up(self, values: NDArray[np.uint8]) -> torch.Tensor:
        """float32 [3, S, S] from uint8 [3, S, S]."""
        assert self._table is not None
        out = np.empty(values.shape, dtype=np.float32)
        for table, plane, result in zip(self._table, values, out, strict=True):
            np.take(table, plane, out=result, mode="clip")  # no value is outside; `clip` spares a buffer
        return torch.from_numpy(out)


def draw_noise(width: int, height: int) -> Image.Image:
    """A picture of noise, the same each time: what two ways of resizing must agree on."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def pad_to_square(picture: Image.Image, colour: Colour) -> Image.Image:
    """The image in the middle of a square as large as its longer side: LLaVA's `expand2square`."""
    width, height = picture.size
    if width == height:
        return picture
    side = max(width, height)
    square = Image.new("RGB", (side, side), colour)
    square.paste(picture, ((side - width) // 2, (side - height) // 2))
    return square


def _table(processor: Any) -> NDArray[np.float32]:
    """float32 [3, 256]: what the processor makes of each value."""
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = Image.fromarray(np.repeat(values[..., np.newaxis], 3, axis=2))
    pixels = processor(picture, return_tensors="np", do_resize=False, do_center_crop=False)["pixel_values"][0]
    return np.ascontiguousarray(pixels.reshape(3, -1), dtype=np.float32)


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


def _resize(square: Values, side: int, mode: str) -> NDArray[np.uint8]:
    """uint8 [3, side, side] by torch's antialiased filter in 8 bits; fast with channels last in memory."""
    values = torch.from_numpy(square).permute(2, 0, 1)[None]
    resized: NDArray[np.uint8] = interpolate(values, size=(side, side), mode=mode, antialias=True)[0].numpy()
    return resized
