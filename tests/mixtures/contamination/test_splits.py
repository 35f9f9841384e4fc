"""Data sets that split the same images in different ways."""

import pickle
from pathlib import Path

import polars as pl
import pytest

from mix665k.mixtures.contamination.overlap import Hits, Wanted
from mix665k.mixtures.contamination.splits import SPLITS, held_out, read_splits
from mix665k.schemas.errors import RawDataError

Row = tuple[str, str, str, str, bool]


def ref(number: int, image: int, split: str) -> dict[str, object]:
    """A reference of RefCOCO's form."""
    return {"ref_id": number, "ann_id": number, "image_id": image, "split": split, "sentences": []}


def write_refs(raw: Path, name: str, *refs: dict[str, object]) -> Path:
    """The pickle of one data set."""
    path = raw / "refcoco" / name / f"refs({'umd' if name == 'refcocog' else 'unc'}).p"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(list(refs), protocol=0))
    return path


def test_without_raw_files_there_are_no_splits(tmp_path: Path) -> None:
    assert read_splits(None).rows() == read_splits(tmp_path).rows() == []


def test_an_image_is_in_a_split_once_however_many_things_are_said_of_it(tmp_path: Path) -> None:
    write_refs(tmp_path, "refcoco+", ref(1, 7, "train"), ref(2, 7, "train"), ref(3, 7, "testA"))
    assert sorted(read_splits(tmp_path).rows()) == [
        ("RefCOCO", "refcoco+", "testA", "coco/7", False),
        ("RefCOCO", "refcoco+", "train", "coco/7", True),
    ]


def test_a_damaged_record_names_its_file_and_what_was_expected(tmp_path: Path) -> None:
    path = write_refs(tmp_path, "refcocog", {"ref_id": 1, "split": "val"})
    with pytest.raises(RawDataError, match=r"\$\[0\].*\(id '1'\), expected the splits of RefCOCO") as raised:
        read_splits(tmp_path)
    assert str(raised.value).startswith(f"{path}: ")


def splits(*rows: Row) -> pl.DataFrame:
    """Such rows as `read_splits` gives."""
    return pl.DataFrame(rows, schema=SPLITS, orient="row")


def counted(
    found: pl.DataFrame, *, in_mixture: dict[str, list[int]]
) -> list[tuple[str, str, int, dict[str, int], int, int]]:
    """The splits held out of a mixture whose records hold images of these keys."""
    images = pl.DataFrame({"key": list(in_mixture)}, schema={"key": pl.String}).with_row_index("image")
    hits = [(record, image) for image, records in enumerate(in_mixture.values()) for record in records]
    empty = pl.DataFrame()
    held = held_out(
        found,
        Wanted(images=images, texts=empty, paths=empty, questions=empty),
        Hits(
            records=empty,
            images=pl.DataFrame(hits, schema={"record": pl.UInt32, "image": pl.UInt32}, orient="row"),
            texts=empty,
            contents=empty,
            num_records=9,
        ),
    )
    return [(one.title, one.name, one.images, one.trained, one.in_mixture, one.records) for one in held]


def test_an_evaluation_split_is_counted_beside_every_training_split_of_its_kind() -> None:
    found = splits(
        ("R", "a", "train", "coco/1", True),
        ("R", "a", "val", "coco/2", False),
        ("R", "a", "val", "coco/3", False),
        ("R", "b", "train", "coco/2", True),
        ("R", "b", "test", "coco/1", False),
    )
    assert counted(found, in_mixture={"coco/2": [0, 4], "coco/3": [4]}) == [
        ("R", "a val", 2, {"a": 0, "b": 1}, 2, 2),
        ("R", "b test", 1, {"a": 1, "b": 0}, 0, 0),
    ]


def test_data_sets_that_were_declared_apart_are_not_compared() -> None:
    found = splits(
        ("R", "a", "train", "coco/1", True),
        ("S", "s", "test", "coco/1", False),
        ("S", "s", "train", "coco/5", True),
    )
    assert counted(found, in_mixture={}) == [("S", "s test", 1, {"s": 0}, 0, 0)]
