"""Many small things at once: in their order, each once, and an error comes out."""

from typing import Any

import pytest

from mix665k.mixtures.parallel import map_in_processes
from mix665k.schemas.errors import MixtureError
from tests.mixtures import work_to_do
from tests.mixtures.work_to_do import answers


def test_results_are_in_the_order_of_the_items_and_the_shares_are_the_whole() -> None:
    shares: list[float] = []
    found = map_in_processes(list, range(300), jobs=2, preload="json", advance=shares.append)
    assert found == list(range(300))
    assert sum(shares) == pytest.approx(1.0)
    assert max(shares) < 0.1  # pieces small enough for the bar and for both processes


def test_nothing_starts_no_process() -> None:
    assert map_in_processes(list, [], jobs=2, preload="no.such.module", advance=lambda _: None) == []


def test_a_defect_of_the_work_is_raised() -> None:
    work: Any = sorted
    with pytest.raises(TypeError, match="'<' not supported"):
        map_in_processes(work, [1, "a"] * 20, jobs=1, preload="json", advance=lambda _: None)


def test_a_process_that_is_killed_is_one_line() -> None:
    with pytest.raises(
        MixtureError, match=r"^one of its processes was killed by signal 9; out of memory\? try --jobs 1$"
    ):
        map_in_processes(answers, range(40), jobs=2, preload=work_to_do.__name__, advance=lambda _: None)
