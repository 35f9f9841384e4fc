"""A benchmark's files in `--data`: found in our layout, in LLaVA's, or loose; read as the form that is declared."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import UNREADABLE, fault, os_errors, regular_file

T = TypeVar("T")
FIX = "download it again, or check that it is the expected file"


class DataFile(NamedTuple):
    """A file of a benchmark: its path in `--data`, its publisher's place, and its path in LLaVA's eval folder."""

    path: str
    place: str
    llava: str = ""
    optional: bool = False


class Data(NamedTuple):
    """The folder, or the one file, that `--data` names, for one benchmark."""

    root: Path
    files: Mapping[str, DataFile]

    def find(self, name: str) -> Path | None:
        """Where a file or folder is, by its name; None when it is not there."""
        file = self.files[name]
        if self.root.is_file() or self.root.name == name:
            return self.root if self.root.name == name or len(self.files) == 1 else None
        places = [file.path, *([file.llava] if file.llava else []), name]
        return next((found for place in places if (found := self.root / place).exists()), None)

    def require(self, name: str) -> Path:
        """Where a file or folder is.

        Raises:
            EvaluationError: when it is not there, with its place and where it belongs.
        """
        found = self.find(name)
        if found is None:
            file = self.files[name]
            raise EvaluationError(f"{self.root / file.path}: no such file; get it from {file.place}")
        return found


def data_of(root: Path, files: tuple[DataFile, ...]) -> Data:
    """The files of a benchmark below `root`.

    Raises:
        EvaluationError: when `root` does not exist.
    """
    if not root.exists():
        raise EvaluationError(f"{root}: no such folder; --data names the folder with the benchmarks' files")
    return Data(root, {Path(file.path).name: file for file in files})


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        EvaluationError: when it cannot be read, or is empty.
    """
    with os_errors(EvaluationError, path):
        content = regular_file(path).read_bytes()
    if not content.strip():
        raise EvaluationError(f"{path}: empty file; {FIX}")
    return content.removeprefix(b"\xef\xbb\xbf")


def read_json(path: Path, form: type[T]) -> T:
    """A JSON file as a value of `form`.

    Raises:
        EvaluationError: when it is not, with the path of the fault in it.
    """
    try:
        return msgspec.json.decode(read_bytes(path), type=form)
    except UNREADABLE as error:
        at, why = fault(error)
        raise EvaluationError(f"{path}: {f'{at}: ' if at else ''}{why}; {FIX}") from None


def read_json_lines(path: Path, form: type[T]) -> Iterator[tuple[int, T]]:
    """The lines of a JSON-lines file, as numbers from 1 and values of `form`.

    Raises:
        EvaluationError: for a line that is not, with its number.
    """
    decoder = msgspec.json.Decoder(form)
    for number, line in enumerate(read_bytes(path).split(b"\n"), start=1):
        if line.strip():
            try:
                yield number, decoder.decode(line)
            except UNREADABLE as error:
                at, why = fault(error)
                raise EvaluationError(f"{path}: line {number:,}: {f'{at}: ' if at else ''}{why}; {FIX}") from None


def read_table(path: Path, *, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a tab-separated file with these columns among its own; quotes as the csv module writes them.

    Raises:
        EvaluationError: when columns are missing, or a row has too few or too many.
    """
    import csv

    csv.field_size_limit(1 << 30)  # a picture in base64
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path}: {fault(error)[1]}") from None
    reader = csv.reader(text.splitlines(keepends=True), delimiter="," if path.suffix == ".csv" else "\t")
    rows: list[dict[str, str]] = []
    try:
        header = next(reader)
        if missing := [name for name in columns if name not in header]:
            raise EvaluationError(
                f"{path}: no column {', '.join(map(repr, missing))}, has {', '.join(header)[:200]}; {FIX}"
            )
        for row in reader:
            if len(row) != len(header):
                raise EvaluationError(
                    f"{path}: line {reader.line_num:,}: {len(row)} columns, expected {len(header)}; {FIX}"
                )
            rows.append(dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise EvaluationError(f"{path}: line {reader.line_num:,}: {error}; {FIX}") from None
    return rows


def plain(value: Any) -> str:
    """An id as text: a number and its digits are the same."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
