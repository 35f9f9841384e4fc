"""`mix images --fix`: a file gets the name and the format that the mixture has for it, or stays as it is."""

import io
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mix665k.mixtures.images.decoding import check_file
from mix665k.mixtures.images.findings import Mend, Verdict
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import held, write_whole
from mix665k.schemas.pictures import UNDECODABLE, open_picture, to_rgb

QUALITY = 95
_WHITE = (255, 255, 255)
_LOCK = ".mix-images.lock"


class FixTask(NamedTuple):
    """What is to be done for an image, and of which file."""

    image: str
    file: str
    mend: Mend


class FixOutcome(NamedTuple):
    """Why it could not be done, or None, and what the image is now."""

    failed: str | None
    verdict: Verdict


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs from mending the same folder.

    Raises:
        MixtureError: when one is at it.
    """
    busy = MixtureError(f"--images {folder}: another `mix images --fix` is at work there; wait for it")
    with held(folder / _LOCK, busy=busy):
        try:
            yield
        finally:
            (folder / _LOCK).unlink(missing_ok=True)


def rename_folders(tasks: Sequence[FixTask], *, folder: Path, named: Collection[str]) -> list[FixTask]:
    """The tasks as they stand when folders have the names that the mixture has for them; those are renamed here.

    A folder stays where the right one is there too, and where the mixture or its mapping names it as well. A file that
    the mixture names, or that several images need, is copied and not renamed.
    """
    used = [*named, *(task.file for task in tasks if task.mend == "copy")]
    kept = {str(parent) for name in used for parent in PurePosixPath(name).parents}
    uses = Counter(task.file for task in tasks)
    settled = []
    for image, file, mend in tasks:
        copied = mend == "rename" and (file in named or uses[file] > 1)
        at = (
            file
            if mend == "copy"
            else _after_renaming(folder, image=PurePosixPath(image), file=PurePosixPath(file), kept=kept)
        )
        settled.append(FixTask(image, at, "copy" if copied else mend))
    return settled


def _after_renaming(folder: Path, *, image: PurePosixPath, file: PurePosixPath, kept: Collection[str]) -> str:
    """Where the file lies when its folders are renamed as far as they may be."""
    at = PurePosixPath()
    for have, want in zip(file.parts[:-1], image.parts[:-1], strict=True):
        if have != want and not os.path.lexists(folder / at / want) and str(at / have) not in kept:
            (folder / at / have).rename(folder / at / want)
        at /= want if not os.path.lexists(folder / at / have) else have
    return str(at / file.name)


def fix_all(tasks: Sequence[FixTask], *, folder: Path, min_side_px: int) -> list[FixOutcome]:
    """Mend each image if that can be done, and look at it again."""
    return [
        FixOutcome(_fix(folder, task), check_file(folder / task.image, name=task.image, min_side_px=min_side_px))
        for task in tasks
    ]


def _fix(folder: Path, task: FixTask) -> str | None:
    """Do it, or say why not."""
    source, target = folder / task.file, folder / task.image
    try:
        if source != target and os.path.lexists(target):
            return "it is there by now"
        target.parent.mkdir(parents=True, exist_ok=True)
        if task.mend == "rename":
            source.rename(target)
        else:
            write_whole(target, source.read_bytes() if task.mend == "copy" else as_jpeg(source))
    except UNDECODABLE as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        return " ".join(why.split()).lower()
    return None


def as_jpeg(path: Path) -> bytes:
    """A picture as a JPEG: the first frame of several, on white where it is transparent."""
    with open_picture(path) as picture:
        content = io.BytesIO()
        to_rgb(picture, background=_WHITE).save(content, "JPEG", quality=QUALITY, subsampling=0)
        return content.getvalue()
