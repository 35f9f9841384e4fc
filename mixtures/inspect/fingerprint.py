"""The fingerprint of stage 2's published file: what is known of it in numbers, beside those of a mixture."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from mix665k.builders.published import COUNTS, MIX665K_FIGURES, UNSURE, Figure
from mix665k.mixtures.storage.published_counts import IN_MIX665K
from mix665k.mixtures.terminal import ALL

_CUTS = (6, 12)
_NEAR = 0.1
"""How far a source's records may be off, as a part of the published ones, for its other numbers to be comparable."""


class Measured(msgspec.Struct):
    """A number of a source, or of all, beside the published one; `equal` within the digits that were published."""

    source: str
    measure: str
    published: float
    ours: float
    difference: float
    equal: bool
    evidence: str


class Fingerprint(msgspec.Struct):
    """What of the published file's numbers a mixture has; `remarks` say which sums do not close, and why."""

    measured: list[Measured] = []
    remarks: list[str] = []


class Tally:
    """What a fingerprint needs of some records of one source."""

    def __init__(self) -> None:
        self._pairs = np.zeros(1, np.int64)  # how many records have this many pairs
        self._answers = np.zeros(1, np.int64)  # how many answers have this many characters
        self._question_chars = 0
        self._ids: list[np.ndarray] = []
        self._paths: list[np.ndarray] = []
        self._names: list[np.ndarray] = []

    def add(self, rows: pa.RecordBatch | pl.DataFrame) -> None:
        """Count rows with the columns of a shard."""
        turns = pl.col("conversations").list
        chars = turns.eval(pl.element().struct.field("value").str.len_chars())
        frame = pl.DataFrame(rows).select(
            "reference_id",
            "image",
            "more_images",
            pairs=turns.len() // 2,
            asked=chars.list.gather_every(2).list.sum(),
            answers=chars.list.gather_every(2, 1),
        )
        self._pairs = _sum(self._pairs, np.bincount(frame["pairs"].to_numpy()))
        self._answers = _sum(self._answers, np.bincount(frame["answers"].explode().drop_nulls().to_numpy()))
        self._question_chars += int(frame["asked"].sum())
        images = pl.concat([frame["image"], frame["more_images"].explode()]).drop_nulls()
        self._ids.append(_hashes(frame["reference_id"]))
        self._paths.append(_hashes(images))
        self._names.append(_hashes(images.str.extract("([^/]*)$")))

    def merge(self, other: "Tally") -> None:
        """Count what another one counted."""
        self._pairs, self._answers = _sum(self._pairs, other._pairs), _sum(self._answers, other._answers)
        self._question_chars += other._question_chars
        self._ids += other._ids
        self._paths += other._paths
        self._names += other._names

    def numbers(self) -> dict[str, float]:
        """The measures of `Published.figures` and `MIX665K_FIGURES`."""
        sizes = np.flatnonzero(self._pairs)
        pairs, answers = int(self._pairs @ np.arange(len(self._pairs))), int(self._answers.sum())
        _, repeats = np.unique(_joined(self._ids), return_counts=True)
        lengths = np.cumsum(self._answers)
        found: dict[str, float] = {
            "records": int(self._pairs.sum()),
            "pairs": pairs,
            "fewest pairs": int(sizes[0]) if len(sizes) else 0,
            "most pairs": int(sizes[-1]) if len(sizes) else 0,
            "distinct ids": len(repeats),
            "repeated ids": int((repeats > 1).sum()),
            "distinct images": len(np.unique(_joined(self._names))),
            "image paths": len(np.unique(_joined(self._paths))),
            "question chars": round(self._question_chars / max(pairs, 1), 1),
            "answer chars": round(int(self._answers @ np.arange(len(self._answers))) / max(answers, 1), 1),
            "median answer": int(np.searchsorted(lengths, (answers + 1) // 2)),
        }
        for most in _CUTS:
            segments = -(-np.arange(len(self._pairs)) // most)
            found[f"cut at {most} pairs"] = int(self._pairs @ segments)
        return found

    def shares_images_with(self, other: "Tally") -> int:
        """How many image names both have."""
        return len(np.intersect1d(_joined(self._names), _joined(other._names)))


def figures(name: str) -> dict[str, Figure]:
    """What is known of a source of the published file."""
    records = Figure(IN_MIX665K[name].num_records, COUNTS)
    return {"records": records} | IN_MIX665K[name].figures


def fingerprint(tallies: Mapping[str, Tally]) -> Fingerprint:
    """The numbers of these sources beside what is known of the published file.

    Compared are sources that have about their published number of records; what is known of the whole file only where
    all its sources are there, and no other.
    """
    numbers = {
        name: ours
        for name, tally in tallies.items()
        if (known := IN_MIX665K.get(name))
        and abs((ours := tally.numbers())["records"] / known.num_records - 1) <= _NEAR
    }
    for name in numbers:
        if (other := IN_MIX665K[name].shared_with) in numbers:
            numbers[name]["shared images"] = tallies[name].shares_images_with(tallies[other])
    found = [one for name in numbers for one in _compared(name, figures(name), ours=numbers[name])]
    if not set(tallies) == set(numbers) == set(IN_MIX665K):
        return Fingerprint(found)
    everything = Tally()
    for tally in tallies.values():
        everything.merge(tally)
    found += _compared(ALL, MIX665K_FIGURES, ours=everything.numbers())
    return Fingerprint(found, list(_remarks(numbers)))


def _compared(name: str, known: Mapping[str, Figure], *, ours: Mapping[str, float]) -> Iterator[Measured]:
    for measure, figure in known.items():
        if measure not in ours:  # another source is missing
            continue
        difference = round(ours[measure] - figure.value, 1)
        yield Measured(
            source=name,
            measure=measure,
            published=figure.value,
            ours=ours[measure],
            difference=difference,
            equal=abs(difference) <= figure.within,
            evidence=figure.evidence,
        )


def _remarks(numbers: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Whether the pairs that the published total leaves for the sources that nobody counted are there."""
    known = [IN_MIX665K[name].figures["pairs"] for name in numbers if name not in UNSURE]
    total = MIX665K_FIGURES["pairs"]
    left = round(total.value - sum(figure.value for figure in known))
    within = round(total.within + sum(figure.within for figure in known))
    ours = int(sum(numbers[name]["pairs"] for name in UNSURE))
    there = f"{', '.join(UNSURE)} together have {ours:,} pairs"
    leaves = f"the published total leaves {left:,} for them, give or take {within:,}"
    if abs(ours - left) <= within:
        yield f"{there}; {leaves}"
        return
    yield f"{there}, {ours - left:+,}: {leaves}; one or more of the three is not read as the authors did"
    for name, readings in UNSURE.items():
        yield f"{name} has {int(numbers[name]['pairs']):,} pairs; possible: {readings}"


def _hashes(texts: pl.Series) -> np.ndarray:
    """Eight bytes of each text: two of a million different ones are equal with a chance of one in 10^7."""
    return texts.hash(seed=0).to_numpy()


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.uint64), *parts])


def _sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of two counts by size, of which one may reach further."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    longer = longer.copy()
    longer[: len(shorter)] += shorter
    return longer
