"""Boxes: found in the texts, put back on the image, numbered, and their numbers kept apart."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.inspect.html.boxes import WHOLE_SQUARE, place_tags, spans
from mix665k.schemas.boxes import Box, Size, fractions

SIDES = st.integers(50, 3_000)


def boxes_of(*turns: str, size: Size | None, convention: Any = "square") -> list[Box]:
    found = spans(turns, size=size, convention=convention)
    return [Box(*(round(edge, 6) for edge in span.box.box)) for text in found for span in text if span.box]


@pytest.mark.parametrize(
    ("size", "convention", "box"),
    [
        (Size(400, 200), "square", Box(40, 40, 160, 80)),
        (Size(200, 400), "square", Box(-60, 140, 160, 80)),
        (Size(400, 400), "square", Box(40, 140, 160, 80)),
        (Size(400, 200), "plain", Box(40, 70, 160, 40)),
        (Size(200, 400), "plain", Box(20, 140, 80, 80)),
        (None, "square", Box(100, 350, 400, 200)),
    ],
)
def test_the_convention_is_undone(size: Size | None, convention: Any, box: Box) -> None:
    assert boxes_of("[0.1, 0.35, 0.5, 0.55]", size=size, convention=convention) == [box]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.builds(Size, SIDES, SIDES),
    st.sampled_from(["square", "plain"]),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_a_box_comes_back_to_where_it_was_but_for_rounding(size: Size, convention: Any, parts: list[float]) -> None:
    left, right = sorted((parts[0] * size.width, parts[1] * size.width))
    top, bottom = sorted((parts[2] * size.height, parts[3] * size.height))
    box = Box(left, top, right - left, bottom - top)
    text = str([round(edge, 2) for edge in fractions(box, size, convention)])
    [[(_, drawn)]] = spans([text], size=size, convention=convention)
    assert drawn
    assert not drawn.outside
    for found, true in zip(drawn.box, box, strict=True):
        assert abs(found - true) <= 0.0101 * max(size)


def test_texts_are_cut_at_their_boxes_and_nothing_is_lost() -> None:
    turns = ["Where is [0.1, 0.2, 0.3, 0.4]?", "[0.5, 0.5, 1.0, 1.0]", "none [1, 2]"]
    found = spans(turns, size=None, convention="square")
    assert [[span.text for span in text] for text in found] == [
        ["Where is ", "[0.1, 0.2, 0.3, 0.4]", "?"],
        ["[0.5, 0.5, 1.0, 1.0]"],
        ["none [1, 2]"],
    ]
    assert [span.box.number for text in found for span in text if span.box] == [1, 2]


def test_equal_boxes_are_one_box() -> None:
    found = spans(
        ["[0.1, 0.2, 0.3, 0.4]", "[0.2, 0.2, 0.3, 0.4]", "[0.1, 0.2, 0.3, 0.4]"], size=None, convention="plain"
    )
    first, second, third = (text[0].box for text in found)
    assert first == third != second


def test_corners_in_the_wrong_order_still_give_a_box() -> None:
    assert boxes_of("[0.5, 0.4, 0.1, 0.2]", size=Size(100, 100)) == [Box(10, 20, 40, 20)]


@pytest.mark.parametrize(
    ("text", "height", "outside"),
    [
        ("[0.0, 0.25, 1.0, 0.75]", 200, False),
        ("[0.0, 0.25, 1.0, 0.75]", 197, False),
        ("[0.0, 0.24, 1.0, 0.75]", 200, True),
        ("[0.0, 0.25, 1.0, 0.76]", 200, True),
    ],
)
def test_a_box_that_lies_in_the_padding_is_told(text: str, height: int, outside: bool) -> None:
    [[(_, drawn)]] = spans([text], size=Size(400, height), convention="square")
    assert drawn
    assert drawn.outside == outside


def test_numbers_stand_on_the_image_and_not_on_each_other() -> None:
    texts = ["[0.0, 0.0, 1.0, 1.0]", "[0.0, 0.0, 0.9, 1.0]", "[0.0, 0.0, 0.8, 0.9]", "[0.0, 0.0, 0.8, 0.8]"]
    boxes = [text[0].box for text in spans(texts, size=None, convention="square")]
    tags = place_tags([box for box in boxes if box], canvas=WHOLE_SQUARE)
    assert list(tags) == [1, 2, 3, 4]
    for tag in tags.values():
        assert 0 <= tag.x <= 1000 - tag.width
        assert 0 <= tag.y <= 1000 - tag.height
    for one, other in combinations(tags.values(), 2):
        apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart_x or one.y + one.height <= other.y or other.y + other.height <= one.y
