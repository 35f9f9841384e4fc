"""Which rows a run trains on, and what describes them."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from mix665k.schemas.errors import TrainingError
from mix665k.trainer.batching.types import Order
from mix665k.trainer.data.lengths import Lengths
from mix665k.trainer.data.mixture import Mixture
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.start_model import make_start
from mix665k.trainer.run.training_data import open_data, order_of, split_rows
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.running import Inputs


def job(mixture: Path, *sets: str) -> Job:
    return Job(
        stage=load_stage("finetune", sets), mixture=str(mixture), images="/i", llm="/l", vision="/v", out="/nowhere"
    )


def measured(supervised: list[int]) -> Lengths:
    zeros = np.zeros(len(supervised), dtype=np.int64)
    return Lengths(
        tokens=zeros + 9,
        supervised=np.array(supervised, dtype=np.int64),
        has_image=zeros > 0,
        tokens_cut=zeros,
        answers_cut=zeros,
    )


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    return Mixture(write_mixture(tmp_path / "few", [record(f"a/{k}", "Why?", "So.") for k in range(12)]))


def test_all_rows_are_trained_on_where_none_is_held_out(mixture: Mixture) -> None:
    train, held_out = split_rows(measured([1] * 12), job(mixture.folder), mixture=mixture)
    assert (train.tolist(), held_out.tolist()) == (list(range(12)), [])


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.25, [3, 7, 11]), (0.1, [9]), (0.5, [1, 3, 5, 7, 9, 11]), (0.9, [1, 3, 5, 7, 9, 11])]
)
def test_every_kth_row_is_held_out_and_at_most_every_second(
    mixture: Mixture, fraction: float, expected: list[int]
) -> None:
    train, held_out = split_rows(measured([1] * 12), job(mixture.folder, f"eval_fraction={fraction}"), mixture=mixture)
    assert held_out.tolist() == expected
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(12))


def test_rows_without_a_label_stop_a_run_or_are_dropped(mixture: Mixture) -> None:
    found = measured([1, 0, 1, 0, *[1] * 8])
    with pytest.raises(
        TrainingError,
        match=r"few: 2 rows have no label within max_tokens 2,048, the first is a/1; raise max_tokens or --set "
        r"on_unlabelled=drop$",
    ):
        split_rows(found, job(mixture.folder), mixture=mixture)
    dropping = job(mixture.folder, "on_unlabelled=drop", "eval_fraction=0.5")
    train, held_out = split_rows(found, dropping, mixture=mixture)
    assert (train.tolist(), held_out.tolist()) == ([0, 4, 6, 8, 10], [2, 5, 7, 9, 11])


def test_another_mixture_is_measured_and_all_rows_are_trained_on(inputs: Inputs, tmp_path: Path) -> None:
    other = write_mixture(tmp_path / "other", [record(f"o/{k}", "Why?", "So.") for k in range(3)])
    asked = Job(
        stage=load_stage("finetune", ["max_tokens=400", "on_unlabelled=drop", "template=v1"]),
        mixture=str(inputs.mixture),
        images=str(inputs.images),
        llm=str(inputs.llm),
        vision=str(inputs.vision),
        out=str(tmp_path / "run"),
        eval_mixture=str(other),
    )
    make_start(asked)
    data, plain = open_data(asked), open_data(msgspec.structs.replace(asked, eval_mixture=None))
    assert data.held_out is not None
    assert [data.held_out[index]["id"] for index in range(3)] == ["o/0", "o/1", "o/2"]
    assert len(data.examples.lengths) == len(plain.examples.lengths)
    assert data.train[0]["id"] == plain.train[0]["id"]
    both = msgspec.structs.replace(
        asked, stage=load_stage("finetune", ["eval_fraction=0.1", "on_unlabelled=drop", "template=v1"])
    )
    with pytest.raises(TrainingError, match=r"^--eval-mixture .*other: eval_fraction 0.1 holds rows out"):
        open_data(both)


def test_a_stages_background_is_what_transparent_pictures_are_put_on(inputs: Inputs, tmp_path: Path) -> None:
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "a.png")
    Image.new("RGB", (9, 9), (250, 128, 0)).save(tmp_path / "b.png")
    rows = [record(f"a/{name}", "<image>\nWhat?", "A cat.", image=f"{name}.png") for name in "ab"]
    asked = Job(
        stage=load_stage("finetune", ["template=v1", "background=[250, 128, 0]"]),
        mixture=str(write_mixture(tmp_path / "two", rows)),
        images=str(tmp_path),
        llm=str(inputs.llm),
        vision=str(inputs.vision),
        out=str(tmp_path / "run"),
    )
    make_start(asked)

    transparent, opaque = (open_data(asked).train[index]["pixel_values"] for index in range(2))

    assert transparent is not None
    assert opaque is not None
    assert torch.equal(transparent, opaque)


def test_a_stage_orders_its_epochs() -> None:
    stage = load_stage("finetune", ["batching=padding_free", "window=3", "remainder=drop", "seed=9"])
    assert order_of(stage) == Order(mode="padding_free", window=3, remainder="drop", seed=9)


def test_the_data_of_a_run_are_those_of_its_mixture_in_its_start_models_tokens(inputs: Inputs, tmp_path: Path) -> None:
    stage = load_stage("finetune", ["eval_fraction=0.1", "max_tokens=400", "on_unlabelled=drop", "template=v1"])
    asked = Job(
        stage=stage,
        mixture=str(inputs.mixture),
        images=str(inputs.images),
        llm=str(inputs.llm),
        vision=str(inputs.vision),
        out=str(tmp_path),
    )
    make_start(asked)
    data = open_data(asked)
    mixture = Mixture(inputs.mixture)
    assert data.mixture_hash == mixture.row_hash
    assert data.sources == [entry.name for entry in mixture.manifest.sources]
    assert data.held_out is not None
    train, held_out = list(data.train.indices), list(data.held_out.indices)  # type: ignore[attr-defined]
    assert not set(train) & set(held_out)
    assert len(data.examples.lengths) == len(train)
    for index in (0, len(train) // 2, len(train) - 1):
        example = data.train[index]
        assert example["id"] == mixture[train[index]].id
        assert len(example["input_ids"]) == data.examples.lengths[index] <= 400
        assert (example["pixel_values"] is not None) == data.examples.has_image[index]
    with_image = int(np.flatnonzero(data.examples.has_image)[0])
    batch = data.collator([data.train[with_image]])
    assert batch["pixel_values"].shape == (1, 3, 56, 56)
    assert batch["image_positions"].shape == (16,)
    assert int((batch["labels"] != -100).sum()) == len(batch["targets"]) > 0
    assert torch.equal(batch["input_ids"].flatten()[batch["label_positions"] + 1], batch["targets"])
