"""Reading raw annotation files with a declared form; an error names file, JSON path and id."""

import io
import mmap
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec

from builders.registry import About, RawFile
from builders.tally import Tally
from schemas.errors import RawDataError

OnBadRecord = Literal["fail", "drop"]
_REPORT_BYTES = 1 << 20


class _Key(str):
    """A key of a JSON object that is equal to itself only, so that a dict keeps both of two equal keys."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class _PlainUnpickler(pickle.Unpickler):
    """Allows no class and no function: RefCOCO's pickles hold dicts, lists, strings and numbers only."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}")


class Bad(NamedTuple):
    """A raw record that is not of its declared form."""

    where: str
    why: str


class RawFiles:
    """The raw files of one source, opened and read record by record.

    `tally` counts what is dropped; `on_bad_record="fail"` raises instead. `progress` hears the bytes read since its
    last call.
    """

    def __init__(
        self,
        about: About,
        paths: Mapping[str, Path],
        *,
        tally: Tally,
        on_bad_record: OnBadRecord,
        progress: Callable[[int], None],
    ) -> None:
        self.tally = tally
        self.paths = paths
        self._about = about
        self._drops = on_bad_record == "drop"
        self._progress = progress

    def records(self, role: str, *, counted: bool = False) -> Iterator[Any]:
        """The records of a file, decoded, in the order of the file.

        `counted` says that bad records of this file enter the funnel (as one conversation of one pair each); those of
        other files are noted as examples, and show in the funnel where the join misses them.
        """
        return (record for _, record in self.entries(role, counted=counted))

    def entries(self, role: str, *, counted: bool = False) -> Iterator[tuple[str, Any]]:
        """The same with each record's id: its key in a keyed file, else the text of its id field."""
        file, path = self._file(role), self.paths[role]
        seen: set[str] = set()
        for where, identifier, found in read(file, path, self._progress):
            if isinstance(found, Bad):
                self.reject(role, identifier, f"{found.where}: {found.why}", counted=counted)
            elif file.id is not None and identifier in seen:
                self.reject(role, identifier, f"{where}: this {file.id} occurs twice, expected once", counted=counted)
            else:
                seen.add(identifier)
                yield identifier, found

    def index(self, role: str) -> dict[str, Any]:
        """The records of a file by the text of their id."""
        return dict(self.entries(role))

    def reject(self, role: str, identifier: str, why: str, *, counted: bool) -> None:
        """Refuse a bad record: an error, or a drop with its reason.

        Raises:
            RawDataError: unless bad records are dropped.
        """
        if not self._drops:
            raise RawDataError(
                f"{self.paths[role]}: {why} (id {identifier!r}); mend the file or pass --on-bad-record drop"
            )
        reason = f"bad record in {role}"
        self.tally.note(reason, f"{identifier}: {why}")
        if counted:
            self.tally.enter()
            self.tally.change(reason, conversations=-1, pairs=-1)

    def _file(self, role: str) -> RawFile:
        file = self._about.file(role)
        assert file is not None, role
        return file


def read(file: RawFile, path: Path, progress: Callable[[int], None]) -> Iterator[tuple[str, str, Any]]:
    """(JSON path, id, record or Bad) for each record of a file.

    Raises:
        RawDataError: when the file is missing, damaged or holds something else.
    """
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(file.form)
    fields = {"[]": "$", "{}": "$", "pickle": "$"}
    prefix = fields.get(file.at, f"$.{file.at}")
    if file.at == "pickle":
        for i, item in enumerate(_unpickle(path)):
            where = f"{prefix}[{i}]"
            yield where, *_decoded(file, where, None, item, lambda value: msgspec.convert(value, file.form))
        progress(path.stat().st_size)
        return
    pending = 0
    for i, (key, raw) in enumerate(_split(file, path)):
        where = f"{prefix}[{i if key is None else repr(key)}]"
        yield where, *_decoded(file, where, key, raw, decoder.decode)
        pending += len(raw)
        if pending > _REPORT_BYTES:
            progress(pending)
            pending = 0
    progress(pending)


def _decoded(file: RawFile, where: str, key: str | None, raw: Any, decode: Callable[[Any], Any]) -> tuple[str, Any]:
    """(id, record) or (id as far as it can be told, Bad)."""
    try:
        record = decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why, _, at = str(error).replace("`", "").partition(" - at $")
        return _identify(file, key, raw) or where, Bad(f"{where}{at}", f"{_lower(why)}")
    if key is None and file.id is not None:
        key = str(getattr(record, file.id))
    return key or where, record


def _identify(file: RawFile, key: str | None, raw: Any) -> str | None:
    """The id of a record that does not decode, when it can be told."""
    if key is not None or file.id is None:
        return key
    try:
        loose = raw if file.at == "pickle" else msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return str(loose[file.id]) if isinstance(loose, dict) and file.id in loose else None


def _split(file: RawFile, path: Path) -> Iterator[tuple[str | None, msgspec.Raw]]:
    """The undecoded records of a JSON file, with their keys where it is an object.

    The file is mapped, not read: what has been passed can be given back to the system.
    """
    data = _map(path)
    form: Any
    try:
        if file.at == "[]":
            records: Any = msgspec.json.decode(data, type=list[msgspec.Raw])
        elif file.at == "{}":
            keyed = msgspec.json.decode(data, type=dict[_Key, msgspec.Raw], dec_hook=lambda kind, key: kind(key))
            yield from ((str(key), raw) for key, raw in keyed.items())
            return
        else:
            form = msgspec.defstruct("Envelope", [("records", list[msgspec.Raw], msgspec.field(name=file.at))])
            records = msgspec.json.decode(data, type=form).records
    except msgspec.ValidationError as error:
        why, _, at = str(error).replace("`", "").partition(" - at ")
        raise RawDataError(f"{path}: {at or '$'}: {_lower(why)}; is it the right file?") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RawDataError(f"{path}: not a complete JSON file: {_lower(str(error))}; get it again") from None
    yield from ((None, raw) for raw in records)


def _map(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise RawDataError(f"{path}: empty file, expected JSON; get it again")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise RawDataError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _unpickle(path: Path) -> list[Any]:
    try:
        content = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except OSError as error:
        raise RawDataError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise RawDataError(f"{path}: not a pickle of plain data: {error}; get it again") from None
    if not isinstance(content, list):
        raise RawDataError(f"{path}: $: expected list, got {type(content).__name__}; is it the right file?")
    return content


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
