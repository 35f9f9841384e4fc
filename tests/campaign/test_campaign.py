"""The campaign notices what goes wrong, a part of it is run, and what is recorded of it is whole."""

import os
from pathlib import Path

import pytest

from docs.generator.campaign import RECORDED_CAMPAIGN
from mix665k.builders.registry import SOURCES
from tests.campaign.faulty import JUDGES
from tests.campaign.mutations import make
from tests.campaign.report import KindReport, load, save, together
from tests.campaign.runner import MODULES, run_cases
from tests.campaign.workplace import WRITING

IN_TESTS = {
    **{"mutations": 2_010, "recipes": 60, "mixtures": 40, "names": 3, "pictures": 60, "tokenizers": 6},
    **{"archives": 20, "servers": 6, "disk": 3, "kills": 1},
}
"""Cases of each kind."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODULES)
def test_no_case_of_a_small_campaign_is_a_fault(kind: str) -> None:
    found = list(run_cases(kind, range(IN_TESTS[kind]), seed=1, jobs=1))
    assert len(found) == IN_TESTS[kind]
    assert [outcome for outcome in found if outcome.fault] == []
    if kind == "mutations":
        assert {outcome.group for outcome in found} == set(SOURCES)


@pytest.mark.slow
def test_every_kind_of_fault_is_noticed_and_its_input_kept(tmp_path: Path) -> None:
    found = sorted(
        (one.number, one.fault) for one in run_cases("faulty", range(len(JUDGES)), seed=3, jobs=2, keep=tmp_path)
    )
    assert found == [(number, fault) for number, (_, fault) in enumerate(JUDGES)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"faulty-3-{number}" for number in (1, 2, 3, 4, 5)]
    assert (tmp_path / "faulty-3-2/input").read_text() == "2"
    assert (tmp_path / "faulty-3-2/outcome.txt").read_text() == "faulty: number 2\nhang: not done after 4 s\n"


def test_a_case_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        case = make(4711, 7, folder)
        contents = {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
        made.append((case.group, case.what, contents))
    assert made[0] == made[1]


def test_a_kind_that_is_recorded_again_replaces_itself_only(tmp_path: Path) -> None:
    one, other = (KindReport(seed=seed, commit="c0ffee", python="3", about="") for seed in (1, 2))
    save(tmp_path / "r.json", {"kills": one, "disk": one})
    save(tmp_path / "r.json", {"disk": other})
    assert {name: found.seed for name, found in load(tmp_path / "r.json").items()} == {"kills": 1, "disk": 2}


@pytest.mark.skipif("campaign" in os.environ.get("UPDATE_GOLDEN", ""), reason="it is being recorded")
def test_the_recorded_campaign_has_every_kind_in_full_and_no_fault() -> None:
    report = load(RECORDED_CAMPAIGN)
    assert list(report) == list(MODULES)
    assert {name: found.faults for name, found in report.items() if found.num_faults} == {}
    assert together(report["mutations"].groups.values()).cases >= 100_000
    assert set(report["mutations"].groups) == set(SOURCES)
    kills = {name: row.cases for name, row in report["kills"].groups.items()}
    assert kills.pop("build") >= 100
    assert min(kills.values()) >= 20
    assert kills.keys() == WRITING.keys() - {"build"} | {"publish"}
