"""A mixture beside a file in LLaVA's own form: each way to differ, found and shown."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mix665k.mixtures.diff.comparison import Change, Comparison, Example
from mix665k.schemas.errors import MixtureError, RawDataError
from tests.mixtures.diff.comparing import ALL, beside, by_source, changed, compared, found, two_files
from tests.mixtures.small import SHORT, look, record, written


def source(comparison: Comparison, name: str) -> Any:
    return next(one for one in comparison.sources if one.name == name)


@pytest.mark.parametrize(
    ("records", "what", "change"),
    [
        (
            changed(0, f"<image>\nIs it dry?\n{SHORT}", "No", "And the sack?", "No"),
            "answers",
            Change("answers", "Yes", "No", "Is it dry?"),
        ),
        (
            changed(0, f"<image>\nIs it dry?\n{SHORT}", "Yes", "And the bag?", "No"),
            "questions",
            Change("questions", "And the sack?", "And the bag?"),
        ),
        (
            changed(0, f"<image>\nIs it dry?\n{SHORT}", "Yes"),
            "number of pairs",
            Change("number of pairs", "2", "1"),
        ),
        (
            changed(0, f"<image>\nIs it dry?\n{SHORT}", "No", "And the sack?", "Yes"),
            "answers",
            Change("answers", "Yes", "No", "Is it dry?"),
        ),
        (
            changed(0, "<image>\nIs it dry?\nBe brief.", "Yes", "And the sack?", "No"),
            "prompt",
            Change("prompt", SHORT, "Be brief."),
        ),
        (
            changed(0, "<image>\nIs it dry?", "Yes", "And the sack?", "No"),
            "prompt",
            Change("prompt", SHORT, "none"),
        ),
        (
            changed(0, f"<image>\nIs it dry?\n{SHORT}", "Yes", f"And the sack?\n{SHORT}", "No"),
            "prompt",
            Change("prompt", SHORT, f"{SHORT} (questions 1, 2)"),
        ),
        (
            changed(0, f"Is it dry?\n{SHORT}\n<image>", "Yes", "And the sack?", "No"),
            "image token",
            Change("image token", "before the question", "after the question"),
        ),
        (changed(0, id="1"), "id", Change("id", "2327515", "1")),
        (changed(0, id="2327515"), "id type", Change("id type", "integer", "string")),
        (
            changed(0, image="gqa/images/1.jpg"),
            "image",
            Change("image", "gqa/images/2327515.jpg", "gqa/images/1.jpg"),
        ),
    ],
)
def test_a_difference_is_named_and_shown(
    small: Path, tmp_path: Path, records: list[dict[str, Any]], what: str, change: Change
) -> None:
    comparison = beside(small, tmp_path, records)
    assert not comparison.equal
    assert by_source(comparison) == {
        "gqa": {"identical": 2, what: 1},
        "sharegpt": {"identical": 1},
        "mine": {"identical": 1},
    }
    assert source(comparison, "gqa").examples == [
        Example("differing", "2327515", "gqa/2327515#0", "$[0]", [change]),
    ]


def test_the_same_pairs_in_another_order_are_told_apart_from_other_pairs(small: Path, tmp_path: Path) -> None:
    comparison = beside(small, tmp_path, changed(0, f"<image>\nAnd the sack?\n{SHORT}", "No", "Is it dry?", "Yes"))
    assert found(source(comparison, "gqa")) == {"identical": 2, "reordered": 1}
    change = Change("order of pairs", "Is it dry?", "And the sack?", "number 1")
    assert source(comparison, "gqa").examples[0].changes == [change]


def test_records_of_one_side_only_are_shown(small: Path, tmp_path: Path) -> None:
    other = record("9", "gqa/images/9.jpg", f"<image>\nHow?\n{SHORT}", "So")
    comparison = beside(small, tmp_path, [ALL[0], other, *ALL[2:]])
    gqa = source(comparison, "gqa")
    assert found(gqa) == {"identical": 2, "only in A": 1, "only in B": 1}
    assert gqa.percent == {"identical": 50, "reordered": 0, "differing": 0, "only_in_a": 25, "only_in_b": 25}
    assert gqa.examples == [
        Example("only_in_a", "0012", "gqa/0012#0", None, text=f"<image>\nWho?\n{SHORT} / A man"),
        Example("only_in_b", "9", None, "$[1]", text=f"<image>\nHow?\n{SHORT} / So"),
    ]


def test_a_repeated_record_is_matched_once(small: Path, tmp_path: Path) -> None:
    comparison = beside(small, tmp_path, [*ALL, ALL[0]])
    assert found(source(comparison, "gqa")) == {"identical": 3, "only in B": 1}


def test_another_order_is_a_difference_of_its_own(small: Path, tmp_path: Path) -> None:
    comparison = beside(small, tmp_path, [ALL[2], ALL[0], ALL[1], *ALL[3:]])
    assert found(source(comparison, "gqa")) == {"identical": 3, "moved": 1}
    assert not comparison.equal


def test_another_order_of_sources_is_no_move(small: Path, tmp_path: Path) -> None:
    comparison = beside(small, tmp_path, [*ALL[3:], *ALL[:3]])
    assert (comparison.total.identical, comparison.total.moved) == (5, 0)
    assert not comparison.same_order
    assert not comparison.equal


def test_everything_is_equal_to_itself(small: Path, tmp_path: Path) -> None:
    assert beside(small, tmp_path, ALL).equal


def test_records_of_one_id_and_image_belong_together_by_what_they_share(small: Path, tmp_path: Path) -> None:
    texts = [(f"<image>\n{name}?", "yes", "And then?", f"{name}!") for name in ("one", "two", "three")]
    a = [record("7", "coco/train2017/7.jpg", *text) for text in texts]
    b = [record("7", "coco/train2017/7.jpg", *text[:3], f"{text[3]}!") for text in reversed(texts)]
    comparison = two_files(tmp_path, a, b)
    assert by_source(comparison) == {"llava_instruct": {"answers": 3, "moved": 2}}
    assert comparison.total.pairs_shared == 3


def test_the_same_content_under_another_id_and_image_is_found_where_it_is_the_only_one(tmp_path: Path) -> None:
    def records(folder: str, *answers: str) -> list[dict[str, Any]]:
        named = enumerate(answers)
        return [record(f"{folder}{i}", f"gqa/{folder}/{i}.jpg", "<image>\nWhat?", answer) for i, answer in named]

    comparison = two_files(tmp_path, records("a", "tea", "milk", "milk"), records("b", "tea", "milk", "milk"))
    assert by_source(comparison) == {"gqa": {"id, image": 1, "only in A": 2, "only in B": 2}}
    assert comparison.by_content == 1


def test_a_last_line_is_no_prompt_where_the_other_side_has_it_too(tmp_path: Path) -> None:
    lines = record("1", "coco/train2017/1.jpg", "<image>\nIs it dry?\nSay why.", "Yes, it is made of clay.")
    short = record("1", "coco/train2017/1.jpg", "<image>\nIs it dry?", "Yes")
    comparison = two_files(tmp_path, [lines], [lines, short])
    assert by_source(comparison) == {"llava_instruct": {"identical": 1, "only in B": 1}}


def test_text_only_records_are_found_under_another_id(tmp_path: Path) -> None:
    comparison = two_files(tmp_path, [record("a", None, "Hi", "Ho")], [record("b", None, "Hi", "Ho")])
    assert by_source(comparison) == {"sharegpt": {"id": 1}}
    assert comparison.by_content == 1


def test_what_has_an_image_in_common_is_not_found_by_content_alone(tmp_path: Path) -> None:
    comparison = two_files(tmp_path, [record("a", "x.jpg", "Hi", "Ho")], [record("b", "x.jpg", "Hi", "Ho")])
    assert comparison.by_content == 0


def test_records_whose_meaning_is_plain_are_compared_and_shown_as_they_are_read(small: Path, tmp_path: Path) -> None:
    same = [one | {"score": float("nan"), "category": "x"} for one in ALL]
    turns = [{"role": "user", "content": "<image>\nWho?"}, {"role": "assistant", "content": "Me", "weight": 0}]
    other = {"id": "9", "image": ["gqa/images/9.jpg"], "messages": [{"role": "assistant", "content": "Hello"}, *turns]}
    comparison = beside(small, tmp_path, [*same, other])
    assert (comparison.total.identical, comparison.total.only_in_b, comparison.b.faults) == (5, 1, 0)
    [shown] = [one for source in comparison.sources for one in source.examples]
    assert (shown.outcome, shown.id, shown.text) == ("only_in_b", "9", "<image>\nWho? / Me")


def test_records_with_faults_are_counted_as_an_inspection_counts_them(small: Path, tmp_path: Path) -> None:
    bad: list[Any] = [
        record("1", "gqa/images/1.jpg", "<image>\na", " "),
        {"id": 1.5, "conversations": []},
        record("2", "gqa/images/2.jpg", "a", "b"),
        record("3", "gqa/images/../3.jpg", "<image>\na", "b"),
        record("4", None, "a", "b", "c"),
        record("", None, "a", "b"),
    ]
    comparison = beside(small, tmp_path, [*ALL[:2], *bad, *ALL[2:]])
    inspection = look(tmp_path / "llava.json")
    assert comparison.b.faults == 6 == inspection.faults
    assert comparison.b.fault_examples == inspection.fault_examples
    assert (comparison.total.identical, comparison.total.only_in_b) == (5, 0)
    assert not comparison.equal
    assert compared(tmp_path / "llava.json", small).a.faults == 6


def test_lengths_and_prompts_of_both_sides_stand_beside_each_other(small: Path, tmp_path: Path) -> None:
    comparison = beside(small, tmp_path, changed(1, f"<image>\nWho is it, do you think?\n{SHORT}", "A man"))
    gqa = source(comparison, "gqa")
    assert (gqa.lengths_in_a.words.mean, gqa.lengths_in_b.words.mean) == (13.33, 15.0)
    assert (gqa.lengths_in_a.pairs, gqa.lengths_in_b.pairs) == (gqa.lengths_in_b.pairs, gqa.lengths_in_a.pairs)
    assert [(one.form, one.a, one.b) for one in gqa.prompts] == [("short answer", 3, 3)]


@pytest.mark.parametrize("text", ["", "{}", "[1, 2", "[{]"])
def test_a_file_that_is_no_json_list_is_an_error(small: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(RawDataError):
        beside(small, tmp_path, text)


def test_a_target_that_is_not_there_is_an_error(small: Path, tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match="no such file or folder, expected a mixture or a JSON file"):
        compared(small, tmp_path / "none.json")
    with pytest.raises(MixtureError, match="none: no such file or folder, expected a mixture"):
        compared(tmp_path / "none", written(tmp_path, ALL))


_RECORDS = st.lists(
    st.builds(
        record,
        st.sampled_from(["1", "2"]),
        st.sampled_from(["gqa/images/1.jpg", "gqa/images/2.jpg"]),
        st.sampled_from(["<image>\na", "b\n<image>"]),
        st.sampled_from(["yes", "no"]),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=_RECORDS, b=_RECORDS)
def test_equal_records_are_matched_as_multisets(
    tmp_path: Path, a: list[dict[str, Any]], b: list[dict[str, Any]]
) -> None:
    total = two_files(tmp_path, a, b).total
    left = list(b)
    for one in a:
        if one in left:
            left.remove(one)
    assert total.identical == len(b) - len(left)
    matched = total.identical + total.reordered + total.differing
    assert (matched + total.only_in_a, matched + total.only_in_b) == (len(a), len(b))
