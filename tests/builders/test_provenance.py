"""Following an origin back to raw records: by id, by a numbered origin, by a field of a record found before."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.provenance import Trace, follow
from mix665k.builders.registry import SOURCES, ByField, Source, by_numbered_origin, by_origin, number_of
from mix665k.schemas.errors import RawDataError
from tests.builders.building import write_raw

CAPTIONS = [
    {"image_id": "a1", "caption_id": 5, "caption_str": "A mill.", "image_path": "train/a1.jpg"},
    {"image_id": "b2", "caption_id": 6, "caption_str": "A kite.", "image_path": "train/b2.jpg"},
]
OCR = [{"image_id": "a1", "ocr_tokens": ["OPEN"], "ocr_info": []}]
REGIONS = [
    {"id": 1, "regions": [{"region_id": n, "x": 0, "y": 0, "width": 9, "height": 9, "phrase": "p"} for n in (11, 12)]},
    {"id": 2, "regions": []},
]
IMAGES = [{"image_id": 1, "url": "https://x.invalid/VG_100K/1.jpg", "width": 9, "height": 9, "coco_id": None}]


def _followed(source: str, folder: Path, origins: list[str], **contents: Any) -> dict[str, list[Trace]]:
    """What the lookups of a source give in these files."""
    write_raw(folder, source, **contents)
    files = SOURCES[source].about.files
    paths = {file.role: (folder / file.path,) for file in files if file.role in contents}
    return follow(SOURCES[source], paths, origins, progress=lambda _: None)


def _where(traces: list[Trace]) -> list[tuple[str, str | None, str | None]]:
    return [(trace.lookup.role, trace.key, trace.found and trace.found.where) for trace in traces]


def test_an_origin_leads_from_file_to_file(tmp_path: Path) -> None:
    traces = _followed("textcaps", tmp_path, ["5"], captions={"data": CAPTIONS}, ocr={"data": OCR})["5"]

    assert _where(traces) == [("captions", "5", "$.data[0]"), ("ocr", "a1", "$.data[0]")]
    assert traces[0].found is not None
    assert traces[0].found.record == CAPTIONS[0]  # with the fields that the form does not name
    assert [trace.id_name for trace in traces] == ["caption_id", "image_id"]


def test_a_record_that_is_missing_is_not_found_and_one_that_depends_on_it_has_no_key(tmp_path: Path) -> None:
    found = _followed("textcaps", tmp_path, ["6", "7"], captions={"data": CAPTIONS}, ocr={"data": OCR})

    assert _where(found["6"]) == [("captions", "6", "$.data[1]"), ("ocr", "b2", None)]
    assert _where(found["7"]) == [("captions", "7", None), ("ocr", None, None)]


def test_a_file_that_is_not_there_is_not_looked_in(tmp_path: Path) -> None:
    found = _followed("textcaps", tmp_path, ["5"], captions={"data": CAPTIONS})

    assert _where(found["5"]) == [("captions", "5", "$.data[0]"), ("ocr", "a1", None)]


def test_an_origin_finds_its_item_in_a_list_of_the_record(tmp_path: Path) -> None:
    region, image = _followed("vg", tmp_path, ["12"], regions=REGIONS, images=IMAGES)["12"]

    assert region.found is not None
    assert (region.id_name, region.found.where, region.found.items) == ("region_id", "$[0]", {"regions": [1]})
    assert image.found is not None
    assert image.found.record == IMAGES[0]


def test_the_first_record_of_a_repeated_id_counts(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
    records = [{"id": "x", "conversations": turns}, {"id": "x", "conversations": [*turns, *turns]}]
    found = _followed("llava_json", tmp_path, ["x#0/0", "x#1/1"], records=records)

    assert _where(found["x#0/0"]) == [("records", "x#0", "$[0]")]
    [second] = found["x#1/1"]
    assert second.found is not None
    assert (second.found.where, second.found.items) == ("$[1]", {"conversations": [2, 3]})


def test_a_record_that_is_no_json_is_shown_in_its_form(tmp_path: Path) -> None:
    number = b'{"image_id": "a1", "caption_id": 5, "caption_str": "A mill.", "score": 1e999}'
    [trace, _] = _followed("textcaps", tmp_path, ["5"], captions=b'{"data": [' + number + b"]}")["5"]

    assert trace.found is not None
    assert trace.found.record["caption_str"] == "A mill."


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"TextCaps_0\.1_train\.json: not a complete JSON file"):
        _followed("textcaps", tmp_path, ["5"], captions=b'{"data": [')


def test_nothing_is_read_for_no_origin(tmp_path: Path) -> None:
    assert _followed("textcaps", tmp_path, [], captions=b"[") == {}


def test_keys_of_origins() -> None:
    assert by_origin("a/b/3", {}) == "a/b/3"
    assert by_numbered_origin("a/b/3", {}) == "a/b"
    assert number_of("a/b/3") == 3


def test_a_field_of_a_record_that_was_not_found_gives_no_key() -> None:
    class Painting:
        """A record found before."""

        room = 4

    assert ByField("paintings", "room")("17", {"paintings": Painting()}) == "4"
    assert ByField("paintings", "room")("17", {}) is None


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_every_source_says_how_its_origins_are_looked_up(source: Source) -> None:
    assert source.lookups
    roles = {lookup.role for lookup in source.lookups}
    assert roles == {file.role for file in source.about.files}
