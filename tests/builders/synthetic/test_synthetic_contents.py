"""What the made-up raw files hold: the real counts times the scale, and every oddity of the real files."""

import json
import pickle
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.synthetic import write_raw

SCALE = 0.002
REFS = {"refcoco": "refs(unc).p", "refcoco+": "refs(unc).p", "refcocog": "refs(umd).p"}
Data = dict[str, Any]


def made_up(root: Path, *, scale: float) -> Data:
    """All files at a scale, by their path below `root`."""
    write_raw(root, scale=scale, seed=0)
    return {
        str(path.relative_to(root)): pickle.loads(path.read_bytes(), encoding="latin1")
        if path.suffix == ".p"
        else json.loads(path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return made_up(tmp_path_factory.mktemp("small"), scale=SCALE)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return made_up(tmp_path_factory.mktemp("tiny"), scale=0.0005)


def vqa(data: Data, source: str, part: str) -> list[Any]:
    prefix = f"{source}/{'v2_' if source == 'vqav2' else ''}"
    name = "OpenEnded_mscoco_train2014_questions" if part == "questions" else "mscoco_train2014_annotations"
    rows: list[Any] = data[f"{prefix}{name}.json"][part]
    return rows


def books(data: Data) -> dict[str, Any]:
    found: dict[str, Any] = data["ocrvqa/dataset.json"]
    return found


def gqa(data: Data) -> dict[str, Any]:
    found: dict[str, Any] = data["gqa/train_balanced_questions.json"]
    return found


def captions(data: Data) -> list[Any]:
    found: list[Any] = data["textcaps/TextCaps_0.1_train.json"]["data"]
    return found


def ocr(data: Data) -> list[Any]:
    found: list[Any] = data["textcaps/TextVQA_Rosetta_OCR_v0.2_train.json"]["data"]
    return found


def regions(data: Data) -> list[Any]:
    return [region for image in data["vg/region_descriptions.json"] for region in image["regions"]]


def refs(data: Data, dataset: str) -> list[Any]:
    found: list[Any] = data[f"refcoco/{dataset}/{REFS[dataset]}"]
    return found


def train_images(data: Data, dataset: str) -> set[int]:
    return {ref["image_id"] for ref in refs(data, dataset) if ref["split"] == "train"}


def instances(data: Data, dataset: str) -> Data:
    found: Data = data[f"refcoco/{dataset}/instances.json"]
    return found


def chats(data: Data) -> list[list[Data]]:
    found = data["sharegpt/ShareGPT_V3_unfiltered_cleaned_split.json"]
    return [record["conversations"] for record in found]


def instruct(data: Data) -> list[Any]:
    found: list[Any] = data["llava_instruct/llava_instruct_150k.json"]
    return found


def image_ids(rows: list[Any]) -> int:
    return len({row["image_id"] for row in rows})


def sentences(data: Data, dataset: str) -> int:
    return sum(len(ref["sentences"]) for ref in refs(data, dataset))


COUNTS: list[tuple[str, int, Callable[[Data], int]]] = [
    ("vqav2 questions", 443_757, lambda d: len({q["question_id"] for q in vqa(d, "vqav2", "questions")})),
    ("vqav2 annotations", 443_757, lambda d: len({q["question_id"] for q in vqa(d, "vqav2", "annotations")})),
    ("vqav2 images", 82_783, lambda d: image_ids(vqa(d, "vqav2", "questions"))),
    ("gqa questions", 943_000, lambda d: len(gqa(d))),
    ("gqa images", 72_140, lambda d: len({q["imageId"] for q in gqa(d).values()})),
    ("okvqa questions", 9_009, lambda d: len({q["question_id"] for q in vqa(d, "okvqa", "questions")})),
    ("okvqa images", 8_998, lambda d: image_ids(vqa(d, "okvqa", "annotations"))),
    (
        "aokvqa questions",
        17_056,
        lambda d: len({q["question_id"] for q in d["aokvqa/aokvqa_v1p0_train.json"]}),
    ),
    ("aokvqa images", 16_540, lambda d: image_ids(d["aokvqa/aokvqa_v1p0_train.json"])),
    ("ocrvqa books", 207_572, lambda d: len(books(d))),
    ("textcaps images", 21_953, lambda d: image_ids(captions(d))),
    ("vg images", 108_077, lambda d: len({image["image_id"] for image in d["vg/image_data.json"]})),
    ("vg regions", 5_408_689, lambda d: len({region["region_id"] for region in regions(d)})),
    ("refcoco sentences", 142_210, lambda d: sentences(d, "refcoco")),
    ("refcoco+ sentences", 141_564, lambda d: sentences(d, "refcoco+")),
    ("refcocog sentences", 95_010, lambda d: sentences(d, "refcocog")),
    ("refcoco images", 19_994, lambda d: image_ids(refs(d, "refcoco"))),
    ("refcoco+ images", 19_992, lambda d: image_ids(refs(d, "refcoco+"))),
    ("refcocog images", 25_799, lambda d: image_ids(refs(d, "refcocog"))),
    ("refcoco refs", 50_000, lambda d: len({ref["ref_id"] for ref in refs(d, "refcoco")})),
    ("sharegpt conversations", 94_145, lambda d: len(chats(d))),
    ("llava_instruct records", 157_712, lambda d: len(instruct(d))),
    ("llava_instruct images", 81_479, lambda d: len({record["image"] for record in instruct(d)})),
    ("lcs558k records", 558_128, lambda d: len({r["id"] for r in d["lcs558k/blip_laion_cc_sbu_558k.json"]})),
]


@pytest.mark.parametrize(("real", "count"), [row[1:] for row in COUNTS], ids=[row[0] for row in COUNTS])
def test_counts_are_the_real_ones_times_the_scale(data: Data, real: int, count: Callable[[Data], int]) -> None:
    assert count(data) == round(real * SCALE)


def leaves_image(region: Data, sizes: dict[int, tuple[int, int]]) -> bool:
    width, height = sizes[region["image_id"]]
    return bool(
        min(region["x"], region["y"]) < 0
        or region["x"] + region["width"] > width
        or region["y"] + region["height"] > height
    )


def vg_sizes(data: Data) -> dict[int, tuple[int, int]]:
    return {image["image_id"]: (image["width"], image["height"]) for image in data["vg/image_data.json"]}


def duplicates(items: list[Any]) -> int:
    return len(items) - len(set(items))


ODDITIES: dict[str, Callable[[Data], bool]] = {
    "vqav2's two files differ in order": lambda d: (
        [q["question_id"] for q in vqa(d, "vqav2", "questions")]
        != [a["question_id"] for a in vqa(d, "vqav2", "annotations")]
    ),
    "ten answers each": lambda d: all(len(a["answers"]) == 10 for a in vqa(d, "vqav2", "annotations")),
    "gqa ids that start with zero": lambda d: any(key[0] == "0" for key in gqa(d)),
    "gqa ids that do not": lambda d: any(key[0] != "0" for key in gqa(d)),
    "gqa groups without a global one": lambda d: any(q["groups"]["global"] is None for q in gqa(d).values()),
    "gqa groups without a local one": lambda d: any(q["groups"]["local"] is None for q in gqa(d).values()),
    "gqa images are Visual Genome's": lambda d: {int(q["imageId"]) for q in gqa(d).values()} <= set(vg_sizes(d)),
    "okvqa empty answers": lambda d: any(
        answer["raw_answer"] == "" for a in vqa(d, "okvqa", "annotations") for answer in a["answers"]
    ),
    "okvqa mostly empty answers": lambda d: any(
        sum(answer["raw_answer"] == "" for answer in a["answers"]) == 6 for a in vqa(d, "okvqa", "annotations")
    ),
    "okvqa stemmed answers": lambda d: any(
        answer["raw_answer"] != answer["answer"] for a in vqa(d, "okvqa", "annotations") for answer in a["answers"]
    ),
    "okvqa images are among vqav2's": lambda d: (
        {q["image_id"] for q in vqa(d, "okvqa", "questions")} <= {q["image_id"] for q in vqa(d, "vqav2", "questions")}
    ),
    "aokvqa repeats a choice": lambda d: any(len(set(q["choices"])) == 3 for q in d["aokvqa/aokvqa_v1p0_train.json"]),
    "ocrvqa keys with X and leading zero": lambda d: any(key[0] == "0" and key[-1] == "X" for key in books(d)),
    "ocrvqa keys shorter than ten": lambda d: any(len(key) < 10 for key in books(d)),
    "ocrvqa without author, without its question": lambda d: any(
        book["authorName"] == "" and not any("wrote" in q or "author" in q for q in book["questions"])
        for book in books(d).values()
    ),
    "ocrvqa author *": lambda d: any("*" in book["answers"] for book in books(d).values()),
    "ocrvqa gif": lambda d: any(book["imageURL"].endswith(".gif") for book in books(d).values()),
    "ocrvqa png": lambda d: any(book["imageURL"].endswith(".png") for book in books(d).values()),
    "ocrvqa repeats a question": lambda d: any(duplicates(book["questions"]) for book in books(d).values()),
    "ocrvqa two to seven pairs": lambda d: {len(book["answers"]) for book in books(d).values()} >= {2, 3, 4, 5},
    "ocrvqa all three splits": lambda d: {book["split"] for book in books(d).values()} == {1, 2, 3},
    "textcaps neighbours are different images": lambda d: all(
        one["image_id"] != other["image_id"] for one, other in pairwise(captions(d))
    ),
    "textcaps five captions an image": lambda d: set(Counter(c["image_id"] for c in captions(d)).values()) == {5},
    "textcaps captions without a period": lambda d: any(c["caption_str"][-1] != "." for c in captions(d)),
    "textcaps first caption is not always the first reference": lambda d: any(
        c["caption_str"] != c["reference_strs"][0] for c in captions(d)[: len(captions(d)) // 5]
    ),
    "an image without an OCR record": lambda d: bool(
        {c["image_id"] for c in captions(d)} - {record["image_id"] for record in ocr(d)}
    ),
    "an OCR record without tokens": lambda d: any(record["ocr_tokens"] == [] for record in ocr(d)),
    "vg boxes that leave the image": lambda d: any(leaves_image(r, vg_sizes(d)) for r in regions(d)),
    "vg boxes without area": lambda d: any(0 in (r["width"], r["height"]) for r in regions(d)),
    "vg phrases ending in a space": lambda d: any(r["phrase"].endswith(" ") for r in regions(d)),
    "vg phrases ending in a newline": lambda d: any(r["phrase"].endswith("\n") for r in regions(d)),
    "vg empty phrases": lambda d: any(not r["phrase"].strip() for r in regions(d)),
    "vg phrases twice in an image": lambda d: any(
        duplicates([r["phrase"] for r in image["regions"]]) for image in d["vg/region_descriptions.json"]
    ),
    "vg images with few regions": lambda d: any(len(i["regions"]) < 10 for i in d["vg/region_descriptions.json"]),
    "vg first region is sound": lambda d: (
        not any(
            leaves_image(i["regions"][0], vg_sizes(d)) or not i["regions"][0]["phrase"].strip()
            for i in d["vg/region_descriptions.json"]
        )
    ),
    "vg both folders": lambda d: (
        {image["url"].split("/")[-2] for image in d["vg/image_data.json"]} == {"VG_100K", "VG_100K_2"}
    ),
    "refcoco all splits": lambda d: (
        {ref["split"] for ref in refs(d, "refcoco")} == {"train", "val", "testA", "testB"}
        and {ref["split"] for ref in refs(d, "refcocog")} == {"train", "val", "test"}
    ),
    "refcoco splits share no image": lambda d: (
        not (train_images(d, "refcoco") & {ref["image_id"] for ref in refs(d, "refcoco") if ref["split"] != "train"})
    ),
    "refcocog evaluates on images that refcoco trains on": lambda d: bool(
        train_images(d, "refcoco") & {ref["image_id"] for ref in refs(d, "refcocog") if ref["split"] != "train"}
    ),
    "refcoco raw differs from sent": lambda d: any(
        s["raw"] != s["sent"] for ref in refs(d, "refcoco") for s in ref["sentences"]
    ),
    "refcoco letters outside ASCII": lambda d: any(
        not s["raw"].isascii() for ref in refs(d, "refcoco") for s in ref["sentences"]
    ),
    "refcoco file_name is not the image's": lambda d: all(
        ref["file_name"] not in {image["file_name"] for image in instances(d, "refcoco")["images"]}
        for ref in refs(d, "refcoco")
    ),
    "refcoco images that no ref uses": lambda d: bool(
        {image["id"] for image in instances(d, "refcoco+")["images"]} - {ref["image_id"] for ref in refs(d, "refcoco+")}
    ),
    "refcoco annotations that no ref uses": lambda d: (
        {a["id"] for a in instances(d, "refcocog")["annotations"]} > {r["ann_id"] for r in refs(d, "refcocog")}
    ),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_oddity_is_there_at_a_tiny_scale(tiny: Data, oddity: str) -> None:
    assert ODDITIES[oddity](tiny)


def test_tiny_counts_are_exact_too(tiny: Data) -> None:
    assert len(vqa(tiny, "okvqa", "questions")) == 5
    assert image_ids(vqa(tiny, "okvqa", "questions")) == 4
    assert len(gqa(tiny)) == 472


def test_images_of_referring_expressions_pool_to_the_known_number(data: Data) -> None:
    pooled = set[int]().union(*(train_images(data, dataset) for dataset in REFS))
    assert len(pooled) == pytest.approx(25_500 * SCALE, rel=0.1)
