"""What a JSON Schema cannot say about a conversation, and how its texts are given."""

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.schemas.conversation import VISIBLE, Conversation, Pair, fault, is_blank, values

BOX = "Where is it? [0.1, 0.2, 0.3, 1.0]"


@pytest.mark.parametrize(
    ("turns", "has_image", "expected"),
    [
        (["<image>\nWho?", "Odo."], True, None),
        (["Who?\n<image>", "Odo.", "When?", "Now."], True, None),
        (["Who?", "Odo."], False, None),
        (["<image>\n" + BOX, "[0.0, 0.0, 1.0, 1.0]"], True, None),
        (["Why?", "[1.5, 2.0, 0.0, 7.0]"], False, None),
        ([], False, "0 turns, expected human and gpt in turn"),
        (["Who?"], False, "1 turns, expected human and gpt in turn"),
        (["Who?", "Odo.", "When?"], False, "3 turns, expected human and gpt in turn"),
        (["", "Odo."], False, "turn 0 is empty"),
        (["Who?", ""], False, "turn 1 is empty"),
        (["Who?", " \n\u00a0"], False, "turn 1 is empty"),
        (["Who?", "\u200b\ufeff\u00ad"], False, "turn 1 is empty"),
        (["\0", "Odo."], False, "turn 0 is empty"),
        (["\u2800\u3164", "Odo."], False, "turn 0 is empty"),
        (["<image>\n", "Odo."], True, "turn 0 is empty"),
        (["<image>", "Odo."], True, "turn 0 is empty"),
        (["?", "\u65e5"], False, None),
        (["Who?", "\U0001f642"], False, None),
        (["Who?", "Odo."], True, "0 <image> in the human turns, expected 1"),
        (["<image>\n<image>\nWho?", "Odo."], True, "2 <image> in the human turns, expected 1"),
        (["<image>\nWho?", "Odo."], False, "1 <image> in the human turns, expected 0"),
        (["<image>\nWho?", "An <image>."], True, "1 <image> in turn 1, expected 0"),
        (["<image>\nWho?", "Odo.", "<image>\nWhen?", "Now."], True, "2 <image> in the human turns, expected 1"),
        (["<image>\nA?", "[0.1, 0.2, 1.01, 0.3]"], True, "turn 1 holds a box outside 0..1: '[0.1, 0.2, 1.01, 0.3]'"),
        (["<image>\nA?", "[-0.1, 0.2, 0.3, 0.4]"], True, "turn 1 holds a box outside 0..1: '[-0.1, 0.2, 0.3, 0.4]'"),
    ],
)
def test_the_fault_of_a_conversation(turns: list[str], has_image: bool, expected: str | None) -> None:
    assert fault(turns, num_images=int(has_image), boxes=True) == expected


def test_numbers_in_brackets_are_no_boxes_unless_a_source_writes_them() -> None:
    turns = ["<image>\nA?", "[12.5, 30.0, 200.0, 220.0]"]
    assert fault(turns, num_images=1, boxes=False) is None


def _talk(*questions: str, image: str | None) -> Conversation:
    pairs = [Pair(question, "a", f"1/{i}") for i, question in enumerate(questions)]
    return Conversation(id="1", image=image, pairs=pairs)


@pytest.mark.parametrize(
    ("question", "image", "first"),
    [
        ("Who?", "x.jpg", "<image>\nWho?"),
        ("Who?\n<image>", "x.jpg", "Who?\n<image>"),
        ("<image>\nWho?", "x.jpg", "<image>\nWho?"),
        ("Who?", None, "Who?"),
    ],
)
def test_the_image_token_stands_in_front_where_none_stands_yet(question: str, image: str | None, first: str) -> None:
    assert list(values(_talk(question, "When?", image=image))) == [first, "a", "When?", "a"]


@settings(deadline=None, max_examples=300)
@given(
    st.text(st.characters(codec="utf-8"), max_size=4)
    | st.text(st.sampled_from(" \t\u200b\u2800\u3164\u0301a"), max_size=5)
)
def test_a_text_is_blank_by_the_same_rule_in_a_table(text: str) -> None:
    seen = pl.Series([text]).str.contains(VISIBLE)[0]
    if all(unicodedata.category(char) != "Cn" for char in text):
        assert is_blank(text) is not seen
    elif is_blank(text):  # Rust may know more of Unicode: what is a fault must be a suspect, the reverse costs a look
        assert not seen


@pytest.mark.parametrize(
    "text", ["a", " a", "\u200ba", "?", "\u65e5", "\U0001f642", "\u00bd", "_", "\uf8ff", "\u200d\u2640", "\U00013460"]
)
def test_what_a_reader_sees_is_not_blank(text: str) -> None:
    assert not is_blank(text)
