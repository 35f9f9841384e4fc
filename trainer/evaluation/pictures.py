"""The pictures of a benchmark: found in `--images` in our layout or LLaVA's, decoded ahead of the model."""

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import os_errors, write_whole
from mix665k.schemas.images.places import images_at, require_place
from mix665k.trainer.evaluation.batches import Unit
from mix665k.trainer.evaluation.registry import Benchmark, Question

if TYPE_CHECKING:
    import torch

    from mix665k.trainer.data.images import ImageLoader

_THREADS = 4
_AHEAD = 2
"""Units whose pictures are decoded while the model answers another."""


class Picture(NamedTuple):
    """A decoded picture: its pixels, a digest of its file's bytes, and why a blank one is in its place."""

    pixels: "torch.Tensor"
    digest: str
    fault: str | None


def image_folder(benchmark: Benchmark, questions: Sequence[Question], *, images: Path) -> Path:
    """The folder that the questions' pictures are in, by the first of them.

    Raises:
        EvaluationError: when `images` is no folder, or the first picture is in none of the usual places.
    """
    require_place(images, kind=EvaluationError)
    names = [question.image for question in questions if question.image is not None]
    if not names:
        return images
    places = [*benchmark.image_folders, "", benchmark.name, f"{benchmark.name}/images", "images"]
    found = next((images / place for name in names for place in places if images_at(images / place).has(name)), None)
    if found is None:
        raise EvaluationError(
            f"{images / places[0] / names[0]}: no such picture, nor any other of {benchmark.name}; get them from "
            f"{benchmark.place}"
        )
    return found


def require_pictures(questions: Sequence[Question], folder: Path) -> None:
    """Refuse before anything is asked when pictures are missing.

    Raises:
        EvaluationError: with their number and the first.
    """
    names = sorted({question.image for question in questions if question.image is not None})
    images = images_at(folder)
    missing = [name for name in names if not images.has(name)]
    if missing:
        raise EvaluationError(
            f"{images.shown(missing[0])}: no such picture; {len(missing):,} of {len(names):,} are missing; download "
            "them, or pass --on-bad-image blank"
        )


def without_picture(questions: Sequence[Question], folder: Path) -> frozenset[int]:
    """The places of the questions whose pictures are missing.

    Raises:
        EvaluationError: when nothing is left to ask.
    """
    images = images_at(folder)
    absent = {name for name in {question.image for question in questions} if name and not images.has(name)}
    missing = frozenset(place for place, question in enumerate(questions) if question.image in absent)
    if len(missing) == len(questions):
        raise EvaluationError(f"{folder}: no question's picture is there; download them")
    return missing


def digest_of(folder: Path, name: str) -> str:
    """A digest of a picture's bytes; of a missing one that of none."""
    try:
        content = images_at(folder).read(name)
    except OSError:
        content = b""
    return hashlib.sha256(content).hexdigest()[:16]


def unpack_pictures(pictures: Mapping[str, bytes], folder: Path) -> Path:
    """Write pictures that a benchmark's file holds into a folder, each once; gives the folder.

    Raises:
        EvaluationError: when the folder cannot be written.
    """
    with os_errors(EvaluationError, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in pictures.items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != len(content):
                write_whole(path, content)
    return folder


def load_ahead(loader: "ImageLoader", units: Sequence[Unit], *, blank: bool) -> "Iterator[dict[str, Picture]]":
    """The pictures of each unit by name, decoded in threads while those of units before are used.

    `loader` gives a blank picture for one that cannot be used.

    Raises:
        EvaluationError: for such a one, unless `blank`.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[dict[str, Future[Picture]]] = deque()
        for unit in units:
            names = sorted({group.image for group in unit.groups if group.image is not None})
            waiting.append({name: threads.submit(_load, loader, name, blank=blank) for name in names})
            if len(waiting) > _AHEAD:
                yield {name: future.result() for name, future in waiting.popleft().items()}
        while waiting:
            yield {name: future.result() for name, future in waiting.popleft().items()}


def _load(loader: "ImageLoader", name: str, *, blank: bool) -> Picture:
    loaded = loader.load(name, record="evaluation")
    if loaded.fault is not None and not blank:
        raise EvaluationError(f"{loaded.fault}; download it again, or pass --on-bad-image blank")
    assert loaded.pixels is not None, name
    return Picture(loaded.pixels, digest=digest_of(loader.place, name), fault=loaded.fault)
