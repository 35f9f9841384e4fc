"""Finding the counterpart of each record within its source; every record is matched at most once.

In this order: the same record; the same pairs in another order; then, among what is left, records of the same id and
image, of the same image, or of the same id that share a question; the same content under another id, or under another
id and image if no other record has it; and records of the same id and image that share nothing.

Between mixtures the unique id comes before all of these. There, too, records say what they were made of, so content
alone makes no two of them one: an id, an image or all origins have to be the same, too.
"""

import numpy as np
import polars as pl

from mix665k.mixtures.diff.digests import DigestedMixture, Digests, pairs_of

_SAME = ("source", "id", "image")
_SAME_IMAGE = ("source", "image")
_RELATED = (_SAME, _SAME_IMAGE, ("source", "id"))
_CONTENT = ("source", "first", "ordered")
_NOTHING = pl.DataFrame(schema={"a": pl.UInt32, "b": pl.UInt32})
_MAX_REPEATS = 32
"""A question that more records of one id and image ask does not tell which of them belong together."""


def match(a: DigestedMixture, b: DigestedMixture, *, keyed: bool) -> pl.DataFrame:
    """`a` and `b`, the rows of records that belong together; `keyed` says that both have unique ids."""
    return _Matching(a, b).run(keyed=keyed)


def match_left(a: DigestedMixture, b: DigestedMixture, matched: pl.DataFrame) -> pl.DataFrame:
    """More matches, after some records have got a source, beside those there are."""
    matching = _Matching(a, b)
    matching.add(matched)
    return matching.run(keyed=False)


def unmatched(records: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """The records without a counterpart, with their `row`."""
    return records.with_row_index("row").join(pl.DataFrame({"row": rows}), on="row", how="anti")


class _Matching:
    """What is matched and what is left."""

    def __init__(self, a: DigestedMixture, b: DigestedMixture) -> None:
        columns = ["source", "key", "id", "image", "origins", "first", "ordered", "unordered"]
        self._all = [contents.records.select(columns).with_row_index("row") for contents in (a, b)]
        self._left_a, self._left_b = self._all
        self._digests = a.digests, b.digests
        self._found = [_NOTHING]

    def run(self, *, keyed: bool) -> pl.DataFrame:
        """All stages, one after the other."""
        if keyed:
            self.add(_pair_off(self._left_a, self._left_b, ("key",)))
        self.add(_pair_off(self._left_a, self._left_b, (*_SAME, "first", "ordered")))
        self.add(_pair_off(self._left_a, self._left_b, (*_SAME, "unordered")))
        for relation in _RELATED:
            self.add(_most_alike(self._left_a, self._left_b, digests=self._digests, relation=relation))
        if keyed:
            self.add(_pair_off(_with_image(self._left_a), _with_image(self._left_b), ("image", *_CONTENT)))
            self.add(_pair_off(self._left_a, self._left_b, ("origins", *_CONTENT)))
        else:
            self.add(_pair_off(self._left_a, self._left_b, ("image", *_CONTENT)))
            ours, theirs = _distinctive(self._left_a, self._all[0]), _distinctive(self._left_b, self._all[1])
            self.add(_pair_off(ours, theirs, _CONTENT))
        self.add(_pair_off(self._left_a, self._left_b, _SAME))
        return pl.concat(self._found)

    def add(self, found: pl.DataFrame) -> None:
        """Take matched records away from what is left."""
        self._found.append(found)
        self._left_a = self._left_a.join(found, left_on="row", right_on="a", how="anti", maintain_order="left")
        self._left_b = self._left_b.join(found, left_on="row", right_on="b", how="anti", maintain_order="left")


def _pair_off(a: pl.DataFrame, b: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The first record of a key with the first there, the second with the second, and so on."""
    if a.is_empty() or b.is_empty():
        return _NOTHING
    number = pl.int_range(pl.len(), dtype=pl.UInt32).over(key).alias("number")
    left = a.select(pl.col("row").alias("a"), *key, number)
    right = b.select(pl.col("row").alias("b"), *key, number)
    return left.join(right, on=[*key, "number"]).select("a", "b")


def _with_image(left: pl.DataFrame) -> pl.DataFrame:
    return left.filter(pl.col("image") != 0)


def _distinctive(left: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """What is left of records whose content occurs once."""
    contents = records.join(left, on=_CONTENT, how="semi").group_by(_CONTENT).len().filter(pl.col("len") == 1)
    return left.join(contents, on=_CONTENT, how="semi", maintain_order="left")


def _most_alike(
    a: pl.DataFrame, b: pl.DataFrame, *, digests: tuple[Digests, Digests], relation: tuple[str, ...]
) -> pl.DataFrame:
    """Records of one relation, those first that share most pairs, then most questions; no image relates none."""
    if relation == _SAME_IMAGE:
        a, b = _with_image(a), _with_image(b)
    groups = a.select(relation).unique().join(b.select(relation).unique(), on=relation).with_row_index("group")
    ours, theirs = (
        _questions(left.join(groups, on=relation).select("row", "group"), one)
        for left, one in zip((a, b), digests, strict=True)
    )
    same = pl.col("answer") == pl.col("answer_b")
    alike = (
        ours.join(theirs, on=["group", "question"], suffix="_b")
        .group_by(pl.col("row").alias("a"), pl.col("row_b").alias("b"))
        .agg(pairs=same.sum(), questions=pl.col("question").n_unique())
        .sort("pairs", "questions", "a", "b", descending=[True, True, False, False])
    )
    return _one_to_one(alike.select("a", "b"))


def _questions(rows: pl.DataFrame, digests: Digests) -> pl.DataFrame:
    """The distinct pairs of some records with their group, without questions that too many of a group ask."""
    pairs = pairs_of(digests, rows["row"].to_numpy()).unique().join(rows, on="row")
    return pairs.filter(pl.len().over("group", "question") <= _MAX_REPEATS)


def _one_to_one(candidates: pl.DataFrame) -> pl.DataFrame:
    """Those of the candidates, best first, whose two records are not matched yet."""
    ours: set[int] = set()
    theirs: set[int] = set()
    chosen = np.zeros(len(candidates), dtype=np.bool_)
    for i, (a, b) in enumerate(candidates.iter_rows()):
        if a not in ours and b not in theirs:
            ours.add(a)
            theirs.add(b)
            chosen[i] = True
    return candidates.filter(pl.Series(chosen, dtype=pl.Boolean))
