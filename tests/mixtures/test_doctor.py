"""What `mix doctor` finds, and what it must not show."""

import json
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mix665k.cli import mix
from mix665k.mixtures import doctor
from mix665k.mixtures.doctor import Check, examine
from mix665k.schemas.errors import RawDataError

RUNNER = CliRunner()


def found(*, raw: Path | None = None, tokenizer: str = "tiny") -> dict[str, Check]:
    return {check.what: check for check in examine(raw=raw, tokenizer=tokenizer)}


def test_the_machine_that_runs_the_tests_is_well(made_up_raw: Path) -> None:
    checks = found(raw=made_up_raw)
    assert [check for check in checks.values() if check.verdict == "wrong"] == []
    assert checks["mix665k"].found == metadata.version("mix665k")
    assert checks["raw vqav2"] == Check("raw vqav2", "ok", "2 of 2 files")
    assert checks["tokenizer"].verdict == "ok"
    assert "torch 2" in checks["[train]"].found


def test_raw_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    check = found(raw=tmp_path)["raw aokvqa"]
    assert check.verdict == "lacking"
    assert check.found == "0 of 1 files; not there: aokvqa/aokvqa_v1p0_train.json; see `mix fetch --source aokvqa`"


def test_some_of_several_optional_files_are_enough(made_up_raw: Path, tmp_path: Path) -> None:
    for name in ("refs(unc).p", "instances.json"):
        path = tmp_path / "refcoco" / "refcoco" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    check = found(raw=tmp_path)["raw refcoco"]
    assert check.verdict == "ok"
    assert check.found.startswith("2 of 6 files")


def test_a_raw_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match="no such folder"):
        examine(raw=tmp_path / "none", tokenizer="tiny")


def test_a_tokenizer_that_would_be_fetched_is_lacking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert found(tokenizer="nobody/nothing")["tokenizer"].verdict == "lacking"


def test_libraries_that_are_absent_or_too_old_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["polars>=999", "surely-not-there>=1", "surely-not-there>=1 ; extra == 'flash'"]
    monkeypatch.setattr(doctor, "requires", lambda _: wanted)
    checks = found()
    assert checks["libraries"].verdict == "wrong"
    assert "expected >=999; surely-not-there not installed" in checks["libraries"].found
    assert checks["[flash]"] == Check("[flash]", "lacking", "surely-not-there not installed; pip install -e '.[flash]'")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hidden@proxy:3128")
    shown = RUNNER.invoke(mix, ["doctor", "--tokenizer", "tiny"]).output
    assert "token from HF_TOKEN" in shown
    assert "http://…@proxy:3128" in shown
    assert "hf_secret" not in shown
    assert "hidden" not in shown


def test_as_json_it_is_a_list_of_checks() -> None:
    shown = RUNNER.invoke(mix, ["doctor", "--tokenizer", "tiny", "--format", "json"])
    assert shown.exit_code == 0
    assert {"what", "verdict", "found"} == set(json.loads(shown.stdout)[0])


def test_something_wrong_gives_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["polars>=999"])
    assert RUNNER.invoke(mix, ["doctor", "--tokenizer", "tiny"]).exit_code == 1
