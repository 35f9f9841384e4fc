"""What `mix images` finds: its words, its limits, and the report as `--format json` gives it."""

from typing import Literal, NamedTuple

import msgspec

Finding = Literal[
    "missing",
    "wrong case",
    "wrong extension",
    "wrong format",
    "truncated",
    "not decodable",
    "implausible size",
    "not a file",
    "unreadable",
]
FINDINGS: dict[Finding, str] = {
    "missing": "no file of this name or a similar one",
    "wrong case": "there in other letters: large for small, or another Unicode form",
    "wrong extension": "there with another extension",
    "wrong format": "another format than the extension says, such as a GIF named .jpg",
    "truncated": "the file ends before the picture does",
    "not decodable": "no picture, or a damaged one",
    "implausible size": "0 bytes, or sides that no trainer takes",
    "not a file": "a folder, or a link to nothing",
    "unreadable": "may not be read",
}
"""A trainer fails on each of these or misreads it, so that each makes exit code 1."""

MIN_SIDE_PX = 28
"""Qwen2-VL's and GLM-4V's processors refuse shorter sides (transformers#37264, GLM-V#146).

Where Amazon has no cover it sends a picture of 1 x 1.
"""
MAX_ASPECT = 200
"""Qwen2-VL's processor refuses sides further apart (`smart_resize`). More pixels than Pillow's limit Pillow refuses."""

Mend = Literal["convert", "rename", "copy"]


class ImageFile(NamedTuple):
    """An image by the name that the mixture has for it, and the file that is to be looked at; both below a folder."""

    image: str
    file: str


class Verdict(NamedTuple):
    """What was found of one file; `note` is what to know of a sound one, see `decoding`."""

    finding: Finding | None = None
    detail: str = ""
    note: str = ""


class Case(NamedTuple):
    """What was found of an image, in which file, and what would mend it.

    A sound file elsewhere is one that the mapping names. `known_missing` says that the mapping expects none.
    """

    verdict: Verdict
    file: str
    mend: Mend | None = None
    known_missing: bool = False


class Bad(msgspec.Struct):
    """An image that cannot be used as it is.

    `sources` counts the records that name it, `file` is where it lies if not under its name, and `mend` is what
    `--fix` does about it.
    """

    image: str
    finding: Finding
    detail: str
    file: str | None
    mend: Mend | None
    records: int
    sources: dict[str, int]


class KnownMissing(msgspec.Struct):
    """An image that the mapping file says nobody has."""

    image: str
    records: int
    sources: dict[str, int]


class Mapped(msgspec.Struct):
    """An image that is not there, and the file that the mapping names in its place."""

    image: str
    file: str


class Mended(msgspec.Struct):
    """What `--fix` did for an image, or why it could not."""

    image: str
    file: str
    mend: Mend
    failed: str | None = None


class Count(msgspec.Struct):
    """Distinct images, and the records that name them."""

    images: int
    records: int


class SourceImages(msgspec.Struct):
    """One source, or all of them: an image that several sources name counts once in all."""

    name: str
    named: Count
    bad: Count
    known_missing: Count
    findings: dict[str, Count]


class ImagesReport(msgspec.Struct, kw_only=True):
    """All that was found. `notes` are images by what a trainer should know of them; they are sound."""

    path: str = ""
    folder: str = ""
    sources: list[SourceImages]
    total: SourceImages
    bad: list[Bad]
    known_missing: list[KnownMissing]
    mapped: list[Mapped]
    notes: dict[str, list[str]]
    mapping_unused: int = 0
    mended: list[Mended] = []


def to_json(found: ImagesReport | list[Bad]) -> str:
    """One JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
