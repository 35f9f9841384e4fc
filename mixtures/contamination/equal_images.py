"""Which images of the mixture are, by content, images of an evaluation set."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from mix665k.mixtures.contamination.content import PRELOAD, Content, Sought, contents_of, image_files
from mix665k.mixtures.contamination.evaluation import EvaluationSet, named
from mix665k.mixtures.contamination.findings import ImageFiles
from mix665k.mixtures.image_keys import Aliases, image_key
from mix665k.mixtures.parallel import Workers, map_in_processes
from mix665k.mixtures.terminal import Bar
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.images.places import require_place

LINKS = dict.fromkeys(("set", "file", "key", "path", "same"), pl.String)
_CONTENT = {"path": pl.String, "bytes": pl.String, "pixels": pl.String}


class Folder(NamedTuple):
    """The images of an evaluation set, or of the mixture: its name, their folder, and their paths from there."""

    name: str
    folder: Path
    files: list[str]


def folders(given: Sequence[str], images: Path | None) -> list[Folder]:
    """The folders that `--eval-images [NAME=]DIR` names.

    Raises:
        MixtureError: when one is missing, empty or called as another, or when the mixture's images are not given.
    """
    if given and images is None:
        raise MixtureError("--eval-images: nothing to compare with; pass the mixture's images with --images")
    if images is not None:
        require_place(images, kind=MixtureError)
    found: list[Folder] = []
    for name, path in map(named, given):
        folder = Folder(name or Path(path).resolve().name, Path(path), image_files(Path(path)))
        if not folder.files:
            why = "no images below it" if folder.folder.is_dir() else "no such folder"
            raise MixtureError(f"--eval-images {path}: {why}")
        if folder.name in [other.name for other in found]:
            raise MixtureError(f"--eval-images: two folders are called {folder.name!r}; name one with NAME=DIR")
        found.append(folder)
    return found


class Compared(NamedTuple):
    """Equal images: `set`, `file` and `key` of the evaluation image, `path` and `same` (its key) of the mixture's."""

    links: pl.DataFrame
    sets: list[EvaluationSet]
    pictures: ImageFiles | None


def compare_image_files(
    sets: Sequence[EvaluationSet],
    *,
    folders: Sequence[Folder],
    mine: Folder,
    aliases: Aliases,
    jobs: Workers,
    bar: Bar,
) -> Compared:
    """Compare the mixture's images (`mine`) with those of the sets.

    A folder whose name no set has becomes a set of images without questions.

    Raises:
        MixtureError: when a process that reads images is killed.
    """
    theirs = {folder.name: _contents(folder, Sought(), jobs=jobs, bar=bar) for folder in folders}
    found = [content for one in theirs.values() for content in one]
    sought = Sought(
        frozenset(content.bytes for content in found if content.bytes),
        frozenset(content.size for content in found if content.size),
    )
    ours = _contents(mine, sought, jobs=jobs, bar=bar)
    known = {one.name: one for one in sets}
    for folder in folders:
        one = known.get(folder.name) or _images_only(folder)
        digest = _digest(theirs[folder.name])
        known[folder.name] = one._replace(files=len(folder.files), files_sha256=digest, sha256=one.sha256 or digest)
    evaluation = pl.concat([_frame(known[name], content) for name, content in theirs.items()])
    links = _links(evaluation, pl.DataFrame(_rows(ours), schema=_CONTENT, orient="row"), aliases)
    return Compared(links, list(known.values()), _pictures(found, ours, sought))


def _contents(folder: Folder, sought: Sought, *, jobs: Workers, bar: Bar) -> list[Content]:
    work = partial(contents_of, folder=folder.folder, sought=sought)
    with bar(f"hashing images of {folder.name}") as advance:
        return map_in_processes(work, folder.files, jobs=jobs, preload=PRELOAD, advance=advance)


def _rows(found: Sequence[Content]) -> list[tuple[str, str | None, str | None]]:
    return [(content.path, content.bytes, content.pixels) for content in found]


def _frame(one: EvaluationSet, found: Sequence[Content]) -> pl.DataFrame:
    """The images of one set with their keys."""
    frame = pl.DataFrame(_rows(found), schema=_CONTENT, orient="row").rename({"path": "file"})
    return frame.with_columns(set=pl.lit(one.name), key=image_key(pl.col("file"), one.collection))


def _links(evaluation: pl.DataFrame, ours: pl.DataFrame, aliases: Aliases) -> pl.DataFrame:
    """Images equal in bytes or in pixels; what has the bytes of an evaluation image has its pixels too."""
    pixels = evaluation.select("bytes", same_pixels="pixels").drop_nulls().unique("bytes")
    ours = ours.join(pixels, on="bytes", how="left").with_columns(pixels=pl.coalesce("pixels", "same_pixels"))
    equal = [evaluation.drop_nulls(by).join(ours.select("path", by), on=by) for by in ("bytes", "pixels")]
    links = pl.concat([frame.select("set", "file", "key", "path") for frame in equal]).unique()
    links = links.with_columns(same=image_key(pl.col("path"), None))
    keys = {name: aliases(links[name]).alias(name) for name in ("key", "same")}
    return links.with_columns(**keys).select(*LINKS).sort("set", "file", "path")


def _images_only(folder: Folder) -> EvaluationSet:
    """A set of images that ask nothing; it has no hash yet."""
    files = pl.Series("id", folder.files)
    questions = files.to_frame().with_columns(image=image_key(pl.col("id"), None), text=pl.lit(None, pl.String))
    return EvaluationSet(name=folder.name, path=folder.folder, layout="images", sha256="", questions=questions)


def _digest(found: Sequence[Content]) -> str:
    listed = "".join(f"{content.path}\0{content.bytes}\n" for content in found)
    return hashlib.sha256(listed.encode()).hexdigest()


def _pictures(theirs: Sequence[Content], ours: Sequence[Content], sought: Sought) -> ImageFiles:
    missing = [content.path for content in ours if content.bytes is None]
    unreadable = [content.path for content in theirs if content.size is None]
    unreadable += [c.path for c in ours if c.size is None and c.bytes not in sought.bytes and c.bytes is not None]
    return ImageFiles(images=len(ours), files=len(theirs), missing=missing, unreadable=unreadable)
