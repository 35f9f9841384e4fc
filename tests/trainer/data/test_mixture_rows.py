"""A mixture's rows, by number."""

import hashlib
import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mix665k.schemas import cache
from mix665k.schemas.errors import MixtureError
from mix665k.trainer.data.mixture import Mixture, Row
from tests.trainer.mixtures import record, write_mixture

ROWS = [
    record("b/1", "<image>\nWhat?", "A cat.", "How many?", "3", image="b/1.jpg"),
    record("b/2", "Hello", "Hi"),
    record("b/3", "<image>\nWho?", "日本", image="b/3.jpg"),
    record("a/1", "Why?", "So."),
]


@pytest.mark.parametrize("rows_per_batch", [1, 8192])
def test_rows_come_in_the_order_of_the_manifest(tmp_path: Path, monkeypatch: Any, rows_per_batch: int) -> None:
    monkeypatch.setattr("mix665k.trainer.data.mixture._ROWS_PER_BATCH", rows_per_batch)
    mixture = Mixture(write_mixture(tmp_path / "few", ROWS, rows_per_shard=2))

    assert len(mixture) == 4
    assert mixture[0] == Row("b/1", "b", "b/1.jpg", [("<image>\nWhat?", "A cat."), ("How many?", "3")])
    assert mixture[1] == Row("b/2", "b", None, [("Hello", "Hi")])
    assert [row.id for row in mixture.rows(1, 4)] == ["b/2", "b/3", "a/1"]
    assert mixture.rows(2, 3)[0].pairs == [("<image>\nWho?", "日本")]
    assert mixture.images == ["b/1.jpg", None, "b/3.jpg", None]


@pytest.mark.parametrize("rows_per_batch", [1, 2, 8192])
def test_records_that_hold_special_tokens_as_text_are_counted(
    tmp_path: Path, monkeypatch: Any, rows_per_batch: int
) -> None:
    monkeypatch.setattr("mix665k.trainer.data.mixture._ROWS_PER_BATCH", rows_per_batch)
    rows = [
        record("a/1", "What is </s>?", "It ends </s> a text, </s>.", "And <s>?", "It begins one."),
        record("a/2", "Plain", "text"),
        record("a/3", "[/INST] or [INST]?", "</s>"),
    ]
    mixture = Mixture(write_mixture(tmp_path / "few", rows))

    assert mixture.records_with(["<s>", "</s>", "<unk>", "[/INST]"]) == {"<s>": 1, "</s>": 2, "[/INST]": 1}
    assert mixture.records_with(["<unk>"]) == {}
    assert mixture.records_with([]) == {}


def test_all_rows_of_a_built_mixture_are_there(tiny_mixture: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    mixture = Mixture(tiny_mixture)

    manifest = json.loads((tiny_mixture / "manifest.json").read_text())
    expected = []
    for entry in manifest["sources"]:
        for shard in entry["shards"]:
            for row in pq.read_table(tiny_mixture / shard["path"]).to_pylist():
                texts = [turn["value"] for turn in row["conversations"]]
                expected.append(
                    Row(row["id"], row["source"], row["image"], list(zip(texts[::2], texts[1::2], strict=True)))
                )
    assert mixture.rows(0, len(mixture)) == expected
    assert [mixture[i] for i in range(len(mixture))] == expected
    assert len(mixture) == manifest["conversations"]
    assert mixture.row_hash == manifest["row_hash"]


def test_a_pickled_mixture_is_its_path(tmp_path: Path) -> None:
    mixture = Mixture(write_mixture(tmp_path / "few", ROWS))

    pickled = pickle.dumps(mixture)

    assert len(pickled) < 500
    assert pickle.loads(pickled)[2] == mixture[2]


@pytest.mark.parametrize("index", [-1, 4])
def test_a_row_that_is_not_there_is_an_error(tmp_path: Path, index: int) -> None:
    with pytest.raises(IndexError, match=rf"no rows {index} to {index + 1}, it holds 4"):
        Mixture(write_mixture(tmp_path / "few", ROWS))[index]


def test_shards_are_unpacked_once(tmp_path: Path) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    first = Mixture(folder)
    [mapped] = (folder / ".cache").glob("*.arrow")
    written = mapped.stat().st_mtime_ns

    assert Mixture(folder)[3] == first[3]
    assert mapped.stat().st_mtime_ns == written


def test_a_read_only_mixture_is_unpacked_in_the_users_cache(tmp_path: Path, monkeypatch: Any) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    (folder / ".cache").write_text("a file, so that no folder can be made")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    assert len(Mixture(folder)) == 4
    assert [path.suffix for path in (tmp_path / "home/mix665k").glob("rows-*")] == [".arrow"]


@pytest.mark.parametrize("size", [0, 600])
def test_a_damaged_unpacked_file_is_written_anew(tmp_path: Path, size: int) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    expected = Mixture(folder).rows(0, 4)
    [mapped] = (folder / ".cache").glob("*.arrow")
    whole = mapped.read_bytes()
    mapped.unlink()  # the one above is mapped still
    mapped.write_bytes(whole[:size])

    assert Mixture(folder).rows(0, 4) == expected
    assert mapped.read_bytes() == whole


def test_a_damaged_file_beside_a_read_only_mixture_is_passed_over(tmp_path: Path, monkeypatch: Any) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    Mixture(folder)
    [mapped] = (folder / ".cache").glob("*.arrow")
    mapped.unlink()
    mapped.write_bytes(b"ARROW1")
    monkeypatch.setattr(cache, "_is_writable", lambda place: place != folder / ".cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "home/mix665k").mkdir(parents=True)

    assert len(Mixture(folder)) == 4
    assert mapped.read_bytes() == b"ARROW1"


def test_a_file_whose_writing_fails_is_not_kept(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        part.write_text("half")
        raise MixtureError("no")

    def succeed(part: Path) -> None:
        part.write_text("whole")

    with pytest.raises(MixtureError):
        cache.cached(tmp_path, "numbers", write=fail, read=Path.read_text)
    assert cache.cached(tmp_path, "numbers", write=succeed, read=Path.read_text) == "whole"
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_is_written_once_by_two_who_ask_for_it(tmp_path: Path) -> None:
    written = []

    def write(part: Path) -> None:
        written.append(part)
        time.sleep(0.2)
        part.write_text("whole")

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(cache.cached, tmp_path, "numbers", write=write, read=Path.read_text) for _ in range(2)]

    assert len(written) == 1
    assert [one.result() for one in asked] == ["whole", "whole"]


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _no_mixture(folder: Path) -> None:
    _no_manifest(folder)
    (folder / "data/a-0.parquet").unlink()
    (folder / "data/b-0.parquet").unlink()
    (folder / "data").rmdir()


def _damaged_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def _newer_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))


def _lost_shard(folder: Path) -> None:
    (folder / "data/a-0.parquet").unlink()


def _short_shard(folder: Path) -> None:
    (folder / "data/a-0.parquet").write_bytes(b"PAR1")


def _changed_shard(folder: Path) -> None:
    path = folder / "data/a-0.parquet"
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (_no_manifest, "holds an unfinished build; run `mix build` again"),
        (_no_mixture, "few: is no mixture, expected manifest.json in it"),
        (_damaged_manifest, "manifest.json: damaged: "),
        (_newer_manifest, "manifest.json: written by tests in format 99, which is newer than the format 3"),
        (_lost_shard, "a-0.parquet: no such file, expected it as manifest.json says"),
        (_short_shard, "a-0.parquet: 4 bytes, expected "),
        (_changed_shard, "a-0.parquet: changed since it was written"),
    ],
)
def test_a_mixture_that_is_not_whole_is_an_error(tmp_path: Path, harm: Any, why: str) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    harm(folder)

    with pytest.raises(MixtureError, match=why):
        Mixture(folder)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match="nowhere: no such folder"):
        Mixture(tmp_path / "nowhere")


def _reversed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"conversations": row["conversations"][::-1]}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (record("b/9", "Hello", "Hi", "And?"), "whole pairs of human and gpt"),
        (record("b/9"), "whole pairs of human and gpt"),
        (_reversed(record("b/9", "Hello", "Hi")), "human and gpt in turn"),
        (record("b/9", "What?", "A cat.", image="b.jpg"), "one <image> for each image, else none"),
        (record("b/9", "<image>What?", "A cat."), "one <image> for each image, else none"),
        (record("b/9", "<image><image>What?", "A cat.", image="b.jpg"), "one <image> for each image"),
    ],
)
def test_a_row_that_cannot_be_trained_on_is_an_error(tmp_path: Path, row: dict[str, Any], why: str) -> None:
    folder = write_mixture(tmp_path / "few", [*ROWS, row, record("b/10", "Hello", "Hi")])

    with pytest.raises(MixtureError, match=rf"b-0.parquet: b/9: not as expected, {why}"):
        Mixture(folder)


def _replace_shard(folder: Path, table: pa.Table, *, rows: int) -> None:
    path = folder / "data/a-0.parquet"
    pq.write_table(table, path)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = path.read_bytes()
    manifest["sources"][1]["shards"][0] |= {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": rows,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_other_columns_are_an_error(tmp_path: Path) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    _replace_shard(folder, pa.table({"id": ["a/1"]}), rows=1)

    columns = r"columns are \['id', 'more_images', 'system'\], expected \['id', 'source', 'image'"
    with pytest.raises(MixtureError, match=f"a-0.parquet: {columns}"):
        Mixture(folder)


def test_another_number_of_rows_is_an_error(tmp_path: Path) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    _replace_shard(folder, pq.read_table(folder / "data/a-0.parquet"), rows=2)

    with pytest.raises(MixtureError, match=r"a-0.parquet: 1 rows, expected 2 as manifest.json says"):
        Mixture(folder)


def test_a_shard_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    folder = write_mixture(tmp_path / "few", ROWS)
    (folder / "data/a-0.parquet").write_bytes(b"nothing")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sources"][1]["shards"][0] |= {"bytes": 7, "sha256": hashlib.sha256(b"nothing").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(MixtureError, match=r"a-0\.parquet: damaged: "):
        Mixture(folder)
