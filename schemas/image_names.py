"""The names that records have for their images: paths below the images folder, and nothing else."""

import re
from pathlib import Path

from mix665k.schemas.errors import ImageFileError

MAX_NAME_BYTES = 255
"""A file's name may not be longer on ext4, XFS, APFS and NTFS."""
MAX_PATH_BYTES = 3_000
"""Linux opens paths of 4,096 bytes; the images folder takes some of them."""
NAME_TOO_LONG = f"a name longer than the {MAX_NAME_BYTES} bytes that a file system allows"
PATH_TOO_LONG = f"a path longer than the {MAX_PATH_BYTES:,} bytes that a system opens"
_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR)[A-Za-z0-9+/\s]{40,}={0,2}\s*|[A-Za-z0-9+/\s]{1000,}={0,2}\s*")
"""How PNG, JPEG, GIF and WebP begin in base64, and any text of it: no name has a thousand letters without a dot."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that end lines or move cursors, and are in no name or id."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\|[^/\\]*\\[^/]*\.\w+$")
SURE_NAME = r"^[A-Za-z0-9_-][A-Za-z0-9 _.-]{0,99}(?:/[A-Za-z0-9_-][A-Za-z0-9 _.-]{0,99}){0,9}$"
"""Names in which nothing is wrong, as nearly all are; others are looked at one by one."""
_sure = re.compile(SURE_NAME, re.ASCII).fullmatch


def name_fault(name: str) -> str | None:
    """What is wrong with the name of an image, or None for a path that stays below the folder it starts from."""
    if _sure(name):
        return None
    if not name or name.isspace():
        return "an empty name; leave `image` out of a record without one"
    if name.startswith("data:") or _BASE64.fullmatch(name) or (len(name) > 1_000 and "/" not in name[:MAX_NAME_BYTES]):
        return "the picture itself instead of its path; save it as a file and name that"
    if _ADDRESS.match(name):
        return "an address, expected a path below the images folder; download the picture"
    if CONTROL.search(name):
        return "a name with control characters, expected a path below the images folder"
    if name.startswith(("/", "~")) or _WINDOWS.match(name):
        return "no path below the images folder, expected one with `/` between folders"
    parts = name.split("/")
    if ".." in parts or not any(part not in ("", ".") for part in parts):
        return "a path out of the images folder, expected one below it"
    if any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return NAME_TOO_LONG
    if len(name.encode()) > MAX_PATH_BYTES:
        return PATH_TOO_LONG
    return None


def image_path(folder: Path, name: str) -> Path:
    """The file of an image. A link in the folder is followed, as people lay their data out so.

    Raises:
        ImageFileError: for a name that is no path below the folder.
    """
    if why := name_fault(name):
        raise ImageFileError(f"image {name!r}: {why}")
    return folder / name
