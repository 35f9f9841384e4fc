"""RefCOCO, RefCOCO+ and RefCOCOg: where in the picture is what a sentence describes?"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from mix665k.schemas.boxes import Box, Convention, Size, fractions
from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import UNREADABLE, fault
from mix665k.schemas.plain_pickle import NOT_PLAIN, load_plain
from mix665k.schemas.prompts import REGION_QUESTIONS
from mix665k.schemas.sentences import fold, with_period
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import FIX, Data, DataFile, plain, read_bytes, read_json
from mix665k.trainer.evaluation.parts import means
from mix665k.trainer.evaluation.registry import Benchmark, Key, Question, Request, Score, register, score_of

_PLACE = "https://github.com/lichengunc/refer"
_SETS = {
    "refcoco": ("refs(unc).p", ("val", "testA", "testB")),
    "refcoco+": ("refs(unc).p", ("val", "testA", "testB")),
    "refcocog": ("refs(umd).p", ("val", "test")),
}
_SPLITS = tuple(f"{name}/{split}" for name, (_, splits) in _SETS.items() for split in splits)
_MIN_IOU = 0.5
_NUMBER = r"\s*(-?\d*\.?\d+)\s*"
_BOX = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")

Edges = tuple[float, float, float, float]


class Sentence(msgspec.Struct, gc=False):
    """`{"sent_id": 0, "sent": "the lady in blue", …}`."""

    sent_id: int
    sent: str


class Ref(msgspec.Struct, gc=False):
    """`{"ref_id": 0, "ann_id": 1719310, "image_id": 581857, "split": "testA", "sentences": […], …}`."""

    ref_id: int
    ann_id: int
    image_id: int
    split: str
    sentences: list[Sentence]


class Annotation(msgspec.Struct, gc=False):
    """`{"id": 1719310, "image_id": 581857, "bbox": [x, y, width, height], …}`."""

    id: int
    image_id: int
    bbox: tuple[float, float, float, float]


class Image(msgspec.Struct, gc=False):
    """`{"id": 581857, "width": 427, "height": 640, …}`."""

    id: int
    width: int
    height: int


class Instances(msgspec.Struct):
    """`{"annotations": […], "images": […], …}`."""

    annotations: list[Annotation]
    images: list[Image]


class Region(NamedTuple):
    """What is looked for: its data set and split, its box, and the size of the picture, both in pixels."""

    split: str
    box: Box
    size: Size


def _questions(data: Data, request: Request) -> list[Question]:
    wanted = (request.split,) if request.split else _SPLITS
    questions = []
    for name in _SETS:
        splits = {split.partition("/")[2] for split in wanted if split.partition("/")[0] == name}
        if splits:
            questions += list(_of_set(data, name, splits=splits, alone=bool(request.split)))
    return questions


def _of_set(data: Data, name: str, *, splits: set[str], alone: bool) -> Iterator[Question]:
    """The sentences of some splits of a data set; their number alone finds them where no other data set is asked."""
    path = _folder(data, name) / _SETS[name][0]
    if not path.exists():
        raise EvaluationError(f"{path}: no such file; get it from {_PLACE}, {name}.zip")
    instances = read_json(path.with_name("instances.json"), Instances)
    annotations = {one.id: one for one in instances.annotations}
    sizes = {one.id: Size(one.width, one.height) for one in instances.images}
    for ref in _refs(path):
        if ref.split not in splits:
            continue
        annotation, size = annotations.get(ref.ann_id), sizes.get(ref.image_id)
        if annotation is None or size is None or annotation.image_id != ref.image_id:
            raise EvaluationError(
                f"{path}: ref_id {ref.ref_id}: ann_id {ref.ann_id} of image_id {ref.image_id} is not in "
                "instances.json, expected it there; download both again"
            )
        region = Region(f"{name}/{ref.split}", Box(*annotation.bbox), size)
        for said in ref.sentences:
            keys: tuple[Key, ...] = (("id", f"{name}/{said.sent_id}"), *((("id", str(said.sent_id)),) if alone else ()))
            text = REGION_QUESTIONS["locate_region"] + with_period(fold(said.sent))
            image = f"train2017/{ref.image_id:012d}.jpg"
            yield Question(keys, text=text, image=image, bare=said.sent, record=region)


def _folder(data: Data, name: str) -> Path:
    """A data set's folder; `--data` may be that itself, the one that holds the three, or the one above."""
    found = data.require(name)
    return found / name if (found / name).is_dir() else found


def _refs(path: Path) -> list[Ref]:
    try:
        return msgspec.convert(load_plain(read_bytes(path)), list[Ref])
    except UNREADABLE as error:
        at, why = fault(error)
        raise EvaluationError(f"{path}: {f'{at}: ' if at else ''}{why}; {FIX}") from None
    except NOT_PLAIN as error:
        raise EvaluationError(f"{path}: not a pickle of plain data ({error}); {FIX}") from None


def _keys(answer: Answer) -> list[Key]:
    return [("id", plain(answer.fields["question_id"]))] if "question_id" in answer.fields else []


def _read(text: str) -> Edges | None:
    """The first four numbers between brackets: x1, y1, x2, y2."""
    found = _BOX.search(text)
    if found is None:
        return None
    x1, y1, x2, y2 = map(float, found.groups())
    return x1, y1, x2, y2


def iou(a: Edges, b: Edges) -> float:
    """The area that two boxes share over the area that they cover; a box without area shares nothing."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (a, b)]
    return wide * high / (sum(areas) - wide * high)


def _score(questions: Sequence[Question], texts: Sequence[str | None], request: Request) -> Score:
    convention = _RULES[request.rule or "square"]
    right: dict[str, list[tuple[str, float]]] = defaultdict(list)
    shares: dict[str, list[tuple[str, float]]] = defaultdict(list)
    unread = 0
    for question, text in zip(questions, texts, strict=True):
        region: Region = question.record
        said = None if text is None else _read(text)
        unread += said is None and text is not None
        share = iou(said, fractions(region.box, region.size, convention)) if said else 0.0
        right[f"accuracy {region.split}"].append((question.picture, float(share >= _MIN_IOU)))
        shares[f"mean IoU {region.split}"].append((question.picture, share))
    return score_of(means({**right, **shares}), unread=unread)


_RULES: Mapping[str, Convention] = {"square": "square", "plain": "plain"}

REFCOCO = register(
    Benchmark(
        name="refcoco",
        title="RefCOCO, RefCOCO+, RefCOCOg",
        place=_PLACE,
        licence="Apache-2.0; pictures of Flickr under their own",
        num_questions=(
            "RefCOCO 10,834 val, 5,657 testA, 5,095 testB; RefCOCO+ 10,758, 5,726, 4,889; "
            "RefCOCOg 4,896 val, 9,602 test"
        ),
        metric="accuracy of the box at IoU 0.5",
        files=tuple(DataFile(f"refcoco/{name}", place=f"{_PLACE}, {name}.zip", llava="") for name in _SETS),
        prompts={"locate": ""},
        splits=_SPLITS,
        rules=tuple(_RULES),
        rule=(
            "The first `[x1, y1, x2, y2]` of the text, right where it shares half of what it and the annotated box "
            "cover. Numbers are fractions of the picture padded to a square, as in the mixture; with the rule `plain` "
            "of the picture as it is. The question is the mixture's: `"
            + REGION_QUESTIONS["locate_region"].strip()
            + "`, "
            "the sentence, a period."
        ),
        form=Ref.__doc__ or "",
        traps=(
            "Other models give fractions of the picture as it is; read as those of the padded square they are wrong.",
        ),
        evidence=(
            "The boxes that the mixture would hold for 50 real sentences score 100; no outputs of the authors were at "
            "hand, and the paper gives no figures."
        ),
        questions=_questions,
        keys=_keys,
        score=_score,
    )
)
