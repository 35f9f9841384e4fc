"""Images: bit-equal to the Hugging Face processor, and never another one."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mix665k.schemas.errors import ImageFileError, ModelError
from mix665k.trainer.data.images import ImageLoader, Mode, OnBad, find_faults, load_processor, open_rgb, read_jpeg
from mix665k.trainer.data.pixels import Pixels, Speed, pad_to_square
from tests.trainer.parts import IMAGE_PX, SHARED, processor

IMAGES = SHARED / "images"
MEAN = (122, 116, 104)
"""CLIP's mean colour, as LLaVA computes it: `int(x * 255)` of 0.48145466, 0.4578275, 0.40821073."""


def _draw(path: Path, *, width: int, height: int, mode: str) -> Path:
    """Noise, so that no two pixels agree."""
    shape = (height, width) if mode == "L" else (height, width, 3)
    noise = np.random.default_rng(width * 1000 + height).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path, quality=95)
    return path


def _padded(picture: Image.Image) -> Image.Image:
    """LLaVA's expand2square, written out."""
    side = max(picture.size)
    square = np.full((side, side, 3), MEAN, dtype=np.uint8)
    top, left = (side - picture.height) // 2, (side - picture.width) // 2
    square[top : top + picture.height, left : left + picture.width] = np.asarray(picture)
    return Image.fromarray(square)


def _expected(picture: Image.Image, some_processor: Any) -> torch.Tensor:
    pixels: torch.Tensor = some_processor(picture, return_tensors="pt")["pixel_values"][0]
    return pixels


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (91, 40), (33, 100), (56, 57), (1, 9), (300, 2)])
def test_pixels_are_those_of_the_processor(tmp_path: Path, width: int, height: int, mode: str) -> None:
    path = _draw(tmp_path / "a.jpg", width=width, height=height, mode=mode)
    picture = Image.open(path).convert("RGB")

    padded = ImageLoader(tmp_path, processor(), mode="pad").load("a.jpg", record="made/1")

    assert padded.fault is None
    assert padded.pixels is not None
    assert padded.pixels.dtype == torch.float32
    assert padded.pixels.shape == (3, IMAGE_PX, IMAGE_PX)
    assert torch.equal(padded.pixels, _expected(_padded(picture), processor()))


@pytest.mark.parametrize("mode", ["pad", "crop"])
@pytest.mark.parametrize(("form", "kind"), [("png", "RGBA"), ("png", "LA"), ("gif", "P"), ("webp", "RGBA")])
def test_a_transparent_picture_is_put_on_the_background_or_loses_its_transparency(
    tmp_path: Path, form: str, kind: str, mode: Mode
) -> None:
    # red that cannot be seen at all, beside grey that hides all there is
    picture = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    picture.paste((90, 90, 90, 255), (20, 0, 40, 30))
    picture.convert(kind if kind != "P" else "RGBA").save(tmp_path / f"a.{form}", lossless=True)
    seen = Image.new("RGB", (40, 30), (0, 200, 7))
    seen.paste((90, 90, 90), (20, 0, 40, 30))
    own = processor()

    def loaded(background: tuple[int, int, int] | None) -> torch.Tensor:
        found = ImageLoader(tmp_path, own, mode=mode, background=background).load(f"a.{form}", record="made/1").pixels
        assert found is not None
        return found

    prepare = Pixels(own, speed="exact").padded if mode == "pad" else Pixels(own, speed="exact").cropped
    assert torch.equal(loaded((0, 200, 7)), prepare(seen))
    assert torch.equal(loaded(None), prepare(Image.open(tmp_path / f"a.{form}").convert("RGB")))
    assert not torch.equal(loaded(None), loaded((0, 200, 7)))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (91, 40), (33, 100)])
def test_crop_leaves_the_picture_to_the_processor(tmp_path: Path, width: int, height: int) -> None:
    path = _draw(tmp_path / "a.jpg", width=width, height=height, mode="RGB")

    cropped = ImageLoader(tmp_path, processor(), mode="crop").load("a.jpg", record="made/1")

    assert cropped.pixels is not None
    assert torch.equal(cropped.pixels, _expected(Image.open(path).convert("RGB"), processor()))


@pytest.mark.skipif(not IMAGES.is_dir(), reason=f"the real images are not at {IMAGES}")
def test_real_images_are_those_of_the_processor_at_336_pixels() -> None:
    from transformers import CLIPImageProcessorPil

    real = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    loader = ImageLoader(IMAGES, real)
    names = [str(path.relative_to(IMAGES)) for path in sorted(IMAGES.rglob("*.jpg"))]

    assert len(names) == 17
    for name in names:
        pixels = loader.load(name, record=name).pixels
        assert pixels is not None
        assert torch.equal(pixels, _expected(_padded(Image.open(IMAGES / name).convert("RGB")), real)), name
    assert list(find_faults(IMAGES, names, decode=True, jobs=2, on_done=lambda: None)) == []


@pytest.mark.skipif(not IMAGES.is_dir(), reason=f"the real images are not at {IMAGES}")
def test_real_jpegs_are_decoded_as_pillow_does() -> None:
    for path in sorted(IMAGES.rglob("*.jpg")):
        values = read_jpeg(path.read_bytes())
        assert values is not None
        assert np.array_equal(values, np.asarray(open_rgb(path))), path.name


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(("width", "height"), [(91, 60), (60, 91), (56, 56), (3, 1)])
def test_fast_images_are_the_same_however_they_are_decoded(tmp_path: Path, mode: str, width: int, height: int) -> None:
    picture = open_rgb(_draw(tmp_path / "a.jpg", width=width, height=height, mode=mode))
    found = ImageLoader(tmp_path, processor(), speed="fast").load("a.jpg", record="made/1").pixels
    assert found is not None
    fast = Pixels(processor(), speed="fast")
    assert torch.equal(found, fast.padded(picture))
    padded = pad_to_square(picture, fast.mean_colour)
    assert torch.equal(found, fast.padded(padded))


def test_a_gif_named_jpg_is_read(tmp_path: Path) -> None:
    Image.new("P", (9, 5), 3).save(tmp_path / "a.jpg", format="GIF")

    assert open_rgb(tmp_path / "a.jpg").mode == "RGB"
    assert ImageLoader(tmp_path, processor()).load("a.jpg", record="made/1").fault is None


def _harm(folder: Path, kind: str) -> None:
    path = _draw(folder / "a.jpg", width=90, height=60, mode="RGB")
    if kind == "missing":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "short":
        path.write_bytes(path.read_bytes()[:900])
    else:
        path.write_text("<html>404</html>")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("missing", "no such file"),
        ("empty", "cannot be decoded: cannot identify image file"),
        ("short", "cannot be decoded: .*truncated"),
        ("page", "cannot be decoded: cannot identify image file"),
    ],
)
@pytest.mark.parametrize("speed", ["exact", "fast"])
def test_a_bad_image_fails_or_is_blank_or_dropped(tmp_path: Path, kind: str, why: str, speed: Speed) -> None:
    _harm(tmp_path, kind)
    loaders = {on_bad: ImageLoader(tmp_path, processor(), on_bad=on_bad, speed=speed) for on_bad in _ways()}

    with pytest.raises(ImageFileError, match=rf"made/1: .*a\.jpg: {why}.*; download it again or pass --on-bad-image"):
        loaders["fail"].load("a.jpg", record="made/1")
    blank, dropped = (loaders[way].load("a.jpg", record="made/1") for way in ("blank", "drop"))
    assert blank.fault == dropped.fault
    assert blank.fault is not None
    assert blank.pixels is not None
    assert torch.equal(blank.pixels, loaders["blank"].blank())
    assert dropped.pixels is None
    [(name, fault)] = find_faults(tmp_path, ["a.jpg"], decode=True, jobs=1, on_done=lambda: None)
    assert (name, f"made/1: {tmp_path / name}: {fault}") == ("a.jpg", blank.fault)


@pytest.mark.parametrize("name", ["../a.jpg", "{}/a.jpg", "https://example.org/a.jpg", "x" * 300 + ".jpg"])
def test_an_image_that_is_not_below_the_folder_is_bad_and_never_opened(tmp_path: Path, name: str) -> None:
    images = tmp_path / "images"
    images.mkdir()
    name = name.format(_draw(tmp_path / "a.jpg", width=90, height=60, mode="RGB").parent)
    with pytest.raises(ImageFileError, match=r"^made/1: image '.*': .*images folder|file system allows"):
        ImageLoader(images, processor()).load(name, record="made/1")
    assert ImageLoader(images, processor(), on_bad="drop").load(name, record="made/1").pixels is None
    for decode in (True, False):
        assert len(list(find_faults(images, [name], decode=decode, jobs=1, on_done=lambda: None))) == 1


def test_a_link_in_the_images_folder_is_followed(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "elsewhere").mkdir()
    _draw(tmp_path / "elsewhere/a.jpg", width=90, height=60, mode="RGB")
    (images / "coco").symlink_to(tmp_path / "elsewhere")
    assert ImageLoader(images, processor()).load("coco/a.jpg", record="made/1").fault is None


def test_an_eps_named_jpg_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg", "EPS")
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    [(_, why)] = find_faults(tmp_path, ["a.jpg"], decode=True, jobs=1, on_done=lambda: None)
    assert why.startswith("cannot be decoded")
    assert not (tmp_path / "started").exists()


def _ways() -> tuple[OnBad, ...]:
    return ("fail", "blank", "drop")


@pytest.mark.parametrize("speed", ["exact", "fast"])
def test_a_picture_beyond_all_size_is_bad(tmp_path: Path, monkeypatch: Any, speed: Speed) -> None:
    _draw(tmp_path / "a.jpg", width=90, height=60, mode="RGB")
    loader = ImageLoader(tmp_path, processor(), speed=speed)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)

    with pytest.raises(ImageFileError, match="decompression bomb"):
        loader.load("a.jpg", record="made/1")


def test_a_blank_image_has_the_mean_colour(tmp_path: Path) -> None:
    blank = ImageLoader(tmp_path, processor()).blank()

    assert blank.shape == (3, IMAGE_PX, IMAGE_PX)
    assert all(len(channel.unique()) == 1 for channel in blank)
    assert blank.abs().max() < 0.02


def test_faults_are_found_without_decoding(tmp_path: Path) -> None:
    _harm(tmp_path, "page")
    seen = []

    found = list(
        find_faults(tmp_path, ["a.jpg", "b.jpg", "a.jpg"], decode=False, jobs=2, on_done=lambda: seen.append(1))
    )

    assert found == [("b.jpg", "no such file")]
    assert len(seen) == 3


def test_a_processor_is_loaded_from_its_folder(tmp_path: Path) -> None:
    processor().save_pretrained(tmp_path)

    assert load_processor(str(tmp_path)).to_dict() == processor().to_dict()


def test_no_processor_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as an image processor"):
        load_processor(str(tmp_path))


def test_a_pickled_loader_loads_alike(tmp_path: Path) -> None:
    _draw(tmp_path / "a.jpg", width=30, height=60, mode="RGB")
    loader = ImageLoader(tmp_path, processor())

    first, again = (some.load("a.jpg", record="1").pixels for some in (loader, pickle.loads(pickle.dumps(loader))))
    assert first is not None
    assert again is not None
    assert torch.equal(first, again)
