"""The Croissant description: mlcroissant finds no fault, and reads the rows by it."""

from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from mix665k.mixtures.publish.repository import PublishRequest, publish
from mix665k.schemas.hub import Target
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.publish.loading import rows_of, silent


@pytest.fixture
def described(small: Path, tmp_path: Path) -> Path:
    """What would be published of the small mixture."""
    publish(small, PublishRequest(Target("me/mix", "dataset", revision="v2")), tmp_path / "repository", bar=silent)
    return tmp_path / "repository"


def open_described(folder: Path) -> Any:
    return mlcroissant.Dataset(jsonld=str(folder / "croissant.json"), mapping={"repo": str(folder)})


def test_mlcroissant_finds_nothing_but_the_missing_date(described: Path) -> None:
    report = open_described(described).metadata.issues.report()
    assert report.count("  -  ") == 1
    assert "datePublished" in report


def test_it_tells_the_files_with_their_hashes_and_the_licences(described: Path) -> None:
    metadata = open_described(described).metadata
    hashes = {one.content_url: one.sha256 for one in metadata.distribution if one.id.endswith(".parquet")}
    shards = [shard for entry in load_manifest(described).sources for shard in entry.shards]
    assert hashes == {shard.path: shard.sha256 for shard in shards}
    assert metadata.license == ["https://huggingface.co/datasets/me/mix/blob/v2/LICENSE.md"]
    assert metadata.url == "https://huggingface.co/datasets/me/mix/tree/v2"


def test_mlcroissant_reads_the_rows(described: Path, small: Path) -> None:
    dataset = open_described(described)
    for name, rows in rows_of(small).items():
        if name != "all":
            assert [plain(record) for record in dataset.records(name)] == rows


def plain(value: Any) -> Any:
    """Without the paths in front of names, and as text."""
    if isinstance(value, dict):
        return {key.rpartition("/")[2]: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value
