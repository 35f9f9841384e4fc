"""People's own records in whatever they keep them in: read as the same conversations, and said; else one line."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mix665k.builders import containers
from mix665k.builders.decode import BadRecord, read, read_again
from mix665k.builders.parts import parts_fault, parts_of
from mix665k.builders.registry import SOURCES
from mix665k.schemas.errors import RawDataError
from tests.builders.building import Result, build

RECORDS: list[dict[str, Any]] = [
    {
        "id": f"r{i}",
        "image": f"a/{i}.jpg",
        "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": f"{i} plates, é."}],
    }
    for i in range(5)
]
LINES = "".join(f"{json.dumps(one)}\n" for one in RECORDS).encode()
FILE = SOURCES["llava_json"].about.files[0]


def stream(path: Path, table: pa.Table, rows: int = 2) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


def arrow_file(path: Path) -> None:
    table = pa.Table.from_pylist(RECORDS)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def made(raw: Path, name: str | list[str] = "own", **options: Any) -> Result:
    return build("llava_json", raw=raw, files={"records": name}, **options)


@pytest.mark.parametrize(
    ("write", "form"),
    [
        (lambda path: path.write_text(json.dumps(RECORDS)), None),
        (lambda path: path.write_bytes(LINES), "JSON Lines"),
        (lambda path: path.write_bytes(gzip.compress(json.dumps(RECORDS).encode())), "JSON in gzip"),
        (lambda path: path.write_bytes(gzip.compress(LINES[:300]) + gzip.compress(LINES[300:])), "JSON Lines in gzip"),
        (lambda path: pq.write_table(pa.Table.from_pylist(RECORDS), path, row_group_size=2), "Parquet"),
        (lambda path: stream(path, pa.Table.from_pylist(RECORDS)), "Arrow"),
        (arrow_file, "Arrow"),
        (lambda path: datasets.Dataset.from_list(RECORDS).save_to_disk(path, num_shards=2), "Arrow"),
        (lambda path: datasets.DatasetDict(train=datasets.Dataset.from_list(RECORDS)).save_to_disk(path), "Arrow"),
    ],
)
def test_every_form_gives_the_same_conversations_and_is_said(
    tmp_path: Path, write: Callable[[Path], None], form: str | None
) -> None:
    write(tmp_path / "own")
    found = made(tmp_path)
    assert [(one.id, one.image, one.pairs[0].answer) for one in found.conversations] == [
        (one["id"], one["image"], one["conversations"][1]["value"]) for one in RECORDS
    ]
    assert {one.history for one in found.conversations} == {()}
    assert {what.removeprefix("read as ") for what in found.funnel[0].noted} == ({form} if form else set())


def test_a_table_of_messages_and_pictures_is_read_by_their_paths(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "<image>What?"}, {"role": "assistant", "content": "A plate."}]
    rows = [
        {"messages": turns, "images": [{"bytes": b"x" * 99, "path": "a.jpg"}], "split": None},
        {"messages": [{"role": "user", "content": "Hi"}, turns[1]], "images": [], "split": "x"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    stream(tmp_path / "b.arrow", pa.Table.from_pylist(rows * 3).slice(1), rows=3)
    found = made(tmp_path, ["a.parquet", "b.arrow"])
    assert [one.image for one in found.conversations] == ["a.jpg", None, None, "a.jpg", None, "a.jpg", None]
    assert found.conversations[0].history[:2] == ("images read as image", "messages read as conversations")
    assert found.funnel[0].noted["field `split` is not kept"] == 4
    assert found.funnel[0].noted["read as Arrow"] == 1


def test_one_picture_a_row_is_read_by_its_path(tmp_path: Path) -> None:
    rows = [one | {"image": {"bytes": b"x" * 99, "path": one["image"]}} for one in RECORDS]
    rows[1]["image"] = None
    rows[1]["conversations"] = [{"from": "human", "value": "Hi"}, RECORDS[0]["conversations"][1]]
    stream(tmp_path / "own", pa.Table.from_pylist(rows))
    assert [one.image for one in made(tmp_path).conversations] == ["a/0.jpg", None, "a/2.jpg", "a/3.jpg", "a/4.jpg"]


def test_turns_in_a_list_for_each_field_are_read(tmp_path: Path) -> None:
    turns = {"from": ["human", "gpt"], "value": ["Hi", "Hello."]}
    pq.write_table(pa.Table.from_pylist([{"id": "1", "conversations": turns}]), tmp_path / "own")
    assert made(tmp_path).pairs == [("Hi", "Hello.", "1#0/0")]
    pq.write_table(pa.Table.from_pylist([{"id": "1", "conversations": {"from": "human"}}]), tmp_path / "own")
    with pytest.raises(RawDataError, match="conversations: expected a list of turns, got an object"):
        made(tmp_path)


def test_rows_of_a_mixture_keep_the_ids_of_their_data_sets(tmp_path: Path) -> None:
    row = RECORDS[0] | {"id": "gqa/77#0", "source": "gqa", "origins": ["1"], "steps": ["x"], "reference_id": "77"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "own")
    found = made(tmp_path)
    assert (found.conversations[0].id, found.conversations[0].history) == ("77", ("reference_id read as id",))
    assert found.funnel[0].noted["field `origins` is not kept"] == 1


def _cut_stream(path: Path) -> None:
    stream(path, pa.Table.from_pylist(RECORDS))
    path.write_bytes(path.read_bytes()[:-8])  # batches are whole, only the mark of the end is missing


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(gzip.compress(LINES)[:-9]), "not a complete gzip file: it ends early"),
        (lambda path: path.write_bytes(gzip.compress(LINES) + b"more"), "a damaged gzip file"),
        (lambda path: path.write_bytes(b"\x1f\x8bnothing"), "gzip file"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "nothing is packed in it"),
        (lambda path: path.write_bytes(gzip.compress(b"PAR1" * 9)), "a Parquet file, expected JSON"),
        (lambda path: path.write_bytes(gzip.compress(b"x" * 2_000_000)), "unpacks to more than .* over 100 times its"),
        (_cut_stream, "not a complete Arrow file"),
        (lambda path: path.write_bytes(b"PAR1" + b"x" * 99), "damaged or not complete"),
        (lambda path: path.write_bytes(b"ARROW1\0\0" + b"x" * 99), "damaged or not complete"),
        (
            lambda path: pq.write_table(pa.table({"text": ["a"], "n": [1]}), path),
            "columns are text, n, expected con",
        ),
        (
            lambda path: pq.write_table(
                pa.Table.from_pylist([RECORDS[0] | {"image": {"bytes": b"x", "path": None}}]), path
            ),
            "row 0: image: a picture without a path",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], message: str
) -> None:
    monkeypatch.setattr(containers, "_LEAST_LIMIT", 1_000_000)
    write(tmp_path / "own")
    with pytest.raises(RawDataError, match=rf"^{tmp_path}/own: .*{message}") as caught:
        made(tmp_path, on_bad_record="drop")
    assert "\n" not in str(caught.value)


def test_a_bad_row_of_a_table_is_a_bad_record(tmp_path: Path) -> None:
    rows = [*RECORDS, {"id": "bad", "conversations": [{"from": "nobody", "value": "x"}]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "own")
    [bad] = [one for _, _, one in read(FILE, tmp_path / "own", lambda _: None) if isinstance(one, BadRecord)]
    assert (bad.where, "turn by 'nobody'" in bad.why) == ("$[5]", True)
    assert read_again(FILE, tmp_path / "own", {3})[3].id == "r3"


def test_the_bytes_read_are_those_of_the_file(tmp_path: Path) -> None:
    many = RECORDS * 2_000
    (tmp_path / "gz").write_bytes(gzip.compress(json.dumps(many).encode()))
    pq.write_table(pa.Table.from_pylist(many), tmp_path / "parquet")
    for path in (tmp_path / "gz", tmp_path / "parquet"):
        heard: list[int] = []
        assert sum(1 for _ in read(FILE, path, heard.append)) == len(many)
        assert sum(heard) == pytest.approx(path.stat().st_size, rel=0.05)


def test_a_saved_folder_of_several_splits_asks_for_one(tmp_path: Path) -> None:
    saved = datasets.Dataset.from_list(RECORDS)
    datasets.DatasetDict(train=saved, test=saved).save_to_disk(tmp_path / "own")
    fault = parts_fault("own", parts_of(tmp_path, "own"))
    assert fault == f"{tmp_path}/own: holds the splits train, test, expected one; name own/train"
    assert len(made(tmp_path, "own/train").conversations) == 5
    (tmp_path / "own/train/state.json").write_text('{"_data_files": [{"filename": "../../x"}]}')
    with pytest.raises(RawDataError, match=r"state\.json: file name '\.\./\.\./x', expected one without folders"):
        parts_of(tmp_path, "own/train")
    (tmp_path / "own/train/state.json").write_text('{"_data_files"')
    with pytest.raises(RawDataError, match=r"state\.json: .*; save the dataset again"):
        parts_of(tmp_path, "own/train")


@pytest.mark.parametrize("form", ["parquet", "stream", "file", "gzip"])
def test_damage_anywhere_is_one_line_or_is_read(tmp_path: Path, form: str) -> None:
    path, rng = tmp_path / "own", random.Random(form)
    table = pa.Table.from_pylist(RECORDS)
    ways: dict[str, Callable[[], object]] = {
        "parquet": lambda: pq.write_table(table, path),
        "stream": lambda: stream(path, table),
        "file": lambda: arrow_file(path),
        "gzip": lambda: path.write_bytes(gzip.compress(LINES)),
    }
    ways[form]()
    content = path.read_bytes()
    numbers, lines = set(), []
    for _ in range(60):
        at = rng.randrange(len(content))
        changed = bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        path.write_bytes(content[:at] + rng.choice((changed, b"")))
        try:
            numbers.add(len([*read(FILE, path, lambda _: None)]))
        except RawDataError as error:
            lines.append(str(error))
    assert numbers <= {0, 1, 5}  # a changed footer may say that there are none
    assert lines
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines)
