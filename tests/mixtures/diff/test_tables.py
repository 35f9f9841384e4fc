"""What a person reads of a comparison: every table and remark, from numbers written out here."""

import io
from typing import Any

import msgspec
import pytest

from mix665k.mixtures.diff.comparison import (
    Change,
    Comparison,
    Example,
    Lengths,
    Prompts,
    Side,
    SourceComparison,
    to_json,
)
from mix665k.mixtures.diff.tables import print_comparison
from mix665k.mixtures.inspect.findings import Spread
from mix665k.mixtures.storage.llava_json import Fault
from mix665k.schemas.terminal import LiteralConsole


def one(name: str, **counts: Any) -> SourceComparison:
    """A source of ten records on either side, all identical unless `counts` says otherwise."""
    about: dict[str, Any] = {"a": 10, "b": 10, "identical": 10, "pairs_shared": 1234, "percent": {"identical": 100.0}}
    return SourceComparison(name=name, **(about | counts))


def comparison(*sources: SourceComparison, same_order: bool = True, **fields: Any) -> Comparison:
    """A mixture beside a file; the last source is the total where there are several."""
    sides: dict[str, Any] = {
        "a": Side(path="mine", kind="mixture", name="small", records=10, row_hash="0123456789abcdef0000"),
        "b": Side(path="llava.json", kind="llava_json", name="llava", records=10),
    }
    named = list(sources[:-1]) or list(sources)
    return Comparison(**(sides | {"sources": named, "total": sources[-1], "same_order": same_order} | fields))


def lines(of: Comparison) -> list[str]:
    """What is printed, each line with its columns one blank apart."""
    file = io.StringIO()
    print_comparison(LiteralConsole(file=file, width=160), of)
    return [" ".join(line.split()) for line in file.getvalue().splitlines()]


def mixture(row_hash: str) -> Side:
    return Side(path="other", kind="mixture", name="other", records=10, row_hash=row_hash)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (comparison(one("gqa")), "equal: the same records in the same order"),
        (
            comparison(one("gqa"), b=mixture("0123456789abcdef0000")),
            "equal: the row hashes are the same, all shards are intact",
        ),
        (comparison(one("gqa"), b=mixture("f" * 20)), "equal: the same records in the same order"),
        (comparison(one("gqa", moved=2), same_order=False), "different: the same records in another order"),
        (
            comparison(one("gqa", identical=7, percent={"identical": 53.85})),
            "different: 7 records are identical, 53.85 % of all",
        ),
        (
            comparison(one("gqa", b=11, percent={"identical": 90.91}), same_order=False),
            "different: 10 records are identical, 90.91 % of all",
        ),
    ],
)
def test_the_verdict_says_in_one_line_how_the_sides_differ(found: Comparison, verdict: str) -> None:
    assert lines(found)[3] == verdict


def test_each_side_is_named_with_its_records_and_a_mixture_with_its_row_hash() -> None:
    assert lines(comparison(one("gqa")))[:2] == [
        "a mine small, 10 records, row hash 0123456789abcdef",
        "b llava.json 10 records",
    ]


def test_a_total_is_shown_only_where_there_are_several_sources() -> None:
    several = lines(comparison(one("gqa"), one("vg"), one("all", a=20, b=20, identical=20)))
    assert "all 20 20 20 100 % 1,234" in several
    assert [line for line in lines(comparison(one("gqa"))) if line.startswith("all")] == []


def test_every_kind_of_difference_has_a_line_with_its_share() -> None:
    counts = {"identical": 1, "reordered": 1, "differing": 5, "only_in_a": 2, "only_in_b": 1, "moved": 3}
    found = one("gqa", differing_in={"answers": 4, "id, image": 1}, percent={"identical": 10.0}, **counts)
    shown = lines(comparison(found))
    start = shown.index("what differs") + 4
    assert shown[start : start + 6] == [
        "gqa same pairs in another order 1 10.00 %",
        "differing in answers 4 40.00 %",
        "differing in id, image 1 10.00 %",
        "only in A 2 20.00 %",
        "only in B 1 10.00 %",
        "elsewhere in the order 3",
    ]


def test_between_two_mixtures_records_are_changed_removed_and_added() -> None:
    found = one("gqa", identical=0, differing=8, differing_in={"steps": 8}, only_in_a=2, only_in_b=2)
    found.percent = {"identical": 0.0}
    shown = lines(comparison(found, b=mixture("f" * 20)))
    assert {"gqa changed in steps 8 66.67 %", "removed 2 16.67 %", "added 2 16.67 %"} <= set(shown)


def test_only_lengths_that_shift_are_shown_and_only_numbers_that_differ_twice() -> None:
    same = Spread(1.5, 1, 2, 3)
    before, after = Spread(13.33, 12, 40, 90), Spread(1500.0, 12, 2000, 9000)
    found = one("gqa", lengths_in_a=Lengths(before, same), lengths_in_b=Lengths(after, same))
    shown = lines(comparison(found))
    assert "gqa words 13.33 → 1,500.00 12 40 → 2,000" in shown
    assert not [line for line in shown if "pairs 1.50" in line]


def test_lengths_of_a_source_that_one_side_has_not_do_not_shift() -> None:
    found = one("gqa", b=0, identical=0, only_in_a=10, lengths_in_a=Lengths(Spread(1.5, 1, 2, 3)))
    assert "shifts of lengths" not in lines(comparison(found))


def test_prompt_forms_are_shown_where_their_numbers_differ() -> None:
    forms = [Prompts("short answer", 7, 10), Prompts("none", 3, 3), Prompts("Be\nbrief.", 0, 1000)]
    shown = lines(comparison(one("gqa", prompts=forms)))
    start = shown.index("prompt form of the first question") + 4
    assert shown[start : start + 3] == ["gqa short answer 7 10", "Be⏎brief. 0 1,000", ""]


def test_prompt_forms_of_a_source_that_one_side_has_not_are_left_out() -> None:
    found = one("gqa", a=0, identical=0, only_in_b=10, prompts=[Prompts("none", 0, 10)])
    assert "gqa none 0 10" not in lines(comparison(found))


def test_changes_of_the_manifests_are_shown_with_the_source_they_belong_to() -> None:
    changes = [Change("seed", "1", "2"), Change("step 1", "none", '{"merge":{}}', "vg")]
    shown = lines(comparison(one("gqa"), manifests=changes))
    assert shown[shown.index("what differs in the manifests") + 4 :][:2] == ["seed 1 2", 'vg step 1 none {"merge":{}}']


def test_remarks_say_what_the_tables_cannot() -> None:
    file = Side(path="llava.json", kind="llava_json", name="llava", records=10)
    file.source_evidence = {"the same record": 9000, "undecided": 1}
    file.faults, file.fault_examples = 1200, [Fault("$[3]", "\x1b7", "turn 1 is empty")]
    shown = lines(comparison(one("gqa"), b=file, same_order=False, by_content=1234))
    assert "1,234 records belong together by what they say alone, under other ids and images" in " ".join(shown)
    assert "sources of the records of b are inferred from: the same record 9,000, undecided 1" in shown
    assert "1,200 records of b have faults and are not compared" in shown
    assert "the sources are in another order" in shown
    assert "$[3] \ufffd7 turn 1 is empty" in shown


def test_records_that_moved_explain_another_order_by_themselves() -> None:
    shown = lines(comparison(one("gqa", moved=1), same_order=False))
    assert "the sources are in another order" not in shown


def test_examples_are_shown_with_both_places_and_what_differs() -> None:
    changed = [Change("answers", "[bold]Yes[/bold]", "No\nway", "Dry?"), Change("image", "1.jpg", "2.jpg")]
    examples = [
        Example("differing", "7", "gqa/7", "$[4]", changed),
        Example("reordered", "8", "$[5]", "$[5]"),
        Example("only_in_b", "9", None, "$[6]", text="How?\nSo / Well"),
    ]
    shown = lines(comparison(one("gqa", identical=8, percent={"identical": 80.0}, examples=examples)))
    start = next(i for i, line in enumerate(shown) if line.startswith("gqa: the first differences"))
    assert shown[start + 1 : start + 11] == [
        "differing in answers, image gqa/7 / $[4] id 7",
        "answers: Dry?",
        "a [bold]Yes[/bold]",
        "b No⏎way",
        "image",
        "a 1.jpg",
        "b 2.jpg",
        "same pairs in another order $[5] id 8",
        "only in B $[6] id 9",
        "How?⏎So / Well",
    ]


def test_the_json_document_gives_back_the_comparison() -> None:
    found = comparison(
        one("gqa", examples=[Example("reordered", "8", "$[5]", None)]), manifests=[Change("x", "1", "2")]
    )
    document = msgspec.json.decode(to_json(found))
    assert document.pop("equal") is True
    assert msgspec.convert(document, Comparison) == found
