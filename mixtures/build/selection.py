"""Leaving sources out of a mixture by name, or because their licence does not allow commercial use."""

from collections.abc import Mapping
from typing import NamedTuple

from mix665k.builders.registry import SOURCES
from mix665k.schemas.errors import MixtureError, did_you_mean


class Choice(NamedTuple):
    """Which sources to leave out: these, and those whose texts are not known to allow commercial use.

    Where the images are part of what comes out, `with_images` asks for the same of them.
    """

    exclude: tuple[str, ...] = ()
    commercial_only: bool = False
    with_images: bool = False


class Offered(NamedTuple):
    """A source of a mixture, and its records as far as they are known."""

    source: str
    records: int | None


class LeftOut(NamedTuple):
    """A source that is left out, by which option, and why."""

    name: str
    records: int | None
    option: str
    because: str


class Selection(NamedTuple):
    """What is left out of how many records, and what stays although its images may be another matter."""

    left_out: tuple[LeftOut, ...] = ()
    records: int | None = None
    images_unclear: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        """The sources that are left out."""
        return {one.name for one in self.left_out}

    def overrides(self) -> dict[str, list[str]]:
        """What was left out, by option, for a manifest."""
        options = dict.fromkeys(one.option for one in self.left_out)
        return {option: [one.name for one in self.left_out if one.option == option] for option in options}

    def lines(self) -> list[str]:
        """What was left out, why, and what that does to the number of records."""
        told = []
        for one in self.left_out:
            size = "" if one.records is None else f", {one.records:,} records"
            told.append(f"left out {one.name}{size}: {one.because}")
        if self.left_out and self.records is not None:
            gone = sum(one.records or 0 for one in self.left_out)
            told.append(f"{self.records:,} → {self.records - gone:,} records")
        if self.images_unclear:
            names = ", ".join(self.images_unclear)
            told.append(f"kept for their texts, while commercial use of their images is not clear: {names}")
        return told


def select(offered: Mapping[str, Offered], choice: Choice, *, where: str) -> Selection:
    """What a choice leaves out of these sources, given by their names in the mixture.

    Raises:
        MixtureError: for a name that is not among them, and when nothing is left.
    """
    for name in choice.exclude:
        if name not in offered:
            raise MixtureError(f"--exclude-source {name}: {where} has no such source{did_you_mean(name, offered)}")
    found = []
    for name, (source, records) in offered.items():
        if name in choice.exclude:
            found.append(
                LeftOut(name=name, records=records, option="exclude_source", because="named by --exclude-source")
            )
        elif choice.commercial_only and (because := _forbidding(source, choice.with_images)):
            found.append(
                LeftOut(
                    name=name, records=records, option="commercial_only", because=f"commercial use of its {because}"
                )
            )
    if found and len(found) == len(offered):
        reasons = "; ".join(f"{one.name}: {one.because}" for one in found)
        raise MixtureError(f"{where}: no source is left, expected one or more ({reasons})")
    counts = [one.records for one in offered.values()]
    known = [count for count in counts if count is not None]
    kept = [name for name in offered if name not in {one.name for one in found} and choice.commercial_only]
    unclear = tuple(name for name in kept if _forbidding(offered[name].source, with_images=True))
    return Selection(tuple(found), sum(known) if len(known) == len(counts) else None, unclear)


def _forbidding(source: str, with_images: bool) -> str | None:
    """What forbids commercial use of a source or leaves it unclear, or None."""
    if source not in SOURCES:
        return f"texts: unclear, this version does not know the source {source!r}"
    about = SOURCES[source].about
    for what, use in {"texts": about.licence, "images": about.image_licence}.items():
        if use.commercial != "yes" and (what == "texts" or with_images):
            return f"{what}: {use.commercial}, {use.because}"
    return None
