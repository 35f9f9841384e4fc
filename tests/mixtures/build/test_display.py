"""What a build shows: a line for each source where nobody watches, then what was built."""

import io
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.build.display import build_progress, expected, show_result
from mix665k.mixtures.build.plan import Options, Plan, make_plan
from mix665k.mixtures.build.source import Built
from mix665k.mixtures.engine.tasks import Done
from mix665k.schemas.manifest import Manifest, SourceEntry, load_manifest
from mix665k.schemas.recipe import Expect
from mix665k.schemas.terminal import LiteralConsole


@pytest.fixture
def manifest(small: Path) -> Manifest:
    """The manifest of the small mixture, to change."""
    return load_manifest(small)


def done(entry: SourceEntry, *, reused: bool = False, seconds: float = 0.5) -> Done:
    return Done(label=entry.name, result=Built(entry, reused), seconds=seconds)


def printed(manifest: Manifest, **options: Any) -> str:
    out = io.StringIO()
    show_result(LiteralConsole(file=out, width=120), manifest, [done(entry, **options) for entry in manifest.sources])
    return out.getvalue()


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each row by its first one."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if len(line.split()) > 1}


def test_the_table_has_a_row_for_each_source_and_one_for_all(manifest: Manifest) -> None:
    shown = rows(printed(manifest))
    assert shown["gqa"] == ["3", "4", "0.5", "0"]
    assert shown["all"] == ["5", "7"]


def test_a_source_that_was_there_has_no_speed(manifest: Manifest) -> None:
    assert rows(printed(manifest, reused=True))["gqa"][-1] == "reused"


def test_speed_is_megabytes_of_raw_files_in_a_second_each_file_once(manifest: Manifest) -> None:
    entry = manifest.sources[0]
    entry.inputs = [entry.inputs[0], entry.inputs[0]]
    entry.inputs[0].bytes = 30_000_000
    assert rows(printed(manifest))["gqa"][-1] == "60"


def test_what_was_left_out_is_told_only_where_something_was(manifest: Manifest) -> None:
    assert "over 2 pairs" in printed(manifest)
    del manifest.sources[2]
    assert "left out" not in printed(manifest)


def test_the_name_of_a_recipe_cannot_move_the_cursor(manifest: Manifest) -> None:
    manifest.name = "x\x1b[2Jy"
    assert "\x1b" not in printed(manifest)


@pytest.mark.parametrize(
    ("count", "text"), [(None, ""), (3, "equal"), (2, "+1"), (1_003, "-1,000")], ids=["none", "equal", "more", "less"]
)
def test_a_count_is_compared_with_the_expected_one(manifest: Manifest, count: int | None, text: str) -> None:
    manifest.sources[0].expect = None if count is None else Expect(count, "a test")
    assert expected(manifest.sources[0]) == text


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan of one source."""
    (tmp_path / "one.yaml").write_text(
        "{name: one, sources: [{source: llava_json, name: gqa, files: {records: x.json}}]}"
    )
    (tmp_path / "x.json").write_text("[]" + " " * 98)
    return make_plan(tmp_path / "one.yaml", Options(tmp_path, tmp_path / "out"))


@pytest.mark.parametrize(
    ("reused", "line"), [(False, "gqa: 3 records, 0.5 s\n"), (True, "gqa: already built, 3 records, 0.5 s\n")]
)
def test_without_a_terminal_a_line_is_written_for_each_source(
    plan: Plan, manifest: Manifest, reused: bool, line: str
) -> None:
    out = io.StringIO()
    with build_progress(plan, console=LiteralConsole(file=out)) as progress:
        progress.moved("gqa", 50, 1)
        progress.finished(done(manifest.sources[0], reused=reused))
    assert out.getvalue() == line


def test_on_a_terminal_a_bar_fills_with_the_bytes_read(plan: Plan, manifest: Manifest) -> None:
    out = io.StringIO()
    console = LiteralConsole(file=out, force_terminal=True, width=100, color_system=None)
    with build_progress(plan, console=console) as progress:
        progress.moved("gqa", 25, 1)
        progress.moved("gqa", 25, 1_000)
        [task] = progress._progress.tasks
        assert (task.percentage, task.fields["records"]) == (50, 1_001)
        progress.finished(done(manifest.sources[0], reused=True))
        assert (task.percentage, task.fields) == (100, {"records": 3, "note": "already built"})
    assert "already built" in out.getvalue()
