"""What a raw file says of itself: data set, version and split. It is checked, so that no other data is taken for it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.registry import RawFile
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.files import UNREADABLE

_SPLIT = r"([A-Za-z]+(?:[-_][a-z]+)?\d*)"
"""How splits are called: `train2014`, `test-dev2015`, `testdev_balanced`."""
_NUMBER = r"(?:_\d+)?"
"""Ends the names of a file in parts: `train_all_questions_3`."""
_MAX_TEXT = 80


class Split(NamedTuple):
    """The split that a file is of, and the words that say so."""

    name: str
    said: str


def fields_beside(file: RawFile) -> list[str]:
    """The fields of a file's object, beside that of its records, which say what it is."""
    names = [stated.field for stated in file.states]
    if file.split_field and not file.splits_by_record:
        names.append(file.split_field)
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def split_of(file: RawFile, path: Path, beside: Mapping[str, msgspec.Raw]) -> Split | None:
    """The split of a file as it says, or else as its name does if it is one of the publisher's; None for neither.

    `beside` are the fields of `fields_beside`.

    Raises:
        RawDataError: when the file says that it is another one.
    """
    for stated in file.states:
        text = _text(beside, stated.field)
        if text is not None and text not in stated.expected and re.fullmatch(stated.like, text):
            expected = " or ".join(stated.expected)
            raise RawDataError(f"{path}: says {stated.field} {text}, expected {expected}; is this the expected file?")
    by_name, text = split_in_name(file, path), _text(beside, file.split_field)
    if text and by_name:
        require_as_named(path, says=f"{file.split_field} {text}", split=text, by_name=by_name)
    if text:
        return Split(text, f"says {file.split_field} {text}")
    return Split(by_name, f"is {by_name} by its name") if by_name else None


def split_in_name(file: RawFile, path: Path) -> str | None:
    """The split in the name of a file that is called as the publisher calls that of any split."""
    if not file.split:
        return None
    before, _, after = PurePath(file.path).stem.partition(file.split)
    found = re.fullmatch(f"{re.escape(before)}{_SPLIT}{re.escape(after)}{_NUMBER}", path.stem)
    return found[1] if found else None


def require_as_named(where: Path | str, *, says: str, split: str, by_name: str) -> None:
    """A file is of the split in its name.

    Raises:
        RawDataError: when it is of another.
    """
    if split != by_name:
        raise RawDataError(
            f"{where}: says {says}, the file's name says {by_name}; download it again, or name it after what it is and "
            "give it in `files` of the recipe"
        )


def _text(beside: Mapping[str, msgspec.Raw], field: str) -> str | None:
    """What stands at a field, where that is a text or a number."""
    name, _, rest = field.partition(".")
    value: Any = None
    with suppress(*UNREADABLE):
        value = msgspec.json.decode(beside.get(name, b"null"))
    if rest:
        value = value.get(rest) if isinstance(value, dict) else None
    return str(value)[:_MAX_TEXT] if isinstance(value, str | int | float) else None
