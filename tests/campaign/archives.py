"""Archives that no publisher makes: unpacked into a folder, beside which nothing may appear."""

import io
import tarfile
import threading
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from random import Random

from mix665k.mixtures.fetch.unpack import Unpacking, unpack
from mix665k.schemas.errors import FetchError
from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.damage import mutate_bytes
from tests.mixtures.fetch.packing import tarred, tarred_odd, zipped, zipped_link, zipped_twice

_NAMES = (
    "../evil", "in/../../evil", "/tmp/campaign-evil", "in\\..\\..\\evil", "C:\\evil", "in/..", "in", "in/", "in//a",
    "./in/a", "in/a\n", "in/\x1b[2J", "in/a\0b", "in/" + "a" * 300, "in/" + "a/" * 300 + "b", "", ".", "in/CON",
    "in/é", "in/\u202e", "IN/a", "in/a.json/b",
)  # fmt: skip
_HONEST = {"readme": b"no", "in/a.json": b'{"a": 1}' * 40, "in/b/c.json": b"[]" * 40}
_LINKS = (
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
    tarfile.DIRTYPE,
    b"x",
    b"g",
)
_LEAST_REFUSED = ("bomb", "link")


def make(number: int, seed: int, folder: Path) -> Case:
    """A hostile or damaged archive."""
    rng = Random(f"archives/{seed}/{number}")
    kind = ("zip", "tar.gz")[number % 2]
    group, what, content = _packed(rng, kind)
    inner = folder / "inner"
    inner.mkdir()
    (inner / f"a.{kind}").write_bytes(content)
    return Case(kind, f"{group}: {what}", lambda: _judged(inner, f"a.{kind}", may_pass=group not in _LEAST_REFUSED))


def _packed(rng: Random, kind: str) -> tuple[str, str, bytes]:
    pack = zipped if kind == "zip" else tarred
    way = rng.choice(("name", "name", "damage", "damage", "damage", "bomb", "link", "twice", "lie"))
    if way == "name":
        name = rng.choice(_NAMES)
        with suppress(ValueError, IndexError):
            return way, repr(name)[:60], pack({**_HONEST, name: b"evil"})
    if way == "bomb":
        return way, "30 MB of zeros", pack({"in/a": bytes(30_000_000)})
    if way == "link":
        target = rng.choice(("/etc/passwd", "../../x", "a.json"))
        if kind == "zip":
            return way, target, zipped_link("in/a", target)
        type_ = rng.choice(_LINKS[:5])
        return way, f"{type_!r} to {target}", tarred_odd("in/a", type_, target)
    if way == "twice" and kind == "zip":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return way, "in/a", zipped_twice("in/a", b"one", b"two")
    if way == "lie" and kind == "zip":
        return way, "sizes in the directory", _lying(rng)
    mutation = mutate_bytes(rng, pack(_HONEST))
    return "damage", mutation.what, mutation.content


def _lying(rng: Random) -> bytes:
    """A zip whose directory gives another size or flag for a member."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in _HONEST.items():
            pack.writestr(name, data)
        info = pack.infolist()[1]
        info.file_size = rng.choice((0, 1, 2**31, 2**40))
        info.flag_bits |= rng.choice((0, 1))
    return content.getvalue()


def _judged(inner: Path, name: str, *, may_pass: bool) -> Verdict:
    out = inner / "out"

    def choose(member: PurePosixPath) -> Path | None:
        return out / member.relative_to("in") if PurePosixPath("in") in member.parents else None

    result = Verdict("passed")
    try:
        unpack(inner / name, Unpacking(choose=choose, moved=lambda _: None, stop=threading.Event()))
    except FetchError as error:
        result = Verdict("refused", None if name in str(error) else "nameless", str(error))
    except OSError as error:  # what the command turns into a line, with the file that it names
        result = Verdict("refused", None if error.filename else "nameless", str(error))
    beside = sorted(path.name for path in inner.parent.iterdir() if path.name not in ("inner", "case.txt"))
    if beside or Path("/tmp/campaign-evil").exists():
        return Verdict(result.result, "outside", f"{beside} beside the folder")
    if odd := [path.name for path in out.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]:
        return Verdict(result.result, "outside", f"links or devices: {odd}")
    if left := [path.name for path in out.rglob("*.part")]:
        return Verdict(result.result, "leftover", ", ".join(left))
    if result.result == "passed" and not may_pass:
        return Verdict("passed", "silent", "unpacked")
    return result


KIND = Kind(
    name="archives",
    about="zip and tar archives with paths out of the folder, links, devices, bombs, members twice, sizes "
    "that lie, and damaged bytes, unpacked as `mix fetch` does",
    cases=4_000,
    make=make,
)
