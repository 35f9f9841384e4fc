"""Pixels are those of the image processor, to the bit or nearly so."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mix665k.trainer.data.images import open_rgb
from mix665k.trainer.data.pixels import Pixels, pad_to_square
from tests.trainer.parts import SHARED, processor

REAL = sorted((SHARED / "images").rglob("*.jpg"))
SIZES = [(64, 48), (48, 64), (50, 50), (640, 33), (33, 640), (57, 56), (1, 7), (201, 199), (3, 1)]
needs_real = pytest.mark.skipif(not REAL, reason="the real images are not here")


def clip() -> Any:
    """The processor of CLIP ViT-L/14 at 336 pixels."""
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})


def noise(size: tuple[int, int], *, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def reference(processor: Any, picture: Image.Image, *, pad: bool = True) -> NDArray[np.float32]:
    """What LLaVA does: pad, then the processor."""
    colour = Pixels(processor, speed="exact").mean_colour
    given = pad_to_square(picture, colour) if pad else picture
    pixels: NDArray[np.float32] = processor(given, return_tensors="np")["pixel_values"][0]
    return pixels


@pytest.mark.parametrize("size", SIZES)
def test_exact_pixels_are_the_processors_to_the_bit(size: tuple[int, int]) -> None:
    pixels, picture = Pixels(processor(), speed="exact"), noise(size)
    assert np.array_equal(pixels.padded(picture).numpy(), reference(processor(), picture))
    assert pixels.padded(picture).dtype == torch.float32


@pytest.mark.parametrize("size", [size for size in SIZES if min(size) > 3])
def test_so_are_those_of_a_cropped_picture(size: tuple[int, int]) -> None:
    picture = noise(size)
    found = Pixels(processor(), speed="exact").cropped(picture)
    assert np.array_equal(found.numpy(), reference(processor(), picture, pad=False))


@settings(deadline=None, max_examples=40)
@given(width=st.integers(1, 300), height=st.integers(1, 300), seed=st.integers(0, 9))
def test_exact_pixels_are_the_processors_whatever_the_size(width: int, height: int, seed: int) -> None:
    picture = noise((width, height), seed=seed)
    found = Pixels(processor(), speed="exact").padded(picture)
    assert np.array_equal(found.numpy(), reference(processor(), picture))


@needs_real
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_pictures_are_the_processors_to_the_bit(path: Path) -> None:
    exact, picture = Pixels(clip(), speed="exact"), open_rgb(path)
    grey = picture.convert("L").convert("RGB")
    odd = picture.crop((0, 0, picture.width - 1, picture.height - 2))
    for one in (picture, grey, odd):
        assert np.array_equal(exact.padded(one).numpy(), reference(clip(), one))
        assert np.array_equal(exact.cropped(one).numpy(), reference(clip(), one, pad=False))


@needs_real
def test_fast_pixels_of_real_pictures_are_seldom_off_and_by_one_grey_level_at_most() -> None:
    fast = Pixels(clip(), speed="fast")
    level = 1 / 255 / np.array(clip().image_std)[:, None, None]
    off = total = 0
    for path in REAL:
        for picture in (open_rgb(path), open_rgb(path).convert("L").convert("RGB")):
            levels = np.abs(fast.padded(picture).numpy() - reference(clip(), picture)) / level
            assert levels.max() < 1.01, path
            off, total = off + int((levels > 0.5).sum()), total + levels.size
    assert off / total < 0.01


def test_fast_pixels_of_a_drawn_picture_are_near_the_processors() -> None:
    picture = Image.linear_gradient("L").resize((90, 60)).convert("RGB")
    fast = Pixels(processor(), speed="fast").padded(picture).numpy()
    assert np.abs(fast - reference(processor(), picture)).max() < 1.01 / 255 / min(processor().image_std)


def test_a_processor_that_does_something_else_is_asked_itself() -> None:
    from transformers import CLIPImageProcessorPil

    class Mirroring(CLIPImageProcessorPil):
        def resize(self, image: Any, *arguments: Any, **named: Any) -> Any:
            return super().resize(image[..., ::-1], *arguments, **named)

    odd = Mirroring(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    for speed in ("exact", "fast"):
        found = Pixels(odd, speed=speed).padded(noise((64, 48)))
        assert np.array_equal(found.numpy(), reference(odd, noise((64, 48))))


def test_they_can_be_sent_to_a_worker() -> None:
    pixels = Pixels(processor(), speed="fast")
    again = pickle.loads(pickle.dumps(pixels))
    assert torch.equal(again.padded(noise((64, 48))), pixels.padded(noise((64, 48))))


def test_a_blank_picture_is_the_mean_colour_all_over() -> None:
    blank = Pixels(processor(), speed="exact").blank()
    assert blank.shape == (3, 56, 56)
    assert all(len(channel.unique()) == 1 for channel in blank)
    assert blank.abs().max() < 0.02
