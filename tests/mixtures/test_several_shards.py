"""A source of several shards, all the way from its build to a trainer's reader."""

import json
from pathlib import Path

import datasets
import pytest

from mix665k import inspect, verify
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.diff.compare import compare
from mix665k.mixtures.export.export import ExportRequest, export
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.terminal import no_progress
from mix665k.schemas.conversation import Record
from mix665k.trainer.data.mixture import Mixture as Trained
from tests.conftest import SilentWatcher
from tests.mixtures.small import run, written

ROWS_PER_SHARD = 4
NUM_RECORDS = 11
RECIPE = "{name: sharded, seed: 1, integer_ids: [mine], sources: [{source: llava_json, name: mine}, {source: okvqa}]}"


@pytest.fixture(scope="module")
def raw(made_up_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files of two sources, one of which fills several shards."""
    folder = tmp_path_factory.mktemp("raw")
    (folder / "okvqa").symlink_to(made_up_raw / "okvqa")
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A heron."}]
    written(folder, [{"id": i, "image": f"mine/{i}.jpg", "conversations": turns} for i in range(NUM_RECORDS)])
    return folder


def built(raw: Path, folder: Path, *, rows_per_shard: int = 65_536) -> Mixture:
    (folder / "sharded.yaml").write_text(RECIPE)
    plan = make_plan(folder / "sharded.yaml", Options(raw, folder / "mixture", rows_per_shard=rows_per_shard))
    build(plan, jobs=2, overwrite=False, listener=SilentWatcher())
    return Mixture.open(folder / "mixture")


@pytest.fixture(scope="module")
def sharded(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    """The mixture in shards of four rows; read only."""
    return built(raw, tmp_path_factory.mktemp("sharded"), rows_per_shard=ROWS_PER_SHARD)


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """The records of the same mixture in one shard a source."""
    return list(built(raw, tmp_path_factory.mktemp("whole")).records())


def test_every_shard_is_there_under_its_number_and_full_but_the_last(sharded: Mixture) -> None:
    [mine] = sharded.entries(["mine"])
    names = [f"data/mine-{i:05d}-of-00003.parquet" for i in range(3)]
    assert [(shard.path, shard.rows) for shard in mine.shards] == list(zip(names, (4, 4, 3), strict=True))
    okvqa = [shard.path for shard in sharded.entries(["okvqa"])[0].shards]
    assert sorted(f"data/{path.name}" for path in (sharded.path / "data").iterdir()) == sorted(names + okvqa)


def test_the_rows_are_those_of_one_shard_in_the_same_order(sharded: Mixture, whole: list[Record]) -> None:
    assert list(sharded.records()) == whole
    places = [place for batch in sharded.batches() for place in batch.places]
    assert places == list(range(len(sharded)))


def test_all_shards_are_reused(raw: Path, sharded: Mixture, tmp_path: Path) -> None:
    first = built(raw, tmp_path, rows_per_shard=ROWS_PER_SHARD)
    watcher = SilentWatcher()
    plan = make_plan(tmp_path / "sharded.yaml", Options(raw, tmp_path / "mixture", rows_per_shard=ROWS_PER_SHARD))
    manifest, _ = build(plan, jobs=1, overwrite=False, listener=watcher)
    assert manifest == first.manifest == sharded.manifest
    assert all(done.result.reused for done in watcher.done)


def test_it_is_verified_against_its_raw_files_and_its_export(sharded: Mixture, raw: Path, tmp_path: Path) -> None:
    export(sharded, ExportRequest("llava", tmp_path / "llava.json"), advance=no_progress)
    found = verify(sharded, raw=raw, against=tmp_path / "llava.json", jobs=2)
    assert found.ok, found.checks
    assert {"sources rebuilt", "rows rebuilt"} <= {check.name for check in found.checks if check.outcome == "ok"}


def test_a_lost_shard_is_found(raw: Path, tmp_path: Path) -> None:
    mixture = built(raw, tmp_path, rows_per_shard=ROWS_PER_SHARD)
    (mixture.path / mixture.entries(["mine"])[0].shards[1].path).unlink()
    shown = run("verify", mixture.path, "--jobs", "1")
    assert shown.exit_code == 1
    assert "mine-00001-of-00003.parquet: no such file" in shown.stdout


def test_shards_that_changed_places_are_found(raw: Path, tmp_path: Path) -> None:
    mixture = built(raw, tmp_path, rows_per_shard=ROWS_PER_SHARD)
    first, second = (mixture.path / shard.path for shard in mixture.entries(["mine"])[0].shards[:2])
    first.rename(tmp_path / "first")
    second.rename(first)
    (tmp_path / "first").rename(second)
    failed = {check.name for check in verify(mixture, jobs=1).checks if not check.passed}
    assert "file hashes" in failed


def test_inspection_counts_every_shard(sharded: Mixture, whole: list[Record]) -> None:
    found = inspect(sharded, sample=NUM_RECORDS)
    assert (found.sources[0].records, found.total.records) == (NUM_RECORDS, len(whole))
    mine = {sampled.record["id"] for sampled in found.sample if sampled.source == "mine"}
    assert mine == {record.id for record in whole if record.source == "mine"}


def test_it_is_equal_to_itself_in_one_shard_a_source(sharded: Mixture, raw: Path, tmp_path: Path) -> None:
    other = built(raw, tmp_path)
    assert other.require_manifest().row_hash != sharded.require_manifest().row_hash
    assert compare(sharded, other, advance=no_progress).equal


def test_an_export_holds_every_shard_in_order(sharded: Mixture, whole: list[Record], tmp_path: Path) -> None:
    assert export(sharded, ExportRequest("llava", tmp_path / "llava.json"), advance=no_progress) == len(whole)
    exported = json.loads((tmp_path / "llava.json").read_bytes())
    assert [record["id"] for record in exported[:NUM_RECORDS]] == list(range(NUM_RECORDS))


def test_datasets_loads_every_shard(sharded: Mixture, whole: list[Record], tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(sharded.path), "mine", split="train", cache_dir=str(tmp_path))
    assert loaded["id"][:] == [record.id for record in whole if record.source == "mine"]


def test_a_trainer_reads_every_shard(sharded: Mixture, whole: list[Record]) -> None:
    trained = Trained(sharded.path)
    assert [trained[i].id for i in range(len(trained))] == [record.id for record in whole]
    shown = run("trace", sharded.path, "mine/9#0")
    assert (shown.exit_code, "mine/9.jpg" in shown.stdout) == (0, True)
