"""Archives, honest and hostile."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mix665k.mixtures.fetch.downloads import Job


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as pack:
        for name, data in files.items():
            pack.writestr(name, data)
    return content.getvalue()


def zipped_twice(name: str, *contents: bytes) -> bytes:
    """A zip archive with one member several times."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as pack:
        for data in contents:
            pack.writestr(zipfile.ZipInfo(name), data)
    return content.getvalue()


def zipped_link(name: str, target: str) -> bytes:
    """A zip archive with a symbolic link."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as pack:
        pack.writestr(info, target)
    return content.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz archive of these members."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as pack:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            pack.addfile(info, io.BytesIO(data))
    return content.getvalue()


def tarred_odd(name: str, kind: bytes, target: str = "") -> bytes:
    """A tar.gz archive with a member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as pack:
        pack.addfile(info)
    return content.getvalue()


def flipped(archive: bytes, within: bytes) -> bytes:
    """The archive with one byte of a stored member changed."""
    at = archive.index(within) + len(within) // 2
    return archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]


def below(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def packed(job: Job, raw: Path) -> bytes:
    """The download of a job, made of raw files that are there."""
    members = {name: (raw / path).read_bytes() for name, path in job.files.items()}
    if not job.packed:
        return members[""]
    return tarred(members) if job.download.name.endswith(".tar.gz") else zipped(members)
