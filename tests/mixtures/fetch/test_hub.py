"""Files of the Hugging Face hub."""

from pathlib import Path

import pytest

from mix665k.builders.registry import Download
from mix665k.mixtures.fetch.downloads import Job
from tests.mixtures.fetch.bringing import HASTE, brought
from tests.mixtures.fetch.server import Act, Publisher

CONTENT = bytes(range(256)) * 2000
MAIN = "/datasets/some/set/resolve/main/file.json"
COMMIT = "/datasets/some/set/resolve/c0ffee/file.json"


@pytest.fixture
def hub(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """A hub with one file, for a user with a token."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", publisher.url)
    template = publisher.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    publisher.files |= {MAIN: CONTENT, COMMIT: CONTENT}
    return publisher


def job(root: Path, sha256: str | None = None) -> Job:
    """A job for a file of the hub."""
    return Job(
        root=root,
        folder="some",
        download=Download(name="file.json", hub="some/set", sha256=sha256),
        files={"": "some/file.json"},
        about_bytes=0,
    )


def tokens(hub: Publisher) -> dict[str, str | None]:
    """The token that each file was asked for with; the hub's library asks for things of its own."""
    return {asked.path: asked.authorization for asked in hub.asked if asked.path.endswith("file.json")}


def test_a_file_of_the_hub_comes_from_its_commit_with_the_token(hub: Publisher, tmp_path: Path) -> None:
    assert brought(job(tmp_path)).state == "fetched"
    assert tokens(hub) == {COMMIT: "Bearer hf_made_up"}
    assert (tmp_path / "some/file.json").read_bytes() == CONTENT


def test_a_file_of_the_hub_goes_on_where_it_was(hub: Publisher, tmp_path: Path) -> None:
    hub.acts[COMMIT] = [Act(drop_after=300_000)]
    assert brought(job(tmp_path), patience=HASTE._replace(retries=0)).state == "failed"
    assert brought(job(tmp_path)).state == "fetched"
    assert hub.sent(COMMIT) == len(CONTENT)


def test_the_token_stays_with_the_hub(hub: Publisher, tmp_path: Path) -> None:
    hub.files["/cdn/file.json"] = CONTENT
    hub.always[COMMIT] = Act(302, (("Location", f"{hub.url.replace('127.0.0.1', 'localhost')}/cdn/file.json"),))
    assert brought(job(tmp_path)).state == "fetched"
    assert tokens(hub) == {COMMIT: "Bearer hf_made_up", "/cdn/file.json": None}


def test_bytes_that_are_not_those_the_hub_names_are_an_error(hub: Publisher, tmp_path: Path) -> None:
    hub.files[COMMIT] = CONTENT[::-1]
    assert "not the file that is known" in brought(job(tmp_path)).note


def test_a_file_that_is_not_on_the_hub_is_one_line(hub: Publisher, tmp_path: Path) -> None:
    del hub.files[MAIN]
    result = brought(job(tmp_path))
    assert result.note == f"{hub.url}{MAIN}: the hub answers with HTTP 404"


def test_an_offline_hub_is_not_asked(hub: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.utils._http.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set, unset it to fetch" in brought(job(tmp_path)).note
