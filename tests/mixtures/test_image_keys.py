"""One key for each image, whatever names it: properties, and the names that are nearly of another collection."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.image_keys import COLLECTIONS, OWN, Aliases, image_key, is_bare_number
from mix665k.mixtures.storage.parquet import read_shard
from mix665k.schemas.manifest import load_manifest

COLLECTION_OF = {
    "llava_instruct": "coco",
    "vqav2": "coco",
    "okvqa": "coco",
    "aokvqa": "coco",
    "refcoco": "coco",
    "gqa": "vg",
    "vg": "vg",
    "ocrvqa": "ocrvqa",
    "textcaps": "openimages",
}


def keys(*names: str | None, bare: str | None = None) -> list[str | None]:
    collection = None if bare is None else OWN if bare == "own" else COLLECTIONS[bare]
    frame = pl.DataFrame({"name": pl.Series(names, dtype=pl.String)})
    return frame.select(image_key(pl.col("name"), collection)).to_series().to_list()


def test_every_image_of_a_mixture_has_one_key_of_its_sources_collection(tiny_mixture: Path) -> None:
    for entry in load_manifest(tiny_mixture).sources:
        names = {
            name
            for shard in entry.shards
            for rows in read_shard(tiny_mixture / shard.path)
            for name in rows["image"].to_pylist()
            if name is not None
        }
        found = keys(*sorted(names))
        assert bool(names) == (entry.name in COLLECTION_OF)
        assert {key and key.partition("/")[0] for key in found} <= {COLLECTION_OF.get(entry.name)}
        assert all(key and not key.endswith((".jpg", "/", ".png", ".gif")) for key in found)
        assert len(set(found)) == len(names), entry.name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("000000000000.jpg", "coco/0"),
        ("coco/train2017/000000000042.JPEG", "coco/42"),
        ("coco/train2017/42.jpg", "own/coco/train2017/42.jpg"),
        ("COCO_train2014_42.jpg", "coco/42"),
        ("COCO_minival2014_000000000042.jpg", "own/COCO_minival2014_000000000042.jpg"),
        ("0000000000042.jpg", "own/0000000000042.jpg"),
        ("x000000000042.jpg", "own/x000000000042.jpg"),
        ("vgg/1.jpg", "own/vgg/1.jpg"),
        ("my_vg/1.jpg", "own/my_vg/1.jpg"),
        ("deep/er/VG_100K/1.jpg", "vg/1"),
        ("vg.jpg", "own/vg.jpg"),
        ("n12x.jpg", "own/n12x.jpg"),
        ("003A8AE2EF43B901.jpg", "own/003A8AE2EF43B901.jpg"),
        ("003a8ae2ef43b90.jpg", "own/003a8ae2ef43b90.jpg"),
        ("1234567890123456", "openimages/1234567890123456"),
        ("ocr_vqa/images/0001.gif", "ocrvqa/0001"),
        ("ocr_vqa/images/a.b.webp", "ocrvqa/a.b"),
        ("gqa/images/000000000042.jpg", "coco/42"),
    ],
)
def test_a_name_that_is_nearly_of_a_collection_is_not(name: str, key: str) -> None:
    assert keys(name) == [key]


def test_ids_that_tell_no_collection_belong_to_the_one_that_is_named() -> None:
    names = ("42", "000042.jpg", "COCO_val2014_000000000007.jpg", "n5", "vg/1.jpg", None)
    assert keys(*names, bare="coco") == ["coco/42", "coco/42", "coco/7", "vg/n5", "vg/1", None]
    assert keys(*names, bare="vg") == ["vg/42", "vg/000042", "coco/7", "vg/n5", "vg/1", None]
    assert keys(*names, bare="own") == ["own/42", "own/000042.jpg", "coco/7", "vg/n5", "vg/1", None]


def test_collections_that_know_an_image_by_its_name_come_before_those_that_need_a_folder() -> None:
    by_name = [bool(one.stems) for one in COLLECTIONS.values()]
    assert by_name == sorted(by_name, reverse=True)
    assert set(COLLECTIONS) == {"coco", "vg", "openimages", "ocrvqa"}


@given(st.lists(st.none() | st.text(max_size=20), max_size=5))
@settings(deadline=None, max_examples=20)
def test_every_name_has_a_key_and_none_has_none(names: list[str | None]) -> None:
    found = keys(*names)
    assert [key is None for key in found] == [name is None for name in names]
    known = {*COLLECTIONS, "own"}
    assert all(key is None or key.partition("/")[0] in known for key in found)


@given(
    st.integers(0, 10**12 - 1),
    st.sampled_from(["coco/train2017/{:012d}.jpg", "{:012d}", "COCO_val2014_{:012d}.png", "a/COCO_test2015_{:012d}"]),
)
@settings(deadline=None, max_examples=20)
def test_a_coco_image_has_the_same_key_under_all_its_names(number: int, form: str) -> None:
    assert keys(form.format(number)) == [f"coco/{number}"]


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("42", True),
        ("42.jpg", True),
        ("0", True),
        ("000000000042", False),
        ("000000000042.jpg", False),
        ("n42", False),
        ("1234567890123456", False),
        ("folder/42.jpg", False),
        ("42.tar.gz", False),
        ("", False),
    ],
)
def test_a_number_is_bare_unless_its_form_is_a_collections(name: str, bare: bool) -> None:
    assert pl.DataFrame({"name": [name]}).select(is_bare_number(pl.col("name"))).item() is bare


def test_a_table_of_equal_images_keeps_the_number_and_order_of_keys(tmp_path: Path) -> None:
    table = [{"image_id": 3, "coco_id": 30}, {"image_id": 1, "coco_id": 10}, {"image_id": 2, "coco_id": 0}]
    (tmp_path / "image_data.json").write_text(json.dumps(table))
    ours = pl.Series("mine", ["vg/1", "own/3", "vg/3", "vg/1", "vg/2", None, None, "vg/4"])
    found = Aliases(tmp_path / "image_data.json")(ours)
    assert found.to_list() == ["coco/10", "own/3", "coco/30", "coco/10", "vg/2", None, None, "vg/4"]
    assert Aliases(tmp_path / "image_data.json")(ours.clear()).to_list() == []
