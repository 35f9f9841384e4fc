"""What a recipe draws from all sources together is drawn again, and compared."""

import shutil
from pathlib import Path

import pytest

from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.derived import Leaving, write_derived
from mix665k.mixtures.terminal import no_bar, no_progress
from mix665k.mixtures.verify.raw import RawRequest, verify_all
from mix665k.mixtures.verify.verification import Check
from mix665k.schemas.manifest import CONTAMINATION
from tests.mixtures.build.test_build import run, written
from tests.mixtures.small import change_manifest

RECIPE = """
name: drawn
seed: 1
tokenizer: tiny
sources:
  - {source: aokvqa}
  - {source: okvqa, steps: [merge_by_image]}
balance: {equal: true, budget: {records: 20}}
hold_out: {fraction: 0.3}
"""


@pytest.fixture(scope="module")
def drawn(made_up_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture of twenty records in all, some of them held out; read only."""
    folder = tmp_path_factory.mktemp("drawn")
    run(written(folder, RECIPE), Options(made_up_raw, folder / "mixture"), jobs=1)
    return folder / "mixture"


def redrawn(mixture: Path, raw: Path, *sources: str) -> tuple[Check, list[str]]:
    """The check, and the names of all others that are not passed."""
    found = verify_all(mixture, RawRequest(raw, sample=2, sources=sources), jobs=1, bar=no_bar)
    [check] = [one for one in found.checks if one.name == "draws repeated"]
    return check, [one.name for one in found.checks if not one.passed and one is not check]


def test_the_same_records_are_drawn_and_held_out(drawn: Path, made_up_raw: Path) -> None:
    check, others = redrawn(drawn, made_up_raw)
    assert (check.outcome, others) == ("ok", [])
    assert check.seen.startswith("balance, hold_out: ")


def test_what_is_held_out_is_compared_with_what_would_be(drawn: Path, made_up_raw: Path, tmp_path: Path) -> None:
    assert redrawn(drawn / "held_out", made_up_raw)[0].outcome == "ok"
    forged = shutil.copytree(drawn / "held_out", tmp_path / "forged")
    change_manifest(forged, lambda manifest: setattr(manifest, "recipe", manifest.recipe.replace("0.3", "0.5")))
    assert redrawn(forged, made_up_raw)[0].outcome == "failed"


@pytest.mark.parametrize(
    ("was", "says"), [("budget: {records: 20}", "budget: {records: 18}"), ("fraction: 0.3", "fraction: 0.5")]
)
def test_other_records_than_the_recipe_draws_are_found_by_nothing_else(
    was: str, says: str, drawn: Path, made_up_raw: Path, tmp_path: Path
) -> None:
    forged = shutil.copytree(drawn, tmp_path / "forged")
    change_manifest(forged, lambda manifest: setattr(manifest, "recipe", manifest.recipe.replace(was, says)))

    check, others = redrawn(forged, made_up_raw)

    assert (check.outcome, others) == ("failed", [])
    assert any(line.startswith(("aokvqa: ", "okvqa: ", "held_out: ")) for line in check.lines.first)


def test_what_a_later_command_left_is_among_what_is_drawn(drawn: Path, made_up_raw: Path, tmp_path: Path) -> None:
    import polars as pl

    mixture = Mixture.open(drawn)
    gone = Leaving(pl.DataFrame({"record": [0], "reason": ["shared"]}), CONTAMINATION, "lost")
    out = tmp_path / "clean"
    write_derived(mixture, gone, out, about=mixture.require_manifest(), advance=no_progress)
    assert redrawn(out, made_up_raw)[0].outcome == "ok"

    change_manifest(out, lambda manifest: setattr(manifest, "recipe", manifest.recipe.replace("0.3", "0.6")))
    check, _ = redrawn(out, made_up_raw)
    assert check.outcome == "failed"
    assert any("is not among what the recipe gives" in line for line in check.lines.first)


def test_a_part_of_the_sources_cannot_tell(drawn: Path, made_up_raw: Path) -> None:
    check, others = redrawn(drawn, made_up_raw, "okvqa")
    assert (check.outcome, check.seen, others) == ("not applicable", "needs every source; leave --source out", [])
