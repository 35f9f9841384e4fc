"""What the reports print: totals, options, texts of strangers, bars."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from mix665k.mixtures.terminal import changed_options, no_bar, progress_bar, with_total
from mix665k.schemas.manifest import Manifest
from mix665k.schemas.terminal import LiteralConsole, printable
from tests.mixtures.small import build_small, change_manifest, run


@given(st.text())
def test_a_printed_text_cannot_move_the_cursor(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)
    assert printable(shown) == shown


def test_an_escape_sequence_is_shown_as_a_replacement_character_and_letters_stay() -> None:
    assert printable("a\x1b[31m\rb 红\n") == "a\ufffd[31m\ufffdb 红\n"


def test_a_total_stands_after_several_sources_only() -> None:
    assert with_total(["gqa", "vg"], "all") == ["gqa", "vg", "all"]
    assert with_total(["gqa"], "all") == ["gqa"]


def test_options_that_hold_records_are_named_and_others_shown() -> None:
    overrides = {"source": ["gqa", "vg"], "limit": 3, "contamination": [{"against": "x"}], "images": {"a": 1}}
    assert changed_options(overrides) == (
        "source ['gqa', 'vg'], limit 3, contamination (see manifest.json), images (see manifest.json)"
    )


def test_a_bar_shows_nothing_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with progress_bar(LiteralConsole(file=out), what="looking") as advance:
        advance(0.5)
    assert out.getvalue() == "" or out.getvalue() == "\n"


def test_a_bar_names_its_work_on_a_terminal() -> None:
    out = io.StringIO()
    with progress_bar(LiteralConsole(file=out, force_terminal=True, width=80), what="looking") as advance:
        advance(0.5)
    assert "looking" in out.getvalue()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_bar_takes_any_share(share: float) -> None:
    with no_bar("looking") as advance:
        assert advance(share) is None


HOSTILE = "[red]x[/] [/nope] [bold]:smile: \x1b]0;PWNED\x07\r\u202eevil\x9b31m\nz"


def test_names_and_texts_of_others_are_shown_as_they_are_and_cannot_act(tmp_path: Path) -> None:
    mixture = build_small(tmp_path)

    def infest(manifest: Manifest) -> None:
        manifest.name, manifest.tool, manifest.overrides = HOSTILE, HOSTILE, {HOSTILE: HOSTILE}
        for entry in manifest.sources:
            for step in entry.funnel:
                step.step = step.step if step.step == "check" else HOSTILE
                step.noted[HOSTILE], step.examples[HOSTILE] = 3, [HOSTILE]
                step.kinds = {f"{reason} {HOSTILE}": kind for reason, kind in step.kinds.items()}
                for flow in (step.conversations, step.pairs):
                    flow.changes = {f"{reason} {HOSTILE}": change for reason, change in flow.changes.items()}

    change_manifest(mixture, infest)
    turns = [{"from": "human", "value": HOSTILE}, {"from": "gpt", "value": HOSTILE * 500}]
    (tmp_path / "own.json").write_text(json.dumps([{"id": HOSTILE, "image": HOSTILE, "conversations": turns}]))
    commands: list[list[str | Path]] = [
        ["inspect", mixture],
        ["verify", mixture],
        ["diff", mixture, mixture],
        ["inspect", tmp_path / "own.json", "--sample", "1"],
        ["images", tmp_path / "own.json", "--images", tmp_path],
    ]
    for arguments in commands:
        result = run(*arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert not [char for char in result.output if not char.isprintable() and char != "\n"], arguments
        assert "[red]x[/] [/nope]" in " ".join(result.output.split()), arguments
        assert ":smile:" in result.output
    as_json = run("inspect", mixture, "--format", "json").stdout
    assert not [char for char in as_json if not char.isprintable() and char != "\n"]
    assert msgspec.json.decode(as_json)["name"] == HOSTILE


def test_bars_and_styled_texts_show_marks_as_they_are() -> None:
    out = io.StringIO()
    console = LiteralConsole(file=out, force_terminal=True, color_system=None, width=120)
    with progress_bar(console, what="[/] [red]x\x1b[2J") as advance:
        advance(0.5)
    console.print(Rule("[red]t\u202e"), Text.assemble(("a\x1bb", "bold"), "[/]"))
    table = Table("[/head]")
    table.add_row("[/cell]\x1b[1m", end_section=True)
    console.print(table)
    for shown in ("[/] [red]x\ufffd[2J", "a\ufffdb[/]", "[red]t\ufffd", "[/head]", "[/cell]\ufffd[1m"):
        assert shown in out.getvalue(), shown
