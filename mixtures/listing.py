"""What `mix sources` and `mix steps` print with `--format json`."""

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.bind import parameters
from mix665k.builders.parts import published_parts
from mix665k.builders.plugin_errors import plugin_errors
from mix665k.builders.registry import SOURCES, STEPS, Source, Step
from mix665k.mixtures.catalogue import inspect_file, kind_of, records_refused_together
from mix665k.schemas.errors import RawDataError, RecipeError, did_you_mean

T = TypeVar("T")


class ListedFile(msgspec.Struct):
    """A raw file: where a recipe looks for it, where it comes from, and with `--raw` what was found."""

    role: str
    path: str
    num_bytes: int | None
    """Approximate size, if it is known."""
    place: str | None
    """Address or instructions; null for a file of your own."""
    status: str | None = None
    """`ok`, `missing` or `wrong`; null without `--raw`."""
    found: str | None = None
    bad_records: list[str] = []


class ListedUse(msgspec.Struct):
    """A licence and whether it clearly allows commercial use."""

    licence: str
    commercial: str
    because: str


class ListedImages(msgspec.Struct):
    """An archive of images."""

    folder: str
    place: str
    num_bytes: int | None


class ListedSource(msgspec.Struct):
    """A source with its files, licences and images."""

    name: str
    title: str
    counts: str
    annotations: ListedUse
    images: ListedUse
    image_paths: str
    files: list[ListedFile]
    archives: list[ListedImages]
    bad_together: list[str] = []
    """Records that are refused only when the source's files are read together."""

    @property
    def usable(self) -> bool:
        """Whether nothing that was found is damaged; what is missing is not damaged."""
        return not self.bad_together and all(file.status != "wrong" for file in self.files)


class ListedParameter(msgspec.Struct):
    """A parameter of a source or a step, as a recipe sets it."""

    name: str
    kind: str


class ListedFunction(msgspec.Struct):
    """A source or a step."""

    name: str
    kind: str
    """`source` or `step`."""
    description: str
    parameters: list[ListedParameter]


def list_sources(name: str | None, raw: Path | None) -> list[ListedSource]:
    """Every source, or the one of this name; with `raw`, its files are read.

    Raises:
        RecipeError: when there is no such source.
        RawDataError: when `raw` is no folder.
    """
    if raw is not None and not raw.is_dir():
        raise RawDataError(f"--raw {raw}: no such folder")
    found = []
    for source in _named(SOURCES, name, what="source"):
        with plugin_errors(f"source {source.name}"):
            found.append(_listed(source, raw))
    return found


def list_functions(name: str | None) -> list[ListedFunction]:
    """Every source and step, or the one of this name.

    Raises:
        RecipeError: when there is none of this name.
    """
    known: dict[str, Source | Step] = {**SOURCES, **STEPS}
    return [
        ListedFunction(
            one.name,
            kind="source" if isinstance(one, Source) else "step",
            description=inspect.cleandoc(one.function.__doc__ or ""),
            parameters=[
                ListedParameter(key, kind_of(parameter)) for key, parameter in parameters(one.function).items()
            ],
        )
        for one in _named(known, name, what="source or step")
    ]


def to_json(listed: list[ListedSource] | list[ListedFunction]) -> str:
    """One JSON document."""
    return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode()


def _named(known: Mapping[str, T], name: str | None, *, what: str) -> Iterable[T]:
    if name is not None and name not in known:
        raise RecipeError(f"{name}: no such {what}{did_you_mean(name, known)}")
    return [known[key] for key in sorted(known) if name in (None, key)]


def _listed(source: Source, raw: Path | None) -> ListedSource:
    about = source.about
    listed = ListedSource(
        name=source.name,
        title=about.title,
        counts=about.counts,
        annotations=ListedUse(about.licence.name, about.licence.commercial, about.licence.because),
        images=ListedUse(about.image_licence.name, about.image_licence.commercial, about.image_licence.because),
        image_paths=about.image_paths,
        files=[
            ListedFile(
                file.role,
                path=file.path,
                num_bytes=file.num_bytes,
                place=file.download.place if file.download else None,
            )
            for file in about.files
        ],
        archives=[
            ListedImages(images.folder, download.place, download.num_bytes) for images, download in about.archives
        ],
    )
    if raw is None:
        return listed
    for file, known in zip(listed.files, about.files, strict=True):
        found = inspect_file(known, published_parts(raw, known.path))
        file.status = "missing" if found is None else "ok" if found.usable else "wrong"
        if found is not None:
            file.found, file.bad_records = found.text, list(found.bad)
    alone = {line for file in listed.files for line in file.bad_records}
    listed.bad_together = [line for line in records_refused_together(source, raw) if line not in alone]
    return listed
