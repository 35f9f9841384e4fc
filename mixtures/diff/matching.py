"""Finding the counterpart of each record within its source; every record is matched at most once.

In this order: the same record; the same pairs in another order; then, among what is left, records of the same id and
image, of the same image, or of the same id that share a question; the same content under another id, or under another
id and image if no other record has it; and records of the same id and image that share nothing. Between mixtures the
unique id comes before all of these.
"""

import numpy as np
import polars as pl

from mix665k.mixtures.diff.digests import Digests, pairs_of
from mix665k.mixtures.diff.sides import Contents

_SAME = ("source", "id", "image")
_SAME_IMAGE = ("source", "image")
_RELATED = (_SAME, _SAME_IMAGE, ("source", "id"))
_CONTENT = ("source", "first", "ordered")
_NOTHING = pl.DataFrame(schema={"here": pl.UInt32, "there": pl.UInt32})
_MAX_REPEATS = 32
"""A question that more records of one id and image ask does not tell which of them belong together."""


def match(here: Contents, there: Contents, *, keyed: bool) -> pl.DataFrame:
    """`here` and `there`, the rows of records that belong together; `keyed` says that both have unique ids."""
    return _Matching(here, there).run(keyed=keyed)


def match_left(here: Contents, there: Contents, matched: pl.DataFrame) -> pl.DataFrame:
    """More matches, after some records have got a source, beside those there are."""
    matching = _Matching(here, there)
    matching.add(matched)
    return matching.run(keyed=False)


def unmatched(records: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """The records without a counterpart, with their `row`."""
    return records.with_row_index("row").join(pl.DataFrame({"row": rows}), on="row", how="anti")


class _Matching:
    """What is matched and what is left."""

    def __init__(self, here: Contents, there: Contents) -> None:
        columns = ["source", "key", "id", "image", "first", "ordered", "unordered"]
        self._all = [contents.records.select(columns).with_row_index("row") for contents in (here, there)]
        self._here, self._there = self._all
        self._digests = here.digests, there.digests
        self._found = [_NOTHING]

    def run(self, *, keyed: bool) -> pl.DataFrame:
        """All stages, one after the other."""
        if keyed:
            self.add(_pair_off(self._here, self._there, ("key",)))
        self.add(_pair_off(self._here, self._there, (*_SAME, "first", "ordered")))
        self.add(_pair_off(self._here, self._there, (*_SAME, "unordered")))
        for relation in _RELATED:
            self.add(_most_alike(self._here, self._there, self._digests, relation))
        self.add(_pair_off(self._here, self._there, ("image", *_CONTENT)))
        ours, theirs = _distinctive(self._here, self._all[0]), _distinctive(self._there, self._all[1])
        self.add(_pair_off(ours, theirs, _CONTENT))
        self.add(_pair_off(self._here, self._there, _SAME))
        return pl.concat(self._found)

    def add(self, found: pl.DataFrame) -> None:
        """Take matched records away from what is left."""
        self._found.append(found)
        self._here = self._here.join(found, left_on="row", right_on="here", how="anti", maintain_order="left")
        self._there = self._there.join(found, left_on="row", right_on="there", how="anti", maintain_order="left")


def _pair_off(here: pl.DataFrame, there: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The first record of a key with the first there, the second with the second, and so on."""
    if here.is_empty() or there.is_empty():
        return _NOTHING
    number = pl.int_range(pl.len(), dtype=pl.UInt32).over(key).alias("number")
    left = here.select(pl.col("row").alias("here"), *key, number)
    right = there.select(pl.col("row").alias("there"), *key, number)
    return left.join(right, on=[*key, "number"]).select("here", "there")


def _distinctive(left: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """What is left of records whose content occurs once."""
    contents = records.join(left, on=_CONTENT, how="semi").group_by(_CONTENT).len().filter(pl.col("len") == 1)
    return left.join(contents, on=_CONTENT, how="semi", maintain_order="left")


def _most_alike(
    here: pl.DataFrame, there: pl.DataFrame, digests: tuple[Digests, Digests], relation: tuple[str, ...]
) -> pl.DataFrame:
    """Records of one relation, those first that share most pairs, then most questions; no image relates none."""
    if relation == _SAME_IMAGE:
        here, there = (left.filter(pl.col("image") != 0) for left in (here, there))
    groups = here.select(relation).unique().join(there.select(relation).unique(), on=relation).with_row_index("group")
    ours, theirs = (
        _questions(left.join(groups, on=relation).select("row", "group"), one)
        for left, one in zip((here, there), digests, strict=True)
    )
    same = pl.col("answer") == pl.col("answer_there")
    alike = (
        ours.join(theirs, on=["group", "question"], suffix="_there")
        .group_by(pl.col("row").alias("here"), pl.col("row_there").alias("there"))
        .agg(pairs=same.sum(), questions=pl.col("question").n_unique())
        .sort("pairs", "questions", "here", "there", descending=[True, True, False, False])
    )
    return _one_to_one(alike.select("here", "there"))


def _questions(rows: pl.DataFrame, digests: Digests) -> pl.DataFrame:
    """The distinct pairs of some records with their group, without questions that too many of a group ask."""
    pairs = pairs_of(digests, rows["row"].to_numpy()).unique().join(rows, on="row")
    return pairs.filter(pl.len().over("group", "question") <= _MAX_REPEATS)


def _one_to_one(candidates: pl.DataFrame) -> pl.DataFrame:
    """Those of the candidates, best first, whose two records are not matched yet."""
    ours: set[int] = set()
    theirs: set[int] = set()
    chosen = np.zeros(len(candidates), dtype=np.bool_)
    for i, (here, there) in enumerate(candidates.iter_rows()):
        if here not in ours and there not in theirs:
            ours.add(here)
            theirs.add(there)
            chosen[i] = True
    return candidates.filter(pl.Series(chosen, dtype=pl.Boolean))
