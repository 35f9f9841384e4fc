"""Folders of shards with the pictures in them: the real libraries load them back, byte for byte and in order."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from mix665k.mixtures.export.folders import Exported, FolderRequest, export_folder
from mix665k.mixtures.mixture import Mixture
from mix665k.schemas.errors import MixtureError
from tests.mixtures.small import change_rows, run


@pytest.fixture
def images(small: Path, tmp_path: Path) -> Path:
    """A picture for every record of the mixture that names one, each another; every second a PNG under its name."""
    folder = tmp_path / "images"
    names = [one.image for one in Mixture.open(small).records() if one.image]
    for i, name in enumerate(dict.fromkeys(names)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + i, 8), (10 * i, 0, 0)).save(folder / name, format="PNG" if i % 2 else "JPEG")
    return folder


def written(small: Path, out: Path, form: Any, **options: Any) -> Exported:
    return export_folder(Mixture.open(small), FolderRequest(form, out, **options), advance=lambda share: None)


def expected(small: Path, images: Path) -> list[tuple[str, list[bytes]]]:
    records = list(Mixture.open(small).records())
    return [(one.id, [(images / one.image).read_bytes()] if one.image else []) for one in records]


def test_webdataset_shards_hold_every_record_and_picture_in_order(small: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert written(small, out, "webdataset", images=images, shard_records=2) == Exported(5, 3, 0)
    assert sorted(path.name for path in out.iterdir()) == [
        ".nv-meta",
        "README.md",
        *(f"train-00000{i}.{end}" for i in range(3) for end in ("tar", "tar.idx")),
    ]
    found: dict[str, list[tuple[str, bytes]]] = {}
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                assert (member.mtime, member.uid, member.uname) == (0, 0, "")
                found.setdefault(key, []).append((suffix, tar.extractfile(member).read()))  # type: ignore[union-attr]
    samples = [(json.loads(dict(files)["json"]), files[:-1]) for files in found.values()]
    assert [(about["id"], [content for _, content in pictures]) for about, pictures in samples] == expected(
        small, images
    )
    suffixes = {"\xff\xd8".encode("latin-1"): "jpg", b"\x89P": "png"}
    assert all(suffix == suffixes[content[:2]] for _, pictures in samples for suffix, content in pictures)
    again = tmp_path / "again"
    written(small, again, "webdataset", images=images, shard_records=2)
    assert all((again / path.name).read_bytes() == path.read_bytes() for path in out.glob("*.tar*"))


def test_datasets_loads_the_shards_with_text_only_records_and_both_kinds_of_pictures(
    small: Path, images: Path, tmp_path: Path
) -> None:
    written(small, tmp_path / "out", "webdataset", images=images, shard_records=2)
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    pictures = [name for name in ("jpg", "png") if name in loaded.column_names]
    assert len(pictures) == 2
    plain = loaded
    for name in pictures:
        plain = plain.cast_column(name, datasets.Image(decode=False))
    rows = [(row["json"]["id"], [row[name]["bytes"] for name in pictures if row[name]]) for row in plain]
    assert rows == expected(small, images)
    assert loaded[0]["json"]["conversations"][0]["from"] == "human"
    assert loaded[0]["jpg"].size == (8, 8)


def test_webdataset_loads_the_shards(small: Path, images: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    written(small, tmp_path / "out", "webdataset", images=images, shard_records=2)
    shards = sorted(map(str, (tmp_path / "out").glob("*.tar")))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False))
    found = [(json.loads(one["json"])["id"], [one[name] for name in ("jpg", "png") if name in one]) for one in samples]
    assert found == expected(small, images)
    decoded = next(iter(webdataset.WebDataset(shards, shardshuffle=False).decode("pil")))
    assert (decoded["jpg"].size, decoded["json"]["source"]) == ((8, 8), "gqa")


def test_energons_index_has_the_offset_of_every_sample(small: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written(small, out, "webdataset", images=images, shard_records=3)
    assert json.loads((out / ".nv-meta/.info.json").read_text()) == {
        "shard_counts": {"train-000000.tar": 3, "train-000001.tar": 2}
    }
    index = (out / "train-000001.tar.idx").read_bytes()
    offsets = [int.from_bytes(index[i : i + 8], "little") for i in range(0, len(index), 8)]
    content = (out / "train-000001.tar").read_bytes()
    assert len(offsets) == 3
    for start, stop, key in zip(offsets, offsets[1:], ("000000003", "000000004"), strict=False):
        with tarfile.open(fileobj=io.BytesIO(content[start:stop])) as tar:
            assert {name.partition(".")[0] for name in tar.getnames()} == {key}


def test_a_shard_is_full_at_its_size_and_holds_one_record_at_least(small: Path, images: Path, tmp_path: Path) -> None:
    assert written(small, tmp_path / "one", "webdataset", images=images, shard_bytes=1).files == 5
    assert written(small, tmp_path / "all", "webdataset", images=images).files == 1
    assert written(small, tmp_path / "arrow", "arrow", images=images, shard_bytes=1).files == 3  # of a source 100 rows


def test_datasets_loads_the_saved_folder_with_its_pictures(small: Path, images: Path, tmp_path: Path) -> None:
    assert written(small, tmp_path / "out", "arrow", images=images) == Exported(5, 1, 0)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["data-00000-of-00001.arrow", "dataset_info.json", "state.json"]
    loaded = datasets.load_from_disk(str(tmp_path / "out"))
    assert loaded[0]["images"][0].size == (8, 8)
    plain = loaded.cast_column("images", datasets.List(datasets.Image(decode=False)))
    assert [(row["id"], [one["bytes"] for one in row["images"]]) for row in plain] == expected(small, images)
    assert loaded[0]["messages"][0]["role"] == "user"
    assert "<image>" not in str(loaded["messages"])


@pytest.mark.parametrize("form", ["webdataset", "arrow"])
def test_missing_pictures_are_one_line_or_left_out_and_counted(
    small: Path, images: Path, tmp_path: Path, form: str
) -> None:
    gone = next(one.image for one in Mixture.open(small).records() if one.image)
    (images / gone).unlink()
    out = tmp_path / "out"
    shown = run("export", small, "--format", form, "--out", out, "--images", images)
    assert shown.exit_code == 1
    assert f"images are missing or empty, the first is '{gone}'" in shown.stderr
    assert list(tmp_path.glob("*out*")) == list(tmp_path.glob(".*out*")) == []
    shown = run("export", small, "--format", form, "--out", out, "--images", images, "--on-missing-image", "drop")
    left_out = sum(one.image == gone for one in Mixture.open(small).records())
    assert shown.stdout == (
        f"wrote {out}, {5 - left_out:,} records in 1 files, {left_out:,} left out, whose images are missing\n"
    )


def test_what_cannot_be_exported_leaves_nothing(small: Path, copy: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = next(one.image for one in Mixture.open(small).records() if one.image)
    with pytest.raises(MixtureError, match=r"names \d images; pass --images with the folder that has them"):
        written(small, out, "arrow")
    with pytest.raises(MixtureError, match=r"--images .*none: no such folder"):
        written(small, out, "arrow", images=tmp_path / "none")
    (images / first).write_bytes(b"no picture")
    with pytest.raises(MixtureError, match=f"{first}: no picture, expected one"):
        written(small, out, "webdataset", images=images)
    change_rows(copy, "mine", lambda rows: rows[0].update(steps=["changed"]), hashes="files")
    with pytest.raises(MixtureError, match="row hash"):
        written(copy, out, "webdataset", images=images)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(MixtureError, match="already there and not empty; name another"):
        written(small, out, "arrow", images=images)
    assert (out / "mine.txt").read_text() == "mine"


def test_options_of_other_formats_are_wrong_usage(small: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    for given in (
        ("--format", "llava", "--images", tmp_path),
        ("--format", "arrow", "--shard-records", "2"),
        ("--format", "messages", "--shard-size", "2"),
        ("--format", "arrow", "--on-missing-image", "drop"),
        ("--format", "arrow", "--overwrite"),
    ):
        assert run("export", small, *given, *out).exit_code == 2
