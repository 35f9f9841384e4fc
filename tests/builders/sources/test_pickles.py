"""RefCOCO's pickles: plain data only, and nothing in them runs."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.decode import BadRecord, read
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.builders.sources.refcoco import Ref
from mix665k.schemas.errors import RawDataError
from tests.builders.building import FIXTURES, build

FILE = RawFile(role="refs", path="refs.p", form=Ref, at="pickle", id="ref_id")
REF: dict[str, Any] = {
    "ref_id": 1,
    "ann_id": 11,
    "image_id": 7,
    "split": "train",
    "file_name": "COCO_train2014_000000000007_1.jpg",
    "sentences": [{"sent_id": 0, "sent": "a mill", "raw": "A MILL", "tokens": ["a", "mill"]}],
}


def _read(folder: Path, content: bytes) -> list[Any]:
    path = folder / "refs.p"
    path.write_bytes(content)
    return [found for _, _, found in read(FILE, path, lambda _: None)]


class _Touch:
    """Writes a file when it is unpickled by an unpickler that allows it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self._path,)


def test_the_fixture_is_a_pickle_of_python_2() -> None:
    content = (FIXTURES / "refcoco/refcoco/refs(unc).p").read_bytes()

    assert content.startswith(b"(lp0\n(dp1\nS'sent_ids'\np2\n")
    with pytest.raises(UnicodeDecodeError):
        pickle.loads(b"S'caf\\xe9'\np0\n.")


def test_bytes_above_ascii_are_read_as_latin1() -> None:
    assert "The café yard." in [answer for _, answer, _ in build("refcoco").pairs]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_every_protocol_of_plain_data_is_read(tmp_path: Path, protocol: int) -> None:
    [ref] = _read(tmp_path, pickle.dumps([REF], protocol=protocol))

    assert (ref.ref_id, ref.sentences[0].sent) == (1, "a mill")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_does_not(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    content = pickle.dumps([_Touch(trace)], protocol=protocol)

    with pytest.raises(RawDataError, match=r"refs\.p: not a pickle of plain data: the pickle asks for \w+\.\w+"):
        _read(tmp_path, content)
    assert not trace.exists()
    pickle.loads(content)
    assert trace.exists(), "the pickle above is not dangerous at all"


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (pickle.dumps([print]), "builtins.print"),
        (pickle.dumps([Path]), "pathlib.Path"),
        (pickle.dumps([1 + 2j]), "builtins.complex"),
        (pickle.dumps([range(3)]), "builtins.range"),
    ],
)
def test_a_class_or_function_in_a_pickle_is_an_error(tmp_path: Path, content: bytes, asked: str) -> None:
    with pytest.raises(
        RawDataError, match=f"not a pickle of plain data: the pickle asks for {asked}; download it again"
    ):
        _read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a pickle of plain data: Ran out of input; download it again"),
        (b'[{"ref_id": 1}]', "not a pickle of plain data: "),
        (b"<html>404</html>", "not a pickle of plain data: "),
        (b"\x8d" + b"\xff" * 8, "not a pickle of plain data: says that 18,446,744,073,709,551,615 bytes follow, 0 do"),
        (b"Pname\n.", "not a pickle of plain data: .*persistent"),
        (pickle.dumps({"a": 1}), r"\$: expected list, got dict; is this the expected file\?"),
        (pickle.dumps("text"), r"\$: expected list, got str; is this the expected file\?"),
    ],
)
def test_a_damaged_pickle_is_an_error_that_names_it(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RawDataError, match=rf"refs\.p: {message}"):
        _read(tmp_path, content)


def test_a_pickle_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    content = (FIXTURES / "refcoco/refcocog/refs(umd).p").read_bytes()

    for stop in range(0, len(content), 7):
        with pytest.raises(RawDataError, match="not a pickle of plain data: "):
            _read(tmp_path, content[:stop])


@pytest.mark.parametrize("damage", b"0N.]}\x00c")
def test_a_damaged_byte_gives_records_or_a_user_error(tmp_path: Path, damage: int) -> None:
    whole = pickle.dumps([REF], protocol=0)
    errors = 0
    for i in range(len(whole)):
        try:
            _read(tmp_path, whole[:i] + bytes([damage]) + whole[i + 1 :])
        except RawDataError:
            errors += 1

    assert 0 < errors < len(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ref_id": "1"}, "$[0].ref_id: expected int, got str"),
        ({"sentences": {}}, "$[0].sentences: expected array, got object"),
        ({"sentences": [{"sent_id": 0, "sent": b"x", "raw": ""}]}, "$[0].sentences[0].sent: expected str, got bytes"),
        ({"sentences": [{"sent_id": 0, "sent": "\ud83d", "raw": ""}]}, "$[0]: 'utf-8' codec can't encode character"),
        ({"image_id": 10**5000}, "$[0]: Exceeds the limit"),
    ],
)
def test_a_bad_record_in_a_pickle_is_told_by_path(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    [bad] = _read(tmp_path, pickle.dumps([{**REF, **change}]))

    assert isinstance(bad, BadRecord)
    assert f"{bad.where}: {bad.why}".lower().startswith(message.lower())


def test_a_pickle_that_holds_itself_is_a_bad_record(tmp_path: Path) -> None:
    refs: list[Any] = []
    refs.append(refs)

    [bad] = _read(tmp_path, pickle.dumps(refs))

    assert bad == BadRecord("$[0]", "expected object, got array")


def test_a_missing_pickle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"refs\.p: no such file or directory"):
        list(read(FILE, tmp_path / "refs.p", lambda _: None))


def test_pickles_are_refcocos_only() -> None:
    assert {s.name for s in SOURCES.values() for file in s.about.files if file.at == "pickle"} == {"refcoco"}
