"""Positions: whose rows they count, from what, and whether the content beside them agrees."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import MixtureError, UserError
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.select.selecting import drawn, ids, lines, select, written

Records = list[dict[str, Any]]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("2\n0\n6652\n", {"base": 0}),
        ("3\n1\n6653\n", {"base": 1}),
        ("[2, 0, 6652]", {"base": 0}),
        ('{"global_id": 2}\n{"global_id": 0}\n{"global_id": 6652}\n', {}),
        ("unique_idx,why\n2,a\n0,b\n6652,c\n", {"as": "table"}),
        ("n\n3\n1\n6653\n", {"as": "table", "key": "n", "base": 1}),
    ],
)
def test_positions_are_rows_of_the_mixture_counted_as_it_is_said(
    full: Path, tmp_path: Path, content: str, options: dict[str, Any]
) -> None:
    found = select(full, written(tmp_path / "by.txt", content), tmp_path / "out", **options)
    every = ids(full)
    assert ids(tmp_path / "out") == [every[0], every[2], every[6652]]
    assert found.total.by == {"position": 3}
    assert f"rows from {options.get('base', 0)} of the mixture" in load_manifest(tmp_path / "out").selections[0].method


def test_positions_over_rows_with_an_image_skip_the_others(small: Path, tmp_path: Path) -> None:
    """The fourth of five records is text only."""
    select(small, written(tmp_path / "by.txt", "3\n"), tmp_path / "out", base=0, rows="images")
    assert ids(tmp_path / "out") == ["mine/7#0"]


@pytest.mark.parametrize(
    ("shift", "rows", "wrong", "right"),
    [
        (0, "all", {"base": 1}, "--base 0"),
        (1, "all", {"base": 0}, "--base 1"),
        (0, "images", {"base": 0}, "--rows images"),
    ],
)
def test_a_wrong_base_is_refused_with_the_one_that_fits_where_content_tells(
    full: Path, published: Records, tmp_path: Path, shift: int, rows: str, wrong: dict[str, Any], right: str
) -> None:
    """ARDS counts from 0; a script that took 1 for granted got every record wrong."""
    moved = [*published[-30:], *published[:-30]]  # text-only records first, so that counting images differs
    counted = [one for one in moved if rows == "all" or "image" in one]
    by = lines(tmp_path / "by.json", *({**one, "global_id": k + shift} for k, one in enumerate(counted[:50])))
    file = written(tmp_path / "published.json", moved)
    message = rf"(50|49) of 50 records are not where 'global_id' says with --base .; all are with .*{right}"
    with pytest.raises(MixtureError, match=message):
        select(full, by, published=file, **wrong)
    found = select(full, by, published=file, base=shift, rows=rows)
    assert (found.total.exact, found.total.by) == (50, {"content": 50})


def test_positions_of_another_file_are_said_to_be_where_content_is_there(
    full: Path, published: Records, tmp_path: Path
) -> None:
    places = drawn(200, len(published))
    by = written(tmp_path / "by.json", [{**published[i], "unique_idx": (i * 7) % 6653} for i in places])
    found = select(full, by)
    assert (found.total.exact, found.positions) == (
        200,
        "unique_idx: 0 of 200 agree with content, counted over rows from 0",
    )
    with pytest.raises(
        MixtureError, match=r"at best 0 are, .*: it counts rows of another file; pass that as --published"
    ):
        select(full, by, base=0)
    by = written(tmp_path / "by.json", [{**published[i], "unique_idx": i} for i in places])
    told = select(full, by, base=0).positions
    assert told == "unique_idx: 200 of 200 agree with content, counted over rows from 0"


def test_positions_in_the_published_file_are_found_by_what_stands_there(
    full: Path, published: Records, tmp_path: Path
) -> None:
    """The mixture has the sources in another order, and one record fewer."""
    file = written(tmp_path / "published.json", list(reversed(published))[:-1])
    places = sorted(drawn(100, len(published) - 1))
    by = written(tmp_path / "by.txt", "\n".join(map(str, places)))
    found = select(full, by, tmp_path / "out", base=0, published=file)
    every = ids(full)
    assert ids(tmp_path / "out") == [every[len(every) - 1 - place] for place in reversed(places)]
    [selected] = load_manifest(tmp_path / "out").selections
    assert (found.total.exact, selected.by) == (100, {"content": 100})
    assert selected.method == "by position, rows from 0 of published.json, then by content"
    assert selected.published is not None


def test_a_published_file_goes_with_positions(full: Path, published_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--published .*: goes with positions, .*by\.txt has none"):
        select(full, written(tmp_path / "by.txt", "a\n"), published=published_file)
