"""What made-up files say about each other: an id that one file names is in the other, as in the real files."""

import json
import pickle
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.answers import most_common
from mix665k.builders.registry import SOURCES
from mix665k.builders.synthetic import WRITERS, write_raw
from mix665k.builders.synthetic.image_ids import coco_size, vg_folder, vg_size

REFS = {"refcoco": "refs(unc).p", "refcoco+": "refs(unc).p", "refcocog": "refs(umd).p"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("joined")
    write_raw(root, scale=0.001, seed=5)
    return root


def loaded(folder: Path, name: str) -> Any:
    path = folder / name
    return pickle.loads(path.read_bytes(), encoding="latin1") if path.suffix == ".p" else json.loads(path.read_bytes())


@pytest.fixture(scope="module")
def vqav2(folder: Path) -> tuple[list[Any], list[Any]]:
    questions = loaded(folder, "vqav2/v2_OpenEnded_mscoco_train2014_questions.json")["questions"]
    return questions, loaded(folder, "vqav2/v2_mscoco_train2014_annotations.json")["annotations"]


@pytest.fixture(scope="module")
def okvqa(folder: Path) -> tuple[list[Any], list[Any]]:
    questions = loaded(folder, "okvqa/OpenEnded_mscoco_train2014_questions.json")["questions"]
    return questions, loaded(folder, "okvqa/mscoco_train2014_annotations.json")["annotations"]


@pytest.fixture(scope="module")
def captions(folder: Path) -> list[Any]:
    rows: list[Any] = loaded(folder, "textcaps/TextCaps_0.1_train.json")["data"]
    return rows


# questions and annotations


@pytest.mark.parametrize("source", ["vqav2", "okvqa"])
def test_every_question_has_one_annotation_of_its_image(source: str, request: pytest.FixtureRequest) -> None:
    questions, annotations = request.getfixturevalue(source)
    asked = {one["question_id"]: one["image_id"] for one in questions}
    answered = {one["question_id"]: one["image_id"] for one in annotations}
    assert len(asked) == len(questions) == len(annotations)
    assert asked == answered


@pytest.mark.parametrize("source", ["vqav2", "okvqa"])
def test_annotations_are_in_another_order_than_their_questions(source: str, request: pytest.FixtureRequest) -> None:
    questions, annotations = request.getfixturevalue(source)
    assert [one["question_id"] for one in questions] != [one["question_id"] for one in annotations]


def test_a_question_id_of_vqav2_is_its_images_and_a_number_from_zero(vqav2: tuple[list[Any], list[Any]]) -> None:
    by_image = defaultdict(list)
    for one in vqav2[0]:
        assert one["question_id"] // 1_000 == one["image_id"]
        by_image[one["image_id"]].append(one["question_id"] % 1_000)
    assert all(numbers == list(range(len(numbers))) for numbers in by_image.values())


def test_questions_of_vqav2_about_one_image_stand_together(vqav2: tuple[list[Any], list[Any]]) -> None:
    images = [one["image_id"] for one in vqav2[0]]
    runs = sum(one != before for one, before in zip(images[1:], images, strict=False)) + 1
    assert runs == len(set(images))


def test_the_chosen_answer_of_vqav2_is_the_most_common_vote(vqav2: tuple[list[Any], list[Any]]) -> None:
    for one in vqav2[1]:
        votes = Counter(vote["answer"] for vote in one["answers"])
        assert votes[one["multiple_choice_answer"]] == max(votes.values())
        assert [vote["answer_id"] for vote in one["answers"]] == list(range(1, 11))


def test_an_answer_type_of_vqav2_fits_its_answer(vqav2: tuple[list[Any], list[Any]]) -> None:
    types = defaultdict(set)
    for one in vqav2[1]:
        types[one["answer_type"]].add(one["multiple_choice_answer"])
    assert types["yes/no"] <= {"yes", "no", "maybe"}
    assert types["number"]
    assert types["other"]
    assert not types["number"] & types["yes/no"]


def test_a_question_id_of_okvqa_is_its_images_with_one_digit_more(okvqa: tuple[list[Any], list[Any]]) -> None:
    assert all(one["question_id"] // 10 == one["image_id"] for one in okvqa[0])


def test_ten_answers_of_okvqa_are_five_peoples_in_pairs(okvqa: tuple[list[Any], list[Any]]) -> None:
    for one in okvqa[1]:
        raw = [answer["raw_answer"] for answer in one["answers"]]
        assert raw[::2] == raw[1::2]
        assert all(answer["answer"] == answer["raw_answer"].removesuffix("s") for answer in one["answers"])


def test_every_question_of_okvqa_has_an_answer_to_take(okvqa: tuple[list[Any], list[Any]]) -> None:
    assert all(most_common(answer["raw_answer"] for answer in one["answers"]) for one in okvqa[1])


def test_a_correct_choice_of_aokvqa_is_one_of_four_and_among_what_people_said(folder: Path) -> None:
    rows = loaded(folder, "aokvqa/aokvqa_v1p0_train.json")
    assert len({one["question_id"] for one in rows}) == len(rows)
    for one in rows:
        assert (len(one["choices"]), len(one["direct_answers"]), len(one["rationales"])) == (4, 10, 3)
        assert 0 <= one["correct_choice_idx"] < 4
        assert set(one["direct_answers"]) <= set(one["choices"])
        assert re.fullmatch(r"[A-Za-z0-9]{22}", one["question_id"])


# GQA and Visual Genome


def test_an_id_of_gqa_begins_with_its_images_digits(folder: Path) -> None:
    images: dict[str, set[str]] = defaultdict(set)
    for key, one in loaded(folder, "gqa/train_balanced_questions.json").items():
        assert re.fullmatch(r"\d{8}", key)
        assert one["equivalent"] == [key]
        assert all(entailed[:5] == key[:5] for entailed in one["entailed"])
        images[key[:5]].add(one["imageId"])
    assert all(len(of) == 1 for of in images.values())


def test_objects_that_gqa_marks_are_those_of_its_steps(folder: Path) -> None:
    for one in loaded(folder, "gqa/train_balanced_questions.json").values():
        named = set(re.findall(r"\((\d+)\)", one["semanticStr"]))
        marked = {number for part in one["annotations"].values() for number in part.values()}
        assert marked <= named


def test_both_files_of_visual_genome_have_the_same_images_in_the_same_order(folder: Path) -> None:
    regions = loaded(folder, "vg/region_descriptions.json")
    images = loaded(folder, "vg/image_data.json")
    assert [one["id"] for one in regions] == [one["image_id"] for one in images]
    for one in images:
        assert (one["width"], one["height"]) == vg_size(one["image_id"])
        assert one["url"].endswith(f"/{vg_folder(one['image_id'])}/{one['image_id']}.jpg")


def test_a_region_names_its_image_and_no_region_id_repeats(folder: Path) -> None:
    seen: set[int] = set()
    for image in loaded(folder, "vg/region_descriptions.json"):
        for region in image["regions"]:
            assert region["image_id"] == image["id"]
            assert region["region_id"] not in seen
            seen.add(region["region_id"])


# RefCOCO


@pytest.mark.parametrize("dataset", REFS)
def test_every_ref_has_its_box_and_its_image(folder: Path, dataset: str) -> None:
    refs = loaded(folder, f"refcoco/{dataset}/{REFS[dataset]}")
    instances = loaded(folder, f"refcoco/{dataset}/instances.json")
    boxes = {one["id"]: one for one in instances["annotations"]}
    images = {one["id"]: one for one in instances["images"]}
    assert len(boxes) == len(instances["annotations"])
    for ref in refs:
        box = boxes[ref["ann_id"]]
        assert box["image_id"] == ref["image_id"]
        image = images[ref["image_id"]]
        assert (image["width"], image["height"]) == coco_size(ref["image_id"])
        x, y, width, height = box["bbox"]
        assert x >= 0
        assert y >= 0
        assert x + width <= image["width"] + 0.02
        assert y + height <= image["height"] + 0.02


@pytest.mark.parametrize("dataset", REFS)
def test_sentences_are_numbered_through_a_data_set(folder: Path, dataset: str) -> None:
    numbers = []
    for ref in loaded(folder, f"refcoco/{dataset}/{REFS[dataset]}"):
        assert ref["sent_ids"] == [said["sent_id"] for said in ref["sentences"]]
        assert all(said["tokens"] == said["sent"].split() for said in ref["sentences"])
        numbers += ref["sent_ids"]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("dataset", ["refcoco", "refcoco+"])
def test_an_image_is_in_one_split_of_refcoco_only(folder: Path, dataset: str) -> None:
    splits = defaultdict(set)
    for ref in loaded(folder, f"refcoco/{dataset}/{REFS[dataset]}"):
        splits[ref["image_id"]].add(ref["split"])
    assert all(len(names) == 1 for names in splits.values())


def test_refcocog_trains_on_images_that_refcoco_evaluates_on(folder: Path) -> None:
    used = {
        name: {
            ref["image_id"]
            for ref in loaded(folder, f"refcoco/{name}/{REFS[name]}")
            if (ref["split"] == "train") == (name == "refcocog")
        }
        for name in ("refcoco", "refcocog")
    }
    assert used["refcoco"]
    assert used["refcocog"]
    every = {ref["image_id"] for ref in loaded(folder, f"refcoco/refcocog/{REFS['refcocog']}")}
    trained = {
        ref["image_id"] for ref in loaded(folder, f"refcoco/refcoco/{REFS['refcoco']}") if ref["split"] == "train"
    }
    assert every & trained


# TextCaps, OCR-VQA and the files of conversations


def test_every_image_of_textcaps_has_its_five_captions_once_each(captions: list[Any]) -> None:
    by_image = defaultdict(list)
    for row in captions:
        by_image[row["image_id"]].append(row)
        assert row["caption_str"] in row["reference_strs"]
        assert row["image_path"] == f"train/{row['image_id']}.jpg"
    for rows in by_image.values():
        assert Counter(row["caption_str"] for row in rows) == Counter(rows[0]["reference_strs"])
    assert len({row["caption_id"] for row in captions}) == len(captions)


def test_what_ocr_read_belongs_to_images_of_textcaps(folder: Path, captions: list[Any]) -> None:
    ocr = loaded(folder, "textcaps/TextVQA_Rosetta_OCR_v0.2_train.json")["data"]
    images = {row["image_id"] for row in captions}
    assert {one["image_id"] for one in ocr} < images
    assert len({one["image_id"] for one in ocr}) == len(ocr)
    for one in ocr:
        assert [info["word"] for info in one["ocr_info"]] == one["ocr_tokens"]


def test_a_book_is_asked_for_its_title_and_answers_it(folder: Path) -> None:
    for book in loaded(folder, "ocrvqa/dataset.json").values():
        assert len(book["questions"]) == len(book["answers"])
        answers = dict(zip(book["questions"], book["answers"], strict=True))
        assert answers["What is the title of this book?"] == book["title"]
        if book["authorName"]:
            assert book["authorName"] in book["answers"]


def test_a_continued_conversation_has_the_name_of_an_earlier_one_and_a_higher_part(folder: Path) -> None:
    parts: dict[str, int] = {}
    continued = 0
    for one in loaded(folder, "sharegpt/ShareGPT_V3_unfiltered_cleaned_split.json"):
        name, _, part = one["id"].rpartition("_")
        continued += int(part) > 0
        assert int(part) >= parts.get(name, 0)
        parts[name] = int(part)
    assert continued


@pytest.mark.parametrize("source", ["llava_instruct", "lcs558k"])
def test_conversations_of_llavas_form_alternate_and_name_one_image(folder: Path, source: str) -> None:
    for one in loaded(folder, SOURCES[source].about.files[0].path):
        roles = [turn["from"] for turn in one["conversations"]]
        assert roles == ["human", "gpt"] * (len(roles) // 2)
        texts = [turn["value"] for turn in one["conversations"]]
        assert texts[0].count("<image>") == 1
        assert not any("<image>" in text for text in texts[1:])
        assert one["image"].endswith(".jpg")


@pytest.mark.parametrize("source", WRITERS)
def test_every_raw_file_that_a_source_declares_is_made_up(folder: Path, source: str) -> None:
    for file in SOURCES[source].about.files:
        assert (folder / file.path).stat().st_size > 0
