"""What one literal raw record of each source about images becomes, at the defaults and at other parameters."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import RawDataError
from tests.builders.building import Result, build, only, read, read_pairs, write_raw

# VQAv2 and OK-VQA


def vqa(folder: Path, source: str, *, annotation: dict[str, Any], question: str = "Is the sky blue?") -> Path:
    asked = {"image_id": 458752, "question": question, "question_id": 458752000}
    answered = {"image_id": 458752, "question_id": 458752000, **annotation}
    return write_raw(folder, source, questions={"questions": [asked]}, annotations={"annotations": [answered]})


def votes(*answers: str) -> list[dict[str, str]]:
    return [{"raw_answer": answer, "answer": answer.removesuffix("s")} for answer in answers]


@pytest.mark.parametrize(
    ("answer", "capitalize", "expected"),
    [
        ("yes", True, "Yes"),
        ("yes", False, "yes"),
        ("net", True, "Net"),
        ("été", True, "Été"),
        ("2", True, "2"),
        ("iPhone", True, "IPhone"),
    ],
)
def test_vqav2_answers_by_the_multiple_choice_answer(
    tmp_path: Path, answer: str, capitalize: bool, expected: str
) -> None:
    raw = vqa(tmp_path, "vqav2", annotation={"multiple_choice_answer": answer})
    made = only(build("vqav2", raw=raw, params={"capitalize": capitalize}))
    assert made.id == "000000458752"
    assert made.image == "coco/train2017/000000458752.jpg"
    assert [(pair.question, pair.answer, pair.origin) for pair in made.pairs] == [
        ("Is the sky blue?", expected, "458752000")
    ]
    assert made.several


@pytest.mark.parametrize("answer", ["", " ", "\t\n"])
def test_vqav2_drops_a_question_that_nobody_answered(tmp_path: Path, answer: str) -> None:
    result = build("vqav2", raw=vqa(tmp_path, "vqav2", annotation={"multiple_choice_answer": answer}))
    assert result.conversations == []
    assert read(result) == {"empty answer": 1}
    assert result.funnel[0].examples == {"empty answer": ["458752000"]}


def test_vqav2_notes_an_annotation_that_no_question_asks_for(tmp_path: Path) -> None:
    raw = vqa(tmp_path, "vqav2", annotation={"multiple_choice_answer": "yes"})
    extra = [
        {"image_id": 458752, "question_id": 458752000, "multiple_choice_answer": "yes"},
        {"image_id": 9, "question_id": 9000, "multiple_choice_answer": "no"},
    ]
    write_raw(tmp_path, "vqav2", annotations={"annotations": extra})
    result = build("vqav2", raw=raw)
    assert len(result.conversations) == 1
    assert result.funnel[0].noted == {"annotation without a question": 1}
    assert result.funnel[0].conversations.entered == 1


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        (("cars", "car", "cars"), "raw_answer", "Cars"),
        (("cars", "car", "cars"), "answer", "Car"),
        (("boat", "ship", "ship", "boat"), "raw_answer", "Boat"),
        (("", "", "", "kite"), "raw_answer", "Kite"),
        ((" kite", "kite ", "boat"), "raw_answer", "Kite"),
    ],
)
def test_okvqa_takes_the_most_common_answer_and_the_earlier_of_equals(
    tmp_path: Path, given: Sequence[str], field: str, expected: str
) -> None:
    raw = vqa(tmp_path, "okvqa", annotation={"answers": votes(*given)})
    made = only(build("okvqa", raw=raw, params={"answer": field}))
    assert [pair.answer for pair in made.pairs] == [expected]


def test_okvqa_drops_a_question_with_empty_answers_only(tmp_path: Path) -> None:
    result = build("okvqa", raw=vqa(tmp_path, "okvqa", annotation={"answers": votes("", " ")}))
    assert read(result) == {"all answers empty": 1}


# A-OKVQA


def aokvqa(folder: Path, *questions: dict[str, Any]) -> Path:
    return write_raw(folder, "aokvqa", questions=list(questions))


def choice(identifier: str, *, image: int = 7, correct: int = 1, choices: Sequence[str] = "abcd") -> dict[str, Any]:
    return {
        "question_id": identifier,
        "image_id": image,
        "question": f"What is {identifier}?",
        "choices": list(choices),
        "correct_choice_idx": correct,
    }


@pytest.mark.parametrize(
    ("order", "letters", "first_lines"),
    [
        ("rotate_left", "BADC", ["A. a", "A. b", "A. c", "A. d"]),
        ("rotate_right", "BCDA", ["A. a", "A. d", "A. c", "A. b"]),
        ("as_is", "BBBB", ["A. a"] * 4),
    ],
)
def test_aokvqa_gives_a_copy_for_each_choice_with_the_letter_that_follows_it(
    tmp_path: Path, order: str, letters: str, first_lines: list[str]
) -> None:
    result = build("aokvqa", raw=aokvqa(tmp_path, choice("q")), params={"order": order})
    assert "".join(one.pairs[0].answer for one in result.conversations) == letters
    assert [one.pairs[0].question.splitlines()[1] for one in result.conversations] == first_lines
    assert {one.id for one in result.conversations} == {"000000000007"}
    assert [one.history for one in result.conversations] == [(f"{order} by {r}",) for r in range(4)]


def test_aokvqa_puts_the_questions_of_an_image_into_each_copy(tmp_path: Path) -> None:
    raw = aokvqa(tmp_path, choice("q"), choice("r", correct=0, choices=("x", "y")), choice("s", image=8))
    result = build("aokvqa", raw=raw)
    of_seven = [one for one in result.conversations if one.id == "000000000007"]
    assert [[pair.origin for pair in one.pairs] for one in of_seven] == [["q", "r"]] * 4
    assert [one.pairs[1].answer for one in of_seven] == ["A", "B", "A", "B"]
    assert of_seven[1].history == ("merged 2", "rotate_left by 1")
    flow = result.funnel[0]
    assert (flow.conversations.entered, flow.conversations.left) == (3, 8)
    assert (flow.pairs.entered, flow.pairs.left) == (3, 12)
    assert flow.conversations.changes == {"merged": -1, "repeated": 6}


def test_aokvqa_copies_as_often_as_it_is_told(tmp_path: Path) -> None:
    result = build("aokvqa", raw=aokvqa(tmp_path, choice("q")), params={"copies": 1})
    assert only(result).pairs[0].question == "What is q?\nA. a\nB. b\nC. c\nD. d"


def test_aokvqa_refuses_a_correct_choice_that_is_not_among_the_choices(tmp_path: Path) -> None:
    raw = aokvqa(tmp_path, choice("q", correct=4), choice("r"))
    with pytest.raises(RawDataError, match=r"correct_choice_idx 4 of 4 choices, expected one of them \(id 'q'\)"):
        build("aokvqa", raw=raw)
    result = build("aokvqa", raw=raw, on_bad_record="drop")
    assert result.funnel[0].conversations.entered == 2
    assert {pair.origin for one in result.conversations for pair in one.pairs} == {"r"}


# GQA


@pytest.mark.parametrize(("capitalize", "answer"), [(True, "Left"), (False, "left")])
def test_gqa_keeps_the_question_and_the_short_answer(tmp_path: Path, capitalize: bool, answer: str) -> None:
    record = {
        "question": "Which side is it on?",
        "answer": "left",
        "imageId": "n12",
        "fullAnswer": "It is on the left.",
    }
    raw = write_raw(tmp_path, "gqa", questions={"07333408": record})
    made = only(build("gqa", raw=raw, params={"capitalize": capitalize}))
    assert (made.id, made.image) == ("n12", "gqa/images/n12.jpg")
    assert [(pair.answer, pair.origin) for pair in made.pairs] == [(answer, "07333408")]


def test_gqa_keeps_leading_zeros_of_an_id_and_counts_an_empty_answer(tmp_path: Path) -> None:
    record = {"question": "Q?", "answer": " ", "imageId": "3"}
    result = build("gqa", raw=write_raw(tmp_path, "gqa", questions={"000123": record}))
    assert read(result) == {"empty answer": 1}
    assert result.funnel[0].examples["empty answer"] == ["000123"]


# OCR-VQA


def book(*, split: int = 1, answers: Sequence[str] = ("Odo", "Maps of Sails"), **facts: Any) -> dict[str, Any]:
    asked = ["Who wrote this book?", "What is the title?", "Is it old?"][: len(answers)]
    return {"questions": asked, "answers": list(answers), "split": split, **facts}


def test_ocrvqa_keeps_every_pair_of_a_book_verbatim(tmp_path: Path) -> None:
    raw = write_raw(tmp_path, "ocrvqa", books={"000155X": book(answers=("*", 'The "Café" ', "No"))})
    made = only(build("ocrvqa", raw=raw))
    assert (made.id, made.image, made.several) == ("000155X", "ocr_vqa/images/000155X.jpg", False)
    assert [pair.answer for pair in made.pairs] == ["*", 'The "Café" ', "No"]
    assert [pair.origin for pair in made.pairs] == ["000155X/0", "000155X/1", "000155X/2"]


def test_ocrvqa_numbers_a_pair_by_its_place_in_the_raw_record(tmp_path: Path) -> None:
    raw = write_raw(tmp_path, "ocrvqa", books={"1": book(answers=("", "Maps", "No")), "2": book(answers=("", " "))})
    result = build("ocrvqa", raw=raw)
    assert [pair.origin for pair in only(result).pairs] == ["1/1", "1/2"]
    assert read(result) == {"empty answer": 1}
    assert read_pairs(result) == {"empty answer": 3}


@pytest.mark.parametrize(("splits", "kept"), [([1], ["1"]), ([2, 3], ["2", "3"]), ([1, 2, 3], ["1", "2", "3"])])
def test_ocrvqa_takes_the_books_of_its_splits(tmp_path: Path, splits: list[int], kept: list[str]) -> None:
    raw = write_raw(tmp_path, "ocrvqa", books={str(n): book(split=n) for n in (1, 2, 3)})
    result = build("ocrvqa", raw=raw, params={"splits": splits})
    assert [one.id for one in result.conversations] == kept
    assert sum(read(result).values()) == 3 - len(kept)
    assert set(result.funnel[0].kinds.values()) <= {"chosen"}


@pytest.mark.parametrize("wrong", [{"questions": ["one?"]}, {"questions": [], "answers": []}])
def test_ocrvqa_refuses_a_book_whose_questions_and_answers_do_not_match(tmp_path: Path, wrong: dict[str, Any]) -> None:
    raw = write_raw(tmp_path, "ocrvqa", books={"7": {**book(), **wrong}, "8": book()})
    with pytest.raises(RawDataError, match=r"expected as many of each and at least one \(id '7'\)"):
        build("ocrvqa", raw=raw)
    result = build("ocrvqa", raw=raw, on_bad_record="drop")
    assert only(result).id == "8"
    assert result.funnel[0].pairs.entered == 2 + len(wrong["questions"])


# TextCaps


def textcaps(folder: Path, captions: Sequence[tuple[int, str, str]], ocr: dict[str, list[str]]) -> Path:
    rows = [{"caption_id": number, "image_id": image, "caption_str": text} for number, image, text in captions]
    found = [{"image_id": image, "ocr_tokens": tokens} for image, tokens in ocr.items()]
    return write_raw(folder, "textcaps", captions={"data": rows}, ocr={"data": found})


PROMPT = "Provide a one-sentence caption for the provided image."


@pytest.mark.parametrize(
    ("tokens", "ocr_line", "question"),
    [
        (["ZERO", "50%"], "always", f"{PROMPT}\nReference OCR token: ZERO, 50%"),
        ([], "always", f"{PROMPT}\nReference OCR token: "),
        ([], "where_tokens", PROMPT),
        (["ZERO"], "where_tokens", f"{PROMPT}\nReference OCR token: ZERO"),
        (["ZERO"], "never", PROMPT),
    ],
)
def test_textcaps_puts_the_tokens_on_a_line_after_the_prompt(
    tmp_path: Path, tokens: list[str], ocr_line: str, question: str
) -> None:
    raw = textcaps(tmp_path, [(1, "01f", "A  sign says\nZERO")], {"01f": tokens})
    made = only(build("textcaps", raw=raw, params={"ocr_line": ocr_line}))
    assert [(pair.question, pair.answer, pair.origin) for pair in made.pairs] == [(question, "A sign says ZERO.", "1")]
    assert made.image == "textvqa/train_images/01f.jpg"


def test_textcaps_takes_the_first_caption_that_is_not_empty(tmp_path: Path) -> None:
    raw = textcaps(tmp_path, [(1, "a", " "), (2, "a", "second."), (3, "a", "third"), (4, "b", "other")], {"a": []})
    result = build("textcaps", raw=raw)
    assert [(one.id, one.pairs[0].answer) for one in result.conversations] == [("a", "second."), ("b", "other.")]
    assert read(result) == {"empty sentence": 1, "another caption of the image taken": 1}
    assert result.funnel[0].noted == {"no OCR record": 1}


def test_textcaps_draws_a_caption_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    captions = [(number, "a", f"caption {number}") for number in range(1, 6)]
    drawn = set()
    for number, rows in enumerate((captions, captions[::-1])):
        raw = textcaps(tmp_path / str(number), rows, {"a": []})
        drawn.add(only(build("textcaps", raw=raw, params={"caption": "drawn"})).pairs[0].answer)
    assert len(drawn) == 1


# Visual Genome


def vg(folder: Path, regions: Sequence[dict[str, Any]], *, url: str = "https://x/VG_100K_2/5.jpg") -> Path:
    images = [{"image_id": 5, "url": url, "width": 100, "height": 50}]
    return write_raw(folder, "vg", regions=[{"id": 5, "regions": list(regions)}], images=images)


def region(number: int, *, box: Sequence[float] = (10, 10, 20, 20), phrase: str = "a red mill") -> dict[str, Any]:
    x, y, width, height = box
    return {"region_id": number, "x": x, "y": y, "width": width, "height": height, "phrase": phrase}


@pytest.mark.parametrize(
    ("convention", "box"),
    [("square", "[0.1, 0.35, 0.3, 0.55]"), ("plain", "[0.1, 0.2, 0.3, 0.6]")],
)
def test_vg_writes_a_box_as_fractions_of_the_padded_square_or_of_the_image(
    tmp_path: Path, convention: str, box: str
) -> None:
    made = only(build("vg", raw=vg(tmp_path, [region(1)]), params={"convention": convention}))
    [pair] = made.pairs
    assert (made.id, made.image) == ("VG_100K_2/5", "vg/VG_100K_2/5.jpg")
    described = pair == type(pair)(f"Please provide a short description for this region: {box}.", "A red mill.", "1")
    located = pair == type(pair)(
        "Please provide the bounding box coordinate of the region this sentence describes: a red mill.", box, "1"
    )
    assert described or located


def test_vg_asks_for_both_directions_among_many_regions(tmp_path: Path) -> None:
    made = only(build("vg", raw=vg(tmp_path, [region(number) for number in range(40)]), params={"max_regions": 40}))
    kinds = {pair.question.partition(":")[0] for pair in made.pairs}
    assert kinds == {
        "Please provide a short description for this region",
        "Please provide the bounding box coordinate of the region this sentence describes",
    }
    assert made.history == ("40 regions drawn",)


@pytest.mark.parametrize("max_regions", [1, 3, 10])
def test_vg_draws_at_most_so_many_regions_and_says_how_many_it_left(tmp_path: Path, max_regions: int) -> None:
    result = build("vg", raw=vg(tmp_path, [region(n) for n in range(12)]), params={"max_regions": max_regions})
    assert len(only(result).pairs) == max_regions
    assert read_pairs(result) == {"region not drawn": 12 - max_regions}
    assert result.funnel[0].kinds == {"region not drawn": "chosen"}


def test_vg_draws_the_same_regions_whatever_their_order(tmp_path: Path) -> None:
    regions = [region(number, phrase=f"mill {number}") for number in range(30)]
    drawn = []
    for number, given in enumerate((regions, regions[::-1])):
        made = only(build("vg", raw=vg(tmp_path / str(number), given), params={"max_regions": 4}))
        drawn.append([pair.origin for pair in made.pairs])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"phrase": "  "}, "empty sentence"),
        ({"phrase": "\u200b\u3164"}, "empty sentence"),
        ({"box": (20, 30, 0, 10)}, "box has no area"),
        ({"box": (120, 10, 10, 10)}, "box has no area"),
    ],
)
def test_vg_takes_the_next_region_where_one_cannot_be_used(tmp_path: Path, wrong: dict[str, Any], reason: str) -> None:
    result = build("vg", raw=vg(tmp_path, [region(1, **wrong), region(2)]), params={"max_regions": 2})
    assert [pair.origin for pair in only(result).pairs] == ["2"]
    assert read_pairs(result) == {reason: 1}


@pytest.mark.parametrize(("outside", "kept"), [("clip", True), ("drop", False)])
def test_vg_clips_or_drops_a_box_that_leaves_the_image(tmp_path: Path, outside: str, kept: bool) -> None:
    raw = vg(tmp_path, [region(1, box=(-10, 10, 30, 30))])
    result = build("vg", raw=raw, params={"outside": outside, "convention": "plain"})
    assert bool(result.conversations) == kept
    if kept:
        [pair] = only(result).pairs
        assert "[0.0, 0.2, 0.2, 0.8]" in pair.question + pair.answer
    else:
        assert read(result) == {"no usable region": 1}
        assert read_pairs(result) == {"box leaves the image": 1}


@pytest.mark.parametrize("url", ["https://x/VG_100K_3/5.jpg", "https://x/5.jpg", ""])
def test_vg_refuses_an_image_that_is_in_neither_folder(tmp_path: Path, url: str) -> None:
    raw = vg(tmp_path, [region(1), region(2)], url=url)
    with pytest.raises(RawDataError, match=r"expected its size and …/VG_100K/<id>\.jpg .* \(id '5'\)"):
        build("vg", raw=raw)
    result = build("vg", raw=raw, on_bad_record="drop")
    assert (result.funnel[0].pairs.entered, result.funnel[0].pairs.left) == (2, 0)


# RefCOCO


def refcoco(folder: Path, refs: Sequence[dict[str, Any]], *, name: str = "refcoco") -> Path:
    boxes = [{"id": 70 + number, "image_id": number, "bbox": [64.0, 48.0, 320.0, 240.0]} for number in (1, 2)]
    images = [{"id": number, "width": 640, "height": 480} for number in (1, 2)]
    contents = {f"{name}/refs": pickle.dumps(list(refs), protocol=2)}
    return write_raw(folder, "refcoco", **contents, **{f"{name}/annotations": {"annotations": boxes, "images": images}})


def refcoco_build(raw: Path, *names: str, **options: Any) -> Result:
    """Built from the files of these data sets only."""
    by = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd"}
    files = {
        f"{name}/{part}": f"refcoco/{name}/{f'refs({by[name]}).p' if part == 'refs' else 'instances.json'}"
        for name in names or ("refcoco",)
        for part in ("refs", "annotations", "images")
    }
    return build("refcoco", raw=raw, files=files, **options)


def ref(number: int, *sentences: str, image: int = 1, split: str = "train", ann: int | None = None) -> dict[str, Any]:
    said = [{"sent_id": 10 * number + i, "sent": text, "raw": text.upper()} for i, text in enumerate(sentences)]
    return {
        "ref_id": number,
        "ann_id": 70 + image if ann is None else ann,
        "image_id": image,
        "split": split,
        "sentences": said,
    }


def test_refcoco_gathers_the_sentences_of_an_image_in_one_conversation(tmp_path: Path) -> None:
    raw = refcoco(tmp_path, [ref(1, "left mill", "red one"), ref(2, "boat", image=2), ref(3, "kite")])
    result = refcoco_build(raw)
    assert [one.id for one in result.conversations] == ["000000000001", "000000000002"]
    first, second = result.conversations
    assert sorted(pair.origin for pair in first.pairs) == ["refcoco/10", "refcoco/11", "refcoco/30"]
    assert first.history == ("3 sentences shuffled",)
    assert second.image == "coco/train2017/000000000002.jpg"
    assert read(result) == {"merged": 1}
    assert (result.funnel[0].pairs.entered, result.funnel[0].pairs.left) == (4, 4)


@pytest.mark.parametrize(("field", "text"), [("sent", "left mill"), ("raw", "LEFT MILL")])
def test_refcoco_takes_the_sentence_as_cleaned_or_as_typed(tmp_path: Path, field: str, text: str) -> None:
    made = only(refcoco_build(refcoco(tmp_path, [ref(1, "left mill")]), params={"sentence": field}))
    [pair] = made.pairs
    assert text.lower() in (pair.question + pair.answer).lower()
    assert (text in pair.question + pair.answer) == (pair.question.endswith(f"{text}.") or field == "raw")


def test_refcoco_pools_the_data_sets_that_are_there(tmp_path: Path) -> None:
    raw = refcoco(tmp_path, [ref(1, "left mill")])
    refcoco(tmp_path, [ref(1, "red mill")], name="refcoco+")
    made = only(refcoco_build(raw, "refcoco", "refcoco+"))
    assert sorted(pair.origin for pair in made.pairs) == ["refcoco+/10", "refcoco/10"]


@pytest.mark.parametrize(("splits", "left"), [(["train"], ["left"]), (["val"], ["right"]), (["val", "train"], None)])
def test_refcoco_takes_the_refs_of_its_splits(tmp_path: Path, splits: list[str], left: list[str] | None) -> None:
    raw = refcoco(tmp_path, [ref(1, "left"), ref(2, "right", image=2, split="val")])
    result = refcoco_build(raw, params={"splits": splits})
    texts = [pair.question + pair.answer for one in result.conversations for pair in one.pairs]
    assert len(texts) == (2 if left is None else 1)
    assert all(word in texts[0].lower() for word in left or [])


@pytest.mark.parametrize("wrong", [{"ann": 99}, {"ann": 72}, {"image": 9}])
def test_refcoco_refuses_a_ref_whose_box_is_not_there(tmp_path: Path, wrong: dict[str, Any]) -> None:
    raw = refcoco(tmp_path, [ref(1, "left mill", "red", **wrong), ref(2, "boat", image=2)])
    with pytest.raises(RawDataError, match=r"is not in instances\.json, expected it there \(id 'refcoco/1'\)"):
        refcoco_build(raw)
    result = refcoco_build(raw, on_bad_record="drop")
    assert only(result).id == "000000000002"
    assert read_pairs(result) == {"bad record in refcoco/refs": 2}


def test_refcoco_counts_an_image_without_a_usable_sentence_as_lost(tmp_path: Path) -> None:
    result = refcoco_build(refcoco(tmp_path, [ref(1, " ", ""), ref(2, "boat", image=2)]))
    assert only(result).id == "000000000002"
    assert read(result) == {"no usable sentence": 1}
    assert read_pairs(result) == {"empty sentence": 2}


def test_refs_without_raw_are_read_unless_raw_is_asked_for(tmp_path: Path) -> None:
    bare = ref(1, "left mill")
    del bare["sentences"][0]["raw"]
    raw = refcoco(tmp_path, [bare])
    assert len(only(refcoco_build(raw)).pairs) == 1
    with pytest.raises(RawDataError, match=r"a sentence without `raw`, expected it as the parameter .* use `sent`"):
        refcoco_build(raw, params={"sentence": "raw"})


@pytest.mark.parametrize(
    ("role", "record", "says"),
    [
        ("regions", {"id": 5, "regions": [{"id": 7, "image": 5, "x": 0, "y": 0, "phrase": "a"}]}, "`region_id`"),
        ("images", {"id": 5, "url": "https://x.invalid/VG_100K/5.jpg", "width": 9, "height": 9}, "`image_id`"),
    ],
)
def test_visual_genome_1_0_is_named_as_such(tmp_path: Path, role: str, record: dict[str, Any], says: str) -> None:
    raw = write_raw(vg(tmp_path, [region(1)]), "vg", **{role: [record]})
    for on_bad_record in ("fail", "drop"):
        with pytest.raises(RawDataError, match=rf"\$\[0\]: of Visual Genome 1\.0, expected 1\.2: .*{says}"):
            build("vg", raw=raw, on_bad_record=on_bad_record)


def test_a_region_that_lacks_its_id_is_a_bad_record_of_the_right_version(tmp_path: Path) -> None:
    lacking = {name: value for name, value in region(1).items() if name != "region_id"} | {"image_id": 5}
    with pytest.raises(RawDataError, match=r"missing required field region_id"):
        build("vg", raw=vg(tmp_path, [lacking]))
