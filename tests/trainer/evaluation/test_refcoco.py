"""RefCOCO's boxes are asked for and read as the mixture writes them."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.boxes import Box, Size, box_text, fractions
from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.benchmarks.refcoco import iou
from mix665k.trainer.evaluation.data_files import data_of
from mix665k.trainer.evaluation.registry import Request, by_name
from mix665k.trainer.evaluation.score import score_answers
from tests.builders.building import SHARED
from tests.trainer.evaluation.cases import figures, lines, scored, write


def refcoco(folder: Path, *sentences: str, split: str = "val", name: str = "refcoco", **annotation: Any) -> Path:
    """One object in the middle of a picture 100 pixels wide and 200 high, with these sentences."""
    box = {"id": 7, "image_id": 5, "bbox": [25, 50, 50, 100]} | annotation
    image = {"id": 5, "width": 100, "height": 200}
    said = [{"sent_id": number, "sent": text, "tokens": []} for number, text in enumerate(sentences)]
    ref = {"ref_id": 1, "ann_id": 7, "image_id": 5, "split": split, "sentences": said}
    file = "refs(umd).p" if name == "refcocog" else "refs(unc).p"
    write(folder, {f"refcoco/{name}/instances.json": {"annotations": [box], "images": [image]}})
    (folder / "refcoco" / name / file).write_bytes(pickle.dumps([ref, ref | {"ref_id": 2, "split": "train"}], 0))
    return folder


def score_of(text: str, folder: Path, **options: Any) -> float:
    answers = [{"question_id": "refcoco/0", "text": text}]
    return figures(scored("refcoco", folder, answers, split="refcoco/val", **options))["accuracy refcoco/val"]


@pytest.mark.parametrize(
    ("text", "square", "plain"),
    [
        ("[0.38, 0.25, 0.62, 0.75]", 100, 0),  # of the picture padded to a square of 200 pixels
        ("[0.25, 0.25, 0.75, 0.75]", 100, 100),  # half of it is the box: just enough
        ("[0.24, 0.25, 0.75, 0.75]", 0, 100),
        ("The box is [0.38,0.25, 0.62 ,.75].", 100, 0),
        ("[0.62, 0.75, 0.38, 0.25]", 0, 0),
        ("0.38, 0.25, 0.62, 0.75", 0, 0),
        ("[0.38, 0.25, 0.62]", 0, 0),
    ],
)
def test_a_box_is_right_from_half_of_the_union_on(text: str, square: float, plain: float, tmp_path: Path) -> None:
    folder = refcoco(tmp_path, "lady")
    assert (score_of(text, folder), score_of(text, folder, rule="plain")) == (square, plain)


def test_the_share_of_two_boxes() -> None:
    assert iou((0, 0, 2, 1), (1, 0, 3, 1)) == pytest.approx(1 / 3)
    assert iou((0, 0, 1, 1), (1, 0, 2, 1)) == 0
    assert iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_a_question_is_the_mixtures_and_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    refcoco(tmp_path, " the  lady in blue", "who?")
    benchmark = by_name("refcoco")
    asked = benchmark.questions(data_of(tmp_path, benchmark.files), Request(split="refcoco/val"))
    prompt = "Please provide the bounding box coordinate of the region this sentence describes: "
    assert [(one.text, one.image) for one in asked] == [
        (f"{prompt}the lady in blue.", "train2017/000000000005.jpg"),
        (f"{prompt}who?", "train2017/000000000005.jpg"),
    ]
    found = scored("refcoco", tmp_path, [{"question_id": n, "text": "left"} for n in (0, 1)], split="refcoco/val")
    assert found.score is not None
    assert found.score.unread == 2


def test_all_splits_of_all_three_are_asked_and_a_missing_one_is_named(tmp_path: Path) -> None:
    for name, split in (("refcoco", "testA"), ("refcoco+", "testB"), ("refcocog", "test")):
        refcoco(tmp_path, "lady", name=name, split=split)
    answers = [
        {"question_id": f"{name}/0", "text": "[0.4, 0.3, 0.6, 0.7]"} for name in ("refcoco", "refcoco+", "refcocog")
    ]
    names = ["refcoco/testA", "refcoco+/testB", "refcocog/test"]
    assert [one for one in figures(scored("refcoco", tmp_path, answers)) if "accuracy" in one] == [
        f"accuracy {name}" for name in names
    ]
    assert figures(scored("refcoco", tmp_path / "refcoco", answers)) != {}
    (tmp_path / "refcoco/refcocog/refs(umd).p").unlink()
    with pytest.raises(EvaluationError, match=r"refcocog/refs\(umd\)\.p: no such file; get it from https"):
        scored("refcoco", tmp_path, answers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"cos\nsystem\n(S'true'\ntR.",
            r"refs\(unc\)\.p: not a pickle of plain data \(the pickle asks for os\.system\)",
        ),
        (b"nonsense", r"refs\(unc\)\.p: not a pickle of plain data"),
        (pickle.dumps([{"ref_id": 1}], 2), r"refs\(unc\)\.p: \$\[0\]: object missing required field ann_id"),
        (pickle.dumps({}, 2), r"refs\(unc\)\.p: .*[Ee]xpected `?array"),
    ],
)
def test_a_damaged_pickle_is_one_line_and_runs_nothing(content: bytes, message: str, tmp_path: Path) -> None:
    refcoco(tmp_path, "lady")
    (tmp_path / "refcoco/refcoco/refs(unc).p").write_bytes(content)
    with pytest.raises(EvaluationError, match=message):
        score_of("[0, 0, 1, 1]", tmp_path)


def test_a_box_of_another_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="ref_id 1: ann_id 7 of image_id 5 is not in instances"):
        score_of("[0, 0, 1, 1]", refcoco(tmp_path, "lady", image_id=6))


@pytest.mark.skipif(not (SHARED / "raw/refcoco").is_dir(), reason="the shared raw data is not there")
def test_the_boxes_that_the_mixture_would_hold_are_right(tmp_path: Path) -> None:
    benchmark, request = by_name("refcoco"), Request(split="refcoco/testA")
    asked = benchmark.questions(data_of(SHARED / "raw", benchmark.files), request)
    answers = [
        {"question_id": one.keys[0][1], "text": box_text(fractions(one.record.box, one.record.size, "square"))}
        for one in asked
    ]
    write(tmp_path, {"a.jsonl": lines(answers)})
    found = figures(score_answers(benchmark, data=SHARED / "raw", answers=[tmp_path / "a.jsonl"], request=request))
    assert (len(asked), found["accuracy refcoco/testA"]) == (50, 100.0)
    assert asked[0].record == ("refcoco/testA", Box(*asked[0].record.box), Size(*asked[0].record.size))
