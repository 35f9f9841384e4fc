"""Models that are not there are refused at once, in one line."""

import time
from pathlib import Path

import pytest

from mix665k.schemas.errors import ModelError
from mix665k.trainer.model.loading import require_model
from tests.loopback_hub import Hub
from tests.trainer.running import run


def test_a_folder_is_there_whatever_the_network(tmp_path: Path) -> None:
    require_model(str(tmp_path))


def test_a_model_that_the_hub_does_not_have_is_refused(loopback: Hub) -> None:
    with pytest.raises(ModelError, match=r"^me/none: neither a folder nor a model on the Hub; check the name$"):
        require_model("me/none")


def test_a_path_is_no_hub_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such folder, and not the form of a Hub name such as OWNER/NAME$"):
        require_model(f"{tmp_path}/none")


def test_a_hub_that_does_not_answer_is_not_waited_for(loopback: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", closed)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.utils._http.time", None)  # whoever waits between tries fails
    began = time.perf_counter()
    with pytest.raises(ModelError, match=r"^me/llm: neither a folder nor reachable on the Hub .*; check the network$"):
        require_model("me/llm")
    assert time.perf_counter() - began < 2


def test_offline_the_cache_is_all_there_is(loopback: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        ModelError, match=r"^me/llm: neither a folder nor in the Hub's cache, and HF_HUB_OFFLINE is set$"
    ):
        require_model("me/llm")


def test_check_refuses_before_anything_else_is_read(tmp_path: Path) -> None:
    (tmp_path / "vision").mkdir()
    done = run("check", "--mixture", tmp_path, "--images", tmp_path, "--llm", tmp_path / "x", "--vision", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {tmp_path}/x: no such folder, ")
    assert len(done.stderr.splitlines()) == 1
