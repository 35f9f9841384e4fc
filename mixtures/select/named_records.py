"""The file that names the records to select: what form it is, and its entries as columns."""

import gzip
import io
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from mix665k.builders.decode import BadRecord, read
from mix665k.builders.json_text import is_json_lines
from mix665k.builders.registry import RawFile
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.content import records_of
from mix665k.mixtures.terminal import Advance
from mix665k.schemas.errors import RawDataError, UserError, did_you_mean
from mix665k.schemas.files import UNREADABLE, fault, os_errors, regular_file
from mix665k.schemas.recipe import Select, SelectionForm

ZERO_BASED = ("global_id", "unique_idx")
"""Fields in which ARDS, PreSel, CoIDO and Self-Filter number records, each from 0."""
POSITIONS = (*ZERO_BASED, "position", "row", "index")
IDS = ("id", "reference_id")
HASHES = ("hash",)
_HASH = re.compile(r"[0-9a-f]{16}")
_HEADER = re.compile(
    r"# mix665k (?P<form>ids|positions|hashes) of (?P<of>.*), (?P<kind>row hash|sha256) (?P<value>[0-9a-f]{64})"
)
_WHOLE_NUMBER = r"^(?:0|[1-9][0-9]{0,17})$"
_PEEKED = 1 << 20
_FORMS: dict[SelectionForm, str] = {
    "records": "full records in LLaVA's form",
    "ids": "a list of ids",
    "positions": "a list of positions",
    "hashes": "a list of hashes",
    "table": "a table",
}


class Header(NamedTuple):
    """The first line of a list that `mix export` wrote: of what mixture or file, by row hash or SHA-256."""

    form: SelectionForm
    of: str
    kind: str
    value: str

    def line(self) -> str:
        """The line."""
        return f"# mix665k {self.form} of {self.of}, {self.kind} {self.value}"


class NamedRecords(NamedTuple):
    """What a file names.

    `entries` has a row for each: `entry`, its number from 0, `where` it stands, and, as the form has them, the columns
    of `content.records_of` for full records, or `name` (an id), `hash`, `position`, with `image` and `source` beside
    ids. `score` is there where a table has scores. `key` is the field or column that names records.
    """

    path: Path
    form: SelectionForm
    entries: pl.DataFrame
    key: str = ""
    header: Header | None = None

    def described(self) -> str:
        """In words: what it was read as."""
        keyed = f" by {self.key!r}" if self.key else ""
        scored = " with scores" if "score" in self.entries.columns else ""
        return f"{_FORMS[self.form]}{keyed}{scored}, {len(self.entries):,} entries"


def recognise(path: Path, select: Select) -> SelectionForm:
    """The form of a file by its first bytes, or as `select` says.

    Raises:
        RawDataError: when it is missing, empty, or of no form that is known.
    """
    with os_errors(RawDataError, path):
        if path.is_dir():
            raise RawDataError(f"{path}: is a folder, expected a file that names records")
        with _opened(path) as file:
            try:
                start = file.read(_PEEKED)
            except (EOFError, gzip.BadGzipFile) as error:
                raise RawDataError(f"{path}: not a complete gzip file: {error}; download it again") from None
    if not start.strip():
        raise RawDataError(f"{path}: empty, expected records, ids, positions, hashes or a table of scores")
    if select.form in ("records", "table"):
        return select.form
    if start[:4] == b"PAR1" or _name(path).endswith((".csv", ".tsv")):
        return "table"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"{" or (text[:1] == b"[" and text[1:].lstrip()[:1] == b"{"):
        has_turns = b'"conversations"' in text or b'"messages"' in text
        return "records" if has_turns else "table"
    if select.form:
        return select.form
    return "positions" if select.base is not None else "ids"


def read_named(path: Path, select: Select, *, advance: Advance) -> NamedRecords:
    """The entries of a file, gzip or not.

    Raises:
        RawDataError: when it is missing, empty, damaged, or of no form that is known.
        MixtureError: when full records have faults.
    """
    form = recognise(path, select)
    with os_errors(RawDataError, path), _unpacked(path) as plain:
        if form == "records":
            try:
                found = _full_records(plain, path, select, advance=advance)
            except UserError as error:  # of an unpacked copy it names a file that is gone
                raise type(error)(str(error).replace(str(plain), str(path))) from None
        elif form == "table":
            found = _keyed(_table(plain, path), path, select)
        else:
            found = _listed(plain, path, form, select=select)
    if found.entries.is_empty():
        raise RawDataError(f"{path}: names no record, expected one or more")
    return found


def _full_records(plain: Path, path: Path, select: Select, *, advance: Advance) -> NamedRecords:
    """LLaVA's own form; beside the content of a record its position, where it has one."""
    entries = records_of(Mixture.open(plain), told=True, advance=advance).drop("id", "source")
    entries = entries.rename({"row": "place"}).with_row_index("entry")
    where = pl.format("$[{}]", "place")
    names = [select.key] if select.key else list(ZERO_BASED)
    numbers = _fields(plain, [*names, *([select.score] if select.score else [])])
    entries = entries.with_columns(where=where).join(numbers, on="place", how="left", maintain_order="left")
    key = next((name for name in names if entries[name].null_count() < len(entries)), "")
    if (select.key or select.base is not None) and not key:
        raise RawDataError(
            f"{path}: no record has a position, expected {' or '.join(names)}; name its field, or leave the base out"
        )
    if key:
        entries = entries.with_columns(position=_whole_numbers(entries[key], path, entries["where"]))
    if select.score:
        entries = entries.with_columns(score=_scores(entries[select.score], path))
    return NamedRecords(path, "records", entries.drop("place", *numbers.drop("place").columns), key=key)


def _fields(plain: Path, names: Sequence[str]) -> pl.DataFrame:
    """Fields of the records that LLaVA's form does not have, as text, by the place of the record."""
    fields = {f"f{i}": name for i, name in enumerate(names)}
    form = msgspec.defstruct("Fields", [(f, Any, msgspec.field(default=None, name=n)) for f, n in fields.items()])
    columns: dict[str, list[Any]] = {name: [] for name in ("place", *names)}
    for place, _, found in read(RawFile(role="records", path=plain.name, form=form), plain, lambda _: None):
        if not isinstance(found, BadRecord):
            columns["place"].append(place)
            for field, name in fields.items():
                columns[name].append(_text(getattr(found, field)))
    return pl.DataFrame(columns, schema={"place": pl.Int64, **dict.fromkeys(names, pl.String)})


def _listed(plain: Path, path: Path, form: SelectionForm, *, select: Select) -> NamedRecords:
    """A list of ids, positions or hashes: lines of text, a JSON list, or JSON values on lines."""
    if select.key:
        raise RawDataError(f"{path}: a list, whose lines have no field {select.key!r}; leave the key out")
    header, values = _values(plain, path)
    if header and select.form is None and select.base is None:
        form = header.form
    elif form == "ids" and select.form is None and values and all(_HASH.fullmatch(text) for _, text in values):
        form = "hashes"
    entries = pl.DataFrame(values, schema={"where": pl.String, "name": pl.String}, orient="row")
    entries = entries.with_row_index("entry")
    if form == "hashes":
        entries = entries.rename({"name": "hash"})
    elif form == "positions":
        numbers = _whole_numbers(entries["name"], path, entries["where"])
        entries = entries.drop("name").with_columns(position=numbers)
    return NamedRecords(path, form, entries, header=header)


def _values(plain: Path, path: Path) -> tuple[Header | None, list[tuple[str, str]]]:
    """Where each value stands, and its text; what `mix export` wrote has a first line that says what it is."""
    try:
        text = plain.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RawDataError(f"{path}: byte {error.start}: not UTF-8; re-save the file as UTF-8") from None
    if text.lstrip().startswith("["):
        listed = _decoded(text, list[Any], path)
        return None, [(f"$[{i}]", _required(value, path, f"$[{i}]")) for i, value in enumerate(listed)]
    lines = [(f"line {i}", line.strip()) for i, line in enumerate(text.split("\n"), start=1)]
    found = _HEADER.fullmatch(lines[0][1])
    header = Header(**found.groupdict()) if found else None  # type: ignore[arg-type]
    lines = [(where, line) for where, line in lines if line and not line.startswith("# ")]
    if lines and lines[0][1].startswith('"'):
        return header, [(where, _required(_decoded(line, Any, path), path, where)) for where, line in lines]
    return header, lines


def _table(plain: Path, path: Path) -> pl.DataFrame:
    """The columns of a Parquet or CSV file, or of JSON objects, as text; nested ones are left out."""
    with plain.open("rb") as file:
        start = file.read(_PEEKED)
    try:
        if start[:4] == b"PAR1":
            names = [name for name, kind in pl.read_parquet_schema(plain).items() if not kind.is_nested()]
            return pl.read_parquet(plain, columns=names).cast(pl.String)
        if start.lstrip()[:1] not in (b"{", b"["):
            tab = _name(path).endswith(".tsv") or (b"\t" in start.split(b"\n", 1)[0] and b"," not in start)
            return pl.read_csv(plain, infer_schema=False, separator="\t" if tab else ",")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise RawDataError(f"{path}: not a table: {str(error).splitlines()[0]}") from None
    content = plain.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if is_json_lines(memoryview(content)) or content.lstrip()[:1] == b"{":
        rows = [_decoded(line, dict[str, Any], path) for line in io.BytesIO(content) if not line.isspace()]
    else:
        rows = _decoded(content, list[dict[str, Any]], path)
    nested = {name for row in rows for name, value in row.items() if isinstance(value, dict | list)}
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in nested]
    return pl.DataFrame(
        {name: [_text(row.get(name)) for row in rows] for name in names},
        schema_overrides=dict.fromkeys(names, pl.String),
    )


def _keyed(table: pl.DataFrame, path: Path, select: Select) -> NamedRecords:
    """The rows of a table by the column that names records, with their scores."""
    key, form = _key_of(table.columns, path, select)
    where = pl.format("row {}", pl.col("entry") + 1)
    entries = (
        table.select(table[key].str.strip_chars().alias("named")).with_row_index("entry").with_columns(where=where)
    )
    if lost := entries["named"].null_count():
        first = entries.filter(pl.col("named").is_null())["where"][0]
        raise RawDataError(f"{path}: {lost:,} rows have no {key!r}, the first is {first}; expected one in each")
    if form == "positions":
        entries = entries.with_columns(position=_whole_numbers(entries["named"], path, entries["where"]))
    else:
        entries = entries.with_columns(pl.col("named").alias("name" if form == "ids" else "hash"))
    if form == "ids":
        beside = [name for name in ("image", "source") if name in table.columns]
        entries = entries.with_columns(table[name] for name in beside)
    wanted = select.score or ("score" if "score" in table.columns else None)
    if wanted and wanted not in table.columns:
        raise RawDataError(f"{path}: no column {wanted!r}{did_you_mean(wanted, table.columns)}")
    if wanted:
        entries = entries.with_columns(score=_scores(table[wanted], path))
    return NamedRecords(path, form, entries.drop("named"), key=key)


def _key_of(columns: Sequence[str], path: Path, select: Select) -> tuple[str, SelectionForm]:
    """The column that names records, and as what."""
    kinds: list[tuple[SelectionForm, tuple[str, ...]]] = [("hashes", HASHES), ("ids", IDS), ("positions", POSITIONS)]
    if select.key:
        if select.key not in columns:
            raise RawDataError(f"{path}: no field {select.key!r}{did_you_mean(select.key, columns)}")
        known = [form for form, names in kinds if select.key in names]
        default: SelectionForm = "positions" if select.base is not None else "ids"
        return select.key, known[0] if known and select.base is None else default
    for form, names in kinds:
        if select.base is None or form == "positions":
            for name in names:
                if name in columns:
                    return name, form
    raise RawDataError(
        f"{path}: none of its columns ({', '.join(columns[:10])}) names records, expected one of "
        f"{', '.join((*IDS, *POSITIONS, *HASHES))}; say which does with `key`"
    )


def _whole_numbers(texts: pl.Series, path: Path, where: pl.Series) -> pl.Series:
    """Positions; a float such as `12.0`, as tables write them, is one."""
    plain = texts.str.strip_suffix(".0")
    bad = (~plain.str.contains(_WHOLE_NUMBER)).fill_null(True)
    if bad.any():
        at = bad.arg_max() or 0
        raise RawDataError(
            f"{path}: {where[at]}: {texts[at]!r}, expected a position, a whole number from 0; `as: ids` reads ids"
        )
    return plain.cast(pl.Int64)


def _scores(texts: pl.Series, path: Path) -> pl.Series:
    """Scores as numbers; what is none is an error, but NaN and nothing are no score."""
    found = texts.cast(pl.Float64, strict=False)
    bad = found.is_null() & texts.is_not_null()
    if bad.any():
        raise RawDataError(
            f"{path}: row {(bad.arg_max() or 0) + 1}: score {texts[bad.arg_max() or 0]!r}, expected a number"
        )
    return found.fill_nan(None)


def _decoded(content: Any, kind: Any, path: Path) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except UNREADABLE as error:
        at, why = fault(error)
        raise RawDataError(f"{path}: {f'{at}: ' if at else ''}{why}; is this the expected file?") from None


def _text(value: Any) -> str | None:
    """A value of JSON as a table has it: whole numbers without a point."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _required(value: Any, path: Path, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RawDataError(f"{path}: {where}: expected an id or a position, got {type(value).__name__}")
    return str(value)


def _name(path: Path) -> str:
    return path.name.lower().removesuffix(".gz")


def _opened(path: Path) -> Any:
    with regular_file(path).open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The file, or while it is read an unpacked copy of one that gzip has packed."""
    with _opened(path) as file:
        if not isinstance(file, gzip.GzipFile):
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="mix665k-") as folder:
            copy = Path(folder) / (path.name.removesuffix(".gz") or "unpacked")
            with copy.open("wb") as plain:
                try:
                    shutil.copyfileobj(file, plain, 1 << 20)
                except (EOFError, gzip.BadGzipFile) as error:
                    raise RawDataError(f"{path}: not a complete gzip file: {error}; download it again") from None
            yield copy
