"""Pictures out of shards: the same bytes as loose files give, and one line for whatever a shard can be."""

import json
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import ImageFileError, MixtureError
from mix665k.schemas.images import shards
from mix665k.schemas.images.folder import ImagesFolder
from mix665k.schemas.images.places import images_at, require_place
from mix665k.schemas.images.shards import ImageShards
from tests.schemas.images.packing import jpeg, write_files, write_parquet, write_tar

PICTURES = {f"coco/train2017/{i:012}.jpg": jpeg(i) for i in range(11)}


def _packed(folder: Path, form: str) -> Path:
    """The pictures in shards of this form, in two files."""
    names = list(PICTURES)
    halves = [{name: PICTURES[name] for name in part} for part in (names[:6], names[6:])]
    for i, half in enumerate(halves):
        if form == "tar":
            write_tar(folder / f"{i}.tar", half)
        elif form == "webdataset":
            webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
            with webdataset.TarWriter(str(_made(folder) / f"{i}.tar")) as writer:
                for name, content in half.items():
                    writer.write({"__key__": name.removesuffix(".jpg"), "jpg": content, "txt": "a caption"})
        else:
            write_parquet(folder / f"{i}.parquet", half, compression=form.split()[0], nested="lists" in form)
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("form", ["tar", "webdataset", "none", "snappy", "zstd lists", "none lists"])
def test_every_picture_comes_out_byte_for_byte(tmp_path: Path, form: str) -> None:
    images = images_at(_packed(tmp_path / "shards", form))
    assert {name: images.read(name) for name in PICTURES} == PICTURES
    assert [images.num_bytes(name) for name in PICTURES] == [len(content) for content in PICTURES.values()]
    again = pickle.loads(pickle.dumps(images))
    assert again.read(list(PICTURES)[7]) == PICTURES[list(PICTURES)[7]]


def test_what_is_stored_as_it_is_is_read_from_its_place_without_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_at(_packed(tmp_path / "shards", "none"))
    monkeypatch.setattr(shards, "read_packed", None)
    assert {name: images.read(name) for name in PICTURES} == PICTURES


@pytest.mark.parametrize("form", ["tar", "none", "zstd"])
def test_a_picture_that_is_not_there_is_missing_as_a_file_is(tmp_path: Path, form: str) -> None:
    images = images_at(_packed(tmp_path / "shards", form))
    assert not images.has("coco/1.jpg")
    assert images.num_bytes("coco/1.jpg") == 0
    with pytest.raises(FileNotFoundError, match=r"no such picture in the shards: '.*/shards: coco/1\.jpg'"):
        images.read("coco/1.jpg")
    assert images.names_in("coco") == ["train2017"]
    assert images.is_folder("coco/train2017")
    assert not images.is_folder("gqa")


def test_samples_are_also_known_by_the_names_that_their_json_has(tmp_path: Path) -> None:
    one, two, alone = jpeg(1), jpeg(2), jpeg(3)
    write_tar(
        tmp_path / "a.tar",
        {
            "0.0.jpg": one,
            "0.1.jpg": two,
            "0.json": json.dumps({"images": ["gqa/1.jpg", "gqa/2.jpg"]}).encode(),
            "1.jpg": alone,
            "1.json": json.dumps({"image": "vg/3.jpg", "caption": "so"}).encode(),
            "2.jpg": jpeg(4),
            "2.json": b"[no JSON",
        },
    )
    images = images_at(tmp_path / "a.tar")
    assert [images.read(name) for name in ("gqa/1.jpg", "gqa/2.jpg", "vg/3.jpg", "1.jpg")] == [one, two, alone, alone]


@pytest.mark.parametrize("form", ["tar", "none", "zstd"])
def test_a_picture_may_be_there_many_times_but_a_name_is_one_picture(tmp_path: Path, form: str) -> None:
    same, other = {"a.jpg": jpeg(1), "b.jpg": jpeg(2)}, {"a.jpg": jpeg(1), "b.jpg": jpeg(9)}
    assert len(jpeg(2)) == len(jpeg(9)), "of equal length, so that bytes must be compared"
    for i, pictures in enumerate((same, other)):
        if form == "tar":
            write_tar(tmp_path / f"{i}.tar", pictures)
        else:
            write_parquet(tmp_path / f"{i}.parquet", pictures, compression=form)
    images = images_at(tmp_path)
    assert images.read("a.jpg") == jpeg(1)
    with pytest.raises(OSError, match=r"different pictures have this name, in .*/0\.\w+ and .*/1\.\w+: 'b\.jpg'"):
        images.read("b.jpg")


def test_a_changed_shard_gets_another_index_and_an_unchanged_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tar(tmp_path / "a.tar", {"a.jpg": jpeg(1)})
    made: list[Path] = []
    write = ImageShards._write

    def noted(self: ImageShards, part: Path) -> None:
        made.append(part)
        write(self, part)

    monkeypatch.setattr(ImageShards, "_write", noted)
    for _ in range(2):
        as_another_process()
        assert images_at(tmp_path).read("a.jpg") == jpeg(1)
    assert len(made) == 1
    before = path.stat()
    write_tar(path, {"a.jpg": jpeg(9)})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert images_at(tmp_path).read("a.jpg") == jpeg(9)
    assert len(made) == 2


def as_another_process() -> None:
    """As another process would see it."""
    from mix665k.schemas.images.places import _shards

    _shards.cache_clear()


def test_a_shard_that_changes_under_a_run_is_an_error_and_no_other_picture(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a.jpg": jpeg(1)})
    images = images_at(tmp_path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(OSError, match="ends before the picture does; it changed since its index was made"):
        images.read("a.jpg")


def _sparse(path: Path) -> None:
    write_tar(path, {"a.jpg": jpeg(1)})
    content = bytearray(path.read_bytes())
    content[156:157] = tarfile.GNUTYPE_SPARSE
    content[148:156] = b" " * 8
    content[148:156] = f"{sum(content[:512]):06o}\0 ".encode()
    path.write_bytes(content)


def _claims(size: int, path: Path) -> None:
    """A file that says it is as long as this, as a tar bomb does, and is not."""
    member = tarfile.TarInfo("a.jpg")
    member.size = size
    path.write_bytes(member.tobuf() + bytes(2048))


def _cut(path: Path, keep: int) -> None:
    write_tar(path, {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    path.write_bytes(path.read_bytes()[:keep])


def _damaged_header(path: Path) -> None:
    write_tar(path, {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    content = bytearray(path.read_bytes())
    at = content.index(b"b.jpg")
    content[at : at + 20] = b"x" * 20
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: _cut(path, 700), "no sound tar file: unexpected end of data; download it again"),
        (lambda path: _cut(path, 1536), "expected a tar's end mark; download it again"),
        (lambda path: _cut(path, 0), "no sound tar file: empty file; download it again"),
        (lambda path: _cut(path, 100), "no sound tar file: truncated header; download it again"),
        (_damaged_header, "expected a tar's end mark; download it again"),
        (lambda path: path.write_bytes(b"<html>404</html>" * 100), "no sound tar file: .*; download it again"),
        (lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(600)), "it is compressed, unpack it to .tar"),
        (lambda path: _claims(10**12, path), "'a.jpg': 1,000,000,000,000 bytes, expected a picture of at most"),
        (lambda path: _claims(10**9, path), "no sound tar file: unexpected end of data"),
        (_sparse, "'a.jpg': a sparse file, expected a plain one"),
        (lambda path: write_tar(path, {"\udcff.jpg": jpeg(1)}), "a name that is not UTF-8; rename it"),
    ],
)
def test_a_tar_that_cannot_be_indexed_is_one_line(tmp_path: Path, make: Any, why: str) -> None:
    make(tmp_path / "a.tar")
    with pytest.raises(ImageFileError, match=f"^{tmp_path}/a.tar: .*{why}"):
        images_at(tmp_path)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"PAR1 and no more"), "damaged: .*; download it again"),
        (lambda path: path.write_bytes(b""), "damaged: .*; download it again"),
        (lambda path: write_parquet(path, {"a.jpg": jpeg(1)}).write_bytes(path.read_bytes()[:500]), "damaged: "),
        (lambda path: write_parquet(path, {None: jpeg(1)}), "row group 0, picture 0: has no path"),  # type: ignore[dict-item]
        (lambda path: _texts(path), "no column of pictures, expected one with their bytes and paths"),
    ],
)
def test_a_parquet_file_that_cannot_be_indexed_is_one_line(tmp_path: Path, make: Any, why: str) -> None:
    make(tmp_path / "a.parquet")
    with pytest.raises(ImageFileError, match=f"^{tmp_path}/a.parquet: {why}"):
        images_at(tmp_path)


def _texts(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["no pictures"]}), path)


@pytest.mark.parametrize("beside", ["coco/1.jpg", "1.jpg", "train2017.zip"])
def test_an_archive_left_among_files_makes_no_shards_of_them(tmp_path: Path, beside: str) -> None:
    write_files(tmp_path, {beside: jpeg(1)})
    (tmp_path / "train2017.tar").write_bytes(b"no tar at all")
    images = images_at(tmp_path)
    assert isinstance(images, ImagesFolder)
    assert images.read(beside) == jpeg(1)


def test_a_folder_of_names_in_shards_is_a_place_too(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"gqa/images/a.jpg": jpeg(1)})
    images = images_at(tmp_path / "gqa/images")
    assert (images.read("a.jpg"), images.num_bytes("a.jpg"), images.has("b.jpg")) == (jpeg(1), len(jpeg(1)), False)
    assert (images.names_in(""), images.is_folder(""), images.stamp("b.jpg")) == (["a.jpg"], True, "")
    assert images.shown("a.jpg") == f"{tmp_path}/a.tar: gqa/images/a.jpg"


def test_texts_and_indexes_may_lie_beside_shards(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"a.jpg": jpeg(1)})
    for name in ("README.md", "a.tar.idx", "stats.json", ".hidden"):
        (tmp_path / name).write_text("about them")
    assert images_at(tmp_path).read("a.jpg") == jpeg(1)


@pytest.mark.parametrize(("name", "why"), [("none", ""), ("file.jpg", ", expected one, or a .parquet or .tar")])
def test_a_place_that_is_none_is_one_line(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file.jpg").touch()
    with pytest.raises(MixtureError, match=f"^--images {tmp_path}/{name}: no such folder{why}$"):
        require_place(tmp_path / name, kind=MixtureError)


def test_a_read_only_folder_is_indexed_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(tmp_path / "shards/a.tar", {"a.jpg": jpeg(1)})
    (tmp_path / "shards/.cache").write_text("a file, so that no folder can be made")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert images_at(tmp_path / "shards").read("a.jpg") == jpeg(1)
    assert len(list((tmp_path / "user/mix665k").glob("images-*.arrow"))) == 1
