"""A file in LLaVA's own form as rows: each record in its place, each fault with its reason."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.storage import llava_json
from mix665k.mixtures.storage.llava_json import Fault, Faults, published_record, read_rows
from mix665k.mixtures.storage.parquet import to_dicts
from mix665k.schemas.errors import MixtureError, RawDataError
from tests.mixtures.small import RECORDS, record, written

GOOD = record("1", "a.jpg", "<image>\nq", "a")


def read(folder: Path, records: Any, *, checked: bool = True) -> tuple[list[dict[str, Any]], list[Fault]]:
    """The rows of a file and the faults of its other records."""
    faults = Faults()
    batches = read_rows(written(folder, records), faults, checked=checked, progress=lambda num_bytes: None)
    return [row for batch in batches for row in to_dicts(batch.rows)], faults.examples


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({"id": "1"}, "conversations: expected a list of turns, got nothing"),
        ({"id": "1", "conversations": 5}, "conversations: expected a list of turns, got a number"),
        (
            {"id": "1", "conversations": [{"from": "system", "value": "x"}] * 2},
            "conversations[1]: a system turn, expected one at most, before all others",
        ),
        (record("1", None), "$.conversations: turns by no one, expected human and gpt in turn"),
        (record("1", None, "q"), "$.conversations: turns by human, expected human and gpt in turn"),
        (record("1", None, "q", "a", "q"), "$.conversations: turns by human, gpt, human, expected human and gpt"),
        (record("1", None, "q", " "), "turn 1 is empty"),
        (record("1", None, "<image>\nq", "a"), "1 <image> in the human turns, expected 0"),
        (record("1", "a.jpg", "q", "a"), "0 <image> in the human turns, expected 1"),
        ("text", "expected an object with id, image and conversations, got text"),
    ],
)
def test_what_is_wrong_with_a_record_is_said_with_its_place(tmp_path: Path, bad: Any, expected: str) -> None:
    rows, [fault] = read(tmp_path, [GOOD, bad, GOOD])
    assert [row["origins"] for row in rows] == [["$[0]"], ["$[2]"]]
    assert fault.where == "$[1]"
    assert fault.id == ("1" if isinstance(bad, dict) else "$[1]")
    assert expected in fault.why


def test_only_what_cannot_be_read_is_a_fault_where_records_are_not_checked(tmp_path: Path) -> None:
    empty = {"id": "2", "conversations": []}
    rows, faults = read(tmp_path, [GOOD, empty, {"id": "3"}, record("4", None, "<image>")], checked=False)
    assert [row["reference_id"] for row in rows] == ["1", "2", "4"]
    assert [fault.id for fault in faults] == ["3"]


def test_ids_are_texts_and_those_that_were_integers_are_known(tmp_path: Path) -> None:
    path = written(tmp_path, [GOOD | {"id": 7}, GOOD | {"id": "7"}, GOOD | {"id": -1}])
    [batch] = read_rows(path, Faults(), checked=True, progress=lambda num_bytes: None)
    assert [row["reference_id"] for row in to_dicts(batch.rows)] == ["7", "7", "-1"]
    assert (batch.places, batch.integer_ids) == ([0, 1, 2], [True, False, True])


@pytest.mark.parametrize("rows_per_group", [1, 2, 8_192])
def test_rows_and_faults_come_in_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_group: int
) -> None:
    monkeypatch.setattr(llava_json, "ROWS_PER_GROUP", rows_per_group)
    records = [{"id": "0"}, GOOD, record("2", None), GOOD, {"id": "4"}]
    rows, faults = read(tmp_path, records)
    assert [row["origins"] for row in rows] == [["$[1]"], ["$[3]"]]
    assert [fault.where for fault in faults] == ["$[0]", "$[2]", "$[4]"]


def test_all_faults_are_counted_and_ten_are_kept(tmp_path: Path) -> None:
    faults = Faults()
    path = written(tmp_path, [{"id": str(k)} for k in range(12)])
    assert sum(len(batch.rows) for batch in read_rows(path, faults, checked=True, progress=lambda num_bytes: None)) == 0
    assert (faults.count, [fault.id for fault in faults.examples]) == (12, [str(k) for k in range(10)])
    with pytest.raises(
        MixtureError, match=r"x: 12 records with faults, expected none; the first is \$\[0\] \(id '0'\)"
    ):
        faults.require_none("x")
    Faults().require_none("x")


@pytest.mark.parametrize(
    ("text", "message"), [("", "empty file"), ("[1", "not a complete JSON"), ("{}", "expected array")]
)
def test_a_file_of_another_form_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RawDataError, match=message):
        read(tmp_path, text)


def test_a_row_is_published_as_it_was(tmp_path: Path) -> None:
    records = [one for source in RECORDS.values() for one in source]
    rows, faults = read(tmp_path, records)
    assert faults == []
    made = [
        published_record(row, integer_id=isinstance(one["id"], int)) for row, one in zip(rows, records, strict=True)
    ]
    assert made == records
