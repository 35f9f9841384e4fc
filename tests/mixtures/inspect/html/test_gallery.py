"""Records as cards."""

from pathlib import Path
from typing import Any

from mix665k.mixtures.inspect.findings import Sampled
from mix665k.mixtures.inspect.html.gallery import Gallery, make_gallery
from mix665k.schemas.boxes import Size
from tests.mixtures.inspect.html.pages import RECORDS, WIDE, draw
from tests.mixtures.small import record


def gallery(*records: dict[str, Any], images: Path | None = None, conventions: Any = None) -> Gallery:
    """The gallery of these records of `vg`."""
    sampled = [Sampled("vg", one) for one in records]
    return make_gallery(sampled, images=images, conventions=conventions or {}, advance=lambda share: None)


def test_both_turns_of_a_pair_have_its_box(tmp_path: Path) -> None:
    draw(tmp_path / WIDE, (400, 200))
    [card] = gallery(RECORDS[-1], images=tmp_path).cards
    assert card.canvas == Size(400, 200)
    assert [[drawn.number for drawn in bubble.boxes] for bubble in card.bubbles] == [[1], [1], [2], [2]]
    assert [drawn.number for drawn in card.boxes] == [1, 2]
    assert "".join(span.text for span in card.bubbles[0].spans) == RECORDS[-1]["conversations"][0]["value"]


def test_a_small_box_lies_above_a_large_one() -> None:
    turns = ("<image>\na", "[0.4, 0.4, 0.5, 0.5]", "b", "[0.0, 0.0, 1.0, 1.0]")
    [card] = gallery(record("1", "a.jpg", *turns)).cards
    assert [drawn.number for drawn in card.boxes] == [2, 1]


def test_the_convention_of_the_source_counts(tmp_path: Path) -> None:
    draw(tmp_path / WIDE, (400, 200))
    square = gallery(RECORDS[-1], images=tmp_path)
    plain = gallery(RECORDS[-1], images=tmp_path, conventions={"vg": "plain"})
    assert [round(edge) for edge in square.cards[0].boxes[0].box] == [40, 40, 160, 80]
    assert [round(edge) for edge in plain.cards[0].boxes[0].box] == [40, 70, 160, 40]


def test_boxes_that_only_the_other_convention_explains_are_counted(tmp_path: Path) -> None:
    draw(tmp_path / WIDE, (400, 200))
    corner = record("1", WIDE, "<image>\nWhere?", "[0.0, 0.0, 0.5, 0.5]")
    assert gallery(corner, images=tmp_path).num_outside == 1
    assert gallery(corner, images=tmp_path, conventions={"vg": "plain"}).num_outside == 0


def test_text_without_an_image_has_no_boxes() -> None:
    [card] = gallery(record("1", None, "a list", "[0.1, 0.2, 0.3, 0.4]")).cards
    assert (card.picture, card.boxes, card.bubbles[1].boxes) == (None, [], [])


def test_images_that_are_shown_and_those_that_are_not_are_counted(tmp_path: Path) -> None:
    draw(tmp_path / WIDE, (40, 20))
    found = gallery(RECORDS[-1], record("1", "none.jpg", "<image>\na", "b"), RECORDS[0], images=tmp_path)
    assert (found.num_shown, found.num_absent, found.num_boxes) == (1, 1, 2)
    assert found.counts() == {"vg": 3}


def test_long_texts_and_many_turns_are_folded() -> None:
    long, many, short = gallery(RECORDS[1], RECORDS[2], RECORDS[0]).cards
    assert [bubble.folded for bubble in long.bubbles] == [False, False, False, True]
    assert (many.folded, len(many.bubbles)) == (24, 40)
    assert short.folded == len(short.bubbles)


def test_the_image_token_is_a_piece_of_its_own() -> None:
    [card] = gallery(record("1", "a.jpg", "What is this?\n<image>", "A heron.")).cards
    assert [span.text for span in card.bubbles[0].spans] == ["What is this?\n", "<image>"]
