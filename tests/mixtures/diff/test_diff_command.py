"""`mix diff` as a person types and reads it."""

import json
from pathlib import Path

import pytest

from tests.mixtures.diff.comparing import ALL, changed
from tests.mixtures.small import SHORT, change_rows, record, run, written


def test_equal_sides_are_exit_code_0(small: Path, copy: Path, tmp_path: Path) -> None:
    shown = run("diff", small, written(tmp_path, ALL))
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "equal: the same records in the same order" in shown.stdout
    shown = run("diff", small, copy)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "equal: the row hashes are the same, all shards are intact" in shown.stdout


def test_a_difference_is_shown_and_exit_code_1(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, changed(0, f"<image>\nIs it dry?\n{SHORT}", "No", "And the sack?", "No"))
    shown = run("diff", small, path)
    assert (shown.exit_code, shown.stderr) == (1, "")
    text = shown.stdout
    assert "different: 4 records are identical, 80.00 % of all" in text
    assert "differing in answers" in text
    assert "gqa/2327515#0 / $[0]  id 2327515" in text
    assert "answers: Is it dry?" in text


def test_two_mixtures_have_records_removed_added_and_changed(small: Path, copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows[0].update(steps=["x"]), hashes="all")
    change_rows(copy, "mine", lambda rows: rows[0].update(id="mine/9", image="mine/9.jpg"), hashes="all")
    change_rows(copy, "mine", lambda rows: rows[0]["conversations"][1].update(value="A crane."), hashes="all")
    change_rows(copy, "mine", lambda rows: rows[0]["conversations"][0].update(value="<image>\nSo?"), hashes="all")
    change_rows(copy, "mine", lambda rows: rows[0].update(reference_id="9"), hashes="all")
    text = run("diff", small, copy).stdout
    assert "changed in steps" in text
    assert "removed  mine/7" in text
    assert "added  mine/9" in text
    assert "row hash" in text


def test_json_says_whether_they_are_equal(small: Path, tmp_path: Path) -> None:
    shown = run("diff", small, written(tmp_path, ALL[1:]), "--format", "json", "--examples", "0")
    assert shown.exit_code == 1
    report = json.loads(shown.stdout)
    assert (report["equal"], report["a"]["records"], report["b"]["records"]) == (False, 5, 4)
    assert (report["total"]["only_in_a"], report["sources"][0]["examples"]) == (1, [])
    assert json.loads(run("diff", small, small, "--format", "json").stdout)["equal"] is True


def test_faults_of_a_file_are_shown(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, [*ALL, record("9", None, "a", " ")])
    shown = run("diff", small, path)
    assert shown.exit_code == 1
    assert "1 records of b have faults and are not compared" in shown.stdout
    assert "turn 1 is empty" in shown.stdout


def test_control_characters_of_a_file_do_not_reach_the_terminal(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, changed(3, "\x1b[31m[bold]Wie[/bold]\nso?", "Rot.", "Danke", "\x07!"))
    shown = run("diff", small, path).stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[bold]Wie[/bold]⏎so?" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("diff", "{small}", "none.json"), 1, "none.json: no such file or folder"),
        (("diff", "{small}", "{small}", "--source", "gqq"), 1, "--source gqq: neither side has such a source; did you"),
        (("diff", "{small}"), 2, "Missing argument 'B'"),
        (("diff", "{small}", "{small}", "--examples", "-1"), 2, "--examples"),
        (("diff", "{small}", "{small}", "--format", "html"), 2, "--format"),
    ],
)
def test_what_cannot_be_compared_is_an_error(small: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    shown = run(*(argument.format(small=small) for argument in arguments))
    assert (shown.exit_code, shown.stdout) == (code, "")
    assert message in shown.stderr
