"""Pictures at addresses: a real S3 client against a local server, with a cache that is large, small or off."""

import errno
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas import remote
from mix665k.schemas.errors import ImageFileError, MixtureError, RemoteError
from mix665k.schemas.images import remote as images_remote
from mix665k.schemas.images.places import images_at, require_place
from mix665k.schemas.images.remote import cache_bytes, images_at_address
from tests import local_s3
from tests.local_s3 import S3
from tests.schemas.images.packing import jpeg, write_files, write_parquet, write_tar

PICTURES = {f"coco/{i}.jpg": jpeg(i) for i in range(8)}


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patched, local_s3.serve(patched) as found:
        yield found


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield server
    images_at_address.cache_clear()
    remote._system.cache_clear()


def _packed(folder: Path) -> dict[str, Path]:
    names = list(PICTURES)
    halves = [{name: PICTURES[name] for name in part} for part in (names[:5], names[5:])]
    for i, half in enumerate(halves):
        write_tar(folder / f"tars/{i}.tar", half)
        write_parquet(folder / f"parquet/{i}.parquet", half)
    write_parquet(folder / "published/images/all-00000-of-00001.parquet", PICTURES)
    (folder / "published/manifest.json").write_text("{}")
    write_files(folder / "files", PICTURES)
    return {name: folder / name for name in ("tars", "parquet", "published", "files")}


@pytest.mark.parametrize("gigabytes", ["1", "0.000003", "0"])
def test_the_bytes_are_those_of_files_whatever_the_cache_holds(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gigabytes: str
) -> None:
    monkeypatch.setenv("MIX665K_CACHE_GB", gigabytes)
    for name, folder in _packed(tmp_path / "made").items():
        images = images_at(Path(s3.put_folder(folder, name)))
        assert {one: images.read(one) for one in PICTURES} == PICTURES, name
        assert images.num_bytes("coco/3.jpg") == len(PICTURES["coco/3.jpg"])
        assert (images.has("coco/99.jpg"), images.names_in("")) == (False, ["coco"])
        with pytest.raises(FileNotFoundError, match="no such picture"):
            images.read("coco/99.jpg")
    kept = [path for path in (tmp_path / "cache").rglob("[!.]*") if path.suffix in (".tar", ".parquet")]
    assert sum(path.stat().st_size for path in kept) <= float(gigabytes) * 1e9


def test_one_shard_is_an_address_too_and_a_pickled_place_needs_no_listing(s3: S3, tmp_path: Path) -> None:
    s3.put("a.tar", write_tar(tmp_path / "a.tar", PICTURES).read_bytes())
    images = pickle.loads(pickle.dumps(images_at(Path("s3://bucket/a.tar"))))
    assert images.read("coco/2.jpg") == PICTURES["coco/2.jpg"]
    assert images_at(Path("s3://bucket/a.tar/coco")).read("2.jpg") == PICTURES["coco/2.jpg"]


def test_shards_are_copied_once_and_again_when_they_change(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []

    def noted(address: str, path: Path, *, size: int) -> Path:
        copied.append(address)
        return remote.copy_here(address, path, size=size)

    monkeypatch.setattr(images_remote, "copy_here", noted)
    address = Path(s3.put_folder(write_tar(tmp_path / "1/a.tar", {"a.jpg": jpeg(1)}).parent, "shards"))
    for _ in range(2):
        images_at_address.cache_clear()
        assert images_at(address).read("a.jpg") == jpeg(1)
    assert copied == ["s3://bucket/shards/a.tar"]
    s3.put("shards/a.tar", write_tar(tmp_path / "2/a.tar", {"a.jpg": jpeg(9)}).read_bytes())
    images_at_address.cache_clear()
    assert images_at(address).read("a.jpg") == jpeg(9)
    assert len(copied) == 2


def _cut_connections(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """The first requests for bytes lose their connection."""
    import s3fs

    lost: list[str] = []
    ask = s3fs.S3FileSystem._cat_file

    async def cut(self: Any, path: str, **options: Any) -> Any:
        if len(lost) < times:
            lost.append(path)
            raise ConnectionResetError(104, "Connection reset by peer")
        return await ask(self, path, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_cat_file", cut)
    remote._system.cache_clear()
    return lost


def test_a_cut_connection_is_tried_again_and_named_when_it_stays_cut(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_at(Path(s3.put_folder(write_files(tmp_path / "files", PICTURES), "files")))
    lost = _cut_connections(monkeypatch, 3)
    assert images.read("coco/1.jpg") == PICTURES["coco/1.jpg"]
    assert len(lost) == 3
    _cut_connections(monkeypatch, 99)
    with pytest.raises(RemoteError, match=r"^s3://bucket/files/coco/1.jpg: 4 attempts failed, the last with: "):
        images.read("coco/1.jpg")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (
            "s3://bucket/none",
            "^--images s3://bucket/none: nothing is there, expected pictures, or .parquet or .tar files",
        ),
        ("s3://other/none", "^--images s3://other/none: nothing is there"),
        ("gs://bucket/x", "^--images gs://: its library is not installed; pip install gcsfs"),
        ("nothing://x", "^--images nothing://: no address of a kind that is known, expected s3://"),
        ("file://x/y", "^--images file://: no address of a kind that is known"),
    ],
)
def test_an_address_without_pictures_is_one_line(s3: S3, address: str, why: str) -> None:
    with pytest.raises(MixtureError, match=why):
        require_place(Path(address), kind=MixtureError)


def test_missing_credentials_and_refused_ones_are_one_line_without_a_secret(
    s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import s3fs

    def refused(self: Any, path: str, **options: Any) -> Any:
        raise PermissionError("The AWS Access Key Id you provided does not exist in our records.")

    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "ls", refused)
        with pytest.raises(MixtureError, match=r"^--images s3://bucket/x: these credentials may not do this \(the AWS"):
            require_place(Path("s3://bucket/x"), kind=MixtureError)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    remote._system.cache_clear()
    with pytest.raises(MixtureError, match=r"^--images s3://bucket/x: no credentials; set AWS_ACCESS_KEY_ID and"):
        require_place(Path("s3://bucket/x"), kind=MixtureError)


@pytest.mark.parametrize("text", ["many", "-1", "nan"])
def test_a_cache_of_no_size_is_one_line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MIX665K_CACHE_GB", text)
    with pytest.raises(ImageFileError, match=f"^MIX665K_CACHE_GB={text}: expected gigabytes, such as 50$"):
        cache_bytes()


def test_what_to_install_for_a_bucket_is_the_extra(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    remote._system.cache_clear()
    with pytest.raises(RemoteError, match=r"^s3://: its library is not installed; .*\[s3\]'$"):
        remote.files_below("s3://bucket/x")


def test_a_full_disk_under_the_cache_is_said_at_once_and_leaves_nothing(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("full/a.tar", write_tar(tmp_path / "a.tar", PICTURES).read_bytes())
    tried: list[int] = []

    def full(*_: Any) -> None:
        tried.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/cache/"):
        images_at(Path("s3://bucket/full"))
    assert len(tried) == 1
    assert not list((tmp_path / "cache").rglob("*.tar"))
