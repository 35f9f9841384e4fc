"""`train publish`: the model that is published is the model that was exported, with its card."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from mix665k.cli import train
from mix665k.trainer.export import export
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


@pytest.fixture(scope="module")
def model(first_stage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model; read only."""
    out = tmp_path_factory.mktemp("exported") / "model"
    export(first_stage, out)
    return out


def publish(model: Path, *options: str) -> Result:
    return CliRunner().invoke(train, ["publish", str(model), "me/llava", *options])


@pytest.mark.slow
def test_the_published_model_is_the_exported_one(loopback: Hub, model: Path, tmp_path: Path) -> None:
    shown = publish(model, "--private", "--revision", "v1")
    assert shown.exit_code == 0, shown.output
    assert f" MB: {loopback.url}/me/llava/tree/v1 (commit " in shown.stdout
    assert loopback.repositories[NAME].private
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, "me/llava", str(model)],
        env=dict(os.environ) | environment(loopback, tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 0


def test_an_upload_that_failed_is_resumed_and_the_same_model_again_makes_no_commit(loopback: Hub, model: Path) -> None:
    loopback.fail("POST", "/commit/", status=503, times=1)
    shown = publish(model)
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (1, 1)
    assert "me/llava: the Hub is busy or broken (503)" in shown.stderr
    sent = loopback.asked("PUT /lfs")
    assert publish(model).stdout.startswith("published ")
    assert publish(model).stdout.startswith("nothing new, ")
    assert loopback.asked("PUT /lfs") == sent == 1
    assert len(loopback.commits(NAME)) == 2


def test_the_card_names_the_repository_and_no_folder_of_this_machine(loopback: Hub, model: Path) -> None:
    assert publish(model).exit_code == 0
    files = loopback.files(NAME)
    card = files["README.md"].decode()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front == {"library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": ["llava"]}
    assert 'from_pretrained("me/llava")' in card
    machine = str(model.parent.parent).encode()
    assert [path for path, content in files.items() if machine in content] == []


def test_weights_of_an_earlier_publication_are_removed(loopback: Hub, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"older shards")
    assert publish(folder).exit_code == 0
    assert "model-00001-of-00002.safetensors" in loopback.files(NAME)
    assert publish(model).exit_code == 0
    assert sorted(loopback.files(NAME)) == sorted(
        [*(path.name for path in model.iterdir()), *({".gitattributes"} & loopback.files(NAME).keys())]
    )


def test_a_pull_request_leaves_the_branch_alone(loopback: Hub, model: Path) -> None:
    shown = publish(model, "--create-pr", "--format", "json")
    assert shown.exit_code == 0, shown.output
    done = json.loads(shown.stdout)
    assert "/discussions/" in done["url"]
    assert done["changed"]
    assert "model.safetensors" not in loopback.files(NAME)


def test_a_dry_run_needs_no_token_and_no_hub(loopback: Hub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    shown = publish(model, "--dry-run")
    assert shown.exit_code == 0, shown.output
    count, size = len(list(model.iterdir())), (model / "model.safetensors").stat().st_size
    assert shown.stdout.startswith(f"would publish {count} files, ")
    assert shown.stdout.endswith(" MB to me/llava, branch main; nothing was uploaded\n")
    told = json.loads(publish(model, "--dry-run", "--format", "json").stdout)
    assert (told["files"], told["url"], told["changed"]) == (count, None, None)
    assert told["bytes"] > size
    assert loopback.repositories == {}


def test_no_token_is_one_line(loopback: Hub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    shown = publish(model)
    assert shown.exit_code == 1
    assert "me/llava: no token to publish with; run `hf auth login`" in shown.stderr
    assert loopback.repositories == {}


def test_only_an_exported_model_is_published(loopback: Hub, first_stage: Path, tmp_path: Path) -> None:
    run = publish(first_stage, "--dry-run")
    assert (run.exit_code, run.stderr) == (
        1,
        f"error: {first_stage}: is a training run, not an exported model; "
        f"run `train export {first_stage} --out DIR` and publish that folder\n",
    )
    for folder in (tmp_path, tmp_path / "nowhere"):
        other = publish(folder)
        expected = "not an exported model, expected a folder that `train export` wrote"
        assert (other.exit_code, other.stderr) == (1, f"error: {folder}: {expected}\n")
    name = CliRunner().invoke(train, ["publish", str(tmp_path), "llava", "--dry-run"])
    assert "llava: no owner, expected OWNER/NAME" in name.stderr
    assert loopback.repositories == {}


def test_export_publishes_nothing(tmp_path: Path) -> None:
    shown = CliRunner().invoke(train, ["export", str(tmp_path), "--out", str(tmp_path / "model"), "--push", "me/llava"])
    assert shown.exit_code == 2
