"""What each source refuses: an error with the file and the id, or a counted drop."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.registry import SOURCES
from mix665k.schemas.errors import RawDataError
from tests.builders.building import FIXTURES, build, write_raw


def _content(source: str, role: str) -> Any:
    file = SOURCES[source].about.file(role)
    return json.loads((FIXTURES / file.path).read_text(encoding="utf-8"))


def fixture_of(source: str, folder: Path) -> dict[str, Any]:
    """The fixture's files by role, copied into the folder."""
    contents = {file.role: _content(source, file.role) for file in SOURCES[source].about.files}
    write_raw(folder, source, **contents)
    return contents


_OTHER = {"id": 13, "image_id": 581001, "bbox": [0.0, 0.0, 9.0, 9.0]}
"""The annotation that a ref of the fixtures asks for, but of another image."""


@pytest.mark.parametrize("source", ["vqav2", "okvqa"])
def test_a_question_without_annotation_is_an_error(tmp_path: Path, source: str) -> None:
    contents = fixture_of(source, tmp_path)
    gone = contents["annotations"]["annotations"].pop()
    raw = write_raw(tmp_path, source, **contents)
    message = (
        rf"questions\.json: no annotation, expected one of image {gone['image_id']} \(id '{gone['question_id']}'\)"
    )

    with pytest.raises(RawDataError, match=message):
        build(source, raw=raw)
    result = build(source, raw=raw, on_bad_record="drop")
    assert result.funnel[0].conversations.changes["bad record in questions"] == -1


@pytest.mark.parametrize("source", ["vqav2", "okvqa"])
def test_an_annotation_of_another_image_is_an_error(tmp_path: Path, source: str) -> None:
    contents = fixture_of(source, tmp_path)
    contents["annotations"]["annotations"][0]["image_id"] = 5
    raw = write_raw(tmp_path, source, **contents)

    with pytest.raises(RawDataError, match=r"annotation of image 5, expected one of image \d+ \(id '\d+'\)"):
        build(source, raw=raw)
    assert len(build(source, raw=raw, on_bad_record="drop").funnel[0].noted) == 1


@pytest.mark.parametrize("role", ["questions", "annotations"])
def test_vqav2_question_ids_are_unique_in_both_files(tmp_path: Path, role: str) -> None:
    contents = fixture_of("vqav2", tmp_path)
    contents[role][role].append(contents[role][role][0])
    raw = write_raw(tmp_path, "vqav2", **contents)

    with pytest.raises(RawDataError, match=rf"\$\.{role}\[5\]: this question_id occurs twice, expected once"):
        build("vqav2", raw=raw)
    assert len(build("vqav2", raw=raw, on_bad_record="drop").pairs) == 5


def test_a_bad_annotation_shows_where_its_question_misses_it(tmp_path: Path) -> None:
    contents = fixture_of("vqav2", tmp_path)
    del contents["annotations"]["annotations"][0]["multiple_choice_answer"]
    raw = write_raw(tmp_path, "vqav2", **contents)

    with pytest.raises(
        RawDataError, match=r"\$\.annotations\[0\]: object missing required field multiple_choice_answer"
    ):
        build("vqav2", raw=raw)
    [read] = build("vqav2", raw=raw, on_bad_record="drop").funnel
    assert read.noted == {"bad record in annotations": 1, "bad record in questions": 1}
    assert read.conversations.changes == {"bad record in questions": -1}


def test_a_gqa_question_without_answer_is_an_error(tmp_path: Path) -> None:
    questions = _content("gqa", "questions")
    del questions["00417"]["answer"]

    with pytest.raises(RawDataError, match=r"\$\['00417'\]: object missing required field answer \(id '00417'\)"):
        build("gqa", raw=write_raw(tmp_path, "gqa", questions=questions))


def test_a_correct_choice_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    questions = _content("aokvqa", "questions")
    questions[1]["correct_choice_idx"] = 4
    raw = write_raw(tmp_path, "aokvqa", questions=questions)

    with pytest.raises(RawDataError, match=r"correct_choice_idx 4 of 4 choices, expected one of them .*'22bbKITE'"):
        build("aokvqa", raw=raw)
    assert len(build("aokvqa", raw=raw, on_bad_record="drop").conversations) == 4


@pytest.mark.parametrize(
    ("questions", "answers", "counts"),
    [(["Who?", "What?"], ["Odo"], "2 questions and 1 answers"), ([], [], "0 questions and 0 answers")],
)
def test_ocrvqa_lists_of_unequal_length_are_an_error(
    tmp_path: Path, questions: list[str], answers: list[str], counts: str
) -> None:
    books = _content("ocrvqa", "books")
    books["761183"] |= {"questions": questions, "answers": answers}
    raw = write_raw(tmp_path, "ocrvqa", books=books)

    with pytest.raises(RawDataError, match=rf"{counts}, expected as many of each and at least one \(id '761183'\)"):
        build("ocrvqa", raw=raw)
    assert [c.id for c in build("ocrvqa", raw=raw, on_bad_record="drop").conversations] == ["000195X"]


def test_a_vg_image_without_size_and_url_is_an_error(tmp_path: Path) -> None:
    contents = fixture_of("vg", tmp_path)
    contents["images"] = [image for image in contents["images"] if image["image_id"] != 2412]
    raw = write_raw(tmp_path, "vg", **contents)

    with pytest.raises(RawDataError, match=r"not in image_data\.json, expected its size and .* there \(id '2412'\)"):
        build("vg", raw=raw)
    assert [c.id for c in build("vg", raw=raw, on_bad_record="drop").conversations] == ["VG_100K_2/1"]


@pytest.mark.parametrize(
    "url", ["", "2412.jpg", "https://pictures.invalid/2412.jpg", "https://x.invalid/VG_100K_3/2.jpg"]
)
def test_a_vg_url_that_does_not_tell_the_folder_is_an_error(tmp_path: Path, url: str) -> None:
    contents = fixture_of("vg", tmp_path)
    contents["images"][1]["url"] = url
    raw = write_raw(tmp_path, "vg", **contents)

    with pytest.raises(RawDataError, match=r"url '.*' in image_data\.json, expected .*/VG_100K/.* there \(id '2412'\)"):
        build("vg", raw=raw)
    assert [c.id for c in build("vg", raw=raw, on_bad_record="drop").conversations] == ["VG_100K_2/1"]


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 500), (250, 0), (-250, -500)])
def test_no_region_lies_in_an_image_without_area(tmp_path: Path, width: int, height: int) -> None:
    contents = fixture_of("vg", tmp_path)
    contents["images"][1] |= {"width": width, "height": height}

    result = build("vg", raw=write_raw(tmp_path, "vg", **contents), params={"convention": "plain"})

    assert "2412" in result.funnel[0].examples["no usable region"]


@pytest.mark.parametrize(
    "box",
    [
        {"width": -5},
        {"height": 0},
        {"x": 1e308, "width": 1e308},
        {"x": -1e308},
        {"y": 10**30},
        {"x": -50, "width": 50},
    ],
)
def test_a_region_without_area_in_its_image_is_dropped_and_counted(tmp_path: Path, box: dict[str, float]) -> None:
    contents = fixture_of("vg", tmp_path)
    contents["regions"] = [{"id": 2412, "regions": [contents["regions"][1]["regions"][0] | box]}]

    result = build("vg", raw=write_raw(tmp_path, "vg", **contents))

    assert result.conversations == []
    assert result.funnel[0].pairs.changes == {"box has no area": -1}
    assert result.funnel[0].conversations.changes == {"no usable region": -1}


def test_a_side_that_no_image_can_have_is_a_bad_record(tmp_path: Path) -> None:
    contents = fixture_of("vg", tmp_path)
    contents["images"][1]["height"] = 10**400
    raw = write_raw(tmp_path, "vg", **contents)
    with pytest.raises(RawDataError, match=r"image_data\.json: \$\[1\]\.height: expected int <= 2147483647"):
        build("vg", raw=raw)


@pytest.mark.parametrize("change", [{"annotations": []}, {"images": []}, {"annotations": [_OTHER]}])
def test_a_ref_without_its_instance_is_an_error(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "refcoco"
    for path in (FIXTURES / "refcoco").rglob("*.*"):
        target = folder / path.relative_to(FIXTURES / "refcoco")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    instances = folder / "refcocog/instances.json"
    instances.write_text(json.dumps(json.loads(instances.read_text(encoding="utf-8")) | change))
    message = r"refs\(umd\)\.p: ann_id 13 of image_id 7007 is not in instances\.json, expected it there"

    with pytest.raises(RawDataError, match=rf"{message} \(id 'refcocog/50'\)"):
        build("refcoco", raw=tmp_path)
    dropped = build("refcoco", raw=tmp_path, on_bad_record="drop")
    assert dropped.funnel[0].conversations.changes["bad record in refcocog/refs"] == -1


@pytest.mark.parametrize(
    ("turns", "speakers"),
    [
        ([], "no one"),
        (["human"], "human"),
        (["gpt", "human"], "gpt, human"),
        (["human", "human"], "human, human"),
        (["human", "gpt", "human"], "human, gpt, human"),
    ],
)
@pytest.mark.parametrize("source", ["llava_json", "llava_instruct", "lcs558k"])
def test_turns_that_do_not_alternate_are_an_error(tmp_path: Path, source: str, turns: list[str], speakers: str) -> None:
    record = {"id": 9, "image": "a/b.jpg", "conversations": [{"from": name, "value": "v"} for name in turns]}
    raw = write_raw(tmp_path, source, records=[record])

    with pytest.raises(RawDataError, match=rf"turns by {speakers}, expected human and gpt in turn \(id '9'\)"):
        build(source, raw=raw)
    result = build(source, raw=raw, on_bad_record="drop")
    assert result.funnel[0].conversations.changes == {"bad record in records": -1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 1.5}, r"\$\[0\]: id: expected text or a whole number, got a number"),
        ({"image": ["a.jpg", "b.jpg"]}, r"\$\[0\]: 0 <image> in the human turns, expected 2 \(id 'a'\)"),
        (
            {"conversations": [{"from": "human", "value": "v"}, {"from": "system", "value": "v"}]},
            r"\$\[0\]: conversations\[1\]: a system turn, expected one at most, before all others",
        ),
        ({"conversations": [{"from": "human"}]}, r"conversations\[0\]: value: expected text, got nothing"),
        ({"conversations": "human: hi"}, r"\$\[0\]: conversations: expected a list of turns, got text"),
    ],
)
def test_a_record_not_in_llavas_form_is_an_error(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    record = {"id": "a", "conversations": [{"from": "human", "value": "v"}, {"from": "gpt", "value": "v"}], **change}

    with pytest.raises(RawDataError, match=message):
        build("llava_json", raw=write_raw(tmp_path, "llava_json", records=[record]))
