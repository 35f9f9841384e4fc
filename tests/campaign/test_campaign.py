"""A part of the campaign that takes seconds; `make campaign` runs all of it."""

import pytest

from mix665k.builders.registry import SOURCES
from tests.campaign.runner import run_cases

IN_TESTS = {
    "mutations": 2_010,
    "recipes": 60,
    "mixtures": 40,
    "names": 3,
    "pictures": 60,
    "archives": 20,
    "servers": 6,
    "tokenizers": 6,
    "disk": 3,
    "kills": 1,
}
"""Cases of each kind."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", IN_TESTS)
def test_no_case_of_a_small_campaign_is_a_fault(kind: str) -> None:
    found = list(run_cases(kind, range(IN_TESTS[kind]), seed=1, jobs=1))
    assert len(found) == IN_TESTS[kind]
    assert [outcome for outcome in found if outcome.fault] == []
    if kind == "mutations":
        assert {outcome.group for outcome in found} == set(SOURCES)
