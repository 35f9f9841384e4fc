"""The parts that made-up raw files are put together from: counts, ids, texts, boxes and records."""

import json
import pickle
import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.builders.synthetic import captions, chats, gqa, image_ids, instruct, referring, regions, vqa
from mix665k.builders.synthetic.books import book_key, image_url, pairs
from mix665k.builders.synthetic.files import BATCH, numbered, quoted, scaled, source_rng, spread, write_records
from mix665k.builders.synthetic.pictures import Picture, named_pictures
from mix665k.builders.synthetic.python2_pickle import pickled
from mix665k.builders.synthetic.text import WORDS, fill, pool

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)


@pytest.mark.parametrize(
    ("real", "scale", "least", "number"),
    [(1000, 1, 4, 1000), (1000, 0.0125, 4, 12), (1000, 0.0001, 4, 4), (10, 0.3, 1, 3), (3, 2, 4, 6), (5, 0.01, 8, 8)],
)
def test_a_count_is_scaled_and_never_under_the_least(real: int, scale: float, least: int, number: int) -> None:
    assert scaled(real, scale, least=least) == number


@PROPERTY
@given(parts=st.integers(1, 40), more=st.integers(0, 200), seed=st.integers(0, 99))
def test_a_total_is_spread_over_all_parts(parts: int, more: int, seed: int) -> None:
    counts = spread(Random(seed), total=parts + more, parts=parts)

    assert len(counts) == parts
    assert sum(counts) == parts + more
    assert min(counts) >= 1


def test_a_total_smaller_than_its_parts_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        spread(Random(0), total=2, parts=3)


def test_items_are_numbered_from_zero_each() -> None:
    assert list(numbered("abc", [2, 0, 1])) == [("a", 0), ("a", 1), ("c", 0)]
    with pytest.raises(ValueError, match="shorter"):
        list(numbered("abc", [1]))


def test_sources_draw_apart_from_each_other_and_alike_each_time() -> None:
    assert source_rng("vg", seed=0).random() == source_rng("vg", seed=0).random()
    assert source_rng("vg", seed=0).random() != source_rng("gqa", seed=0).random()
    assert source_rng("vg", seed=0).random() != source_rng("vg", seed=1).random()


@pytest.mark.parametrize("number", [0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH])
def test_records_are_written_as_json_dump_writes_a_list(tmp_path: Path, number: int) -> None:
    path = write_records(tmp_path / "deep" / "a.json", (str(i) for i in range(number)))

    assert path.read_text() == json.dumps(list(range(number)))
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    def broken() -> Any:
        yield "1"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_records(tmp_path / "a.json", broken(), head="{", tail="}")
    assert list(tmp_path.iterdir()) == []


def test_a_text_is_quoted_as_json_and_left_readable() -> None:
    assert quoted('é "a"\n') == '"é \\"a\\"\\n"'


def test_every_template_has_its_turn_and_every_field_its_word() -> None:
    texts = [fill(Random(seed), ("{noun} {noun}", "{color}!")) for seed in range(40)]

    assert {text.endswith("!") for text in texts} == {True, False}
    for text in texts:
        words = [text[:-1]] if text.endswith("!") else text.split()
        assert all(word in WORDS["color" if text.endswith("!") else "noun"] for word in words)
    assert any(a != b for a, _, b in (text.partition(" ") for text in texts))


def test_no_word_is_there_twice_or_could_break_a_json_string() -> None:
    for kind, words in WORDS.items():
        assert len(set(words)) == len(words), kind
        assert all(quoted(word) == f'"{word}"' for word in words), kind


def test_a_pool_holds_json_strings() -> None:
    texts = pool(Random(0), 5, lambda rng: f'"{rng.random()}"\n')

    assert len({json.loads(text) for text in texts}) == 5


@pytest.mark.parametrize(
    ("make", "count", "highest"),
    [
        (image_ids.coco_id, image_ids.TRAIN2017, 581_921),
        (image_ids.vg_id, image_ids.VG_IMAGES, 2_417_983),
        (lambda index: int(image_ids.open_images_id(index), 16), 50_000, 2**64),
    ],
    ids=["coco", "vg", "open images"],
)
def test_image_ids_never_repeat_within_the_real_number_of_images(make: Any, count: int, highest: int) -> None:
    ids = {make(index) for index in range(count)}

    assert len(ids) == count
    assert min(ids) >= 0
    assert max(ids) <= highest


def test_open_images_names_have_sixteen_digits() -> None:
    assert all(re.fullmatch("[0-9a-f]{16}", image_ids.open_images_id(index)) for index in range(500))


def test_six_in_ten_images_of_visual_genome_lie_in_the_first_folder() -> None:
    folders = Counter(image_ids.vg_folder(image_ids.vg_id(index)) for index in range(5_000))

    assert set(folders) == {"VG_100K", "VG_100K_2"}
    assert folders["VG_100K"] / 5_000 == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize(("scale", "num"), [(0.0001, 4), (0.01, 300)])
def test_drawn_coco_ids_differ_and_are_among_the_first_images(scale: float, num: int) -> None:
    among = scaled(image_ids.TRAIN2014, scale)
    drawn = image_ids.drawn_coco_ids(Random(0), scale, num=num, among=image_ids.TRAIN2014)

    assert len(set(drawn)) == num
    assert set(drawn) <= {image_ids.coco_id(index) for index in range(max(num, among))}


def test_a_books_key_is_ten_characters_but_for_leading_zeros_that_only_x_keeps() -> None:
    keys = [book_key(index) for index in range(20_000)]

    assert len(set(keys)) == len(keys)
    assert all(len(key) == 10 for key in keys if key.endswith("X"))
    assert not any(key.startswith("0") for key in keys if not key.endswith("X"))
    for key in keys[:500]:  # the check digit of ISBN-10
        digits = [10 if digit == "X" else int(digit) for digit in key.zfill(10)]
        assert sum(place * digit for place, digit in enumerate(digits, start=1)) % 11 == 0, key


@pytest.mark.parametrize(("number", "ending"), [(5, "gif"), (305, "gif"), (9, "png"), (1, "jpg")])
def test_a_few_covers_are_no_jpeg(number: int, ending: str) -> None:
    assert image_url(Random(0), number).endswith(f".{ending}")


def _asked(number: int, author: str = '"Tilda Quist"') -> list[tuple[str, str]]:
    return list(pairs(Random(3), number, title='"T"', author=author, genre='"Maps"'))


def test_a_book_is_asked_for_what_it_has() -> None:
    questions = [json.loads(question) for question, _ in _asked(0)]

    assert questions[0] in ("Who wrote this book?", "Who is the author of this book?")
    assert not any("wrote" in question or "author" in question for question, _ in _asked(0, author='""'))
    assert ('"What is the title of this book?"', '"T"') in _asked(0)


def test_a_book_is_related_to_its_own_genre_only() -> None:
    related = {
        (question, answer)
        for seed in range(60)
        for question, answer in pairs(Random(seed), 0, title='"T"', author='""', genre='"Maps"')
        if "related to" in question
    }

    assert {answer for question, answer in related if "to Maps?" in question} == {'"Yes"'}
    assert {answer for question, answer in related if "to Maps?" not in question} == {'"No"'}


def test_some_books_ask_less_or_more() -> None:
    assert not any("related" in question for question, _ in _asked(2))
    assert any("calendar" in question for question, _ in _asked(43))
    assert Counter(question for question, _ in _asked(100))['"What is the title of this book?"'] == 2


@PROPERTY
@given(seed=st.integers(0, 10_000), size=st.sampled_from(image_ids.VG_SIZES))
def test_an_inner_box_is_inside_and_has_area(seed: int, size: tuple[int, int]) -> None:
    x, y, width, height = regions.inner_box(Random(seed), *size)

    assert min(x, y) >= 0
    assert min(width, height) > 0
    assert x + width <= size[0]
    assert y + height <= size[1]


def test_odd_boxes_leave_the_image_or_have_no_area_but_for_the_whole_image() -> None:
    *odd, whole = regions.odd_boxes(100, 80)

    assert whole == (0, 0, 100, 80)
    for x, y, width, height in odd:
        assert min(x, y) < 0 or x + width > 100 or y + height > 80 or 0 in (width, height)


@pytest.mark.parametrize("num_images", [1, 60, 200])
def test_regions_add_up_and_every_sixtieth_image_has_few(num_images: int) -> None:
    counts = regions.region_counts(Random(0), num_images, total=50 * num_images)

    assert sum(counts) == 50 * num_images
    assert len(counts) == num_images
    assert all(counts[number] < 10 for number in range(1, num_images, 60))


@PROPERTY
@given(seed=st.integers(0, 10_000), image=st.integers(1, 581_000), crowd=st.booleans())
def test_a_referred_box_is_inside_its_image_and_a_crowd_has_a_mask(seed: int, image: int, crowd: bool) -> None:
    made = json.loads(referring.annotation(Random(seed), image, ann_id=7, crowd=crowd))
    (width, height), (x, y, w, h) = image_ids.coco_size(image), made["bbox"]

    assert x >= 0
    assert y >= 0
    assert w > 0
    assert h > 0
    assert x + w <= width + 0.01
    assert y + h <= height + 0.01
    assert (made["id"], made["image_id"], made["iscrowd"]) == (7, image, int(crowd))
    if crowd:
        assert made["segmentation"]["size"] == [height, width]
        assert sum(made["segmentation"]["counts"]) == width * height
    else:
        [outline] = made["segmentation"]
        assert all(x - 0.01 <= value <= x + w + 0.01 for value in outline[::2])
        assert all(y - 0.01 <= value <= y + h + 0.01 for value in outline[1::2])


@pytest.mark.parametrize("dataset", referring.SPLITS)
@pytest.mark.parametrize("scale", [1, 0.01, 0.0005])
def test_splits_add_up_to_the_whole_dataset(dataset: str, scale: float) -> None:
    whole, *others = referring.SPLITS[dataset]
    splits = referring.scaled_splits(dataset, scale)

    assert [split.name for split in splits] == ["train", *(split.name for split in others)]
    if scale == 1:
        assert sum(split.refs for split in splits) == whole.refs
        assert sum(split.sentences for split in splits) == whole.sentences
        assert sum(split.images for split in splits) == whole.images
    for split in splits:
        assert 0 < split.images <= split.refs <= split.sentences


def test_an_expression_is_cleaned_of_all_but_small_letters() -> None:
    for seed in range(100):
        raw, sent = referring.expression(Random(seed))
        assert re.fullmatch("[a-z ]+", sent)
        assert sent == re.sub("[^a-z ]", "", raw.lower())


def test_a_question_of_vqav2_is_answered_as_most_people_do() -> None:
    for seed in range(200):
        made = vqa.asked(Random(seed))
        annotation = json.loads(f"{made.before_image}1{made.before_id}2}}")
        votes = Counter(answer["answer"] for answer in annotation["answers"])
        assert sum(votes.values()) == 10
        assert votes[annotation["multiple_choice_answer"]] == max(votes.values())
        assert [answer["answer_id"] for answer in annotation["answers"]] == list(range(1, 11))


@pytest.mark.parametrize("without_answer", range(6))
def test_five_people_answer_okvqa_twice_each(without_answer: int) -> None:
    answers = vqa.five_people(Random(1), without_answer=without_answer)

    written = [answer["raw_answer"] for answer in answers]
    assert written[::2] == written[1::2]
    assert written[::2].count("") == without_answer
    assert [answer["answer_id"] for answer in answers] == list(range(1, 11))


@pytest.mark.parametrize(("repeats", "different"), [(False, 4), (True, 3)])
def test_a_choice_of_aokvqa_may_be_there_twice_but_never_the_right_one(repeats: bool, different: int) -> None:
    for seed in range(60):
        made = json.loads(vqa.aokvqa_record(Random(seed), 5, repeats_choice=repeats))
        assert len(set(made["choices"])) == different
        assert made["choices"].count(made["choices"][made["correct_choice_idx"]]) == 1
        assert set(made["direct_answers"]) <= set(made["choices"])


@pytest.mark.parametrize("make", [gqa.related, gqa.verified, gqa.chosen])
def test_steps_of_gqa_depend_on_earlier_ones_only(make: Any) -> None:
    for seed in range(30):
        made = make(Random(seed))
        assert all(on < number for number, (_, depends, _) in enumerate(made.steps) for on in depends)
        assert made.answer.lower() in made.full_answer.lower()
        assert made.text.endswith("?")


def test_the_written_steps_of_gqa_are_those_of_its_list() -> None:
    for seed in range(30):
        made = gqa.part(Random(seed))
        steps, rest = json.loads(made.semantic), json.loads("{" + made.rest)
        written = [re.match(r"[\w ]+(?=:)", step) for step in rest["semanticStr"].split("->")]
        assert [match and match[0] for match in written] == [step["operation"] for step in steps]


@pytest.mark.parametrize("question", ['"Who?"', '"\\u00e9 \\"a\\""'])
def test_the_image_comes_first_or_last_in_a_question(question: str) -> None:
    made = {json.loads(instruct.first_question(Random(seed), question)) for seed in range(30)}

    assert made == {f"<image>\n{json.loads(question)}", f"{json.loads(question)}\n<image>"}


def test_what_is_read_aloud_has_the_tokens_of_its_words() -> None:
    for seed in range(60):
        text, tokens = (json.loads(part) for part in captions.read_aloud(Random(seed)))
        assert tokens[0] == "<s>"
        assert tokens[-1] == "</s>"
        joined = "".join(tokens[1:-1])
        assert joined == text.lower().replace(" ", "")


def test_names_of_conversations_are_seven_letters_and_differ() -> None:
    names = {chats.conversation_name(number) for number in range(20_000)}

    assert len(names) == 20_000
    assert all(re.fullmatch("[0-9a-zA-Z]{7}", name) for name in names)


def _draft() -> chats.Draft:
    rng = Random(0)
    pieces = chats.Pieces(["Why?", "How?"], ["One.", "Two."], ["Caf\u00e9.", "\u706f\u3002"])
    return chats.Draft(chats.plain_turns(rng, pieces), rng, pieces)


def test_a_faultless_conversation_alternates_and_ends_with_an_answer() -> None:
    turns = _draft().turns

    assert [speaker for speaker, _ in turns] == ["human", "gpt"] * (len(turns) // 2)
    assert all(text for _, text in turns)


@pytest.mark.parametrize("number", range(len(chats.FAULTS)))
def test_every_fault_changes_a_conversation_and_keeps_it_json(number: int) -> None:
    draft = _draft()
    turns = chats.faulty(draft, number=number)

    assert turns != draft.turns
    assert all(isinstance(json.loads(f'"{text}"'), str) for _, text in turns)


def test_sound_conversations_are_the_most_frequent_after_the_first() -> None:
    drafts = [_draft() for _ in range(200)]
    rng = Random(1)
    sound = sum(chats.faulty(draft._replace(rng=rng), number=1_000) == draft.turns for draft in drafts)

    assert sound / 200 == pytest.approx(1 - sum(share for share, _ in chats.FAULTS) / 1_011, abs=0.1)


@pytest.mark.parametrize("value", [[], [[]], [{"a": [1, {"b": "é"}], "c": ""}], ["'", '"', "\n\\"], [-1, 10**12]])
def test_a_python_2_pickle_of_any_nesting_loads(value: Any) -> None:
    assert pickle.loads(b"".join(pickled(value)), encoding="latin1") == value


def test_a_guessed_size_stays_the_same_for_a_name() -> None:
    sizes = ((1, 2), (3, 4), (5, 6))

    assert {image_ids.guessed_size(str(name), sizes) for name in range(60)} == set(sizes)
    assert image_ids.guessed_size("a", sizes) == image_ids.guessed_size("a", sizes)


def test_a_stated_size_wins_over_a_guess(tmp_path: Path) -> None:
    for name, content in {
        "okvqa/OpenEnded_mscoco_train2014_questions.json": {"questions": [{"image_id": 7}, {"image_id": 7}]},
        "refcoco/refcoco/instances.json": {
            "images": [{"id": 7, "width": 30, "height": 20}],
        },
        "gqa/train_balanced_questions.json": {"1": {"imageId": "n54424"}},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(json.dumps(content))

    assert named_pictures(tmp_path) == [
        Picture("coco/train2017/000000000007.jpg", (30, 20), scene="coco/7"),
        Picture("gqa/images/n54424.jpg", (640, 480), scene="vg/n54424"),
    ]
