"""`train check`: what can be known about a run without a GPU."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from mix665k.schemas.errors import ModelError, StageError, TrainingError
from mix665k.schemas.manifest import HeldOut, load_manifest, write_manifest
from mix665k.schemas.terminal import LiteralConsole
from mix665k.trainer.check import check, print_audit, to_json
from mix665k.trainer.data.encode import IGNORED
from mix665k.trainer.data.mixture import Mixture
from mix665k.trainer.model.compose import describe
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.templates import settle_template
from mix665k.trainer.run.training_data import make_encoder
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.running import Inputs

NUM_IMAGES = 13


@pytest.fixture
def few(inputs: Inputs, tmp_path: Path) -> Inputs:
    """Thirteen records with an image each, seven without, one of them too long; all images readable."""
    rows = [record(f"a/{k}", "<image>\nWhat?", "A cat.", image=f"{k:02}.jpg") for k in range(NUM_IMAGES)]
    rows += [record(f"b/{k}", "Why?", "So it is. " * k) for k in range(1, 7)]
    rows += [record("b/long", "Why?", "So it is. " * 100, "And?", "Yes.")]
    (tmp_path / "images").mkdir()
    for k in range(NUM_IMAGES):
        Image.new("RGB", (20, 30), (9 * k, 0, 0)).save(tmp_path / "images" / f"{k:02}.jpg")
    return inputs._replace(mixture=write_mixture(tmp_path / "few", rows), images=tmp_path / "images")


def job(few: Inputs, *sets: str) -> Job:
    given = ("global_batch=4", "per_device_batch=2", "max_tokens=100", *sets)
    return Job(
        stage=load_stage("finetune", given),
        mixture=str(few.mixture),
        images=str(few.images),
        llm=str(few.llm),
        vision=str(few.vision),
        out="/nowhere",
    )


def audit(asked: Job, *, ranks: int = 1, has_weights: bool = True) -> tuple[int, dict[str, str], list[str]]:
    """The number of faults, the rows of the table and the lines below it."""
    screen = io.StringIO()
    found = check(asked, ranks=ranks, has_weights=has_weights)
    print_audit(LiteralConsole(file=screen, width=200), found)
    lines = [line.strip() for line in screen.getvalue().splitlines() if line.strip()]
    split = [re.split(r" {2,}", line, maxsplit=1) for line in lines]
    assert json.loads(to_json(found))["findings"] == found.findings
    return (
        len(found.unusable_images) if found.stops else 0,
        dict(one for one in split if len(one) == 2),
        [line for line in lines if "  " not in line],
    )


def test_the_numbers_are_those_of_the_rows_as_they_would_be_trained_on(few: Inputs) -> None:
    asked = settle_template(job(few))
    faults, rows, below = audit(job(few))
    processor, config = describe(asked.llm, asked.vision, "v1")
    encoder = make_encoder(processor.tokenizer, config, asked)
    encoded = [encoder.encode(row) for row in Mixture(few.mixture).rows(0, 20)]
    tokens = sum(len(one.input_ids) for one in encoded)
    learned = sum(int((one.labels[1:] != IGNORED).sum()) for one in encoded)
    assert (faults, below) == (0, [])
    assert rows["mixture"].startswith("few, 20 records, row hash ")
    assert rows["tokens"] == f"{tokens:,}, {learned / tokens:.1%} of them learned"
    assert rows["longest"] == f"100 of 100 tokens, mean {tokens / 20:,.0f}"
    assert rows["cut by max_tokens"] == "1 records, 2 answers"
    assert rows["without a label"] == "0 records"
    assert rows["train / held out"] == "20 / 0 records"
    assert rows["global batch"] == "4 = 2 each x 2 x 1 ranks"
    assert rows["steps"] == "6; an epoch has 6"  # four of images, two of text
    assert rows["images"] == "13, 0 of them unusable"
    assert rows["memory of a rank"].startswith("about 0.0 GB (weights 0.0, gradients 0.0, ")


@pytest.mark.parametrize(
    ("sets", "steps"),
    [
        (("epochs=2.5",), "15; an epoch has 6"),
        (("epochs=0.4",), "3; an epoch has 6"),
        (("max_steps=2",), "2; an epoch has 6"),
        (("max_steps=20",), "6; an epoch has 6"),
        (("remainder=drop",), "4; an epoch has 4"),
        (("batching=padding_free",), "5; an epoch has 5"),
    ],
)
def test_steps_follow_epochs_the_last_step_and_what_becomes_of_remainders(
    few: Inputs, sets: tuple[str, ...], steps: str
) -> None:
    assert audit(job(few, *sets))[1]["steps"] == steps


def test_rows_without_padding_have_none(few: Inputs) -> None:
    assert audit(job(few, "batching=padding_free"), ranks=2)[1]["padding"].startswith("0.0%; cost 1.")
    assert not audit(job(few), ranks=2)[1]["padding"].startswith("0.0%")


def test_held_out_records_are_not_planned(few: Inputs) -> None:
    rows = audit(job(few, "eval_fraction=0.5", "batching=padding_free"))[1]
    assert (rows["train / held out"], rows["steps"]) == ("10 / 10 records", "3; an epoch has 3")


def test_images_that_cannot_be_used_are_counted_and_the_first_ten_named(few: Inputs) -> None:
    (few.images / "00.jpg").unlink()
    for k in range(1, 12):
        (few.images / f"{k:02}.jpg").write_bytes(b"GIF89a")
    faults, rows, below = audit(job(few))
    assert faults == 12
    assert rows["images"] == "13, 12 of them unusable"
    assert below[0] == "00.jpg: no such file"
    assert len(below) == 11
    assert all(line.startswith(f"{k:02}.jpg: cannot be decoded: ") for k, line in enumerate(below[1:10], start=1))
    assert below[10] == "… and 2 more"


def test_images_that_the_run_would_leave_out_are_named_and_stop_nothing(few: Inputs) -> None:
    (few.images / "00.jpg").unlink()
    faults, rows, below = audit(msgspec.structs.replace(job(few), on_bad_image="drop"))
    assert (faults, rows["images"], below) == (0, "13, 1 of them unusable", ["00.jpg: no such file"])


def test_what_would_stop_the_run_stops_the_audit(few: Inputs) -> None:
    with pytest.raises(StageError, match="global_batch 4 is no multiple of per_device_batch 2 x 3 ranks = 6"):
        audit(job(few), ranks=3)
    long: Any = record("c/1", "Why? " * 300, "So.")
    own = few._replace(mixture=write_mixture(few.mixture.parent / "long", [long]))
    with pytest.raises(TrainingError, match="1 rows have no label within max_tokens 100, the first is c/1"):
        audit(job(own))


def test_folders_of_configurations_alone_give_the_same_audit_where_they_are_asked_for(
    few: Inputs, tmp_path: Path
) -> None:
    bare = {
        part: Path(shutil.copytree(getattr(few, part), tmp_path / part, ignore=lambda *_: ["model.safetensors"]))
        for part in ("llm", "vision")
    }
    with pytest.raises(ModelError, match="llm: no weights, expected one of"):
        audit(job(few._replace(**bare)))
    found, expected = audit(job(few._replace(**bare)), has_weights=False), audit(job(few))
    assert found[1].pop("starts from").startswith(f"language model {bare['llm']}, ")
    assert found[1].items() <= expected[1].items()


def test_special_tokens_in_texts_are_counted_by_name(few: Inputs, tmp_path: Path) -> None:
    assert "special tokens in texts" not in audit(job(few))[1]
    rows = [record(f"a/{k}", "Why?", text) for k, text in enumerate(("No </s> here.", "So.", "</s>", "<s>"))]
    given = few._replace(mixture=write_mixture(tmp_path / "marked", rows))

    _, table, _ = audit(job(given))

    assert table["special tokens in texts"] == "'<s>' in 1 records, '</s>' in 2 records"


def test_what_the_recipe_holds_out_is_named_and_said_to_be_missing_where_it_is(few: Inputs) -> None:
    held = write_mixture(few.mixture / "held_out", [record("b/9", "Why?", "So.")])
    about = HeldOut(row_hash=load_manifest(held).row_hash, seed=1, drawn=1, of=4, records=1)
    write_manifest(few.mixture, msgspec.structs.replace(load_manifest(few.mixture), held_out=about))
    _, rows, _ = audit(msgspec.structs.replace(job(few, "on_unlabelled=drop"), eval_mixture=str(held)))
    assert rows["train / held out"] == "20 / 1 records"
    assert rows["held out in"] == f"{held}, loss by source every 500 steps"
    _, rows, _ = audit(job(few))
    assert rows["held out in"] == f"nothing: what the recipe holds out is not in {held}"
