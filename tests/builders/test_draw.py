"""The only randomness: a hash of seed, purpose and id that no version changes."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.builders.draw import Draw

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)
IDS = st.lists(st.text(max_size=8), max_size=40, unique=True)


@pytest.mark.parametrize(
    ("seed", "purpose", "identifier", "rank"),
    [
        (665, "sample", "a", 8567048516372638598),
        (665, "sample", "é", 1496784786805704944),
        (665, "vg region", "1382", 6488126731508261538),
        (0, "", "", 9339888801827154699),
    ],
)
def test_ranks_are_what_they_were(seed: int, purpose: str, identifier: str, rank: int) -> None:
    assert Draw(seed, purpose=purpose).rank(identifier) == rank


def test_ranks_do_not_depend_on_the_process() -> None:
    code = "from mix665k.builders.draw import Draw; print(Draw(665, purpose='sample').rank('a'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert int(done.stdout) == 8567048516372638598


def test_seeds_and_purposes_draw_apart() -> None:
    ids = [str(i) for i in range(50)]
    orders = [Draw(seed, purpose=purpose).order(ids, key=str) for seed in (1, 2) for purpose in ("x", "y")]

    assert len({tuple(order) for order in orders}) == 4


def test_ranks_are_spread_evenly() -> None:
    draw = Draw(1, purpose="x")
    ranks = [draw.rank(str(i)) for i in range(4000)]

    for eighth in range(8):
        assert 400 < sum(rank >> 61 == eighth for rank in ranks) < 600
    assert 1800 < sum(rank % 2 for rank in ranks) < 2200


@PROPERTY
@given(ids=IDS, seed=st.integers())
def test_an_order_is_by_rank_and_does_not_depend_on_the_order_before(ids: list[str], seed: int) -> None:
    draw = Draw(seed, purpose="x")

    ordered = draw.order(ids, key=str)

    assert ordered == sorted(ids, key=draw.rank)
    assert ordered == draw.order(reversed(ids), key=str)


def test_equal_ids_keep_their_order() -> None:
    items = [("a", 2), ("b", 1), ("a", 1)]

    assert [n for name, n in Draw(1, purpose="x").order(items, key=lambda item: item[0]) if name == "a"] == [2, 1]
