"""What `mix verify` shows, and its exit codes."""

import json
from pathlib import Path

import pytest

from mix665k.mixtures.verify.tables import print_verification
from mix665k.mixtures.verify.verification import MAX_SHOWN, Check, Lines, Verification
from mix665k.schemas.terminal import LiteralConsole
from tests.mixtures.small import run
from tests.mixtures.verify.damaging import NAMES, add_file_beside, break_rule, change_funnel, edit_row, swap_shards


def test_the_report_is_printed_before_the_error(copy: Path) -> None:
    edit_row(copy)
    shown = run("verify", copy, "--jobs", "1")
    assert shown.exit_code == 1
    assert "row hashes        failed" in shown.stdout
    assert "data/gqa-00000-of-00001.parquet: row hash: " in shown.stdout
    assert shown.stderr == f"error: {copy}: 1 of 11 checks not passed: row hashes\n"


def test_a_whole_mixture_is_exit_code_0(small: Path) -> None:
    shown = run("verify", small, "--jobs", "1")
    assert (shown.exit_code, shown.stderr) == (0, "")


def test_json_is_one_document(copy: Path) -> None:
    edit_row(copy)
    shown = run("verify", copy, "--format", "json")
    document = json.loads(shown.stdout)
    assert (shown.exit_code, document["ok"], document["name"]) == (1, False, "small")
    assert [one["name"] for one in document["checks"]] == NAMES
    assert document["checks"][3]["lines"]["count"] == 1
    assert document["against"] is None


@pytest.mark.parametrize("width", ["80", "120"])
def test_no_line_is_wider_than_the_terminal(copy: Path, width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for damage in (edit_row, break_rule, add_file_beside, change_funnel, swap_shards):
        damage(copy)
    monkeypatch.setenv("COLUMNS", width)
    lines = run("verify", copy, "--jobs", "1").stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith("/")) <= int(width)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    shown = run("verify", tmp_path / "nothing")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == f"error: {tmp_path}/nothing: no such folder, expected a mixture\n"


def test_options_of_the_rebuild_need_the_raw_files(small: Path) -> None:
    shown = run("verify", small, "--source", "gqa")
    assert shown.exit_code == 2
    assert "goes with --raw" in shown.stderr


def test_what_is_not_listed_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for number in range(MAX_SHOWN + 7):
        lines.add(f"fault {number:,}")
    shown = Verification(
        path="small", name="small", row_hash=None, checks=[Check("ids", "failed", seen="", lines=lines)]
    )
    print_verification(LiteralConsole(width=80), shown)
    *_, last, more, _ = capsys.readouterr().out.splitlines()
    assert (last.strip(), more.strip()) == (f"fault {MAX_SHOWN - 1:,}", "… and 7 more")
