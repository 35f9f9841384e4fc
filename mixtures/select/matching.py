"""Finding the one record of a mixture that each entry of a file names. What may be several is never guessed."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import polars as pl

Outcome = Literal["exact", "ambiguous", "missing", "repeated"]
OUTCOMES: tuple[Outcome, ...] = ("exact", "ambiguous", "missing", "repeated")
"""What becomes of an entry: exactly one of these; `repeated` names a record that an earlier entry has named."""
CONTENT, OTHER_ID, OTHER_IMAGE = "content", "content, another id", "content, another image path"
ORIGIN, ID, REFERENCE_ID, POSITION, HASH = "origin", "id", "reference id", "position", "hash"
_SAME = ("text", "image", "reference_id")


class Matches(NamedTuple):
    """What each entry names.

    `entries` has a row for each entry, in order: `entry`, `outcome`, the `row` of its record (null where there is not
    one) and `by`, what told it. `candidates` has the rows that ambiguous ones may be: `entry`, `row`.
    """

    entries: pl.DataFrame
    candidates: pl.DataFrame


class _Matching:
    """Entries that are settled, and those that are left."""

    def __init__(self, entries: pl.DataFrame, records: pl.DataFrame) -> None:
        self.left = entries
        self.records = records
        self._all = entries.select("entry")
        self._taken = pl.DataFrame(schema={"row": pl.Int64})
        self._settled: list[pl.DataFrame] = []
        self._candidates = [pl.DataFrame(schema={"entry": pl.UInt32, "row": pl.Int64})]

    def pair_off(self, key: Sequence[str], *, by: str) -> None:
        """The first entry of a key is the first record of it that is free, the second the second, and so on.

        Only for keys of which equal records are alike in all that an entry says. Entries beyond the last are repeated.
        """
        number = pl.int_range(pl.len()).over(*key).alias("number")
        free = self.records.join(self._taken, on="row", how="anti", maintain_order="left")
        found = self.left.select("entry", *key, number).join(
            free.select("row", *key, number), on=[*key, "number"], maintain_order="left"
        )
        self._settle(found, outcome="exact", by=by)
        known = self.records.unique(subset=list(key), keep="first").select("row", *key)
        self._settle(self.left.join(known, on=list(key), maintain_order="left"), outcome="repeated", by=by)

    def look_up(
        self, key: Sequence[str], *, by: str, on: Sequence[str] | None = None, asked: pl.DataFrame | None = None
    ) -> None:
        """Entries, of all or of `asked`, whose key one record has; those that several have are ambiguous."""
        found = (
            (self.left if asked is None else asked)
            .select("entry", *key)
            .join(
                self.records.select("row", *(on or key)),
                left_on=list(key),
                right_on=list(on or key),
                maintain_order="left",
            )
        )
        several = found.filter(pl.len().over("entry") > 1).select("entry", "row")
        self.named(found.join(several, on="entry", how="anti", maintain_order="left"), by=by)
        self._candidates.append(several)
        self._settle(several.unique("entry").with_columns(row=pl.lit(None, pl.Int64)), outcome="ambiguous", by=None)

    def named(self, found: pl.DataFrame, *, by: str) -> None:
        """Entries that name one record, `entry` and `row`; a record that is named already makes them repeated."""
        fresh = found.join(self._taken, on="row", how="anti", maintain_order="left")
        first = fresh.unique("row", keep="first", maintain_order=True)
        self._settle(first, outcome="exact", by=by)
        self._settle(found.join(first, on="entry", how="anti", maintain_order="left"), outcome="repeated", by=by)

    def unlike(self, key: Sequence[str]) -> None:
        """Keep to records that no other has the key of; for keys that tell less than the whole record."""
        self.records = self.records.filter(pl.len().over(*key) == 1)

    def _settle(self, found: pl.DataFrame, *, outcome: Outcome, by: str | None) -> None:
        told = found.select(
            "entry", "row", outcome=pl.lit(outcome), by=pl.lit(by if outcome == "exact" else None, pl.String)
        )
        self._settled.append(told)
        self.left = self.left.join(told, on="entry", how="anti", maintain_order="left")
        if outcome == "exact":
            self._taken = pl.concat([self._taken, told.select("row")])

    def matches(self) -> Matches:
        """All that was found; what is left is missing."""
        self._settle(self.left.with_columns(row=pl.lit(None, pl.Int64)), outcome="missing", by=None)
        entries = self._all.join(pl.concat(self._settled), on="entry", how="left", maintain_order="left")
        assert entries["outcome"].null_count() == 0, entries
        return Matches(entries, pl.concat(self._candidates).sort("entry", "row"))


def match_records(entries: pl.DataFrame, records: pl.DataFrame) -> Matches:
    """Full records, by what they say, then by where they come from: id, image and source.

    Content first: the same texts about the same image under the same id; then under another id; then of the same id
    about an image that is called otherwise, as long as no other record has these texts.
    """
    matching = _Matching(entries, records)
    matching.pair_off(_SAME, by=CONTENT)
    matching.look_up(("text", "image"), by=OTHER_ID)
    matching.unlike(("text",))
    matching.look_up(("text", "reference_id"), by=OTHER_IMAGE)
    matching.records = records
    matching.look_up(("reference_id", "image", "told"), by=ORIGIN)
    return matching.matches()


def match_names(entries: pl.DataFrame, records: pl.DataFrame) -> Matches:
    """Ids of the mixture, which are unique, else of LLaVA's own form, with `image` and `source` where they are said."""
    matching = _Matching(entries, records.with_columns(pl.col("source").cast(pl.String)))
    matching.look_up(("name",), by=ID, on=("id",))
    may_say = [name for name in ("image", "source") if name in entries.columns]
    for count in range(len(may_say) + 1):
        for beside in combinations(may_say, count):  # an entry that says nothing of its image may be of any
            said = [pl.col(name).is_not_null() == (name in beside) for name in may_say]
            key = ("name", *beside)
            asked = matching.left.filter(*said)
            matching.look_up(key, by=REFERENCE_ID, on=("reference_id", *beside), asked=asked)
    return matching.matches()


def match_hashes(entries: pl.DataFrame, records: pl.DataFrame) -> Matches:
    """Hashes of records; records that are alike in everything have one hash and stand for each other."""
    matching = _Matching(entries, records)
    matching.pair_off(("hash",), by=HASH)
    return matching.matches()


def match_positions(entries: pl.DataFrame, records: pl.DataFrame) -> Matches:
    """Rows of the mixture, in the column `at`; all are there."""
    matching = _Matching(entries, records)
    matching.named(entries.select("entry", row="at"), by=POSITION)
    return matching.matches()
