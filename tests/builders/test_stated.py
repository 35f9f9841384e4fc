"""What a raw file says it is, its data set, version and split, is checked; and the split is known afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.registry import SOURCES
from mix665k.builders.stated import split_in_name
from mix665k.mixtures.catalogue import inspect_file
from mix665k.schemas.errors import RawDataError
from tests.builders.building import FIXTURES, SHARED, build, splits_of, write_raw
from tests.builders.sources.test_source_errors import fixture_of


@pytest.mark.parametrize(
    ("source", "role", "says", "message"),
    [
        ("vqav2", "annotations", {"data_type": "abstract_v002"}, "says data_type abstract_v002, expected mscoco; is"),
        ("vqav2", "questions", {"task_type": "Multiple-Choice"}, "says task_type Multiple-Choice, expected Open-Ended"),
        (
            "vqav2",
            "questions",
            {"info": {"description": "This is v1.0 of the VQA dataset."}},
            r"says info\.description This is v1\.0 of the VQA dataset\., expected This is v2\.0 of the VQA dataset\.",
        ),
        ("okvqa", "questions", {"info": {"description": "This is v2.0 of the VQA dataset."}}, "expected This is v1.0"),
        ("okvqa", "annotations", {"data_type": "abstract_v002"}, "expected mscoco"),
        ("textcaps", "captions", {"dataset_name": "textvqa"}, "says dataset_name textvqa, expected textcaps"),
        ("textcaps", "ocr", {"dataset_version": 0.1}, r"says dataset_version 0\.1, expected 0\.2"),
        (
            "refcoco",
            "refcoco+/annotations",
            {"info": {"description": "COCO 2017 Dataset"}},
            "COCO 2017 Dataset, expected the 2014 MS COCO dataset",
        ),
        ("vqav2", "questions", {"data_subtype": "val2014"}, "data_subtype val2014, the file's name says train2014"),
        ("textcaps", "ocr", {"dataset_type": "val"}, "says dataset_type val, the file's name says train"),
    ],
)  # fmt: skip
def test_a_file_that_says_it_is_another_is_refused(
    tmp_path: Path, source: str, role: str, says: dict[str, Any], message: str
) -> None:
    contents = _json_of(source, tmp_path)
    raw = write_raw(tmp_path, source, **{role: contents[role] | says})
    file = SOURCES[source].about.file(role)

    for on_bad_record in ("fail", "drop"):
        with pytest.raises(RawDataError, match=message):
            build(source, raw=raw, on_bad_record=on_bad_record)
    found = inspect_file(file, (raw / file.path,))
    assert found is not None
    assert not found.usable


def test_an_odd_file_is_asked_too(tmp_path: Path) -> None:
    content = b'{"data": [{"image_id": "a", "caption_id": 1, "caption_str": "x", "n": NaN}], "dataset_type": "test"}'
    raw = write_raw(tmp_path, "textcaps", captions=content, ocr={"data": []})

    with pytest.raises(RawDataError, match="says dataset_type test, the file's name says train"):
        build("textcaps", raw=raw)


@pytest.mark.parametrize("says", [{"data_type": ["mscoco"]}, {"info": "none"}, {"info": {"description": "my own"}}])
def test_what_says_nothing_is_no_fault(tmp_path: Path, says: dict[str, Any]) -> None:
    contents = _json_of("vqav2", tmp_path)

    assert build("vqav2", raw=write_raw(tmp_path, "vqav2", questions=contents["questions"] | says)).conversations


def test_files_of_two_splits_are_never_mixed(tmp_path: Path) -> None:
    contents = _json_of("textcaps", tmp_path)
    (tmp_path / "own.json").write_text(json.dumps(contents["captions"] | {"dataset_type": "val"}))
    ocr = tmp_path / "TextVQA_Rosetta_OCR_v0.2_train.json"
    for content in (contents["ocr"], {"data": contents["ocr"]["data"]}):  # it says so, or its name does
        ocr.write_text(json.dumps(content))

        with pytest.raises(
            RawDataError, match=r"train\.json (says|is) .*, .*own\.json says dataset_type val, expected"
        ):
            build("textcaps", raw=tmp_path, files={"captions": "own.json", "ocr": ocr.name})


def test_parts_of_two_splits_are_never_mixed(tmp_path: Path) -> None:
    questions = fixture_of("gqa", tmp_path)["questions"]
    for number, split in enumerate(("train", "val")):
        content = {f"{key}{number}": value for key, value in questions.items()}
        (tmp_path / f"{split}_all_questions_0.json").write_text(json.dumps(content))

    with pytest.raises(RawDataError, match=r"train_all_\S+ is train_all by its name, .* is val_all by its name, expec"):
        build("gqa", raw=tmp_path, files={"questions": "*_all_questions_0.json"})


@pytest.mark.parametrize("says", [{"data_subtype": "val2014"}, {}])
def test_another_split_can_be_built_by_naming_its_files(tmp_path: Path, says: dict[str, str]) -> None:
    contents = _json_of("vqav2", tmp_path)
    files = {"questions": "v2_OpenEnded_mscoco_val2014_questions.json", "annotations": "annotations_of_val.json"}
    for role, name in files.items():
        content = {key: value for key, value in contents[role].items() if key != "data_subtype"} | says
        (tmp_path / name).write_text(json.dumps(content))

    assert splits_of("vqav2", raw=tmp_path, files=files) == ["val2014"]


def test_records_that_say_another_split_than_their_file_are_refused(tmp_path: Path) -> None:
    questions = fixture_of("aokvqa", tmp_path)["questions"]
    questions[1]["split"] = "val"
    raw = write_raw(tmp_path, "aokvqa", questions=questions)
    (tmp_path / "both.json").write_text(json.dumps(questions))
    both = {"questions": "both.json"}

    with pytest.raises(RawDataError, match=r"\$\[1\]: says split val, the file's name says train"):
        build("aokvqa", raw=raw)
    with pytest.raises(RawDataError, match=r"both\.json: \$\[1\] says split val, those before train, expected one"):
        build("aokvqa", raw=tmp_path, files=both)
    chosen = build("aokvqa", raw=tmp_path, files=both, params={"splits": ["val"]})
    assert {pair[2] for pair in chosen.pairs} == {questions[1]["question_id"]}
    assert splits_of("aokvqa", raw=tmp_path, files=both, params={"splits": ["val", "train"]}) == ["train", "val"]


@pytest.mark.parametrize(
    ("source", "params", "splits"),
    [
        ("ocrvqa", {}, ["1"]),
        ("refcoco", {}, ["train"]),
        ("refcoco", {"splits": ["val", "train", "testC"]}, ["train", "val"]),
        ("gqa", {}, ["train_balanced"]),
        ("vg", {}, []),
    ],
)
def test_the_splits_that_were_taken_are_known(source: str, params: dict[str, Any], splits: list[str]) -> None:
    assert splits_of(source, params=params) == splits


def test_a_split_code_of_ocrvqa_that_does_not_exist_is_a_bad_record(tmp_path: Path) -> None:
    books = fixture_of("ocrvqa", tmp_path)["books"]
    next(iter(books.values()))["split"] = 4

    with pytest.raises(RawDataError, match=r"\.split: expected int <= 3"):
        build("ocrvqa", raw=write_raw(tmp_path, "ocrvqa", books=books))


@pytest.mark.parametrize(
    ("source", "name", "split"),
    [
        ("gqa", "testdev_balanced_questions.json", "testdev_balanced"),
        ("gqa", "train_all_questions_3.json", "train_all"),
        ("vqav2", "v2_OpenEnded_mscoco_test-dev2015_questions.json", "test-dev2015"),
        ("aokvqa", "aokvqa_v1p0_val.json", "val"),
        ("aokvqa", "val.json", None),
        ("ocrvqa", "dataset.json", None),
    ],
)
def test_the_name_of_a_published_file_says_its_split(source: str, name: str, split: str | None) -> None:
    assert split_in_name(SOURCES[source].about.files[0], Path(name)) == split


@pytest.mark.skipif(not SHARED.is_dir(), reason="the excerpts of real raw files are not here")
def test_real_files_say_what_they_are() -> None:
    for source in ("vqav2", "okvqa", "textcaps", "ocrvqa"):
        assert splits_of(source, raw=SHARED / "raw") == {"textcaps": ["train"], "ocrvqa": ["1"]}.get(
            source, ["train2014"]
        )
    with pytest.raises(RawDataError, match="says data_type abstract_v002, expected mscoco"):
        build("vqav2", raw=SHARED / "bugs/r1_wrong_data_set_accepted/vqa_abstract")


def _json_of(source: str, folder: Path) -> dict[str, Any]:
    """The contents of a source's fixture that are JSON, its files in the folder."""
    if source != "refcoco":
        return fixture_of(source, folder)
    for file in SOURCES[source].about.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((FIXTURES / file.path).read_bytes())
    role = "refcoco+/annotations"
    return {role: json.loads((folder / SOURCES[source].about.file(role).path).read_text())}
