"""`train plan`."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import StageError
from mix665k.trainer.data.mixture import Mixture
from mix665k.trainer.plan import require_drawable, split_batch
from tests.trainer.mixtures import record, write_mixture

RUNNER = CliRunner()


@pytest.mark.parametrize("name", ["a.txt", "nowhere/a.png"])
def test_a_picture_that_cannot_be_drawn_is_refused_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(StageError, match=r"expected a name that ends in .png, in an existing folder"):
        require_drawable(tmp_path / name)


def test_words_are_those_between_white_space(tiny_mixture: Path) -> None:
    rows = Mixture(tiny_mixture)
    words = rows.words()
    assert len(words) == len(rows) == len(rows.sources)
    for index in (0, len(rows) // 2, len(rows) - 1):
        pairs = rows[index].pairs
        assert words[index] == sum(len(question.split()) + len(answer.split()) for question, answer in pairs)


@pytest.mark.parametrize(
    ("text", "words"),
    [(" a b ", 2), ("", 0), (" \n", 0), ("a\u00a0b\u3000c", 3), ("a\x1cb", 2), ("a\u200bb", 1), ("<image>\na?", 2)],
)
def test_words_are_those_of_pythons_split_whatever_white_space_is_at_the_ends(
    monkeypatch: pytest.MonkeyPatch, tiny_mixture: Path, text: str, words: int
) -> None:
    rows = Mixture(tiny_mixture)
    column = pa.array([[text, "x y"]])
    monkeypatch.setattr(rows, "_batches", [pa.RecordBatch.from_arrays([column], names=["turns"])])
    assert rows.words().tolist() == [words + 2]


def test_a_batch_that_does_not_come_out_is_refused() -> None:
    with pytest.raises(StageError, match="--global-batch 100: no multiple of --per-device-batch 16 x 4 ranks = 64"):
        split_batch(100, ranks=4, per_device_batch=16)


def test_the_command_prints_a_table_and_draws(tiny_mixture: Path, tmp_path: Path) -> None:
    given = ["plan", "--mixture", str(tiny_mixture), "--tokenizer", "tiny", "--ranks", "2", "--global-batch", "8"]
    given += ["--per-device-batch", "2"]
    shown = RUNNER.invoke(train, [*given, "--png", str(tmp_path / "plan.png")])
    assert shown.exit_code == 0, shown.output
    for order in ("random", "LLaVA's grouping", "grouped", "padding_free"):
        assert order in shown.stdout
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    found = {one["order"]: one for one in json.loads(RUNNER.invoke(train, [*given, "--format", "json"]).stdout)}
    assert found["padding_free"]["padding"] == 0
    assert found["grouped"]["one_modality"] == 1
    with_siglip = RUNNER.invoke(train, [*given, "--format", "json", "--tokens-per-image", "729"])
    more = {one["order"]: one for one in json.loads(with_siglip.stdout)}
    longer = more["padding_free"]["largest_micro_batch"] - found["padding_free"]["largest_micro_batch"]
    assert longer in (2 * (729 - 576), 729 - 576)  # one or two of its examples have an image


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, ""), (1, "1 row has no label and is left out"), (2, "2 rows have no label and are left out")],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_rows_without_a_label_are_told(tmp_path: Path, number: int, told: str, form: str) -> None:
    long = [record(f"a/long{k}", "Why? " * 200, "So.") for k in range(number)]
    rows = [*long, *(record(f"a/{k}", "Why?", "So.") for k in range(4))]
    mixture = write_mixture(tmp_path / "few", rows)
    given = ["plan", "--mixture", str(mixture), "--tokenizer", "tiny", "--ranks", "1", "--global-batch", "2"]
    shown = RUNNER.invoke(train, [*given, "--per-device-batch", "2", "--max-tokens", "100", "--format", form])
    assert shown.exit_code == 0, shown.output
    assert shown.stderr == (f"{mixture}: {told}; a higher --max-tokens may help\n" if told else "")
    assert form == "table" or len(json.loads(shown.stdout)) == 5


@pytest.mark.parametrize("name", ["none", "."])
def test_a_tokenizer_that_is_nowhere_is_one_line(tiny_mixture: Path, tmp_path: Path, name: str) -> None:
    given = ["plan", "--mixture", str(tiny_mixture), "--tokenizer", str(tmp_path / name), "--ranks", "1"]
    shown = RUNNER.invoke(train, given)
    assert shown.exit_code == 1
    [line] = shown.stderr.splitlines()
    assert "a folder that holds" in line
