"""What `train plan` tells of an epoch."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import StageError
from mix665k.trainer.batching.baselines import plan_llava, plan_random
from mix665k.trainer.batching.simulate import Setting, layout_of, outlook, outlooks, require_drawable
from mix665k.trainer.batching.types import Layout, Plan
from mix665k.trainer.data.mixture import Mixture
from tests.trainer.batching.planning import examples_of, real
from tests.trainer.mixtures import record, write_mixture

RUNNER = CliRunner()
MIXED = [(10, True), (10, True), (6, False), (6, False)]


def setting(mixture: list[tuple[int, bool]], layout: Layout, *, sources: list[int] | None = None) -> Setting:
    examples = examples_of(mixture)
    numbers = np.array(sources or [0] * len(mixture), dtype=np.int64)
    return Setting(examples, examples.lengths, numbers, layout, seed=1, window=1)


def plan(steps: list[list[list[list[int]]]]) -> Plan:
    none = np.array([], dtype=np.int64)
    return Plan(np.array(steps, dtype=np.int64), none, none)


def test_an_outlook_of_padded_batches() -> None:
    found = outlook("made", plan([[[[0, 2]], [[1, 3]]]]), setting(MIXED, Layout(2, 1, 2)), mode="grouped")
    assert (found.steps, found.cost, found.heaviest) == (1, 20, 20)
    assert found.padding == pytest.approx(1 - 32 / 40)
    assert (found.imbalance, found.ratio, found.one_modality) == (1.0, 20 / 16, 0.0)


def test_an_outlook_without_padding_waits_for_the_slowest() -> None:
    found = outlook("made", plan([[[[0, 1]], [[2, 3]]]]), setting(MIXED, Layout(2, 1, 2)), mode="padding_free")
    assert (found.padding, found.cost, found.heaviest) == (0.0, 20, 20)
    assert found.imbalance == pytest.approx(20 / 16)


def test_sources_count_as_so_many_equally_frequent_ones() -> None:
    steps = plan([[[[0, 1, 2, 3]]], [[[4, 5, 6, -1]]]])
    given = setting([(5, True)] * 7, Layout(1, 1, 4), sources=[0, 1, 2, 3, 0, 0, 0])
    found = outlook("made", steps, given, mode="grouped")
    assert found.sources_per_step == pytest.approx((4 + 1) / 2)
    assert found.one_modality == 1.0


def test_random_order_deals_a_micro_batch_to_each_rank_in_turn() -> None:
    steps = plan_random(8, layout=Layout(2, 2, 2), seed=0).steps
    assert steps.shape == (1, 2, 2, 2)
    assert sorted(real(steps)) == list(range(8))


def test_llava_deals_the_longest_to_the_lightest_and_joins_what_is_left() -> None:
    words = np.array([1, 2, 3, 4, 5, 9, 9], dtype=np.int64)
    has_image = np.array([True] * 5 + [False] * 2)
    steps = plan_llava(words, has_image, layout=Layout(2, 1, 2), seed=0).steps
    assert len(steps) == 2
    whole, last = (real(step) for step in steps)
    assert set(whole) <= {0, 1, 2, 3, 4}
    assert {5, 6} <= set(last)
    by_rank = words[steps[0, :, 0]].sum(axis=1)
    assert abs(int(by_rank[0]) - int(by_rank[1])) <= 3


@pytest.mark.parametrize("batch", [6, 7])
def test_padding_and_imbalance_multiply_to_the_cost(batch: int) -> None:
    mixture = [(10 + number % batch, number % 3 > 0) for number in range(53)]
    for found in outlooks(setting(mixture, Layout(2, 2, 3))):
        assert found.imbalance / (1 - found.padding) == pytest.approx(found.ratio)


@pytest.mark.parametrize("name", ["a.txt", "nowhere/a.png"])
def test_a_picture_that_cannot_be_drawn_is_refused_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(StageError, match=r"expected a name that ends in .png, in a folder that is there"):
        require_drawable(tmp_path / name)


def test_every_order_has_every_example_once() -> None:
    mixture = [(10 + number % 7, number % 3 > 0) for number in range(53)]
    for found in outlooks(setting(mixture, Layout(2, 2, 3))):
        assert found.cost >= sum(length for length, _ in mixture) / 2
        assert found.ratio >= 1
    words = examples_of(mixture)
    llava = plan_llava(words.lengths, words.has_image, layout=Layout(2, 2, 3), seed=1)
    assert sorted(real(llava.steps)) == list(range(53))


def test_words_are_those_between_white_space(tiny_mixture: Path) -> None:
    rows = Mixture(tiny_mixture)
    words = rows.words()
    assert len(words) == len(rows) == len(rows.sources)
    for index in (0, len(rows) // 2, len(rows) - 1):
        pairs = rows[index].pairs
        assert words[index] == sum(len(question.split()) + len(answer.split()) for question, answer in pairs)


def test_a_batch_that_does_not_come_out_is_refused() -> None:
    with pytest.raises(StageError, match="--batch 100: no multiple of --per-device-batch 16 x 4 ranks = 64"):
        layout_of(100, ranks=4, per_device_batch=16)


def test_the_command_prints_a_table_and_draws(tiny_mixture: Path, tmp_path: Path) -> None:
    given = ["plan", "--mixture", str(tiny_mixture), "--tokenizer", "tiny", "--ranks", "2", "--batch", "8"]
    given += ["--per-device-batch", "2"]
    shown = RUNNER.invoke(train, [*given, "--png", str(tmp_path / "plan.png")])
    assert shown.exit_code == 0, shown.output
    for order in ("random", "LLaVA's grouping", "grouped", "padding_free"):
        assert order in shown.stdout
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    found = {one["order"]: one for one in json.loads(RUNNER.invoke(train, [*given, "--format", "json"]).stdout)}
    assert found["padding_free"]["padding"] == 0
    assert found["grouped"]["one_modality"] == 1


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, ""), (1, "1 row has no label and is left out"), (2, "2 rows have no label and are left out")],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_rows_without_a_label_are_told(tmp_path: Path, number: int, told: str, form: str) -> None:
    long = [record(f"a/long{k}", "Why? " * 200, "So.") for k in range(number)]
    rows = [*long, *(record(f"a/{k}", "Why?", "So.") for k in range(4))]
    mixture = write_mixture(tmp_path / "few", rows)
    given = ["plan", "--mixture", str(mixture), "--tokenizer", "tiny", "--ranks", "1", "--batch", "2"]
    shown = RUNNER.invoke(train, [*given, "--per-device-batch", "2", "--max-tokens", "100", "--format", form])
    assert shown.exit_code == 0, shown.output
    assert shown.stderr == (f"{mixture}: {told}; a higher --max-tokens may help\n" if told else "")
    assert form == "table" or len(json.loads(shown.stdout)) == 4


@pytest.mark.parametrize("name", ["none", "."])
def test_a_tokenizer_that_is_nowhere_is_one_line(tiny_mixture: Path, tmp_path: Path, name: str) -> None:
    given = ["plan", "--mixture", str(tiny_mixture), "--tokenizer", str(tmp_path / name), "--ranks", "1"]
    shown = RUNNER.invoke(train, given)
    assert shown.exit_code == 1
    [line] = shown.stderr.splitlines()
    assert "expected a hub name, or a folder that holds a tokenizer.json" in line
