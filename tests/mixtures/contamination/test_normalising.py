"""Equal questions and equal images are equal, however they are written."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.mixtures.contamination.questions import asked, bare, normalised
from mix665k.mixtures.image_keys import Aliases, image_key
from mix665k.schemas.errors import RawDataError
from tests.mixtures.contamination.contaminated import DESCRIBE, LETTER, LOCATE
from tests.mixtures.small import SHORT

CAPTION = "Provide a one-sentence caption for the provided image."


def folded(*texts: str) -> list[str | None]:
    return normalised(bare(pl.Series(texts, dtype=pl.String), ["My prompt (v1)."])).to_list()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Is it   dry ?", "is it dry"),
        ("<image>\nWho is it?\nAnswer the question using a single word or phrase.", "who is it"),
        ("What?\n<image>", "what"),
        (f"What is it?\nA. a dog\nB. a cat\nC. I. Newton\n{LETTER}", "what is it"),
        ("What is it?\nA. a dog\nB. a cat", "what is it"),
        ("A. Smith is who?", "a smith is who"),
        (f"{CAPTION}\nReference OCR token: A, B", None),
        (f"what brand?\nReference OCR token: A, B\n{SHORT}", "what brand"),
        (f"Hm?\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n{SHORT}", "hm"),
        (f"<image>\n{LOCATE}Red hat.", "red hat"),
        ("Why?\nMy prompt (v1).", "why"),
        ("STRASSE", "strasse"),
        ("Straße, STRAẞE", "strasse strasse"),
        ("ΟΔΟΣ οδος", "οδοσ οδοσ"),
        ("ﬁne Ⅳ ½", "fine iv 1 2"),
        ("cafe\u0301", "café"),
        ("这是什么\uff1f", "这是什么"),
        ("?!", None),
        ("", None),
    ],
)
def test_what_is_asked_is_left(text: str, words: str | None) -> None:
    assert folded(text) == [words]


def test_of_a_region_the_sentence_is_compared_on_whichever_side_it_stands() -> None:
    questions, answers = pl.Series([DESCRIBE, f"{LOCATE}Red hat.", "Who?"]), pl.Series(["Red hat.", "[0.1]", "Me"])
    assert asked(questions, answers).to_list() == ["red hat", "red hat", "who"]


@given(st.lists(st.text(max_size=30), max_size=5))
def test_normalising_again_changes_nothing(texts: list[str]) -> None:
    once = normalised(pl.Series(texts, dtype=pl.String))
    assert normalised(once).to_list() == once.to_list()


@given(st.text(max_size=20), st.sampled_from(["?", " !", "\n", "…", "\u00a0"]))
def test_punctuation_and_spaces_behind_a_question_do_not_matter(text: str, end: str) -> None:
    assert normalised(pl.Series([text + end])).to_list() == normalised(pl.Series([text], dtype=pl.String)).to_list()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("COCO_val2014_000000310196.jpg", "coco/310196"),
        ("val2014/COCO_test2015_000000000001.jpg", "coco/1"),
        ("coco/train2017/000000310196.jpg", "coco/310196"),
        ("existence/000000006040.jpg", "coco/6040"),
        ("gqa/images/2327515.jpg", "vg/2327515"),
        ("vg/VG_100K_2/2327515.jpg", "vg/2327515"),
        ("n161313.jpg", "vg/n161313"),
        ("textvqa/train_images/003a8ae2ef43b901.jpg", "openimages/003a8ae2ef43b901"),
        ("003a8ae2ef43b901", "openimages/003a8ae2ef43b901"),
        ("ocr_vqa/images/000195850X.jpg", "ocrvqa/000195850X"),
        ("mine/7.jpg", "own/mine/7.jpg"),
        (None, None),
    ],
)
def test_an_image_name_tells_which_image_it_is(name: str | None, key: str | None) -> None:
    assert keys(name) == [key]


def keys(*names: str | None) -> list[str | None]:
    frame = pl.DataFrame({"name": pl.Series(names, dtype=pl.String)})
    return frame.select(image_key(pl.col("name"), None)).to_series().to_list()


def test_visual_genomes_images_are_cocos_where_its_table_says_so(tmp_path: Path) -> None:
    table = [{"image_id": 1, "coco_id": 42}, {"image_id": 2, "coco_id": None}, {"image_id": 3, "coco_id": -1}]
    (tmp_path / "image_data.json").write_text(json.dumps(table))
    ours = pl.Series(["vg/1", "vg/2", "vg/3", None, "coco/1"])
    assert Aliases(tmp_path / "image_data.json")(ours).to_list() == ["coco/42", "vg/2", "vg/3", None, "coco/1"]
    assert Aliases(None)(ours).to_list() == ours.to_list()


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image_data.json").write_text('[{"image_id": "one"}]')
    with pytest.raises(RawDataError, match=r"\$\[0\]\.image_id: .*, expected Visual Genome's image_data\.json"):
        Aliases(tmp_path / "image_data.json")
