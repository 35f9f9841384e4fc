"""Reading evaluation sets in the layouts they are published in."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.contamination.evaluation import SetToRead, read_set, sets_to_read
from mix665k.schemas.errors import MixtureError, RawDataError
from tests.mixtures.contamination.contaminated import LETTER, read, rows
from tests.mixtures.small import SHORT, record

VQA = {"image_id": 42, "question": "Is it dry?", "question_id": 42001}
TEXTVQA = {"question": "what is the brand?", "image_id": "003a8ae2ef43b901", "question_id": 34602, "set_name": "val"}
POPE = {"question_id": 1, "image": "COCO_val2014_000000310196.jpg", "text": "Is there a hat?", "label": "yes"}
PROBLEM = {"question": "Which is it?", "choices": ["a", "b"], "answer": 0, "hint": "", "image": "image.png"}
AOKVQA = {"split": "val", "image_id": 42, "question_id": "22jb", "question": "What is it?", "choices": ["dog", "cat"]}
REF = {
    "ref_id": 3,
    "ann_id": 5,
    "image_id": 42,
    "split": "testA",
    "sentences": [{"sent_id": 7, "sent": "red", "raw": "Red"}],
}
GQA = {
    "201": {"imageId": "n54424", "question": "Is it dry?", "answer": "yes"},
    "07": {"imageId": "9", "question": "Who?"},
}


@pytest.mark.parametrize(
    ("layout", "content", "found"),
    [
        ("vqav2", {"info": {}, "questions": [VQA]}, [("42001", "coco/42", "is it dry")]),
        ("textvqa", {"data": [TEXTVQA]}, [("34602", "openimages/003a8ae2ef43b901", "what is the brand")]),
        ("gqa", GQA, [("201", "vg/n54424", "is it dry"), ("07", "vg/9", "who")]),
        ("aokvqa", [AOKVQA], [("22jb", "coco/42", "what is it")]),
        ("scienceqa", {"4": PROBLEM | {"split": "test"}}, [("4", "own/test/4/image.png", "which is it")]),
        ("scienceqa", {"4": PROBLEM | {"split": "test", "image": None}}, [("4", None, "which is it")]),
        (
            "llava",
            [record(7, "9/image.png", f"<image>\nWhy?\nA. x\nB. y\n{LETTER}", "A")],
            [("7#0", "own/9/image.png", "why")],
        ),
        ("list", [{"image": "VizWiz_val_1.jpg", "question": "Hm?"}], [("$[0]", "own/VizWiz_val_1.jpg", "hm")]),
    ],
)
def test_a_json_file_tells_its_layout(tmp_path: Path, layout: str, content: Any, found: list[Any]) -> None:
    one = read(tmp_path / "set.json", json.dumps(content))
    assert (one.layout, rows(one), one.left_out) == (layout, found, 0)


@pytest.mark.parametrize(
    ("layout", "content", "found"),
    [
        ("pope", [POPE, POPE | {"question_id": 2}], [(key, "coco/310196", "is there a hat") for key in "12"]),
        ("pope", [POPE], [("1", "coco/310196", "is there a hat")]),
        (
            "questions",
            [{"question_id": "q", "image": "n12.jpg", "text": f"Why?\nReference OCR token: A, B\n{SHORT}"}],
            [("q", "vg/n12", "why")],
        ),
        (
            "list",
            [{"file_name": "a/ü.jpg"}, {"id": 3, "question": "Was?"}],
            [("line 1", "own/a/ü.jpg", None), ("3", None, "was")],
        ),
    ],
)
def test_json_lines_tell_their_layout(tmp_path: Path, layout: str, content: list[Any], found: list[Any]) -> None:
    one = read(tmp_path / "set.json", "\n\n".join(map(json.dumps, content)) + "\n")
    assert one.layout == layout
    assert [row[1:] for row in rows(one)] == [row[1:] for row in found]
    assert rows(one)[0][0] == found[0][0]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("image,question\nCOCO_val2014_000000000042.jpg,Dry?\n", [("row 1", "coco/42", "dry")]),
        ('\ufeff"id","question"\r\n"a","Wie heißt\nsie?"\r\n', [("a", None, "wie heisst sie")]),
        ("index\tquestion\timage\n3\tWhy?\t" + "iVBO" * 500 + "\n", [("row 1", None, "why")]),
        ("image\n000000000042.jpg\n\n", [("row 1", "coco/42", None)]),
    ],
)
def test_a_table_is_a_list(tmp_path: Path, content: str, found: list[Any]) -> None:
    one = read(tmp_path / "set.csv", content)
    assert (one.layout, rows(one)[:1]) == ("list", found)


def test_a_pickle_is_refcocos_and_its_training_split_left_out(tmp_path: Path) -> None:
    path = tmp_path / "refs(unc).p"
    path.write_bytes(pickle.dumps([REF, REF | {"ref_id": 4, "split": "train"}], protocol=2))

    one = read_set(SetToRead("refcoco", path), progress=lambda num_bytes: None)
    assert (one.layout, rows(one), one.left_out) == ("refcoco", [("7", "coco/42", "red")], 1)


def test_scienceqas_training_split_is_left_out(tmp_path: Path) -> None:
    problems = {"1": PROBLEM | {"split": "train"}, "2": PROBLEM | {"split": "test"}}
    one = read(tmp_path / "problems.json", json.dumps(problems, indent=4))
    assert (one.left_out, [row[0] for row in rows(one)]) == (1, ["2"])


def test_a_named_layout_is_taken(tmp_path: Path) -> None:
    one = read(tmp_path / "set.json", json.dumps(POPE), layout="list")
    assert (one.layout, rows(one)) == ("list", [("1", "coco/310196", "is there a hat")])


def test_bare_numbers_belong_to_the_collection_that_is_named(tmp_path: Path) -> None:
    content = "image_id,question\n42,Dry?\n"
    assert rows(read(tmp_path / "set.csv", content, ids_of="vg")) == [("row 1", "vg/42", "dry")]
    assert rows(read(tmp_path / "set.csv", content, ids_of="own")) == [("row 1", "own/42", "dry")]
    with pytest.raises(RawDataError, match=r"image ids are bare numbers such as '42', .* pass --ids-of coco"):
        read(tmp_path / "set.csv", content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ("[]", r"of no known layout \(no record in it\), expected one of aokvqa, .*vqav2, .*; name it with --layout"),
        ('{"data": [{"caption": 1}]}', r"of no known layout \(its first record has caption\)"),
        ("foo,bar\n1,2\n", "no table whose header has image"),
        ("PK\x03\x04", "of no known layout"),
        (json.dumps({"questions": [VQA, VQA]}), r"\$.questions\[1\]: this question_id occurs twice, expected once"),
        (json.dumps({"questions": [VQA]})[:-9], "not a complete JSON file"),
        (json.dumps(GQA)[:-1] + ', "201": {"imageId": "1", "question": ""}}', "this question id occurs twice"),
        (f"{json.dumps(POPE)}\n{json.dumps(POPE)[:30]}", "line 2: input data was truncated, expected layout pope"),
        (json.dumps([{"image": "a.jpg"}, {"label": 1}]), r"\$\[1\]: neither an image nor a question"),
        ("image,question\na.jpg,Who\nb.jpg,Who,What\n", "not a complete table"),
        (json.dumps({"1": PROBLEM | {"split": "train"}}), "nothing to compare with; 1 records of the split train"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(RawDataError, match=message) as raised:
        read(tmp_path / "set", content)
    assert "\n" not in str(raised.value)


def test_a_pickle_that_asks_for_code_is_refused(tmp_path: Path) -> None:

    (tmp_path / "refs.p").write_bytes(pickle.dumps([print], protocol=2))
    with pytest.raises(RawDataError, match="the pickle asks for"):
        read_set(SetToRead("refs", tmp_path / "refs.p"), progress=lambda num_bytes: None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((["a/x.json", "b/x.json"], [], []), "two sets are called 'x'; name one with --eval-set NAME=FILE"),
        ((["x.json"], ["popee"], []), "--layout popee: expected one of .*; did you mean 'pope'"),
        ((["x.json"], ["y=pope"], []), "--layout y=pope: no evaluation set of this name"),
        ((["x.json"], [], ["coko"]), "--ids-of coko: expected one of .*; did you mean 'coco'"),
    ],
)
def test_options_that_fit_no_set_are_refused(given: tuple[list[str], list[str], list[str]], message: str) -> None:

    with pytest.raises(MixtureError, match=message):
        sets_to_read(*given)


def test_a_value_with_a_name_goes_before_one_for_all() -> None:

    found = sets_to_read(["one=a.csv", "b.csv"], [], ["one=vg", "coco"])
    named = [(one.name, str(one.path), one.ids_of and one.ids_of.name) for one in found]
    assert named == [("one", "a.csv", "vg"), ("b", "b.csv", "coco")]
