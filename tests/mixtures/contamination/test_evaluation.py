"""Evaluation sets: which of several fields counts, whose ids are whose, and what is refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.contamination import evaluation
from mix665k.mixtures.contamination.evaluation import named, read_set, sets_to_read
from mix665k.mixtures.contamination.layouts import LAYOUTS, detect_layout
from mix665k.schemas.errors import RawDataError
from tests.mixtures.contamination.contaminated import read, rows


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"image": "a.jpg", "file_name": "b.jpg", "image_id": "c"}, ("own/a.jpg", None)),
        ({"image": "", "file_name": "b.jpg", "image_id": 7}, ("own/b.jpg", None)),
        ({"image": "A" * 1_001, "file_name": "b.jpg"}, ("own/b.jpg", None)),
        ({"image": "A" * 1_000, "file_name": "b.jpg"}, ("own/" + "A" * 1_000, None)),
        ({"image_id": "n7", "question": "Who?", "text": "What?"}, ("vg/n7", "who")),
        ({"question": "", "text": "What?"}, (None, "what")),
        ({"image": "A" * 1_001}, (None, None)),
        ({"image_id": 0, "file_name": "b.jpg"}, ("own/b.jpg", None)),
    ],
)
def test_the_first_field_that_names_an_image_or_a_question_counts(
    tmp_path: Path, record: dict[str, Any], found: tuple[str | None, str | None]
) -> None:
    [row] = rows(read(tmp_path / "set.json", json.dumps([record]), layout="list"))
    assert row[1:] == found


@pytest.mark.parametrize(
    ("about", "identifier"),
    [
        ({"id": "a", "question_id": "q"}, "q"),
        ({"id": "a", "question_id": 0}, "0"),
        ({"id": 0}, "0"),
        ({"id": ""}, ""),
        ({}, "$[0]"),
    ],
)
def test_a_row_is_known_by_its_question_id_then_its_id_then_its_place(
    tmp_path: Path, about: dict[str, Any], identifier: str
) -> None:
    [row] = rows(read(tmp_path / "set.json", json.dumps([{"question": "Who?", **about}])))
    assert row[0] == identifier


def test_of_a_conversation_every_human_turn_is_asked(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>\nWho?"}, {"from": "gpt", "value": "Me"}]
    turns += [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So"}]
    content = [{"id": 7, "image": "", "conversations": turns}, {"id": "8", "image": "vg/1.jpg", "conversations": turns}]
    assert rows(read(tmp_path / "set.json", json.dumps(content))) == [
        ("7#0", None, "who"),
        ("7#1", None, "why"),
        ("8#0", "vg/1", "who"),
        ("8#1", "vg/1", "why"),
    ]


def test_what_else_a_conversation_of_a_set_holds_is_of_no_matter(tmp_path: Path) -> None:
    turns = [{"from": "user", "value": "Who?", "weight": 1}, {"from": "assistant", "value": "Me"}]
    record = {"id": 7, "category": "conv", "conversations": turns, "score": float("nan")}
    assert rows(read(tmp_path / "set.json", json.dumps([record]))) == [("7#0", None, "who")]


def test_a_set_says_its_hash_and_tells_how_much_of_it_is_read(tmp_path: Path) -> None:
    content = json.dumps([{"image": "a.jpg", "question": f"{i}?"} for i in range(50)])
    (tmp_path / "set.json").write_text(content)
    heard: list[int] = []
    [asked] = sets_to_read([f"mine={tmp_path / 'set.json'}"], [], ["vg"])
    found = read_set(asked, progress=heard.append)
    assert (found.name, found.path) == ("mine", tmp_path / "set.json")
    assert found.sha256 == hashlib.sha256(content.encode()).hexdigest()
    assert found.collection is not None
    assert (found.collection.name, found.files, found.files_sha256) == ("vg", 0, None)
    assert 0.9 * len(content) < sum(heard) <= len(content)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_set_is_the_same_however_it_is_batched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    problem = {"question": "Is it?", "choices": [], "image": "i.png"}
    problems = {str(i): problem | {"split": "train" if i % 3 == 0 else "test"} for i in range(7)}
    monkeypatch.setattr(evaluation, "_BATCH", size)
    one = read(tmp_path / "set.json", json.dumps(problems))
    assert one.left_out == 3
    assert [row[:2] for row in rows(one)] == [(i, f"own/test/{i}/i.png") for i in ("1", "2", "4", "5")]


def test_ids_of_wins_over_the_layouts_own_collection(tmp_path: Path) -> None:
    content = json.dumps({"questions": [{"image_id": 42, "question": "Dry?", "question_id": 1}]})
    assert rows(read(tmp_path / "set.json", content)) == [("1", "coco/42", "dry")]
    assert rows(read(tmp_path / "set.json", content, ids_of="vg")) == [("1", "vg/42", "dry")]


def test_a_named_layout_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    asked = [{"question_id": 1, "image": "a.jpg"}]
    with pytest.raises(RawDataError, match=r"\$\[0\]: .*missing required field `?text.*, expected layout pope"):
        read(tmp_path / "set.json", json.dumps(asked), layout="pope")
    with pytest.raises(RawDataError, match="one JSON object, expected the records of layout pope in a list or on l"):
        read(tmp_path / "set.json", json.dumps({"a": {"text": 1}}, indent=1), layout="pope")


@pytest.mark.parametrize(
    ("content", "layout", "at"),
    [
        (b'[{"question_id": 1, "text": "a"}]', "questions", "[]"),
        (b'[{"question_id": 1, "text": "a", "image": "", "label": ""}]', "pope", "[]"),
        (b'{"question_id": 1, "text": "a"}', "questions", "lines"),
        (b' {"image": "a.jpg"}\n{"image": "b.jpg"}\n', "list", "lines"),
        (b'{"a": {"question": "", "choices": [], "split": ""}}', "scienceqa", "{}"),
        (b'\n\n{"image": "a.jpg"}\n{"image": "b.jpg"}\n', "list", "lines"),
        (b'\xef\xbb\xbf{"image": "a.jpg"}\r\n{"image": "b.jpg"}\r\n', "list", "lines"),
        (b'\xef\xbb\xbf\n[{"question_id": 1, "text": "a"}]', "questions", "[]"),
        (b'\xef\xbb\xbf{"a": {"question": "", "choices": [], "split": ""}}', "scienceqa", "{}"),
        (b'[{"question_id": 1, "text": "a", "score": NaN}, {"text": "\\ud83d"}]', "questions", "[]"),
        (b'{"a": {"question": "", "choices": [], "split": "", "score": NaN}}', "scienceqa", "{}"),
        (b"text\tid\nWho\t1\n", "list", "table"),
        (b'"image","x"\r\n"a.jpg",1\r\n', "list", "table"),
        (b"\x80\x02]q\x00.", "refcoco", "pickle"),
        (b"(lp0\n.", "refcoco", "pickle"),
    ],
)
def test_the_beginning_of_a_file_tells_its_layout(tmp_path: Path, content: bytes, layout: str, at: str) -> None:
    (tmp_path / "set").write_bytes(content)
    found = detect_layout(tmp_path / "set")
    assert (found.layout.name, found.at) == (layout, at)
    assert found.separator == ("" if at != "table" else "\t" if b"\t" in content else ",")


@pytest.mark.parametrize("content", ["id,question_id\n1,2\n", '[{"id": 1, "question_id": 2}]', "[1]", '{"a": 1}'])
def test_ids_alone_ask_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "set").write_text(content)
    with pytest.raises(RawDataError, match="of no known layout"):
        detect_layout(tmp_path / "set")


def test_every_layout_can_be_named_and_the_most_general_is_tried_last() -> None:
    assert list(LAYOUTS)[-5:] == ["scienceqa", "pope", "llava", "questions", "list"]
    assert {"vqav2", "gqa", "refcoco", "aokvqa", "textvqa"} <= set(LAYOUTS)
    assert {name: sets_to_read(["x.json"], [name], [])[0].layout for name in LAYOUTS} == LAYOUTS


def test_a_path_that_is_there_is_no_name_and_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.json").touch()
    assert named("a=b.json") == (None, "a=b.json")
    assert named("c=b.json") == ("c", "b.json")
    assert named("c=a=b.json") == ("c", "a=b.json")
    assert named("dir/c=b.json") == (None, "dir/c=b.json")
    assert [one.name for one in sets_to_read(["a=b.json", "x/y.tar.json"], [], [])] == ["a=b", "y.tar"]
