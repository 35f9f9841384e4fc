"""Archives that nobody vouches for."""

import tarfile
import threading
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.mixtures.fetch.unpack import Unpacked, Unpacking, unpack
from mix665k.mixtures.fetch.web import StoppedError
from mix665k.schemas.errors import FetchError
from tests.mixtures.fetch.packing import below, flipped, tarred, tarred_odd, zipped, zipped_link, zipped_twice


def unpacked(folder: Path, content: bytes, *, name: str = "a.zip", keep: bool = False) -> list[Unpacked]:
    """What comes of the members below `in/`, which go to `out/`."""
    (folder / name).write_bytes(content)

    def choose(member: PurePosixPath) -> Path | None:
        return folder / "out" / member.relative_to("in") if PurePosixPath("in") in member.parents else None

    return unpack(folder / name, Unpacking(choose=choose, moved=lambda _: None, stop=threading.Event(), keep=keep))


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred)])
def test_what_is_asked_for_comes_out_and_nothing_else(tmp_path: Path, name: str, pack: object) -> None:
    assert callable(pack)
    content = pack({"readme": b"no", "in/a.json": b"{}", "./in/b/c.json": b"[]"})
    assert {
        str(file.path.relative_to(tmp_path)): file.num_bytes for file in unpacked(tmp_path, content, name=name)
    } == {
        "out/a.json": 2,
        "out/b/c.json": 2,
    }
    assert below(tmp_path / "out") == {"a.json": b"{}", "b/c.json": b"[]"}


OUTSIDE = ["../evil", "in/../../evil", "/evil", "in\\..\\..\\evil", "C:\\evil", "in/..", "in/a\n/../../../evil"]


@pytest.mark.parametrize("member", OUTSIDE)
@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred)])
def test_a_path_that_leaves_the_folder_ends_it(tmp_path: Path, name: str, pack: object, member: str) -> None:
    assert callable(pack)
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(FetchError, match="is no path below a folder; not what a publisher makes"):
        unpacked(inner, pack({member: b"x"}), name=name)
    assert set(below(tmp_path)) == {f"inner/{name}"}


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="'in/a' is a link or a device, expected a file"):
        unpacked(tmp_path, zipped_link("in/a", "/etc/passwd"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_a_tar_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(FetchError, match="'in/a' is a link or a device, expected a file"):
        unpacked(tmp_path, tarred_odd("in/a", kind, "/etc/passwd"), name="a.tar.gz")
    assert not (tmp_path / "out").exists()


def test_a_member_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped_twice("in/a", b"one", b"two")
    with pytest.raises(FetchError, match="'in/a' occurs twice, expected once"):
        unpacked(tmp_path, content)


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred)])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, name: str, pack: object) -> None:
    assert callable(pack)
    with pytest.raises(FetchError, match="unpacks to more than 200 times its size"):
        unpacked(tmp_path, pack({"in/a": bytes(30_000_000)}), name=name)
    assert not (tmp_path / "out").exists()


def test_a_bomb_in_many_members_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="unpacks to more than 200 times its size"):
        unpacked(tmp_path, zipped({f"in/{i}": bytes(1_000_000) for i in range(40)}))


def test_a_size_that_lies_is_refused(tmp_path: Path) -> None:
    content = zipped({"in/a": b"0123456789" * 100})
    size = (1000).to_bytes(4, "little")
    with pytest.raises(FetchError, match="damaged, or no archive: bad crc-32"):
        unpacked(tmp_path, content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(FetchError, match="'in/a' unpacks to 1,000 of the 5,000 bytes it says"):
        unpacked(tmp_path, content.replace(size, (5000).to_bytes(4, "little")))
    assert not list((tmp_path / "out").iterdir())


def test_a_damaged_member_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    content = flipped(zipped({"in/a": b"something to read"}, method=zipfile.ZIP_STORED), b"something to read")
    with pytest.raises(FetchError, match=r"a\.zip: damaged, or no archive: bad crc-32 .* remove it to fetch it again"):
        unpacked(tmp_path, content)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html>", tarred({"in/a": b"x" * 9000})[:60]],
    ids=["empty", "page", "cut"],
)
def test_what_is_no_archive_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(FetchError, match="damaged, or no archive"):
        unpacked(tmp_path, content, name=name)


def test_a_tar_whose_checksum_is_wrong_is_refused(tmp_path: Path) -> None:
    content = bytearray(tarred({"in/a": b"x" * 9000}))
    content[-8] ^= 1
    with pytest.raises(FetchError, match="crc check failed"):
        unpacked(tmp_path, bytes(content), name="a.tar.gz")


def test_files_that_are_there_in_their_size_stay(tmp_path: Path) -> None:
    content = zipped({"in/a": b"one", "in/b": b"two"})
    unpacked(tmp_path, content)
    (tmp_path / "out/a").write_bytes(b"ONE")
    (tmp_path / "out/b").write_bytes(b"tw")
    assert [file.sha256 is None for file in unpacked(tmp_path, content, keep=True)] == [True, False]
    assert below(tmp_path / "out") == {"a": b"ONE", "b": b"two"}


def test_the_end_of_a_run_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a": b"one"}))
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        unpack(tmp_path / "a.zip", Unpacking(lambda member: tmp_path / "out" / member, lambda _: None, stop))
    assert not list((tmp_path / "out").iterdir())


NAMES = st.lists(st.text("ab.~ é", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join)


@given(files=st.dictionaries(NAMES, st.binary(max_size=50), max_size=5))
def test_nothing_is_written_outside_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with suppress(FetchError, OSError):  # a name that leaves, or that is a file and a folder
        unpacked(folder, zipped({f"in/{name}": content for name, content in files.items()}))
    assert {path.split("/")[0] for path in below(folder)} <= {"a.zip", "out"}


def test_a_zip_without_its_beginning_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"a\.zip: damaged, or no archive: .+; remove it to fetch it again"):
        unpacked(tmp_path, zipped({"in/a.json": b"{}" * 90, "in/b.json": b"[]"})[60:])
