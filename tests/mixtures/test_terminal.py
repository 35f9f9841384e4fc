"""What the reports print: totals, options, texts of strangers, bars."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mix665k.mixtures.terminal import changed_options, no_bar, printable, progress_bar, with_total


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
    with progress_bar(Console(file=out), what="looking") as advance:
        advance(0.5)
    assert out.getvalue() == "" or out.getvalue() == "\n"


def test_a_bar_names_its_work_on_a_terminal() -> None:
    out = io.StringIO()
    with progress_bar(Console(file=out, force_terminal=True, width=80), what="looking") as advance:
        advance(0.5)
    assert "looking" in out.getvalue()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_bar_takes_any_share(share: float) -> None:
    with no_bar("looking") as advance:
        assert advance(share) is None
