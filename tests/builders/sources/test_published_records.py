"""Records of the published file as oracles: they and what we build pass the same check, or are equal."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.builders.building import SHARED, build, row, write_raw
from tests.builders.sources.published_form import FORMS, LETTER, SHORT, deviation, region

PUBLISHED = SHARED / "mix_records"
needs_records = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published records are not at {PUBLISHED}")

STEPS: dict[str, list[Any]] = {
    **{source: ["merge_by_image", {"add_prompt": {"text": SHORT}}] for source in ("vqav2", "gqa", "okvqa", "ocrvqa")},
    "aokvqa": [{"add_prompt": {"text": LETTER}}],
    "refcoco": [{"split": {"max_pairs": 9}}],
}


def _published(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (PUBLISHED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def _whole(name: str) -> list[dict[str, Any]]:
    """The published records that show how a conversation begins."""
    return [r for r in _published(name) if r["conversations"][0]["value"].startswith("<image>\n")]


def _rows(source: str) -> list[dict[str, Any]]:
    return [row(conversation) for conversation in build(source, steps=STEPS.get(source, [])).conversations]


@pytest.mark.parametrize("source", sorted(FORMS))
def test_built_records_have_the_published_form(source: str) -> None:
    rows = _rows(source)

    assert any(len(r["conversations"]) > 2 for r in rows), "no later turn to check"
    assert [deviation(source, r) for r in rows] == [None] * len(rows)


@needs_records
@pytest.mark.parametrize(
    ("source", "name", "number"), [("gqa", "gqa", 1), ("ocrvqa", "ocr_vqa", 4), ("refcoco", "refcoco", 1)]
)
def test_published_records_pass_the_same_check(source: str, name: str, number: int) -> None:
    records = _whole(name)

    assert len(records) == number
    assert [deviation(source, record) for record in records] == [None] * number


@needs_records
def test_published_vg_records_pass_the_same_check() -> None:
    records = _whole("vg")
    [cut] = [record for record in records if "cut before the end of the answer" in record.get("_note", "")]
    cut["conversations"][1]["value"] += "."

    assert [deviation("vg", record) for record in records] == [None] * 4
    assert max(len(record["conversations"]) for record in records) == 2 * 10


@needs_records
def test_published_later_turns_about_regions_pass_the_same_check() -> None:
    later = [r for r in _published("refcoco") if not r["conversations"][0]["value"].startswith("<image>")]

    assert len(later) == 3
    for record in later:
        question, *answer = (turn["value"] for turn in record["conversations"])
        assert region(question, answer[0] if answer else None)


@pytest.mark.parametrize(
    ("source", "turn", "old", "new"),
    [
        ("gqa", 0, "<image>\n", "<image>"),
        ("gqa", 0, f"\n{SHORT}", f" {SHORT}"),
        ("gqa", 1, "Yes", "yes"),
        ("gqa", 1, "Yes", "Yes."),
        ("gqa", 2, "?", f"?\n{SHORT}"),
        ("ocrvqa", 2, "What", "<image>\nWhat"),
        ("aokvqa", 0, "\nA. ", "\nA) "),
        ("aokvqa", 1, "D", "D."),
        ("aokvqa", 2, "\nD. tin", f"\nD. tin\n{LETTER}"),
        ("refcoco", 0, "]", "0]"),
        ("refcoco", 0, "]. ", "]"),
        ("refcoco", 1, "G", "g"),
        ("refcoco", 1, ".", ""),
        ("refcoco", 2, ".", ""),
        ("refcoco", 3, "]", "]."),
        ("refcoco", 3, "0.34]", "1.34]"),
        ("refcoco", 3, "0.34]", "0.01]"),
    ],
)
def test_the_check_sees_a_deviation(source: str, turn: int, old: str, new: str) -> None:
    record = deepcopy(_rows(source)[0])
    value = record["conversations"][turn]["value"]
    record["conversations"][turn]["value"] = value.replace(old, new) if old in value else f"{value}{new}"

    assert deviation(source, record) is not None


@needs_records
def test_published_options_are_ours_rotated_left_by_one(tmp_path: Path) -> None:
    value = _published("aokvqa")[0]["conversations"][0]["value"]
    question, *lines, prompt = value.split("\n")
    shown = [line[len("A. ") :] for line in lines]
    choices = [shown[-1], *shown[:-1]]
    record = {"image_id": 1, "question_id": "q", "question": question, "choices": choices, "correct_choice_idx": 3}

    built = build("aokvqa", raw=write_raw(tmp_path, "aokvqa", questions=[record]), steps=STEPS["aokvqa"])

    assert prompt == LETTER
    assert row(built.conversations[1])["conversations"][0]["value"] == f"<image>\n{value}"
    assert built.conversations[1].pairs[0].answer == "C"


@needs_records
def test_the_published_textcaps_record_is_built_exactly(tmp_path: Path) -> None:
    [published] = _published("textcaps")
    line = published["conversations"][0]["value"].rsplit("\n", 1)[1]
    tokens = line.removeprefix("Reference OCR token: ").split(", ")
    content = json.loads((SHARED / "raw/textcaps/TextCaps_0.1_train.json").read_text(encoding="utf-8"))
    ocr = {"data": [{"image_id": published["id"], "ocr_tokens": tokens, "ocr_info": []}]}

    built = build("textcaps", raw=write_raw(tmp_path, "textcaps", captions=content, ocr=ocr))
    [found] = [row(c) for c in built.conversations if c.id == published["id"]]

    assert len(tokens) == 50
    assert found["conversations"] == published["conversations"]
    assert (found["reference_id"], found["image"]) == (published["id"], published["image"])


@needs_records
def test_published_llava_instruct_records_are_built_exactly() -> None:
    published = {record["id"]: record for record in _published("llava_instruct")}
    built = [row(c) for c in build("llava_instruct", raw=SHARED / "raw").conversations]
    both = [record for record in built if record["reference_id"] in published]

    assert len(both) == 1
    for record in both:
        expected = published[record["reference_id"]]
        assert record["conversations"] == expected["conversations"]
        assert (record["reference_id"], record["image"]) == (expected["id"], expected["image"])


@needs_records
def test_published_llava_instruct_records_pass_unchanged(tmp_path: Path) -> None:
    published = _published("llava_instruct")
    bare = [{**record, "image": Path(record["image"]).name} for record in published]

    built = build("llava_instruct", raw=write_raw(tmp_path, "llava_instruct", records=bare))

    assert [row(c)["conversations"] for c in built.conversations] == [r["conversations"] for r in published]
    assert [c.image for c in built.conversations] == [r["image"] for r in published]
    first = [row(c)["conversations"][0]["value"] for c in built.conversations]
    assert all(value.startswith("<image>\n") or value.endswith("\n<image>") for value in first)


@needs_records
def test_the_published_sharegpt_id_is_a_string_like_ours() -> None:
    [published] = _published("sharegpt")

    assert published["id"] == "wgByO4Y_0"
    assert all(len(c.id) == len(published["id"]) for c in build("sharegpt").conversations)
