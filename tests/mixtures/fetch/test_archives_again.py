"""An archive that is fetched a second time, because one of its files was lost."""

import json
from pathlib import Path

from mix665k.builders.registry import Download
from mix665k.mixtures.fetch.downloads import Job
from tests.mixtures.fetch.bringing import brought
from tests.mixtures.fetch.packing import zipped
from tests.mixtures.fetch.server import Publisher

FILES = {"a.json": b"[1]", "b.json": b"[1, 2]"}
PATH = "/at/both.zip"


def both(root: Path, publisher: Publisher) -> Job:
    """A job for an archive of two raw files."""
    download = Download(name="both.zip", folders=(f"{publisher.url}/at",))
    return Job(
        root=root, folder="some", download=download, files={name: f"some/{name}" for name in FILES}, about_bytes=9
    )


def known(root: Path) -> dict[str, int]:
    """The sizes of the files that the record vouches for."""
    [entry] = json.loads((root / "fetched.json").read_text())["downloads"].values()
    return {path: file["num_bytes"] for path, file in entry["files"].items()}


def test_the_same_archive_again_still_vouches_for_the_file_that_was_there(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[PATH] = zipped(FILES)
    assert brought(both(tmp_path, publisher)).state == "fetched"
    (tmp_path / "some/a.json").unlink()
    assert brought(both(tmp_path, publisher)).state == "fetched"
    assert known(tmp_path) == {"some/a.json": 3, "some/b.json": 6}
    assert brought(both(tmp_path, publisher)).state == "there"


def test_a_changed_archive_vouches_only_for_what_came_out_of_it(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[PATH] = zipped(FILES)
    assert brought(both(tmp_path, publisher)).state == "fetched"
    (tmp_path / "some/a.json").unlink()
    publisher.files[PATH] = zipped(FILES | {"a.json": b"[1, 2, 3]"})
    assert brought(both(tmp_path, publisher), accept_changed=True).state == "fetched"
    assert known(tmp_path) == {"some/a.json": 9}
    assert brought(both(tmp_path, publisher)).state == "not checked"
