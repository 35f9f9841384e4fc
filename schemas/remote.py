"""Files at addresses that fsspec knows (`s3://`, `gs://`, `hf://` and others): listed, read, copied, and put there.

Credentials are those of the environment and of the libraries' own files, and are never asked for or shown. A
connection that is cut is tried again a few times, then named.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mix665k.schemas.errors import RemoteError, UserError, brief_line, one_line
from mix665k.schemas.files import replacing
from mix665k.schemas.install import install

T = TypeVar("T")
ATTEMPTS = 4
WAIT_S = 0.5
"""Before the second attempt; twice as long before each further one."""
_BLOCK = 8_000_000
_PROBE = ".mix-may-write"
_PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or FSSPEC_S3_ANON=true for a public bucket",
    "gs": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "run `hf auth login`, or set HF_TOKEN",
}
_LIBRARIES = (
    ("botocore.exceptions", "BotoCoreError"),
    ("aiohttp", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("httpx", "HTTPError"),
    ("httpx2", "HTTPError"),
)
"""What the libraries raise besides errors of the system, where they are loaded."""


class RemoteFile(NamedTuple):
    """A file at an address: its path below it (empty for the address itself), its size, and what changes with it."""

    path: str
    size: int
    stamp: str


def scheme_of(address: str) -> str:
    """What comes before `://`."""
    return address.partition("://")[0]


def files_below(address: str, *, deep: bool = True) -> list[RemoteFile]:
    """The files below an address, by their paths from there; without `deep` those and the folders next to it alone.

    Folders have a size of -1. Nothing is there where no file is.

    Raises:
        RemoteError: when it cannot be listed.
    """

    def listed(system: Any, path: str) -> list[RemoteFile]:
        try:
            system.invalidate_cache()
            found = list(system.find(path, detail=True).values()) if deep else system.ls(path, detail=True)
        except FileNotFoundError:
            return []
        files = [_file(one, system._strip_protocol(path)) for one in found]
        return sorted(one for one in files if one.path or one.size >= 0)

    return on_remote(address, listed)


def read_range(address: str, start: int, size: int) -> bytes:
    """Some bytes of a file.

    Raises:
        OSError: when it ends before.
        RemoteError: when it cannot be read.
    """
    content: bytes = on_remote(address, lambda system, path: system.cat_file(path, start=start, end=start + size))
    if len(content) != size:
        raise OSError(f"{address}: ends before the picture does; it changed since its index was made")
    return content


def read_remote(address: str) -> bytes:
    """All bytes of a file.

    Raises:
        FileNotFoundError: when it is not there.
        RemoteError: when it cannot be read.
    """
    content: bytes = on_remote(address, lambda system, path: system.cat_file(path))
    return content


def copy_here(address: str, path: Path, *, size: int) -> Path:
    """A copy of a file on this machine, complete or not there.

    Raises:
        RemoteError: when it cannot be read, or comes shorter than it is.
    """

    def copied(system: Any, remote: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            with (
                system.open(remote, "rb", cache_type="readahead", block_size=_BLOCK) as source,
                part.open("wb") as file,
            ):
                shutil.copyfileobj(source, file, _BLOCK)
            if (found := part.stat().st_size) != size:
                raise ConnectionError(f"{found:,} of {size:,} bytes came")

    on_remote(address, copied)
    return path


def put_file(path: Path, address: str) -> None:
    """Put a file at an address; it appears there when all of it is.

    Raises:
        RemoteError: when it cannot be written.
    """
    on_remote(address, lambda system, remote: system.put_file(str(path), remote))


def require_writable(address: str) -> None:
    """Something may be put below an address: known before the long work, not after it.

    Raises:
        RemoteError: when it may not.
    """
    probe = f"{address}/{_PROBE}"
    on_remote(probe, lambda system, path: system.pipe_file(path, b"may be removed"))
    remove_file(probe)


def remove_file(address: str) -> None:
    """Remove a file; none that is not there is missed.

    Raises:
        RemoteError: when it may not be.
    """

    def removed(system: Any, path: str) -> None:
        try:
            system.rm_file(path)
        except FileNotFoundError:
            return

    on_remote(address, removed)


def on_remote(address: str, work: Callable[[Any, str], T]) -> T:
    """What `work` gives for the file system of an address and the path in it; cut connections are tried again.

    Raises:
        FileNotFoundError: as `work` does.
        RemoteError: when the library is not installed, the address is refused, or all attempts fail.
    """
    system, path = _open(address)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work(system, path)
        except FileNotFoundError:
            raise
        except _faults() as error:
            if isinstance(error, OSError) and error.errno and os.path.isabs(error.filename or ""):  # noqa: PTH117, no Path
                raise  # of this machine's own disk
            if (why := _refusal(error, address)) is not None:
                raise RemoteError(f"{address}: {why}") from None
            if attempt == ATTEMPTS:
                raise RemoteError(
                    f"{address}: {ATTEMPTS} attempts failed, the last with: {_brief(error)}; is the network there? run "
                    "the same command again"
                ) from None
            time.sleep(WAIT_S * 2 ** (attempt - 1))
    raise AssertionError(address)


def require_library(address: str) -> None:
    """The library of an address is installed.

    Raises:
        RemoteError: with what to install; for an address of no known kind.
    """
    _open(address)


def _open(address: str) -> tuple[Any, str]:
    system = _system(scheme_of(address), os.getpid())  # a file system has threads, which a forked process lacks
    return system, system._strip_protocol(address)


@lru_cache(maxsize=16)
def _system(scheme: str, process: int) -> Any:  # noqa: ARG001, one for each process
    import fsspec

    if scheme not in fsspec.available_protocols() or scheme in ("file", "local", "memory"):
        known = "s3://, gs://, az://, hf:// or another that fsspec knows"
        raise RemoteError(f"{scheme}://: no address of a kind that is known, expected {known}")
    try:
        return fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
    except ImportError as error:
        package = _PACKAGES.get(scheme, (error.name or scheme).partition(".")[0])
        how = install("s3") if scheme in ("s3", "s3a") else f"pip install {package}"
        raise RemoteError(f"{scheme}://: its library is not installed; {how}") from None
    except _faults() as error:
        why = _refusal(error, f"{scheme}://") or _brief(error)
        raise RemoteError(f"{scheme}://: cannot be opened: {why}") from None


def _faults() -> tuple[type[BaseException], ...]:
    loaded = [getattr(sys.modules[module], name, None) for module, name in _LIBRARIES if module in sys.modules]
    return (OSError, ValueError, *(kind for kind in loaded if kind is not None))


def _refusal(error: BaseException, address: str) -> str | None:
    """Why another attempt would fail too; None for what may be a cut connection."""
    scheme = scheme_of(address)
    fix = _CREDENTIALS.get(scheme, "see the library's documentation for where it takes them from")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return f"no credentials; {fix}"
    if isinstance(error, PermissionError) or status in (401, 403):
        return f"these credentials may not do this ({_brief(error)}); {fix}"
    if isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError | NotImplementedError):
        return _brief(error)
    if status == 404:
        return "not found, or hidden from these credentials"
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return _brief(error)
    return None


def _brief(error: BaseException) -> str:
    text = brief_line(one_line(error))
    return f"{text[:1].lower()}{text[1:200]}".rstrip(".")


def _file(found: dict[str, Any], below: str) -> RemoteFile:
    path = found["name"].removeprefix(below).lstrip("/")
    if found["type"] == "directory":
        return RemoteFile(path, -1, "")
    lfs = found.get("lfs") or {}
    known = (
        found.get("ETag") or found.get("etag") or found.get("md5Hash") or lfs.get("sha256") or found.get("blob_id")
        or found.get("LastModified") or found.get("mtime") or found.get("created") or ""
    )  # fmt: skip
    return RemoteFile(path, int(found.get("size") or 0), str(known).strip('"'))


@contextmanager
def as_kind(kind: type[UserError], option: str) -> Iterator[None]:
    """Turn an error of an address into one of `kind` that begins with the option."""
    try:
        yield
    except RemoteError as error:
        raise kind(f"{option} {error}") from None
