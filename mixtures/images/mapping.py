"""The file that says what to use for covers that are gone, or that nobody has them."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mix665k.builders.decode import BadRecord, read
from mix665k.builders.registry import RawFile
from mix665k.schemas.errors import RawDataError, os_reason
from mix665k.schemas.files import regular_file
from mix665k.schemas.image_names import name_fault

Mapping = dict[str, str | None]
"""The file to use for an image, both below the images folder; None where the image is known to be missing."""
COLUMNS = ("image", "file")
"""The header of a mapping in CSV."""


def load_mapping(path: Path) -> Mapping:
    """Read a mapping: a JSON object, image to file or null, or CSV of two columns.

    Raises:
        RawDataError: when it is not of this form, names an image twice, or a file outside the images folder.
    """
    mapping: Mapping = {}
    for image, file in (_csv_entries if path.suffix.lower() == ".csv" else _json_entries)(path):
        if image in mapping:
            raise RawDataError(f"{path}: {image!r} occurs twice, expected once")
        if file and name_fault(file):
            raise RawDataError(f"{path}: {image!r}: {file!r} is outside, expected a path below the images folder")
        mapping[image] = file or None
    return mapping


def _json_entries(path: Path) -> Iterator[tuple[str, str | None]]:
    form: Any = str | None
    file = RawFile(role="mapping", path=path.name, form=form, at="{}")
    for _, image, found in read(file, path, lambda _: None):
        if isinstance(found, BadRecord):
            raise RawDataError(f"{path}: {found.where}: {found.why}, expected a file's path or null")
        yield image, found


def _csv_entries(path: Path) -> Iterator[tuple[str, str | None]]:
    try:
        with regular_file(path).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise RawDataError(f"{path}: line 1: {rows.fieldnames or []}, expected the header {','.join(COLUMNS)}")
            for row in rows:
                if None in row or not row["image"]:
                    raise RawDataError(f"{path}: line {rows.line_num}: expected an image and a file or nothing")
                yield row["image"], row["file"]
    except OSError as error:
        raise RawDataError(f"{path}: {os_reason(error)}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RawDataError(f"{path}: not CSV: {error}; see `mix images --help` for its form") from None
