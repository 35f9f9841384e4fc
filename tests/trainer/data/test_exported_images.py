"""An exported model's image processor makes the pixels that training used, for every tower and shape."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mix665k.schemas.errors import ModelError
from mix665k.trainer.data.exported_images import exported_image_processor
from mix665k.trainer.data.images import ImageLoader, Mode, load_processor
from tests.trainer.towers import tower

GOOD = ("clip56", "siglip56_full", "dinov2", "internvit")
SHAPES = ((1, 300), (300, 1), (640, 480), (480, 640), (56, 56), (57, 55), (20, 20), (2000, 37), (333, 999))
MODES: tuple[Mode, ...] = ("pad", "crop")


def drawn(folder: Path, size: tuple[int, int], *, mode: str = "RGB") -> Path:
    """A file of noise, without loss."""
    values = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path = folder / f"{size[0]}x{size[1]}.{'tiff' if mode == 'CMYK' else 'png'}"
    Image.fromarray(values).convert(mode).save(path)
    return path


def trained_on(path: Path, name: str, mode: Mode) -> Any:
    """What training makes of a file."""
    loader = ImageLoader(path.parent, load_processor(str(tower(name))), mode=mode)
    pixels = loader.load(path.name, record="made/1").pixels
    assert pixels is not None
    return pixels.numpy()


def read_back(folder: Path, name: str, mode: Mode) -> Any:
    """The exported processor as a stranger loads it."""
    from transformers import AutoImageProcessor

    kind: Any = AutoImageProcessor
    exported_image_processor(load_processor(str(tower(name))), mode).save_pretrained(folder)
    assert (folder / "preprocessor_config.json").is_file()
    return kind.from_pretrained(folder, backend="pil")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", GOOD)
def test_the_exported_processor_makes_the_trainers_pixels_to_the_bit(name: str, mode: Mode, tmp_path: Path) -> None:
    process = read_back(tmp_path, name, mode)
    for size in SHAPES:
        path = drawn(tmp_path, size)
        found = process(images=Image.open(path), return_tensors="np")["pixel_values"][0]
        assert np.array_equal(found, trained_on(path, name, mode)), size


@pytest.mark.parametrize("colours", ["L", "CMYK", "LA"])
@pytest.mark.parametrize("mode", MODES)
def test_so_it_does_of_pictures_that_are_not_rgb(mode: Mode, colours: str, tmp_path: Path) -> None:
    process, path = read_back(tmp_path, "siglip56", mode), drawn(tmp_path, (90, 60), mode=colours)
    found = process(images=Image.open(path), return_tensors="np")["pixel_values"][0]
    assert np.array_equal(found, trained_on(path, "siglip56", mode))


def test_a_stage_that_pads_exports_llavas_own_processor(tmp_path: Path) -> None:
    made = read_back(tmp_path, "siglip56", "pad").to_dict()
    assert (made["image_processor_type"], made["do_pad"]) == ("LlavaImageProcessor", True)
    assert (list(made["image_mean"]), dict(made["size"])) == ([0.5] * 3, {"shortest_edge": 56})


def test_what_no_class_can_do_is_refused() -> None:
    from transformers import CLIPImageProcessorPil

    class Mirroring(CLIPImageProcessorPil):
        def resize(self, image: Any, *arguments: Any, **named: Any) -> Any:
            return super().resize(image[..., ::-1], *arguments, **named)

    odd = Mirroring(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    with pytest.raises(ModelError, match="Mirroring: no image processor of transformers does what `image: pad` did"):
        exported_image_processor(odd, "pad")
