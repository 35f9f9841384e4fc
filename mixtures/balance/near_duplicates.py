"""Records that are nearly the same as another one: texts that share most runs of three words, and pictures that agree.

Texts are compared by MinHash (Broder 1997): the share of equal minima of 64 hash functions estimates the share of runs
that both texts have, with a standard error of 0.05 at 0.8. Candidates are found by bands of four minima: at a share of
0.8 one is missed in 5,000. A record with a picture is compared with those of the same or nearly the same picture only,
one without by its text alone. Of near-duplicates the one of the lowest rank stays, whatever their order.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from mix665k.builders.draw import Draw
from mix665k.mixtures.balance.measure import rank_key
from mix665k.mixtures.balance.pictures import MAX_DISTANCE, PRELOAD, looks_of, parts
from mix665k.mixtures.image_keys import image_key
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.parallel import Workers, map_in_processes
from mix665k.mixtures.select.derived import Leaving
from mix665k.mixtures.storage.parquet import to_dicts
from mix665k.mixtures.terminal import no_progress
from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.manifest import NEAR_DUPLICATES
from mix665k.schemas.recipe import Deduplicate

_MINIMA, _IN_BAND = 64, 4
_LOWER = bytes(range(256)).lower()
_WORD = re.compile(rb"[0-9a-z]+|[\xc0-\xff][\x80-\xbf]*")
"""A word of ASCII, or any other character: not a library's idea of a word, which changes with Unicode."""
_HASH = Draw(0, purpose="minhash")
_FACTORS, _ADDED = (
    np.array([_HASH.rank(f"{name} {i}") | odd for i in range(_MINIMA)], np.uint64) for name, odd in (("a", 1), ("b", 0))
)
_RUN = np.array([_HASH.rank(f"word {i}") | 1 for i in range(3)], np.uint64)


class NearDuplicate(msgspec.Struct, frozen=True):
    """A record that went, the one that stays in its place, and how much of their texts they share."""

    dropped: str
    kept: str
    share: float
    picture: str


class _Record(NamedTuple):
    row: int
    id: str
    rank: int
    image: str | None
    key: str | None
    more_images: tuple[str, ...]
    minima: np.ndarray


def near_duplicates(
    mixture: Mixture, asked: Deduplicate, *, seed: int, images: Path | None, jobs: Workers
) -> tuple[list[NearDuplicate], Leaving]:
    """The records to drop, in the order of the mixture, with those that stay for them.

    Raises:
        MixtureError: when the mixture is damaged.
    """
    records = sorted(_records(mixture, Draw(seed, purpose=NEAR_DUPLICATES)), key=lambda one: (one.rank, one.row))
    looks: dict[str, int] = {}
    if asked.pictures == "content" and images is not None:
        paths = sorted({one.image for one in records if one.image})
        work = partial(looks_of, folder=images)
        found = map_in_processes(work, paths, jobs=jobs, preload=PRELOAD, advance=no_progress)
        looks = {look.path: look.bits for look in found if look.bits is not None}
    kept = _Kept(looks, asked.text)
    gone = {one.row: twin for one in records if (twin := kept.offer(one))}
    frame = pl.DataFrame(
        {"record": list(gone), "reason": [f"near-duplicate, {twin.picture}" for twin in gone.values()]},
        schema={"record": pl.Int64, "reason": pl.String},
    )
    return [gone[row] for row in sorted(gone)], Leaving(frame.sort("record"), NEAR_DUPLICATES, "lost")


def _records(mixture: Mixture, draw: Draw) -> Iterator[_Record]:
    words: dict[bytes, int] = {}
    for batch in mixture.batches():
        keys = pl.DataFrame({"image": pl.Series(batch.rows.column("image"), dtype=pl.String)})
        named = keys.select(image_key(pl.col("image"), None)).to_series().to_list()
        for place, row, key in zip(batch.places, to_dicts(batch.rows), named, strict=True):
            turns = [row["system"] or "", *(turn["value"] for turn in row["conversations"])]
            text = "\n".join(turns).replace(IMAGE_TOKEN, "")
            yield _Record(
                row=place,
                id=row["id"],
                rank=draw.rank(rank_key(row)),
                image=row["image"],
                key=key if row["image"] else None,
                more_images=tuple(row["more_images"] or ()),
                minima=minima(text, words),
            )


def minima(text: str, words: dict[bytes, int]) -> np.ndarray:
    """The least values of 64 hash functions over the text's runs of three words; `words` keeps hashes of words."""
    found = _WORD.findall(text.encode().translate(_LOWER))
    for word in found:
        if word not in words:
            words[word] = _HASH.rank(word.decode())
    hashes = np.array([words[word] for word in found] + [0] * (3 - len(found)), np.uint64)
    runs = hashes[:-2] * _RUN[0] + hashes[1:-1] * _RUN[1] + hashes[2:] * _RUN[2]
    runs = (runs ^ (runs >> np.uint64(31))) * _RUN[0]
    found_minima: np.ndarray = (np.unique(runs)[:, None] * _FACTORS + _ADDED).min(axis=0)
    return found_minima


class _Kept:
    """The records that stay, so that another one can be compared with those that it may be like."""

    def __init__(self, looks: dict[str, int], share: float) -> None:
        self._looks = looks
        self._share = share
        self._places: dict[object, list[_Record]] = {}

    def offer(self, one: _Record) -> NearDuplicate | None:
        """What it is a near-duplicate of; it stays if that is nothing."""
        look = self._looks.get(one.image or "")
        for place in self._near(one, look):
            for other in self._places.get(place, ()):
                share = float((one.minima == other.minima).mean())
                if share >= self._share and (how := self._agree(one, other)):
                    return NearDuplicate(one.id, other.id, share=round(share, 3), picture=how)
        for place in self._near(one, look):
            self._places.setdefault(place, []).append(one)
        return None

    def _near(self, one: _Record, look: int | None) -> Sequence[object]:
        """Where records are that it may be a near-duplicate of."""
        if one.key is not None:
            return [one.key, *(parts(look) if look is not None else ())]
        bands = one.minima.reshape(-1, _IN_BAND)
        return [(i, band.tobytes()) for i, band in enumerate(bands)]

    def _agree(self, one: _Record, other: _Record) -> str:
        """How their pictures agree; empty when they do not. Those after the first have to have the same paths."""
        if one.more_images != other.more_images:
            return ""
        if one.key is None or other.key is None:
            return "no picture" if one.key is other.key else ""
        if one.key == other.key:
            return "same picture"
        a, b = self._looks.get(one.image or ""), self._looks.get(other.image or "")
        if a is None or b is None or (a ^ b).bit_count() > MAX_DISTANCE:
            return ""
        return "picture looks the same"
