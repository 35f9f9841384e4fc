"""Verifying against a published file."""

import json
from pathlib import Path

import pytest

from tests.mixtures.small import RECORDS, run, written


@pytest.fixture
def published(small: Path, tmp_path: Path) -> Path:
    """What the small mixture would be in LLaVA's own form."""
    assert run("export", small, "--format", "llava", "--out", tmp_path / "llava.json").exit_code == 0
    return tmp_path / "llava.json"


def test_the_same_records_are_equal(small: Path, published: Path) -> None:
    shown = run("verify", small, "--jobs", "1", "--against", published)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "row hashes        ok" in shown.stdout


def test_a_missing_record_is_told_and_exit_code_1(small: Path, tmp_path: Path) -> None:
    published = written(tmp_path, [record for records in RECORDS.values() for record in records][1:])
    shown = run("verify", small, "--jobs", "1", "--against", published)
    assert shown.exit_code == 1
    assert "row hashes        ok" in shown.stdout
    assert "2327515" in shown.stdout
    assert shown.stderr == f"error: {small}: not equal to {published}\n"


def test_json_holds_the_comparison(small: Path, published: Path, tmp_path: Path) -> None:
    document = json.loads(run("verify", small, "--against", published, "--jobs", "1", "--format", "json").stdout)
    assert (document["ok"], document["against"]["equal"]) == (True, True)
    other = written(tmp_path, RECORDS["gqa"])
    shown = run("verify", small, "--against", other, "--jobs", "1", "--format", "json")
    document = json.loads(shown.stdout)
    assert (shown.exit_code, document["ok"], document["against"]["equal"]) == (1, False, False)


def test_a_file_that_cannot_be_read_is_told_behind_the_checks(small: Path, tmp_path: Path) -> None:
    shown = run("verify", small, "--jobs", "1", "--against", tmp_path / "none.json")
    assert shown.exit_code == 1
    assert "row hashes        ok" in shown.stdout
    assert "none.json" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
