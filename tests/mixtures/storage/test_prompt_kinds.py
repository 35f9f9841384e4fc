"""The prompt form of a first question, and the source that form and image folder tell."""

from typing import Any

import polars as pl
import pytest

from mix665k.mixtures.storage.parquet import from_dicts
from mix665k.mixtures.storage.prompt_kinds import FORMS, SOURCES, prompt_form, told_source, told_sources

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
CAPTION = "Provide a one-sentence caption for the provided image."
DESCRIBE = "Please provide a short description for this region: [0.1, 0.2, 0.3, 0.4]."
LOCATE = "Please provide the bounding box coordinate of the region this sentence describes: a cat."


@pytest.mark.parametrize(
    ("question", "form"),
    [
        ("<image>\nWhat is it?", "none"),
        (f"<image>\nWhat is it?\n{SHORT}", "short answer"),
        (f"What is it?\n{SHORT}\n<image>", "short answer"),
        (f"What is it? {SHORT}", "none"),
        (f"{SHORT}\nWhat is it?", "none"),
        (f"<image>\nWhich?\nA. a\nB. b\n{LETTER}", "option letter"),
        (f"<image>\n{CAPTION}", "caption"),
        (f"<image>\n{CAPTION}\nReference OCR token: STOP", "caption, OCR line"),
        (f"<image>\n{CAPTION}\nReference OCR token: A\nB", "caption, OCR line"),
        (f"<image>\n{DESCRIBE}", "describe region"),
        (f"<image>\n{LOCATE}", "locate region"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_the_last_line_tells_the_form(question: str | None, form: str) -> None:
    frame = pl.DataFrame({"question": pl.Series([question], dtype=pl.String)})
    assert frame.select(prompt_form(pl.col("question"))).item() == form


@pytest.mark.parametrize(
    ("image", "form", "source"),
    [
        (None, "none", "sharegpt"),
        (None, "short answer", "sharegpt"),
        ("coco/train2017/1.jpg", "none", "llava_instruct"),
        ("coco/train2017/1.jpg", "short answer", "coco, short answer"),
        ("coco/train2017/1.jpg", "option letter", "aokvqa"),
        ("coco/train2017/1.jpg", "describe region", "refcoco"),
        ("coco/train2017/1.jpg", "locate region", "refcoco"),
        ("coco/train2017/1.jpg", "caption", "coco, caption"),
        ("gqa/images/1.jpg", "short answer", "gqa"),
        ("ocr_vqa/images/1.jpg", "short answer", "ocrvqa"),
        ("textvqa/train_images/1.jpg", "caption, OCR line", "textcaps"),
        ("vg/VG_100K/1.jpg", "locate region", "vg"),
        ("mine/1.jpg", "none", "other images"),
        ("1.jpg", "none", "other images"),
        ("cocoa/1.jpg", "none", "other images"),
    ],
)
def test_folder_and_form_tell_the_source(image: str | None, form: str, source: str) -> None:
    frame = pl.DataFrame(
        {"image": pl.Series([image], dtype=pl.String), "form": pl.Series([form], dtype=pl.Enum(FORMS))}
    )
    assert frame.select(told_source(pl.col("image"), pl.col("form"))).item() == source
    assert source in [*SOURCES, "coco, short answer"]


def test_rows_are_told_one_by_one_also_without_a_turn() -> None:
    about: dict[str, Any] = {"id": "file/1", "source": "file", "origins": [], "steps": [], "reference_id": "1"}
    asked = [{"from": "human", "value": f"<image>\nq\n{SHORT}"}, {"from": "gpt", "value": "a"}]
    rows = [
        about | {"image": "gqa/1.jpg", "conversations": asked},
        about | {"image": "coco/1.jpg", "conversations": asked},
    ]
    rows += [about | {"image": "coco/1.jpg", "conversations": []}, about | {"image": None, "conversations": []}]
    told = told_sources(from_dicts(rows))
    assert told.to_list() == ["gqa", "okvqa", "llava_instruct", "sharegpt"]
    assert told_sources(from_dicts([])).to_list() == []


def test_each_name_is_given_once() -> None:
    assert len(SOURCES) == len(set(SOURCES))
    assert SOURCES[-1] == "other images"


@pytest.mark.parametrize(("pairs", "source"), [(1, "okvqa"), (2, "okvqa"), (3, "vqav2"), (275, "vqav2")])
def test_vqav2_and_okvqa_are_told_apart_by_their_pairs(pairs: int, source: str) -> None:
    turns = [{"from": "human", "value": f"<image>\nq\n{SHORT}"}, {"from": "gpt", "value": "a"}] * pairs
    about: dict[str, Any] = {"id": "file/1", "source": "file", "origins": [], "steps": [], "reference_id": "1"}
    assert told_sources(from_dicts([about | {"image": "coco/1.jpg", "conversations": turns}])).to_list() == [source]
