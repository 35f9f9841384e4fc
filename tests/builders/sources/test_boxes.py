"""Region boxes: the padded square, clipping, rounding and the two prompts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.schemas.boxes import Box, Size, box_text, clipped, fractions, leaves, pixels
from tests.builders.building import build, write_raw

PROPERTY = settings(deadline=None, derandomize=True, max_examples=200)
SIZES = st.builds(Size, st.integers(1, 5000), st.integers(1, 5000))
NUMBERS = st.floats(-6000, 6000, allow_nan=False)
BOXES = st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@pytest.mark.parametrize(
    ("size", "convention", "text"),
    [
        (Size(400, 200), "square", "[0.1, 0.35, 0.35, 0.5]"),
        (Size(200, 400), "square", "[0.35, 0.1, 0.6, 0.25]"),
        (Size(400, 400), "square", "[0.1, 0.1, 0.35, 0.25]"),
        (Size(400, 201), "square", "[0.1, 0.35, 0.35, 0.5]"),
        (Size(400, 200), "plain", "[0.1, 0.2, 0.35, 0.5]"),
        (Size(200, 400), "plain", "[0.2, 0.1, 0.7, 0.25]"),
    ],
)
def test_a_box_in_both_conventions(size: Size, convention: Any, text: str) -> None:
    assert box_text(fractions(Box(40, 40, 100, 60), size, convention)) == text


@PROPERTY
@given(SIZES, BOXES, st.sampled_from(["square", "plain"]))
def test_fractions_are_undone(size: Size, box: Box, convention: Any) -> None:
    assert pixels(fractions(box, size, convention), size, convention) == pytest.approx(box, abs=1e-6)


def test_an_odd_margin_is_larger_on_the_right() -> None:
    assert fractions(Box(0, 0, 1, 4), Size(1, 4), "square") == (0.25, 0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("edges", "text"),
    [
        ((0.0, 0.5, 1.0, 1.0), "[0.0, 0.5, 1.0, 1.0]"),
        ((0.004, 0.005, 0.015, 0.996), "[0.0, 0.01, 0.01, 1.0]"),
        ((0.125, 0.375, 0.625, 0.8), "[0.12, 0.38, 0.62, 0.8]"),
    ],
)
def test_edges_are_rounded_to_two_places_as_python_rounds(edges: tuple[float, float, float, float], text: str) -> None:
    assert box_text(edges) == text


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        (Box(1, 2, 3, 4), Box(1, 2, 3, 4)),
        (Box(-5, -5, 10, 10), Box(0, 0, 5, 5)),
        (Box(95, 40, 10, 20), Box(95, 40, 5, 10)),
        (Box(-10, -10, 200, 200), Box(0, 0, 100, 50)),
        (Box(100, 0, 5, 5), None),
        (Box(-5, 0, 5, 5), None),
        (Box(10, 10, 0, 5), None),
        (Box(10, 10, 5, -5), None),
        (Box(float("inf"), 0, 1, 1), None),
        (Box(0, 0, float("inf"), 10), Box(0, 0, 100, 10)),
        (Box(float("nan"), 0, float("nan"), 5), None),
    ],
)
def test_a_box_is_clipped_to_the_image(box: Box, inside: Box | None) -> None:
    assert clipped(box, Size(100, 50)) == inside


@PROPERTY
@given(size=SIZES, box=BOXES)
def test_clipping_stays_inside_and_leaves_what_is_inside_alone(size: Size, box: Box) -> None:
    inside = clipped(box, size)

    if inside is not None:
        assert inside.x >= 0
        assert inside.y >= 0
        assert inside.x + inside.width <= size.width * (1 + 1e-12)
        assert inside.y + inside.height <= size.height * (1 + 1e-12)
        again = clipped(inside, size)
        assert again is not None
        assert again == pytest.approx(inside)


@PROPERTY
@given(size=SIZES, box=BOXES)
def test_padded_boxes_invert_to_pixels_within_rounding(size: Size, box: Box) -> None:
    inside = clipped(box, size)
    if inside is None:
        return
    edges = [float(edge) for edge in box_text(fractions(inside, size, "square"))[1:-1].split(", ")]
    side = max(size)
    left, top = (side - size.width) // 2, (side - size.height) // 2

    back = [edges[0] * side - left, edges[1] * side - top, edges[2] * side - left, edges[3] * side - top]

    wanted = [inside.x, inside.y, inside.x + inside.width, inside.y + inside.height]
    assert all(0.0 <= edge <= 1.0 for edge in edges)
    assert edges[0] <= edges[2]
    assert edges[1] <= edges[3]
    assert all(abs(a - b) <= 0.005 * side + 1e-6 for a, b in zip(back, wanted, strict=True))


@PROPERTY
@given(size=SIZES, box=BOXES)
def test_plain_boxes_invert_to_pixels_within_rounding(size: Size, box: Box) -> None:
    inside = clipped(box, size)
    if inside is None:
        return
    x1, y1, *_ = (float(edge) for edge in box_text(fractions(inside, size, "plain"))[1:-1].split(", "))

    assert abs(x1 * size.width - inside.x) <= 0.005 * size.width + 1e-6
    assert abs(y1 * size.height - inside.y) <= 0.005 * size.height + 1e-6


@pytest.mark.parametrize(
    ("box", "out"),
    [
        (Box(0, 0, 100, 50), False),
        (Box(99.5, 49.5, 0.5, 0.5), False),
        (Box(-0.5, 0, 5, 5), True),
        (Box(0, -0.5, 5, 5), True),
        (Box(99.5, 0, 1, 5), True),
        (Box(0, 49.5, 5, 1), True),
    ],
)
def test_a_box_leaves_the_image_when_a_part_is_outside(box: Box, out: bool) -> None:
    assert leaves(box, Size(100, 50)) is out


def _regions(folder: Path, *boxes: tuple[float, float, float, float]) -> Path:
    """A VG image, 640 wide and 480 high, with these regions."""
    regions = [
        {"region_id": i, "image_id": 5, "x": x, "y": y, "width": w, "height": h, "phrase": f"thing {i}"}
        for i, (x, y, w, h) in enumerate(boxes)
    ]
    image = {"image_id": 5, "url": "https://x.invalid/VG_100K/5.jpg", "width": 640, "height": 480}
    return write_raw(folder, "vg", regions=[{"id": 5, "regions": regions}], images=[image])


def test_boxes_that_leave_the_image_can_be_dropped(tmp_path: Path) -> None:
    raw = _regions(tmp_path, (-1, 0, 50, 50), (600, 400, 41, 20), (10, 10, 20, 20))

    result = build("vg", raw=raw, params={"outside": "drop"})

    assert [origin for *_, origin in result.pairs] == ["2"]
    assert result.funnel[0].pairs.changes == {"box leaves the image": -2}


@pytest.mark.parametrize("box", [(0.1, 0.1, 0.2, 0.2), (359.17, 199.17, 280.83, 280.83), (0.3, 0.7, 639.7, 479.3)])
def test_a_box_inside_the_image_is_not_dropped_for_how_its_decimals_add_up(
    tmp_path: Path, box: tuple[float, float, float, float]
) -> None:
    assert len(build("vg", raw=_regions(tmp_path, box), params={"outside": "drop"}).pairs) == 1


def test_the_same_region_has_the_same_prompt_in_both_conventions(tmp_path: Path) -> None:
    raw = _regions(tmp_path, *[(i, i, 50, 50) for i in range(30)])
    kinds = [
        [question.startswith("Please provide a short") for question, *_ in build("vg", raw=raw, params=params).pairs]
        for params in ({"max_regions": 30}, {"max_regions": 30, "convention": "plain"})
    ]

    assert kinds[0] == kinds[1]
    assert 5 < sum(kinds[0]) < 25, "both prompts are drawn"


def test_fewer_regions_are_the_first_of_more(tmp_path: Path) -> None:
    raw = _regions(tmp_path, *[(i, i, 50, 50) for i in range(30)])
    ten = build("vg", raw=raw).pairs

    assert build("vg", raw=raw, params={"max_regions": 3}).pairs == ten[:3]
    assert len(ten) == 10


def test_drawn_regions_do_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    raw = _regions(tmp_path, *[(i, i, 50, 50) for i in range(30)])
    path = raw / "vg/region_descriptions.json"
    drawn = build("vg", raw=raw).pairs
    [image] = json.loads(path.read_text(encoding="utf-8"))
    image["regions"].reverse()
    path.write_text(json.dumps([image]), encoding="utf-8")

    assert build("vg", raw=raw).pairs == drawn
