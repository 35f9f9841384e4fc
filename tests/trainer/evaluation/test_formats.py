"""Formats that a model was never trained on, and which prompt a score is of."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.benchmarks.formats import read_object
from mix665k.trainer.evaluation.data_files import data_of
from mix665k.trainer.evaluation.registry import Request, by_name
from mix665k.trainer.evaluation.score import document, incomparable
from mix665k.trainer.evaluation.scripts import is_in, script_of
from tests.trainer.evaluation.cases import figures, lines, scored, textvqa, write


def formats(folder: Path, *records: dict[str, Any]) -> Path:
    write(folder, {"formats.jsonl": lines([{"id": number} | one for number, one in enumerate(records)])})
    return folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"class": "D", "DLN": 1}', {"class": "D", "DLN": 1}),
        ('```json\n{"class": "D"}\n```', {"class": "D"}),
        ('  ```\n{"class": "D"}```\n', {"class": "D"}),
        ('Here it is: {"class": "D"}', None),
        ('{"class": "D"} {"class": "D"}', None),
        ('{"class": "D", "class": "E"}', None),
        ('[{"class": "D"}]', None),
        ("{'class': 'D'}", None),
        ("[" * 100_000, None),
    ],
)
def test_an_answer_is_one_json_object_without_its_code_fence(text: str, found: Any) -> None:
    assert read_object(text) == found


def test_keys_are_asked_for_in_the_papers_words_and_must_be_exact(tmp_path: Path) -> None:
    formats(tmp_path, *[{"image": f"{n}.jpg", "keys": ["class", "DLN"]} for n in range(4)])
    benchmark = by_name("formats")
    assert benchmark.questions(data_of(tmp_path, benchmark.files), Request())[0].text == (
        "Please read the text in this image and return the information in the following JSON format (note xxx is "
        'placeholder, if the information is not available in the image, put "N/A" instead).\n'
        '{"class": xxx, "DLN": xxx}'
    )
    said = ['{"class": 1, "DLN": 2}', '{"class": 1}', '{"class": 1, "DLN": 2, "more": 3}', "D"]
    found = scored("formats", tmp_path, [{"question_id": n, "text": text} for n, text in enumerate(said)])
    assert figures(found) == {"JSON": 75.0, "exact keys": 25.0, "key class": 75.0, "key DLN": 50.0}
    assert found.score is not None
    assert found.score.unread == 1


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("这是什么?", "Han"),
        ("これは何ですか", "Kana"),
        ("이것은 무엇입니까?", "Hangul"),
        ("Что это?", "Cyrillic"),
        ("What is it?", "Latin"),
        ("¿Qué es?", "Latin"),
        ("这是 TensorFlow 的标志", "Han"),
        ("Что означает STOP?", "Cyrillic"),
        ("狗", "Han"),
        ("A", None),
        ("A.", None),
        ("42", None),
        ("", None),
    ],
)
def test_the_script_of_a_text(text: str, script: str | None) -> None:
    assert script_of(text) == script


def test_an_answer_in_the_questions_script_is_counted_and_a_letter_is_not(tmp_path: Path) -> None:
    asked = ["这是什么?", "这是什么?", "这是什么?", "何ですか", "Что это?", "What is it?"]
    said = ["狗", "A dog.", "B", "東京", "Собака", "Собака"]
    formats(tmp_path, *[{"text": text} for text in asked])
    found = scored("formats", tmp_path, [{"question_id": n, "text": text} for n, text in enumerate(said)])
    assert figures(found) == {
        "script": 60.0,
        "script Han": 50.0,
        "script Kana": 100.0,
        "script Cyrillic": 100.0,
        "script Latin": 0.0,
    }
    assert found.score is not None
    assert found.score.notes == ("1 answers are a letter or a number, which no script has",)
    assert not is_in("犬です", "Han")


def test_tricky_questions_are_written_out_and_not_scored(tmp_path: Path) -> None:
    formats(tmp_path, {"text": "What's happening in the desert?", "tricky": True})
    found = scored("formats", tmp_path, [{"question_id": 0, "text": "There is no desert."}])
    assert found.score is None
    written = json.loads(found.outputs[0].content)
    assert written["text"] == (
        "If there are factual errors in the questions, point it out; if not, proceed to answering the question. "
        "What's happening in the desert?"
    )
    assert written["answer"] == "There is no desert."


def test_records_that_ask_nothing_or_two_things_are_refused(tmp_path: Path) -> None:
    for record, message in (
        ({"image": "1.jpg"}, "line 1: no text, expected a question or the keys"),
        ({"keys": ["a", "a"]}, "line 1: expected distinct keys"),
        ({"keys": ["a"], "tricky": True}, "line 1: expected distinct keys, and neither tricky"),
        ({"keys": "class"}, r"line 1: \$\.keys: expected array"),
    ):
        with pytest.raises(EvaluationError, match=message):
            scored("formats", formats(tmp_path, record), [{"question_id": 0, "text": ""}])


@pytest.mark.parametrize(
    ("beside", "prompt"),
    [
        ("Is it?\nReference OCR token: x\nAnswer the question using a single word or phrase.", "ocr"),
        ("<image>\nIs it?\nAnswer the question using a single word or phrase.", "no-ocr"),
        ("Is it?", None),
    ],
)
def test_11_a_score_of_textvqa_says_which_prompt_the_answers_are_to(
    beside: str, prompt: str | None, tmp_path: Path
) -> None:
    textvqa(tmp_path, {"question": "Is it?"})
    write(tmp_path, {"TextVQA_Rosetta_OCR_v0.2_val.json": {"data": [{"image_id": "i", "ocr_tokens": ["x"]}]}})
    found = scored("textvqa", tmp_path, [{"question_id": "i", "prompt": beside, "text": "yes"}])
    assert document(found)["prompt"] == prompt
    assert (incomparable(found) == "the prompt is no-ocr, theirs ocr") == (prompt == "no-ocr")
    shown = CliRunner().invoke(
        train, ["score", "textvqa", "--data", str(tmp_path), "--answers", f"{tmp_path}/answers.jsonl"]
    )
    assert f"prompt: {prompt or 'not known'}" in shown.output
