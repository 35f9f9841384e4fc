"""The manifest and the small files beside it, written whole or not at all."""

from pathlib import Path

import msgspec

from mix665k.schemas.manifest import MANIFEST, Manifest


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either the old one or the new one, whatever happens.

    Raises:
        OSError: with the file's name, when it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # what a full disk raises has no name
            error.filename = str(path)
        raise


def encoded(manifest: Manifest) -> bytes:
    """The content of `manifest.json`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, which makes a folder a mixture."""
    write_whole(folder / MANIFEST, encoded(manifest))
