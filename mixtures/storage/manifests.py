"""The manifest and the small files beside it, written whole or not at all."""

from pathlib import Path

import msgspec

from mix665k.schemas.files import write_whole
from mix665k.schemas.manifest import MANIFEST, Manifest


def encoded(manifest: Manifest) -> bytes:
    """The content of `manifest.json`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, which makes a folder a mixture."""
    write_whole(folder / MANIFEST, encoded(manifest))
