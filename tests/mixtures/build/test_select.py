"""A recipe that selects: its sources are built, and of their records those kept that a file names."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.terminal import no_bar
from mix665k.mixtures.verify.raw import RawRequest, verify_all
from mix665k.schemas.errors import UserError
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.build.test_build import run, written
from tests.mixtures.select.selecting import ids, select

SOURCES = """
name: some
sources:
  - {source: okvqa, steps: [merge_by_image], expect: {count: 4, because: a test, strict: true}}
  - {source: aokvqa}
"""


@pytest.fixture(scope="module")
def whole(made_up_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipe builds without selecting."""
    folder = tmp_path_factory.mktemp("whole")
    run(written(folder, SOURCES), Options(made_up_raw, folder / "mixture"))
    return folder / "mixture"


def recipe(folder: Path, **select: Any) -> Path:
    return written(folder, f"{SOURCES}select: {select}\n", "selecting.yaml")


def test_a_recipe_selects_what_the_command_selects(whole: Path, made_up_raw: Path, tmp_path: Path) -> None:
    by = tmp_path / "ids.txt"
    by.write_text("\n".join(ids(whole)[::3]))
    manifest, _ = run(recipe(tmp_path, by=str(by)), Options(made_up_raw, tmp_path / "out"))
    assert manifest.row_hash == select(whole, by, tmp_path / "selected").row_hash
    assert [entry.conversations for entry in manifest.sources] == [2, 10]
    [selected] = load_manifest(tmp_path / "out").selections
    assert (selected.file, selected.exact) == ("ids.txt", manifest.conversations)
    assert not (tmp_path / "out" / ".build" / "whole").exists()
    assert verify_all(tmp_path / "out", RawRequest(made_up_raw, sample=5), jobs=1, bar=no_bar).ok
    again, _ = run(recipe(tmp_path, by=str(by)), Options(made_up_raw, tmp_path / "out"))
    assert again == manifest


def test_a_selection_that_fails_keeps_what_was_built_and_leaves_no_mixture(
    whole: Path, made_up_raw: Path, tmp_path: Path
) -> None:
    by = tmp_path / "ids.txt"
    by.write_text(f"{ids(whole)[0]}\ngone\n")
    out = Options(made_up_raw, tmp_path / "out")
    with pytest.raises(UserError, match="1 of 2 entries are not in the mixture, the first is line 2 gone"):
        run(recipe(tmp_path, by=str(by)), out)
    with pytest.raises(UserError, match="unfinished build; run `mix build` again"):
        load_manifest(tmp_path / "out")
    manifest, reused = run(recipe(tmp_path, by=str(by), on_missing="drop"), out)
    assert (manifest.conversations, manifest.selections[0].missing) == (1, 1)
    assert reused == ["aokvqa", "okvqa"]


def test_a_build_of_some_sources_goes_without_what_the_file_names_of_others(
    whole: Path, made_up_raw: Path, tmp_path: Path
) -> None:
    by = tmp_path / "ids.txt"
    by.write_text("\n".join([ids(whole)[0], ids(whole)[-1]]))
    manifest, _ = run(recipe(tmp_path, by=str(by)), Options(made_up_raw, tmp_path / "out", sources=("okvqa",)))
    assert (manifest.conversations, manifest.selections[0].missing) == (1, 1)


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ({"by": "none.json"}, r"none\.json: no such file"),
        ({"by": "icons-133k"}, r"`mix fetch --subset icons-133k --raw .*` gets it"),
        ({"by": "okvqa"}, r"is a folder, expected a file that names records"),
        ({"by": "aokvqa/aokvqa_v1p0_train.json", "top": "a fifth"}, "--top a fifth: expected a share"),
        ({"file": "a.json"}, r"unknown field file"),
        ({"by": "a.json", "base": 2}, r"select\.base"),
    ],
)
def test_what_cannot_be_selected_by_is_an_error_of_the_plan(
    made_up_raw: Path, tmp_path: Path, select: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_plan(str(recipe(tmp_path, **select)), Options(made_up_raw, tmp_path / "out"))


def test_a_recipe_that_extends_another_may_select(made_up_raw: Path, tmp_path: Path) -> None:
    recipe(tmp_path, by="mine/none.json")
    text = "{name: icons, extends: selecting.yaml, select: {by: icons-133k, on_missing: drop}}"
    with pytest.raises(UserError, match=r"`mix fetch --subset icons-133k --raw .*` gets it"):
        make_plan(str(written(tmp_path, text, "icons.yaml")), Options(made_up_raw, tmp_path / "out"))
