"""`train export --push`: the model that is published is the model that was trained, with its card."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from mix665k.cli import train
from tests.loopback_hub import Hub, environment

NAME = "models/me/llava"
_LOAD = """
import sys
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

there, here = (AutoModelForImageTextToText.from_pretrained(name, revision="v1") for name in sys.argv[1:])
assert all(torch.equal(a, b) for a, b in zip(there.parameters(), here.parameters(), strict=True))
assert AutoProcessor.from_pretrained(sys.argv[1], revision="v1").chat_template is not None
print(sum(one.numel() for one in there.parameters()))
"""


def push(run: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(train, ["export", str(run), "--out", str(out), "--push", "me/llava", *options])


@pytest.mark.slow
def test_the_published_model_is_the_exported_one(loopback: Hub, first_stage: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    shown = push(first_stage, out, "--private", "--revision", "v1")
    assert shown.exit_code == 0, shown.output
    assert f"published: {loopback.url}/me/llava/tree/v1 (commit " in shown.stdout
    assert loopback.repositories[NAME].private
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, "me/llava", str(out)],
        env=dict(os.environ) | environment(loopback, tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 0


def test_a_push_that_failed_goes_on_and_the_same_again_changes_nothing(
    loopback: Hub, first_stage: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    loopback.fail("POST", "/commit/", status=503, times=1)
    shown = push(first_stage, out)
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (1, 1)
    assert "me/llava: the Hub is busy or broken (503)" in shown.stderr
    weights = (out / "model.safetensors").stat().st_mtime_ns
    sent = loopback.asked("PUT /lfs")
    assert "published: " in push(first_stage, out).stdout
    assert "nothing new: " in push(first_stage, out).stdout
    assert (out / "model.safetensors").stat().st_mtime_ns == weights
    assert loopback.asked("PUT /lfs") == sent == 1
    assert len(loopback.commits(NAME)) == 2


def test_the_card_names_no_place_on_this_machine(loopback: Hub, first_stage: Path, tmp_path: Path) -> None:
    assert push(first_stage, tmp_path / "model").exit_code == 0
    files = loopback.files(NAME)
    card = files["README.md"].decode()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front == {"library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": ["llava"]}
    assert 'from_pretrained("me/llava")' in card
    told = [path for path, content in files.items() if str(tmp_path.parent.parent).encode() in content]
    assert told == []


def test_a_push_without_a_token_exports_nothing(
    loopback: Hub, first_stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    shown = push(first_stage, tmp_path / "model")
    assert "me/llava: no token to publish with; run `hf auth login`" in shown.stderr
    assert not (tmp_path / "model").exists()


def test_options_of_a_push_need_one(tmp_path: Path) -> None:
    shown = CliRunner().invoke(train, ["export", str(tmp_path), "--out", str(tmp_path / "model"), "--private"])
    assert shown.exit_code == 2
