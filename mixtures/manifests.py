"""The manifest and the small files beside it, written whole or not at all."""

from pathlib import Path

import msgspec

from schemas.errors import MixtureError
from schemas.manifest import FORMAT, Manifest

MANIFEST = "manifest.json"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either the old one or the new one, whatever happens."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.replace(path)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, which makes a folder a mixture."""
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a mixture.

    Raises:
        MixtureError: when the folder is no mixture, an unfinished one, or one of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        state = "holds an unfinished build; run `mix build` again" if (folder / "data").is_dir() else "is no mixture"
        raise MixtureError(f"{folder}: {state if folder.is_dir() else 'no such folder'}, expected {MANIFEST} in it")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MixtureError(f"{path}: damaged: {str(error).replace('`', '')}; build the mixture again") from None
    if manifest.format != FORMAT:
        raise MixtureError(f"{path}: format {manifest.format}, expected {FORMAT}; use the version that wrote it")
    return manifest
