"""The numbers of a comparison, the differences that are shown first, and what manifests say otherwise."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mix665k.mixtures.diff.comparison import Change, Comparison, Prompts, Side, SourceComparison, to_json
from mix665k.mixtures.diff.differences import find_differences
from mix665k.mixtures.diff.examples import Found
from mix665k.mixtures.diff.manifest_changes import manifest_changes
from mix665k.mixtures.diff.summary import first_ones, summarise, total, with_outcomes
from mix665k.schemas.manifest import Extended, Manifest, load_manifest
from tests.mixtures.diff.digested import Row, side

ROWS = {"a": pl.UInt32, "b": pl.UInt32}
A = side(
    Row(id=1),
    Row(id=2, pairs=((10, 20), (11, 21))),
    Row(id=3, form="caption"),
    Row(id=4),
    Row(id=5, pairs=((10, 20), (11, 21), (12, 22))),
)
B = side(
    Row(id=2, pairs=((11, 21), (10, 20))),
    Row(id=1),
    Row(id=3, image=2, pairs=((10, 29),)),
    Row(id=6, form="short answer"),
)
MATCHES = pl.DataFrame({"a": [0, 1, 2], "b": [1, 0, 2]}, schema=ROWS)


def outcomes() -> pl.DataFrame:
    """What became of the matches of A and B."""
    return with_outcomes(find_differences(A, B, MATCHES, keyed=False), A.records["source"])


def test_each_match_has_one_outcome_and_the_fields_in_words() -> None:
    assert outcomes().sort("a").select("outcome", "differs", "shared", "source").rows() == [
        ("identical", "", 1, "gqa"),
        ("reordered", "order of pairs", 2, "gqa"),
        ("differing", "image, answers", 0, "gqa"),
    ]


def test_a_source_counts_each_record_once() -> None:
    found = summarise("gqa", a=A.records, b=B.records, matches=outcomes())
    assert (found.a, found.b) == (5, 4)
    assert (found.identical, found.reordered, found.differing) == (1, 1, 1)
    assert (found.only_in_a, found.only_in_b) == (2, 1)
    assert found.percent == {
        "identical": 16.67,
        "reordered": 16.67,
        "differing": 16.67,
        "only_in_a": 33.33,
        "only_in_b": 16.67,
    }
    assert found.differing_in == {"image, answers": 1}
    assert (found.pairs_in_a, found.pairs_in_b, found.pairs_shared) == (8, 5, 3)
    assert found.moved == 1


def test_prompt_forms_are_counted_on_both_sides_the_commonest_first() -> None:
    found = summarise("gqa", a=A.records, b=B.records, matches=outcomes())
    assert found.prompts == [Prompts("none", 4, 3), Prompts("caption", 1, 0), Prompts("short answer", 0, 1)]


def test_lengths_are_of_each_side_and_none_where_it_has_no_record() -> None:
    found = summarise("gqa", a=A.records, b=B.records.head(0), matches=outcomes().head(0))
    assert found.lengths_in_a.pairs is not None
    assert (found.lengths_in_a.pairs.mean, found.lengths_in_a.pairs.max) == (1.6, 3)
    assert found.lengths_in_b.pairs is None
    assert (found.only_in_a, found.only_in_b) == (5, 0)


def test_the_total_counts_a_record_as_moved_only_within_its_source() -> None:
    parts = [SourceComparison(name="gqa", moved=0), SourceComparison(name="mine", moved=0)]
    assert total(parts, a=A.records, b=B.records, matches=outcomes()).moved == 0


def frame(*rows: tuple[str, str, int, int, str]) -> pl.DataFrame:
    """Matches with their outcome."""
    schema = {"source": pl.String, "outcome": pl.String, **ROWS, "differs": pl.String}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def only(*rows: tuple[int, str]) -> pl.DataFrame:
    """Records of one side, by row and source."""
    return pl.DataFrame(list(rows), schema={"row": pl.UInt32, "source": pl.String}, orient="row")


MANY = frame(
    ("gqa", "differing", 4, 4, "answers"),
    ("gqa", "differing", 1, 2, "answers"),
    ("gqa", "differing", 2, 1, "answers, steps"),
    ("gqa", "identical", 0, 0, ""),
    ("mine", "reordered", 9, 9, "order of pairs"),
)


def test_differences_of_every_kind_are_shown_before_a_second_of_one_kind() -> None:
    found = first_ones(MANY, only((7, "gqa")), only(), examples=4)
    assert [one for one in found if one.source == "gqa"] == [
        Found("gqa", outcome="differing", a=1, b=2, differs=("answers",)),
        Found("gqa", outcome="differing", a=2, b=1, differs=("answers", "steps")),
        Found("gqa", outcome="only_in_a", a=7, b=None),
        Found("gqa", outcome="differing", a=4, b=4, differs=("answers",)),
    ]


@pytest.mark.parametrize(("examples", "shown"), [(0, 0), (1, 2), (2, 3), (9, 5)])
def test_so_many_differences_of_each_source_are_shown(examples: int, shown: int) -> None:
    found = first_ones(MANY, only(), only((8, "gqa")), examples=examples)
    assert len(found) == shown


def test_identical_records_are_never_shown() -> None:
    assert first_ones(frame(("gqa", "identical", 0, 0, "")), only(), only(), examples=3) == []


def comparison(*, order: bool = True, faults: tuple[int, int] = (0, 0), **counts: Any) -> Comparison:
    """Two sides of which nothing is said but this."""
    a, b = (Side("x", kind="mixture", name="x", records=2, faults=number) for number in faults)
    return Comparison(a, b, sources=[], total=SourceComparison("all", **counts), same_order=order)


@pytest.mark.parametrize(
    ("found", "equal"),
    [
        (comparison(a=2, b=2, identical=2), True),
        (comparison(), True),
        (comparison(a=2, b=2, identical=2, order=False), False),
        (comparison(a=2, b=2, identical=1, reordered=1), False),
        (comparison(a=3, b=2, identical=2, only_in_a=1), False),
        (comparison(a=2, b=3, identical=2, only_in_b=1), False),
        (comparison(a=2, b=2, identical=2, faults=(1, 0)), False),
        (comparison(a=2, b=2, identical=2, faults=(0, 1)), False),
    ],
)
def test_sides_are_equal_where_all_records_are_identical_in_order_and_without_faults(
    found: Comparison, *, equal: bool
) -> None:
    assert found.equal == equal
    assert to_json(found).startswith(f'{{\n  "equal": {str(equal).lower()},')


@pytest.fixture
def manifests(small: Path) -> tuple[Manifest, Manifest]:
    """The manifest of the small mixture twice, to change."""
    return load_manifest(small), load_manifest(small)


def test_a_manifest_has_no_changes_against_itself(manifests: tuple[Manifest, Manifest]) -> None:
    assert manifest_changes(*manifests) == []


def test_steps_are_compared_by_their_place_and_an_absent_one_is_none(manifests: tuple[Manifest, Manifest]) -> None:
    a, b = manifests
    a.sources[2].steps = [{"drop_by_length": {"max_pairs": 2}}]
    b.sources[2].steps = [{"drop_by_length": {"max_pairs": 3}}, {"add_prompt": {"prompt": "caption"}}]
    assert manifest_changes(a, b) == [
        Change("step 1 drop_by_length max_pairs", "2", "3", "mine"),
        Change("step 2 add_prompt prompt", "none", "caption", "mine"),
    ]
    assert manifest_changes(b, a)[1] == Change("step 2 add_prompt prompt", "caption", "none", "mine")


@pytest.mark.parametrize(
    ("field", "value", "change"),
    [
        ("tool", "other", "tool"),
        ("row_hash", "0" * 64, "row hash"),
        ("overrides", {"limit": 5}, "limit"),
        ("integer_ids", [], "integer ids"),
        ("name", "other", "recipe"),
    ],
)
def test_a_field_of_the_manifest_is_a_change_of_its_own(
    manifests: tuple[Manifest, Manifest], field: str, value: Any, change: str
) -> None:
    a, b = manifests
    setattr(b, field, value)
    assert [one.what for one in manifest_changes(a, b)] == [change]


def test_only_the_first_line_of_a_recipe_that_differs_is_shown(manifests: tuple[Manifest, Manifest]) -> None:
    a, b = manifests
    a.recipe, b.recipe = "name: x\n  seed: 1\nend: 2\n", "name: x\n  seed: 3\nend: 4\n"
    assert manifest_changes(a, b) == [Change("recipe, line 2", "seed: 1", "seed: 3")]
    b.recipe = "name: x\n"
    assert manifest_changes(a, b) == [Change("recipe, line 2", "seed: 1", "none")]


def test_of_a_recipe_that_was_written_out_the_fields_that_differ_are_shown(
    manifests: tuple[Manifest, Manifest],
) -> None:
    a, b = manifests
    a.recipe = "name: x\nseed: 1  # of the draws\nsources: [{source: gqa}]\n"
    b.recipe = "name: x\nsources:\n- {source: vg}\nfor_all: [merge_by_image]\nseed: 3\n"
    b.extends = [Extended(recipe="x.yaml", sha256="0" * 64)]
    assert manifest_changes(a, b) == [
        Change("seed", "1", "3", "recipe"),
        Change("for_all", "none", '["merge_by_image"]', "recipe"),
    ]


def test_a_source_that_one_side_has_not_is_no_change_of_a_source(manifests: tuple[Manifest, Manifest]) -> None:
    a, b = manifests
    b.sources.reverse()
    del b.sources[0]
    assert manifest_changes(a, b) == []
