"""`fetched.json`: what was fetched is on the disk at once, and is what later runs read."""

import json
from pathlib import Path

import pytest

from mix665k.mixtures.fetch.fetched import FETCHED, Entry, FetchedRecord, FileEntry
from mix665k.schemas.errors import FetchError

VQA = Entry(url="https://x/vqa.zip", num_bytes=5, sha256="ab", files={"vqa/q.json": FileEntry(9, "cd")})
IMAGES = Entry(url="https://x/images.zip", num_bytes=7, sha256="ef", images=3)


def test_what_is_added_is_read_by_the_next_run(tmp_path: Path) -> None:
    FetchedRecord(tmp_path).add("vqa/vqa.zip", VQA)
    later = FetchedRecord(tmp_path)
    assert later.get("vqa/vqa.zip") == VQA
    assert later.get("vqa/other.zip") is None


def test_downloads_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    record = FetchedRecord(tmp_path)
    record.add("vqa/vqa.zip", VQA)
    record.add("coco/images.zip", IMAGES)
    assert list(json.loads((tmp_path / FETCHED).read_text())["downloads"]) == ["coco/images.zip", "vqa/vqa.zip"]


def test_what_is_forgotten_is_gone_from_the_disk(tmp_path: Path) -> None:
    record = FetchedRecord(tmp_path)
    record.add("vqa/vqa.zip", VQA)
    record.add("vqa/vqa.zip", None)
    assert FetchedRecord(tmp_path).get("vqa/vqa.zip") is None


@pytest.mark.parametrize("content", ["", "[]", '{"downloads": {"a": {"url": 1}}}', '{"downloads"'])
def test_another_file_of_this_name_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FETCHED).write_text(content)
    with pytest.raises(FetchError, match=r"fetched\.json: not what `mix fetch` writes: .*; remove it"):
        FetchedRecord(tmp_path)
