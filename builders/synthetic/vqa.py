"""Made-up VQAv2, OKVQA and A-OKVQA: questions on COCO images."""

import json
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from string import ascii_letters, digits
from typing import NamedTuple

from mix665k.builders.synthetic.files import numbered, quoted, scaled, source_rng, spread, write_records
from mix665k.builders.synthetic.image_ids import TRAIN2014, TRAIN2017, coco_id, drawn_coco_ids
from mix665k.builders.synthetic.scene_questions import Question, knowledge_questions, visual_questions
from mix665k.builders.synthetic.scene_texts import sentences
from mix665k.builders.synthetic.scenes import Scene, coco_scene
from mix665k.builders.synthetic.text import WORDS, fill, sentence

LICENSE = '{"url": "https://licence.invalid/", "name": "made-up data"}'
INFO = (
    '{"description": "made-up data in the form of VQA v2.0", "url": "https://vqa.invalid", "version": "2.0", '
    '"year": 2017, "contributor": "mix synth", "date_created": "2017-01-01 00:00:00"}'
)
TOPICS = ("eight", "nine", "four", "six", "two", "other", "one", "five", "ten", "seven", "three")
KINDS = (  # question type, question, answer type, the words an answer comes from
    ("is the", "Is the {noun} {adj}?", "yes/no", ("yes", "no")),
    ("are there", "Are there {color} {noun}s {where} the {place}?", "yes/no", ("yes", "no")),
    ("does the", "Does the {noun} look {adj}?", "yes/no", ("no", "yes", "maybe")),
    ("how many", "How many {noun}s are {doing} {where} the {noun}?", "number", WORDS["number"]),
    ("what color is the", "What color is the {adj} {noun}?", "other", WORDS["color"]),
    ("what is the", "What is the {noun} made of?", "other", WORDS["material"]),
    ("what is", "What is {where} the {adj} {noun}?", "other", WORDS["noun"]),
    ("where is the", "Where is the {color} {noun}?", "other", WORDS["place"]),
    ("none of the above", "{name} has a {noun}; what is it doing?", "other", WORDS["doing"]),
)


COLOR = "what color is the"  # asked the most often, as what can be seen at a glance


class Asked(NamedTuple):
    """A question's JSON string, and its annotation up to the image id and after it."""

    question: str
    before_image: str
    before_id: str


def asked(rng: Random) -> Asked:
    """A VQAv2 question with the votes of ten people; the most common answer is the chosen one."""
    kind, template, answer_type, words = rng.choice(KINDS)
    right = rng.choice(words)
    votes = [right] * rng.randint(3, 10)
    votes += rng.choices(words, k=10 - len(votes))
    rng.shuffle(votes)
    return voted(rng, template, votes=votes, kind=kind, answer_type=answer_type)


def asked_of_scene(image_id: int, number: int, *, seed: int) -> Asked:
    """The number-th VQAv2 question on an image; six to ten people are right, whoever is not errs alone or in pairs."""
    scene = coco_scene(image_id, seed=seed)
    order = Random(f"{seed}/vqav2/{image_id}")
    questions = visual_questions(scene, order)
    questions.sort(key=lambda question: order.random() * (3 if question.opening == COLOR else 1), reverse=True)
    question, rng = questions[number % len(questions)], Random(f"{seed}/vqav2/{image_id}/{number}")
    votes = [question.answer] * rng.choice((6, 7, 8, 9, 9, 10, 10, 10, 10))
    votes += rng.choices(question.wrong, k=10 - len(votes))
    rng.shuffle(votes)
    return voted(rng, question.text, votes=votes, kind=question.opening, answer_type=question.answer_type)


def voted(rng: Random, template: str, *, votes: list[str], kind: str, answer_type: str) -> Asked:
    """A question with its ten votes; words are put into the fields of its template, if it has any."""
    answers = [
        {
            "answer": vote,
            "answer_confidence": rng.choice(("yes", "yes", "yes", "maybe", "no")),
            "answer_id": number,
        }
        for number, vote in enumerate(votes, start=1)
    ]
    chosen = Counter(votes).most_common(1)[0][0]
    return Asked(
        question=quoted(fill(rng, (template,))),
        before_image=f'{{"question_type": "{kind}", "multiple_choice_answer": "{chosen}", '
        f'"answers": {json.dumps(answers)}, "image_id": ',
        before_id=f', "answer_type": "{answer_type}", "question_id": ',
    )


def write_vqav2(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """Questions grouped by image, and their annotations in another order."""
    rng = source_rng("vqav2", seed=seed)
    pool = [asked(rng) for _ in range(scaled(30_000, scale, least=300))]
    images = [coco_id(index) for index in range(scaled(TRAIN2014, scale))]
    rng.shuffle(images)
    counts = spread(rng, total=scaled(443_757, scale), parts=len(images))
    ids = array("q", (image * 1_000 + number for image, number in numbered(images, counts)))
    picks = array("H", rng.choices(range(len(pool)), k=len(ids)))
    order = array("l", range(len(ids)))
    rng.shuffle(order)

    def entry(at: int) -> Asked:
        return asked_of_scene(*divmod(ids[at], 1_000), seed=seed) if scenes else pool[picks[at]]

    questions = (
        f'{{"image_id": {question_id // 1_000}, "question": {entry(at).question}, "question_id": {question_id}}}'
        for at, question_id in enumerate(ids)
    )
    annotations = (
        f"{made.before_image}{ids[at] // 1_000}{made.before_id}{ids[at]}}}" for at in order for made in (entry(at),)
    )
    head = f'{{"info": {INFO}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {LICENSE}, '
    return [
        write_records(
            folder / "v2_OpenEnded_mscoco_train2014_questions.json",
            questions,
            head=head + '"data_subtype": "train2014", "questions": [',
            tail="]}",
        ),
        write_records(
            folder / "v2_mscoco_train2014_annotations.json",
            annotations,
            head=f'{{"info": {INFO}, "license": {LICENSE}, "data_subtype": "train2014", "annotations": [',
            tail='], "data_type": "mscoco"}',
        ),
    ]


def five_people(rng: Random, *, without_answer: int, right: Question | None = None) -> list[dict[str, str | int]]:
    """What five people wrote, each twice, with its stemmed form ("ladders" becomes "ladder").

    Of a question on a scene four or five know the right answer, one of them perhaps in the plural; who has none errs.
    """
    if right is None:
        word = rng.choice(WORDS["noun"])
        written = [
            rng.choice((word, word, word + "s", f"{rng.choice(WORDS['adj'])} {word}s", "caf\u00e9")) for _ in "12345"
        ]
    else:
        plural = right.answer + ("s" if right.opening == "what is the" and right.answer[-1] != "y" else "")
        written = [rng.choice((right.answer, *right.wrong)), rng.choice((plural, right.answer)), *[right.answer] * 3]
    written[:without_answer] = [""] * without_answer
    rng.shuffle(written)
    return [
        {
            "answer_id": number + 1,
            "raw_answer": written[number // 2],
            "answer_confidence": rng.choice(("yes", "yes", "yes", "no")),
            "answer": written[number // 2].removesuffix("s"),
        }
        for number in range(10)
    ]


def knowledge_question(image_id: int, question_id: int, *, seed: int) -> Question:
    """The OKVQA question of an id on an image's scene."""
    questions = knowledge_questions(coco_scene(image_id, seed=seed))
    return questions[Random(f"{seed}/okvqa/{question_id}").randrange(len(questions))]


def okvqa_annotations(rng: Random, ids: list[tuple[int, int]], *, seed: int, scenes: bool) -> Iterator[str]:
    """One annotation per (image id, question id); a few people answered nothing, in one case most of them."""
    for number, (image_id, question_id) in enumerate(ids):
        without_answer = 3 if number % 2_000 == 2 else int(number % 600 == 1)
        right = knowledge_question(image_id, question_id, seed=seed) if scenes else None
        annotation = {
            "image_id": image_id,
            "answer_type": "other",
            "question_type": rng.choice(TOPICS),
            "question_id": question_id,
            "answers": five_people(rng, without_answer=without_answer, right=right),
            "confidence": rng.choice((1, 2, 2, 2, 3, 3, 4, 5)),
        }
        yield json.dumps(annotation)


def write_okvqa(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """Questions and annotations in different orders; an id is the image's with one more digit."""
    rng = source_rng("okvqa", seed=seed)
    images = drawn_coco_ids(rng, scale, num=scaled(8_998, scale), among=TRAIN2014)
    counts = spread(rng, total=scaled(9_009, scale), parts=len(images))
    ids = [(image, image * 10 + 5 + number) for image, number in numbered(images, counts)]
    questions = (
        f'{{"image_id": {image_id}, "question": {quoted(question)}, "question_id": {question_id}}}'
        for image_id, question_id in ids
        for question in (
            knowledge_question(image_id, question_id, seed=seed).text
            if scenes
            else fill(rng, ("Which {material} thing is used to {verb} a {noun}?", "Who made the {adj} {noun}?")),
        )
    )
    kinds = json.dumps({topic: f"made-up topic {topic}" for topic in TOPICS})
    info = '{"year": 2019, "version": "1.0", "description": "made-up data in the form of OK-VQA"}'
    head = f'{{"license": {LICENSE}, "data_subtype": "train2014", "task_type": "Open-Ended", "questions": ['
    written = write_records(
        folder / "OpenEnded_mscoco_train2014_questions.json",
        questions,
        head=head,
        tail=f'], "info": {info}, "data_type": "mscoco"}}',
    )
    rng.shuffle(ids)
    head = f'{{"info": {info}, "license": {LICENSE}, "data_subtype": "train2014", "data_type": "mscoco", '
    annotations = write_records(
        folder / "mscoco_train2014_annotations.json",
        okvqa_annotations(rng, ids, seed=seed, scenes=scenes),
        head=head + f'"question_types": {kinds}, "annotations": [',
        tail="]}",
    )
    return [written, annotations]


class Choice(NamedTuple):
    """A question with four choices, of which the correct-th is right, and three reasons for it."""

    question: str
    choices: list[str]
    correct: int
    rationales: list[str]


def choice_of_scene(rng: Random, scene: Scene) -> Choice:
    """A question on a scene that has at least three wrong answers."""
    asked = [*knowledge_questions(scene), *visual_questions(scene, rng)]
    question = rng.choice([one for one in asked if len(one.wrong) >= 3 and one.answer_type == "other"])
    correct = rng.randrange(4)
    choices = rng.sample(question.wrong, k=3)
    choices.insert(correct, question.answer)
    seen = sentences(scene)
    return Choice(question.text, choices=choices, correct=correct, rationales=[question.sentence, seen[0], seen[1]])


def aokvqa_record(rng: Random, image_id: int, *, repeats_choice: bool, scene: Scene | None = None) -> str:
    """One A-OKVQA question with four choices, of which one may occur twice."""
    made = choice_of_scene(rng, scene) if scene else None
    choices = made.choices if made else rng.sample(WORDS[rng.choice(("noun", "place", "material", "brand"))], k=4)
    correct = made.correct if made else rng.randrange(4)
    if repeats_choice:
        choices[(correct + 1) % 4] = choices[(correct + 2) % 4]
    said = (choices[correct],) * (12 if made else 1) + tuple(choices)
    record = {
        "split": "train",
        "image_id": image_id,
        "question_id": "".join(rng.choices(ascii_letters + digits, k=22)),
        "question": made.question
        if made
        else fill(rng, ("What could the {noun} {where} the {place} be?", "Who left the {adj} {noun} there?")),
        "choices": choices,
        "correct_choice_idx": correct,
        "direct_answers": [rng.choice(said) for _ in range(10)],
        "difficult_direct_answer": rng.random() < 0.06,
        "rationales": made.rationales if made else [sentence(rng) for _ in range(3)],
    }
    return json.dumps(record)


def write_aokvqa(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """Questions of the train split, in random order."""
    rng = source_rng("aokvqa", seed=seed)
    images = drawn_coco_ids(rng, scale, num=scaled(16_540, scale), among=TRAIN2017)
    counts = spread(rng, total=scaled(17_056, scale), parts=len(images))
    rows = [image for image, _ in numbered(images, counts)]
    rng.shuffle(rows)
    records = (
        aokvqa_record(
            rng, image, repeats_choice=number % 160 == 2, scene=coco_scene(image, seed=seed) if scenes else None
        )
        for number, image in enumerate(rows)
    )
    return [write_records(folder / "aokvqa_v1p0_train.json", records)]
