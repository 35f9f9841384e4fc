"""COCO's image names, and the join of VQA's questions with their annotations."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.coco import TRAIN2017, annotated_questions, coco_id, coco_question
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.raw import OnBadRecord, RawFiles
from mix665k.builders.registry import SOURCES
from mix665k.schemas.conversation import Pair
from mix665k.schemas.errors import RawDataError
from tests.builders.building import write_raw


@pytest.mark.parametrize(("image_id", "name"), [(9, "000000000009"), (581857, "000000581857")])
def test_an_image_is_called_by_twelve_digits(image_id: int, name: str) -> None:
    assert coco_id(image_id) == name
    assert TRAIN2017.path(name) == f"coco/train2017/{name}.jpg"


def test_a_question_is_one_conversation_of_several_about_its_image() -> None:
    made = coco_question(9, Pair("Q?", "A", "9000"))
    assert (made.id, made.image, made.several) == ("000000000009", "coco/train2017/000000000009.jpg", True)
    assert made.pairs == [Pair("Q?", "A", "9000")]


def joined(
    folder: Path, questions: list[dict[str, Any]], annotations: list[dict[str, Any]], *, on_bad: OnBadRecord = "fail"
) -> tuple[list[tuple[str, str]], StepFunnel]:
    """(id, answer) of the questions that have an annotation, and what was counted."""
    write_raw(folder, "vqav2", questions={"questions": questions}, annotations={"annotations": annotations})
    about = SOURCES["vqav2"].about
    paths = {file.role: (folder / file.path,) for file in about.files}
    funnel = StepFunnel("read")
    raw = RawFiles(about, paths, funnel=funnel, on_bad_record=on_bad, progress=lambda _: None)
    found: Any = raw.asking(annotated_questions(raw))  # type: ignore[arg-type]
    return [(key, annotation.multiple_choice_answer) for key, _, annotation in found], funnel


def asked(number: int, *, image: int = 1) -> dict[str, Any]:
    return {"image_id": image, "question": f"Q{number}?", "question_id": number}


def answered(number: int, *, image: int = 1) -> dict[str, Any]:
    return {"image_id": image, "question_id": number, "multiple_choice_answer": f"a{number}"}


def test_questions_keep_their_order_whatever_that_of_the_annotations(tmp_path: Path) -> None:
    found, _ = joined(tmp_path, [asked(2), asked(1), asked(3)], [answered(3), answered(1), answered(2)])
    assert found == [("2", "a2"), ("1", "a1"), ("3", "a3")]


@pytest.mark.parametrize("annotations", [[answered(1)], [answered(1), answered(2, image=7)]])
def test_a_question_without_an_annotation_of_its_image_is_bad(
    tmp_path: Path, annotations: list[dict[str, Any]]
) -> None:
    with pytest.raises(RawDataError, match=r"expected one of image 1 \(id '2'\)"):
        joined(tmp_path, [asked(1), asked(2)], annotations)
    found, funnel = joined(tmp_path, [asked(1), asked(2)], annotations, on_bad="drop")
    assert found == [("1", "a1")]
    assert funnel.summary().conversations.entered == 2


def test_annotations_of_no_question_are_noted_one_by_one(tmp_path: Path) -> None:
    _, funnel = joined(tmp_path, [asked(1)], [answered(1), answered(5), answered(6)])
    assert funnel.summary().noted == {"annotation without a question": 2}
    assert funnel.summary().examples == {"annotation without a question": ["5", "6"]}
