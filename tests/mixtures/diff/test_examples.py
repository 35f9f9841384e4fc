"""The records that are shown: read again from a file or a mixture, with what differs cut to one line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.diff.comparison import Change, Example
from mix665k.mixtures.diff.digests import DigestedMixture, digest_mixture
from mix665k.mixtures.diff.examples import Found, excerpt, excerpts, read_texts, show
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.terminal import no_progress
from tests.mixtures.small import SHORT, change_rows, record, written

PROMPTS = (SHORT, "Be brief.")


def opened(path: Path) -> DigestedMixture:
    """One side of a comparison."""
    return digest_mixture(Mixture.open(path), PROMPTS, advance=no_progress)


def test_the_rows_of_a_mixture_are_read_from_whichever_shard_holds_them(small: Path) -> None:
    texts = read_texts(opened(small), [4, 0, 3])
    assert {row: text.where for row, text in texts.items()} == {
        0: "gqa/2327515#0",
        3: "sharegpt/wgByO4Y_0#0",
        4: "mine/7#0",
    }
    assert (texts[3].images, texts[3].turns[3]) == ([], "Gern\u2028geschehen")
    assert texts[0].turns == [f"<image>\nIs it dry?\n{SHORT}", "Yes", "And the sack?", "No"]


def test_an_id_is_an_integer_again_only_where_the_published_file_has_one(small: Path) -> None:
    texts = read_texts(opened(small), [0, 1, 4])
    assert [texts[row].id for row in (0, 1, 4)] == [2327515, "0012", "7"]


def test_a_record_behind_one_with_a_fault_is_read_at_its_place_in_the_file(tmp_path: Path) -> None:
    bad = record("1", None, "a", " ")
    file = written(tmp_path, [bad, record("2", None, "b", "c"), bad, record(4, "gqa/4.jpg", "<image>\nd", "e")])
    texts = read_texts(opened(file), [0, 1])
    assert [(text.where, text.id, text.images) for text in texts.values()] == [
        ("$[1]", "2", []),
        ("$[3]", 4, ["gqa/4.jpg"]),
    ]
    assert texts[1].turns == ["<image>\nd", "e"]


def test_no_record_is_read_where_none_is_shown(tmp_path: Path) -> None:
    side = opened(written(tmp_path, [record("2", None, "b", "c")]))
    (tmp_path / "llava.json").unlink()
    assert read_texts(side, []) == {}
    assert show([], side, side, prompts=PROMPTS) == {}


def shown(folder: Path, a: list[str], b: list[str], *, differs: str) -> Change:
    """What is shown of one difference of two records of these turns."""
    sides = []
    for name, turns in (("a", a), ("b", b)):
        (folder / name).mkdir()
        sides.append(opened(written(folder / name, [record("1", "gqa/1.jpg", *turns)])))
    found = Found("gqa", outcome="differing", a=0, b=0, differs=(differs,))
    [example] = show([found], *sides, prompts=PROMPTS)["gqa"]
    [change] = example.changes
    return change


@pytest.mark.parametrize(
    ("a", "b", "change"),
    [
        pytest.param(
            ["<image>\nOne?", "1", "Two?", "2", "Three?", "3"],
            ["<image>\nOne?", "1", "Two?", "zwei", "Three?", "drei"],
            Change("answers", "2", "zwei", "Two?"),
            id="the first question that is answered in another way",
        ),
        pytest.param(
            ["<image>\nOne?", "1", "Two?", "2"],
            ["<image>\nTwo?", "2", "Un?", "un"],
            Change("answers", "1", "un"),
            id="an answer to a question that the other side does not ask",
        ),
        pytest.param(
            ["<image>\nOne?", "1", "One?", "2"],
            ["<image>\nOne?", "1", "One?", "3"],
            Change("answers", "2", "3", "One?"),
            id="the second answer to a question asked twice",
        ),
        pytest.param(
            ["<image>\nOne?", "1"],
            ["<image>\nOne?", "2", "One?", "3"],
            Change("answers", "1", "2", "One?"),
            id="the first of the other side's answers to a question it asks twice",
        ),
        pytest.param(
            ["<image>\nOne?", "1", "Two?", "2"],
            ["<image>\nTwo?", "2", "Un?", "1"],
            Change("questions", "One?", "Un?"),
            id="the first question that the other side does not ask",
        ),
        pytest.param(
            ["<image>\nOne?", "1", "Two?", "2", "Three?", "3"],
            ["<image>\nOne?", "1", "Three?", "3", "Two?", "2"],
            Change("order of pairs", "Two?", "Three?", "number 2"),
            id="the first place at which another question stands",
        ),
        pytest.param(
            [f"<image>\nOne?\n{SHORT}", "1", f"Two?\n{SHORT}", "2", "Three?\nBe brief.", "3"],
            ["<image>\nOne?", "1", f"Two?\n{SHORT}", "2", "Three?", "3"],
            Change("prompt", f"{SHORT} (questions 1, 2) | Be brief. (questions 3)", f"{SHORT} (questions 2)"),
            id="every prompt with the questions that have it",
        ),
        pytest.param(
            ["<image>\nOne?", "1"],
            ["<image>\nOne?\nIn French.", "1"],
            Change("prompt", "none", "In French."),
            id="a last line that only one side has is its prompt",
        ),
        pytest.param(
            ["One?\n<image>", "1"],
            ["Is <image> one?", "1"],
            Change("image token", "after the question", "elsewhere"),
            id="where the image token stands",
        ),
    ],
)
def test_the_first_difference_of_a_field_is_shown(tmp_path: Path, a: list[str], b: list[str], change: Change) -> None:
    assert shown(tmp_path, a, b, differs=change.what) == change


@pytest.mark.parametrize(
    ("field", "value", "change"),
    [
        ("steps", ["split", "truncated"], Change("steps", "none", "split", "number 1")),
        ("origins", ["0012#0/9"], Change("origins", "0012#0/0", "0012#0/9", "number 1")),
        ("reference_id", "13", Change("reference id", "0012", "13")),
        ("id", "gqa/0012#7", Change("id", "gqa/0012#0", "gqa/0012#7")),
    ],
)
def test_between_mixtures_ids_and_provenance_are_shown(
    small: Path, copy: Path, field: str, value: Any, change: Change
) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update({field: value}), hashes="all")
    found = Found("gqa", outcome="differing", a=1, b=1, differs=(change.what,))
    [example] = show([found], opened(small), opened(copy), prompts=PROMPTS)["gqa"]
    assert example.changes == [change]


def test_a_record_of_one_side_is_shown_by_its_first_question_and_answer(small: Path, tmp_path: Path) -> None:
    file = opened(written(tmp_path, [record("9", None, "Q" * 115, "Answer", "more", "text")]))
    ones = [
        Found("sharegpt", outcome="only_in_b", a=None, b=0),
        Found("gqa", outcome="only_in_a", a=2, b=None),
    ]
    assert show(ones, opened(small), file, prompts=PROMPTS) == {
        "sharegpt": [Example("only_in_b", "9", None, "$[0]", text="Q" * 115 + " / An…")],
        "gqa": [Example("only_in_a", "n166008", "gqa/n166008#0", None, text=f"<image>\nWhere?\n{SHORT} / Left")],
    }


def test_a_text_of_120_characters_is_shown_in_full_and_a_longer_one_is_cut() -> None:
    assert excerpt("x" * 120) == "x" * 120
    assert excerpt("x" * 121) == "x" * 120 + "…"


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    same=st.text("ab", max_size=300),
    a=st.text("cd", max_size=200),
    b=st.text("ef", max_size=200),
)
def test_excerpts_are_short_and_differ_where_the_texts_do(same: str, a: str, b: str) -> None:
    shown = excerpts(same + a, same + b)
    assert (shown[0] == shown[1]) == (a == b)
    assert max(map(len, shown)) <= 122
    assert excerpts(same + b, same + a) == shown[::-1]
