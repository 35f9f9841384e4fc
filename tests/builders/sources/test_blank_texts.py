"""Questions and answers that show nothing, wherever they come in an image's conversation."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import RawDataError
from tests.builders.building import build, write_raw

BLANK = ["", " \n", "\u200b", "\ufeff\u00ad", "\u2800"]
VQA = {"image_id": 1, "multiple_choice_answer": "yes"}
OPTIONS = {"image_id": 1, "choices": ["reed", "tin"], "correct_choice_idx": 1}


def contents(source: str, questions: list[str]) -> dict[str, Any]:
    """Raw files of a source that ask these questions about one image."""
    ids = list(enumerate(questions, start=1))
    if source == "vqav2":
        asked = [{"image_id": 1, "question": text, "question_id": number} for number, text in ids]
        return {
            "questions": {"questions": asked},
            "annotations": {"annotations": [VQA | {"question_id": number} for number, _ in ids]},
        }
    if source == "gqa":
        return {"questions": {str(k): {"imageId": "1", "question": text, "answer": "yes"} for k, text in ids}}
    if source == "aokvqa":
        return {"questions": [OPTIONS | {"question_id": str(number), "question": text} for number, text in ids]}
    if source == "ocrvqa":
        books = {str(k): {"questions": [text], "answers": ["Me"], "split": 1, "imageURL": "x"} for k, text in ids}
        return {"books": books}
    turns = [[{"from": "human", "value": f"<image>\n{text}"}, {"from": "gpt", "value": "a"}] for _, text in ids]
    return {"records": [{"id": str(k), "image": "a.jpg", "conversations": one} for k, one in enumerate(turns)]}


@pytest.mark.parametrize("source", ["vqav2", "gqa", "aokvqa", "ocrvqa", "llava_json", "lcs558k"])
@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize("place", [0, 1])
def test_a_blank_question_is_bad_whether_it_is_the_first_of_an_image_or_not(
    tmp_path: Path, source: str, blank: str, place: int
) -> None:
    questions = ["Is it?", "Was it?"]
    questions[place] = blank
    raw = write_raw(tmp_path, source, **contents(source, questions))
    steps: list[Any] = ["merge_by_image"] if source in ("vqav2", "gqa") else []
    with pytest.raises(RawDataError, match="a blank question, expected text"):
        build(source, raw=raw, steps=steps)
    found = build(source, raw=raw, steps=steps, on_bad_record="drop")
    assert {pair.question.partition("\n")[0] for one in found.conversations for pair in one.pairs} <= {
        questions[1 - place],
        "<image>",
    }
    assert [reason for reason in found.funnel[0].noted if reason.startswith("bad record in ")]


@pytest.mark.parametrize("blank", BLANK)
def test_an_answer_that_shows_nothing_is_an_empty_one(tmp_path: Path, blank: str) -> None:
    raw = {str(k): {"imageId": "1", "question": "Is it?", "answer": text} for k, text in enumerate((blank, "yes"))}
    found = build("gqa", raw=write_raw(tmp_path, "gqa", questions=raw))
    assert [pair.answer for one in found.conversations for pair in one.pairs] == ["Yes"]
    assert found.funnel[0].conversations.changes == {"empty answer": -1}
