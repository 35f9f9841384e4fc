"""Where benchmarks write."""

from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.results import read_sections, write_section


def test_a_section_replaces_itself_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    (tmp_path / "RESULTS.md").write_text("# Results\n")
    for title, line in (("Checking images", "a"), ("Building the mixture", "b"), ("Checking images", "c")):
        write_section(title, [line], libraries=("numpy",), command="make it")
    found = read_sections(tmp_path / "RESULTS.md")
    assert list(found) == ["Building the mixture", "Checking images"]
    assert [text.splitlines()[-1] for text in found.values()] == ["b", "c"]
    assert "Repeat with `make it`." in found["Checking images"]
