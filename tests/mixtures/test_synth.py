"""`mix synth`: which sources it writes, and over what it never writes."""

from pathlib import Path

import pytest

from tests.mixtures.small import run


def written(folder: Path) -> set[str]:
    """The sources whose raw files were written."""
    return {path.name for path in folder.iterdir() if path.is_dir()}


def test_only_the_sources_asked_for_are_written_once_each(tmp_path: Path) -> None:
    sources = ("--source", "okvqa", "--source", "aokvqa", "--source", "okvqa")
    shown = run("synth", "--out", tmp_path, "--scale", "0.0005", *sources, "--jobs", "1")
    assert shown.exit_code == 0
    assert written(tmp_path) == {"okvqa", "aokvqa"}
    assert shown.stderr.count("okvqa: ") == 2  # a line each; `aokvqa: ` ends so too


def test_an_excluded_source_is_not_written(tmp_path: Path) -> None:
    options = ("--source", "okvqa", "--source", "aokvqa", "--exclude-source", "aokvqa", "--jobs", "1")
    assert run("synth", "--out", tmp_path, "--scale", "0.0005", *options).exit_code == 0
    assert written(tmp_path) == {"okvqa"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--source", "gqa", "--exclude-source", "gqa"), "no source is left"),
        (("--exclude-source", "gqaa"), "--exclude-source gqaa: no such source; did you mean 'gqa'?"),
    ],
)
def test_a_choice_that_cannot_be_is_one_line_and_writes_nothing(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    shown = run("synth", "--out", tmp_path / "raw", "--scale", "0.0005", *options)
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (1, 1)
    assert message in shown.stderr
    assert not (tmp_path / "raw").exists()


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        out = ("--out", tmp_path / name, "--seed", seed)
        assert run("synth", *out, "--scale", "0.0005", "--source", "okvqa", "--jobs", "1").exit_code == 0
    a, b, c = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "okvqa").iterdir()} for name in ("a", "b", "c")
    )
    assert a == b != c
