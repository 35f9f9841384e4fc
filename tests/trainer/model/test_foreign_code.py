"""Models, tokenizers and processors that bring code of their own: it is never run, and nobody is asked."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import UserError
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.data.images import load_processor
from mix665k.trainer.model.configuration import read_config
from mix665k.trainer.model.tower import tower_of

CODE = "open({ran!r}, 'w').close()\nclass Evil:\n    pass\n"


def hostile(folder: Path) -> Path:
    """A folder whose every file asks for code in it; `ran` is there once it was run."""
    folder.mkdir()
    (folder / "evil.py").write_text(CODE.format(ran=str(folder / "ran")))
    autos = ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoImageProcessor", "AutoProcessor")
    code = {"auto_map": dict.fromkeys(autos, "evil.Evil") | {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}
    (folder / "config.json").write_text(json.dumps(code | {"model_type": "evil"}))
    (folder / "preprocessor_config.json").write_text(json.dumps(code | {"image_processor_type": "Evil"}))
    (folder / "tokenizer_config.json").write_text(json.dumps(code | {"tokenizer_class": "Evil"}))
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("")
    return folder


@pytest.mark.parametrize(
    "read",
    [
        lambda name: read_config(name, "a language model's configuration"),
        lambda name: load_processor(name),
        lambda name: tower_of(name),
    ],
    ids=["configuration", "processor", "tower"],
)
def test_code_of_a_model_is_never_run(tmp_path: Path, read: Callable[[str], Any], monkeypatch: Any) -> None:
    folder = hostile(tmp_path / "model")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(UserError, match="which is never run"):
        read(str(folder))
    assert not (folder / "ran").exists()


def test_code_of_a_tokenizer_is_never_run(tmp_path: Path, monkeypatch: Any) -> None:
    folder = hostile(tmp_path / "tokenizer")
    (folder / "tokenizer.json").unlink(missing_ok=True)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(UserError):
        load_tokenizer(str(folder))
    assert not (folder / "ran").exists()


def test_a_command_asks_nobody_and_says_it_in_one_line(tmp_path: Path, tiny_mixture: Path) -> None:
    folder = hostile(tmp_path / "model")
    train = Path(sys.executable).with_name("train")
    line: list[str | Path] = [
        train,
        "check",
        "--mixture",
        tiny_mixture,
        "--images",
        tmp_path,
        "--llm",
        folder,
        "--vision",
        folder,
    ]
    done = subprocess.run(line, input="y\n" * 20, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "\n" not in done.stderr.rstrip("\n")
    assert not (folder / "ran").exists()
