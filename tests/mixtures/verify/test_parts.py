"""The small parts of a verification: differences of records, drawn records beside each other, lines, counts."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mix665k.mixtures.inspect.sample import rank_of
from mix665k.mixtures.verify.counts import Count, check_funnel, check_paper, check_positions, check_recipe
from mix665k.mixtures.verify.sample import ABSENT, Difference, differences, sample_faults
from mix665k.mixtures.verify.verification import Check, Lines, Verification, checked, require_passed, to_json
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import Manifest, load_manifest
from mix665k.schemas.recipe import Expect

THERE = {"gqa": Count(rows=3, pairs=4), "sharegpt": Count(rows=1, pairs=2), "mine": Count(rows=1, pairs=1)}
"""What the small mixture holds."""


@pytest.mark.parametrize(
    ("found", "expected", "places"),
    [
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2]}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": {"b": [{"c": 1}, {"c": 2}]}}, {"a": {"b": [{"c": 1}, {"c": 3}]}}, ["a.b[1].c"]),
        ({"a": [1, 2, 3]}, {"a": [1]}, ["a[1]", "a[2]"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a[1]"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": None}, {}, ["a"]),
        ({"a": [1]}, {"a": {"0": 1}}, ["a"]),
        ({"a": "1"}, {"a": 1}, ["a"]),
    ],
)
def test_every_place_where_two_records_differ_is_found(found: Any, expected: Any, places: list[str]) -> None:
    assert [one.at for one in differences(found, expected)] == places
    assert sorted(one.at for one in differences(expected, found)) == sorted(places)


def test_what_only_one_side_has_differs_from_nothing() -> None:
    (one,) = differences({"a": [1, None]}, {"a": [1]})
    assert one == Difference("a[1]", None, ABSENT)
    assert one.in_words() == "a[1]: None, rebuilt nothing"


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        ("a", "b", "x: 'a', rebuilt 'b'"),
        ("a" * 60, "b", f"x: '{'a' * 60}', rebuilt 'b'"),
        ("a" * 61, "b", f"x: '{'a' * 60}'…, rebuilt 'b'"),
        ("a" * 50 + "b", "a" * 61, f"x: …'{'a' * 20}b', rebuilt …'{'a' * 31}'"),
        ("a" * 70, "a" * 80, f"x: …'{'a' * 20}', rebuilt …'{'a' * 30}'"),
        ("a" * 100 + "b" * 100, "a" * 100 + "c" * 9, f"x: …'{'a' * 20}{'b' * 40}'…, rebuilt …'{'a' * 20}{'c' * 9}'"),
        (["a" * 70], 1, f"x: ['{'a' * 58}…, rebuilt 1"),
    ],
)
def test_a_difference_shows_a_long_text_from_a_little_before_the_place(found: Any, expected: Any, words: str) -> None:
    assert Difference("x", found, expected).in_words() == words


def rows(*identifiers: str, text: str = "x") -> list[dict[str, Any]]:
    """Records of these ids, those of lowest rank first."""
    return [{"id": one, "text": text} for one in sorted(identifiers, key=rank_of)]


def test_drawn_records_that_differ_are_faults() -> None:
    assert list(sample_faults(rows("a", "b"), rows("a", "b"), 2)) == []
    assert list(sample_faults(rows("a", text="y"), rows("a"), 1)) == ["a: text: 'y', rebuilt 'x'"]


def test_all_lines_are_counted_and_the_first_five_kept() -> None:
    lines = Lines()
    for number in range(7):
        lines.add(str(number))
    assert (lines.count, lines.first) == (7, ["0", "1", "2", "3", "4"])


@pytest.mark.parametrize(("before", "after"), [(3, 4), (5, 1), (0, 2), (7, 7)])
def test_lines_of_two_are_counted_together_and_the_first_five_kept(before: int, after: int) -> None:
    lines, more = Lines(), Lines()
    for number in range(before):
        lines.add(f"a{number}")
    for number in range(after):
        more.add(f"b{number}")
    lines.extend(more)
    assert lines.count == before + after
    assert lines.first == [*(f"a{i}" for i in range(before)), *(f"b{i}" for i in range(after))][:5]


def test_two_fresh_lines_share_nothing() -> None:
    Lines().add("one")
    assert Lines().first == []
    assert Check("a", "ok").lines.count == 0


def test_a_name_that_is_no_utf8_can_be_encoded() -> None:
    lines = Lines()
    lines.add("gqa\udcff.parquet")
    assert lines.first == [r"gqa\udcff.parquet"]


@pytest.mark.parametrize(
    ("lines", "otherwise", "outcome", "passed"),
    [
        ([], "failed", "ok", True),
        ([], "differs", "ok", True),
        (["x"], "failed", "failed", False),
        (["x"], "differs", "differs", True),
        (["x"], "not checked", "not checked", False),
    ],
)
def test_what_is_not_checked_does_not_pass(lines: list[str], otherwise: Any, outcome: str, *, passed: bool) -> None:
    check = checked("name", iter(lines), otherwise=otherwise)
    assert (check.outcome, check.passed, check.lines.first) == (outcome, passed, lines)


def test_the_checks_that_are_not_passed_are_named() -> None:
    checks = [Check("one", "failed"), Check("two", "ok"), Check("three", "not checked"), Check("four", "differs")]
    found = Verification("here", None, None, checks)
    assert not found.ok
    assert msgspec.json.decode(to_json(found))["ok"] is False
    with pytest.raises(MixtureError, match=r"here: 2 of 4 checks not passed: one, three$"):
        require_passed(found)
    passed = Verification(
        "here", None, None, [Check("two", "ok"), Check("four", "differs"), Check("x", "not applicable")]
    )
    assert passed.ok
    require_passed(passed)


@pytest.fixture
def manifest(small: Path) -> Manifest:
    """The manifest of the small mixture, to change."""
    return load_manifest(small)


def test_the_funnel_ends_at_what_is_there(manifest: Manifest) -> None:
    assert check_funnel(manifest, THERE).outcome == "ok"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (Count(rows=2, pairs=4), "gqa: records that are there"),
        (Count(rows=3, pairs=5), "gqa: pairs that are there"),
    ],
)
def test_other_rows_or_pairs_than_the_manifest_counts_are_a_fault(manifest: Manifest, count: Count, words: str) -> None:
    check = check_funnel(manifest, THERE | {"gqa": count})
    assert (check.outcome, check.lines.count) == ("failed", 1)
    assert check.lines.first[0].startswith(words)


def test_a_recipe_without_expectations_is_not_applicable(manifest: Manifest) -> None:
    check = check_recipe(manifest, THERE)
    assert (check.outcome, check.passed) == ("not applicable", True)


def test_a_manifest_that_contradicts_its_recipe_is_a_fault(manifest: Manifest) -> None:
    manifest.name = "other"
    manifest.sources[0].source = "gqa"
    check = check_recipe(manifest, THERE)
    assert check.outcome == "failed"
    assert check.lines.first == [
        "manifest.json: name or integer_ids are not those of its recipe",
        "manifest.json: gqa: source or expectation are not those of its recipe",
    ]


def test_other_integer_ids_than_those_of_the_recipe_are_a_fault(manifest: Manifest) -> None:
    manifest.integer_ids = []
    assert check_recipe(manifest, THERE).outcome == "failed"


def test_sources_in_another_order_than_the_recipe_are_a_fault(manifest: Manifest) -> None:
    manifest.sources.reverse()
    assert check_recipe(manifest, THERE).lines.first == [
        "manifest.json: sources mine, sharegpt, gqa, expected gqa, sharegpt, mine as its recipe says"
    ]


def test_a_recipe_that_cannot_be_read_is_a_fault(manifest: Manifest) -> None:
    manifest.recipe = "name: [small"
    check = check_recipe(manifest, THERE)
    assert check.outcome == "failed"
    assert check.lines.first[0].startswith("manifest.json: recipe")


def test_a_source_that_ends_elsewhere_than_in_the_published_file_is_a_difference(manifest: Manifest) -> None:
    gqa, sharegpt, _ = manifest.sources
    gqa.expect = Expect(count=THERE["gqa"].rows, because="the file", last_position=THERE["gqa"].rows - 1)
    sharegpt.expect = Expect(count=9, because="the file", last_position=99)
    check = check_positions(manifest, THERE)
    assert (check.outcome, check.seen) == ("differs", "1 of 2 sources end where they do in the published file")
    end = THERE["gqa"].rows + THERE["sharegpt"].rows - 1
    assert check.lines.first == [f"sharegpt: its last record is at {end}, in the published file at 99 ({end - 99})"]
    sharegpt.expect.last_position = end
    assert check_positions(manifest, THERE).outcome == "ok"


def test_records_are_counted_beside_the_published_ones() -> None:
    check = check_paper({"gqa": Count(rows=72_140, pairs=1), "mine": Count(rows=1, pairs=1)})
    assert (check.outcome, check.seen, check.lines.first) == ("ok", "1 of 1 equal", [])
    check = check_paper({"gqa": Count(rows=72_000, pairs=1)})
    assert check.outcome == "differs"
    assert check.lines.first == ["gqa: 72,000 records, published 72,140 (-140)"]
    assert check_paper({"mine": Count(rows=1, pairs=1)}).outcome == "not applicable"
