"""What another version wrote is said to be that, with what to do; what is damaged is said to be damaged."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mix665k.schemas.errors import MixtureError, TrainingError
from mix665k.schemas.manifest import FORMAT, MANIFEST, Manifest, load_manifest
from mix665k.trainer.run.checkpoint import COMPLETE, checkpoints, read_complete

OURS = f"mix665k {version('mix665k')}"
UPGRADE = r"; git pull && pip install -e \.$"
PLAIN = Manifest(
    format=FORMAT,
    tool=OURS,
    name="m",
    recipe="",
    overrides={},
    integer_ids=[],
    conversations=0,
    pairs=0,
    row_hash="",
    sources=[],
)


def _written(folder: Path, **changes: Any) -> Path:
    (folder / MANIFEST).write_text(json.dumps(msgspec.to_builtins(PLAIN) | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": FORMAT + 1, "tool": "mix665k 0.4.0", "sources": {"gqa": 1}},
            rf"written by mix665k 0\.4\.0 in format {FORMAT + 1}, which is newer than the format {FORMAT} of {OURS}"
            + UPGRADE,
        ),
        (
            {"tool": "mix665k 10.0", "weights": []},
            rf"written by mix665k 10\.0, which is newer than {OURS} and has \$: object contains unknown field wei",
        ),
        ({"format": 1, "old": 1}, "damaged: object contains unknown field old; build the mixture again"),
        ({"format": 9, "tool": ""}, "written by another version in format 9, which is newer"),
        ({"weights": []}, "damaged: object contains unknown field weights; build the mixture again"),
        ({"tool": "mix665k 0.0.1", "pairs": -1}, r"damaged: \$\.pairs: expected int >= 0; build"),
        ({"format": "2"}, r"damaged: \$\.format: expected int, got str; build"),
    ],
)
def test_a_manifest_of_another_version_is_no_damaged_one(tmp_path: Path, changes: Any, message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        load_manifest(_written(tmp_path, **changes))


@pytest.mark.parametrize("older", range(1, FORMAT))
def test_older_formats_are_read(tmp_path: Path, older: int) -> None:
    assert load_manifest(_written(tmp_path, format=older)).format == older


def test_a_newer_version_that_changed_nothing_is_read(tmp_path: Path) -> None:
    assert load_manifest(_written(tmp_path, tool="mix665k 99.1")).tool == "mix665k 99.1"


def test_a_manifest_nested_without_end_is_one_line(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    text = (_written(tmp_path) / MANIFEST).read_text().replace('"overrides": {}', f'"overrides": {{"a": {deep}}}')
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(MixtureError, match=r"damaged: nested too deeply; build the mixture again$"):
        load_manifest(tmp_path)


def test_a_checkpoint_of_a_newer_version_is_not_taken_for_an_unfinished_one(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-5"
    folder.mkdir()
    (folder / COMPLETE).write_text('{"step": 5, "ranks": 1, "mixture": "m", "stage": "s", "tensor_parallel": 2}')
    with pytest.raises(TrainingError, match=r"complete\.json: .* unknown field tensor_parallel; if a newer"):
        checkpoints(tmp_path)
    (folder / COMPLETE).write_text('{"step": 5,')
    assert read_complete(folder) is None
