"""Made-up pictures, a mixture that names them, and what `mix images` finds of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mix665k.mixtures.images.checking import ImagesRequest, check_images
from mix665k.mixtures.images.findings import Bad, ImagesReport
from mix665k.mixtures.terminal import Advance

COVERS = "ocr_vqa/images"


def picture(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Noise, so that no format makes it very small."""
    noise = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def save(path: Path, form: str = "JPEG", made: Image.Image | None = None) -> Path:
    """A picture file of this format, whatever its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (made or picture()).save(path, form)
    return path


def mixture(folder: Path, *images: str | None) -> Path:
    """A file in LLaVA's form with a record for each image."""
    turns = [{"from": "human", "value": "<image>\nWho wrote it?"}, {"from": "gpt", "value": "Nobody."}]
    records: list[dict[str, Any]] = []
    for i, image in enumerate(images):
        records.append({"id": str(i), **({} if image is None else {"image": image}), "conversations": turns})
    path = folder / "mixture.json"
    path.write_text(json.dumps(records))
    return path


@contextmanager
def no_bar(what: str) -> Iterator[Advance]:
    """No bar."""
    yield lambda share: None


def check(tmp_path: Path, *images: str | None, **options: Any) -> ImagesReport:
    """The report on these images, which lie below `tmp_path/images`."""
    folder = tmp_path / "images"
    folder.mkdir(exist_ok=True)
    return check_images(mixture(tmp_path, *images), ImagesRequest(folder, **options), bar=no_bar)


def only(found: ImagesReport) -> Bad:
    """The only bad image."""
    [bad] = found.bad
    return bad
