"""What a source declares: faults stop its import, and its records are counted whatever its author forgets."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mix665k.builders.funnel import Dropped
from mix665k.builders.licences import YOURS
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import (
    SOURCES,
    About,
    ByField,
    Download,
    ImageFolder,
    Lookup,
    RawFile,
    SourceFunction,
    by_origin,
    source,
)
from mix665k.schemas.conversation import Conversation, Pair
from tests.builders.building import Result, build, flow, write_raw


class Painting(msgspec.Struct):
    """`{"number": 17, "answers": ["odo", "brandt"]}`."""

    number: int
    answers: list[str]


PAINTINGS = RawFile(
    role="paintings", path="paintings.json", form=Painting, id="number", pairs=lambda record: len(record.answers)
)


def _about(*files: RawFile) -> About:
    return About(title="Paintings", files=files, licence=YOURS, counts="4 paintings")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The known sources, to which a test may add."""
    known = dict(SOURCES)
    monkeypatch.setattr("mix665k.builders.registry.SOURCES", known)
    monkeypatch.setattr("mix665k.builders.bind.SOURCES", known)
    monkeypatch.setattr("tests.builders.building.SOURCES", known)
    return known


def _conversation(identifier: str, record: Painting) -> Conversation:
    pairs = [Pair("Who?", answer, f"{identifier}/{i}") for i, answer in enumerate(record.answers)]
    return Conversation(id=identifier, image=None, pairs=pairs)


def careless(raw: RawFiles) -> Iterator[Conversation]:
    """A source whose author counts nothing."""
    for identifier, record in raw.entering("paintings"):
        yield _conversation(identifier, record)


def forgetful(raw: RawFiles) -> Iterator[Conversation]:
    """A source that leaves out what has no answer and does not say so."""
    for identifier, record in raw.entering("paintings"):
        if record.answers:
            yield _conversation(identifier, record)


def indexing(raw: RawFiles) -> Iterator[Conversation]:
    """A source that reads its main file as one that others are joined with."""
    for identifier, record in raw.index("paintings").items():
        yield _conversation(identifier, record)


def dropping(raw: RawFiles) -> Iterator[Conversation | Dropped]:
    """A source that says what it leaves out."""
    for identifier, record in raw.entering("paintings"):
        yield _conversation(identifier, record) if record.answers else Dropped("no answer", identifier, pairs=0)


RECORDS: list[dict[str, Any]] = [
    {"number": 17, "answers": ["odo", "brandt"]},
    {"number": 18, "answers": "a kite"},
    {"number": 19, "answers": []},
    {"number": 20, "answers": ["a mill"]},
]


def _built(function: SourceFunction, folder: Path, *records: dict[str, Any]) -> Result:
    source(_about(PAINTINGS))(function)
    raw = write_raw(folder, function.__name__, paintings=list(records))
    return build(function.__name__, raw=raw, on_bad_record="drop")


def test_a_source_that_counts_nothing_has_a_true_funnel(sources: dict[str, Any], tmp_path: Path) -> None:
    read = _built(careless, tmp_path, RECORDS[0], RECORDS[1], RECORDS[3], {"number": 21, "answers": ["a"]}).funnel[0]

    assert read.conversations == flow(4, 3, bad_record_in_paintings=-1)
    assert read.pairs == flow(5, 4, bad_record_in_paintings=-1)
    assert read.kinds == {"bad record in paintings": "lost"}


def test_records_that_vanish_without_a_reason_do_not_add_up(sources: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="entered=4, left=2"):
        _built(forgetful, tmp_path, *RECORDS)


def test_a_main_file_that_does_not_enter_does_not_add_up(sources: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="entered=0, left=2"):
        _built(indexing, tmp_path, RECORDS[0], RECORDS[3])


def test_what_is_dropped_with_a_reason_adds_up(sources: dict[str, Any], tmp_path: Path) -> None:
    read = _built(dropping, tmp_path, *RECORDS).funnel[0]

    assert read.conversations == flow(4, 2, bad_record_in_paintings=-1, no_answer=-1)
    assert read.examples["no answer"] == ["19"]


OFFERED = Download(name="paintings.zip", folders=("https://museum.invalid",))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"id": "nummer"}, r"id='nummer' is not a field of Painting; did you mean 'number'\?"),
        ({"id": "x"}, r"id='x' is not a field of Painting; expected one of answers, number"),
        ({"at": "{}", "id": "number"}, r"id='number', but the ids of a keyed file are its keys; leave `id` out"),
        ({"member": "p.json"}, r"member='p\.json' of no download; say which archive holds it in `download`"),
        ({"download": OFFERED}, r"download 'paintings\.zip' is an archive; name the file in it with `member`"),
    ],
)
def test_a_raw_file_that_contradicts_itself_cannot_be_declared(facts: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^RawFile paintings: {why}$"):
        RawFile(role="paintings", path="paintings.json", form=Painting, **facts)


def test_facts_that_fit_can_be_declared() -> None:
    RawFile(role="p", path="p.json", form=Painting, id="number", download=OFFERED, member="p.json")
    assert RawFile(role="p", path="p.json", form=Painting, at="{}").id_name == "key"
    assert RawFile(role="p", path="p.json", form=Painting).id_name == ""


@pytest.mark.parametrize(
    ("lookups", "why"),
    [
        ([Lookup(role="painting", key=by_origin)], "no raw file has the role 'painting'; did you mean 'paintings'?"),
        (
            [Lookup(role="rooms", key=ByField("paintings", "number"))],
            "'rooms' needs a record of 'paintings', which no lookup before finds",
        ),
        (
            [Lookup(role="paintings", key=by_origin), Lookup(role="rooms", key=ByField("paintings", "nummer"))],
            "'nummer' is not a field of Painting; did you mean 'number'?",
        ),
    ],
)
def test_lookups_that_lead_nowhere_cannot_be_declared(sources: dict[str, Any], lookups: list[Lookup], why: str) -> None:
    rooms = RawFile(role="rooms", path="rooms.json", form=Painting)
    with pytest.raises(ValueError, match="source careless: lookups: ") as raised:
        source(_about(PAINTINGS, rooms), lookups=tuple(lookups))(careless)
    assert str(raised.value).endswith(why)
    assert "careless" not in sources


def test_two_files_of_one_role_cannot_be_declared(sources: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="source careless: two raw files have one role, expected one each"):
        source(_about(PAINTINGS, PAINTINGS))(careless)


def test_a_misspelt_id_stops_the_import_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "builders" / "sources" / "aokvqa.py").read_text(encoding="utf-8")
    assert 'id="question_id"' in text
    (tmp_path / "misspelt_source.py").write_text(text.replace('id="question_id"', 'id="questionid"'))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"^RawFile questions: id='questionid' is not .* did you mean 'question_id'"):
        __import__("misspelt_source")
    assert "misspelt_source" not in sys.modules


def test_the_path_of_an_image_follows_its_declared_pattern() -> None:
    folder = ImageFolder(folder="museum/rooms", names="painting_<number>.jpg")
    assert folder.pattern == "museum/rooms/painting_<number>.jpg"
    assert folder.path("17") == "museum/rooms/painting_17.jpg"


def test_an_image_pattern_needs_a_place_for_the_name() -> None:
    with pytest.raises(ValueError, match=r"ImageFolder museum: names='all\.jpg', expected a place such as <image_id>"):
        ImageFolder(folder="museum", names="all.jpg")


def test_a_role_that_does_not_exist_is_an_error_with_the_nearest() -> None:
    with pytest.raises(LookupError, match=r"no raw file has the role 'painting'; did you mean 'paintings'\?"):
        _about(PAINTINGS).file("painting")
