"""Made-up RefCOCO, RefCOCO+ and RefCOCOg: refs in Python 2's pickles, boxes in `instances.json`."""

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

from mix665k.builders.synthetic.files import numbered, scaled, source_rng, spread, write_records
from mix665k.builders.synthetic.image_ids import TRAIN2014, coco_size, drawn_coco_ids
from mix665k.builders.synthetic.python2_pickle import Plain, pickled
from mix665k.builders.synthetic.scene_texts import referring_expression
from mix665k.builders.synthetic.scenes import Box, Scene, Shape, coco_scene
from mix665k.builders.synthetic.text import fill
from mix665k.schemas.files import whole_file

CATEGORIES = (
    ("person", 1, "sailor"),
    ("animal", 18, "otter"),
    ("tool", 44, "anvil"),
    ("furniture", 62, "ladder"),
)
INFO = (
    '{"description": "made-up data in the form of COCO 2014", "url": "https://coco.invalid", "version": "1.0", '
    '"year": 2014, "contributor": "mix synth", "date_created": "2014-01-01 00:00:00"}'
)
LICENSES = '[{"url": "https://licence.invalid/", "id": 1, "name": "made-up data"}]'


class Split(NamedTuple):
    """How many refs, sentences and images a split has."""

    name: str
    refs: int
    sentences: int
    images: int


SPLITS = {  # counts of the RefCOCO papers; the whole first, then every split but train, which is the rest
    "refcoco": (
        Split("train", refs=50_000, sentences=142_210, images=19_994),
        Split("val", refs=3_811, sentences=10_834, images=1_500),
        Split("testA", refs=1_975, sentences=5_657, images=750),
        Split("testB", refs=1_810, sentences=5_095, images=750),
    ),
    "refcoco+": (
        Split("train", refs=49_856, sentences=141_564, images=19_992),
        Split("val", refs=3_805, sentences=10_758, images=1_500),
        Split("testA", refs=1_975, sentences=5_726, images=750),
        Split("testB", refs=1_798, sentences=4_889, images=750),
    ),
    "refcocog": (
        Split("train", refs=49_822, sentences=95_010, images=25_799),
        Split("val", refs=2_573, sentences=4_896, images=1_300),
        Split("test", refs=5_023, sentences=9_602, images=2_600),
    ),
}
REFS_FILE = {"refcoco": "refs(unc).p", "refcoco+": "refs(unc).p", "refcocog": "refs(umd).p"}


class Ref(NamedTuple):
    """One referred object: its annotation is the number-th one."""

    number: int
    image_id: int
    split: str
    num_sentences: int


def scaled_splits(dataset: str, scale: float) -> list[Split]:
    """The splits at a scale; the whole is rounded, and train takes what the others leave."""
    whole, *others = SPLITS[dataset]
    images = scaled(whole.images, scale)
    refs = scaled(whole.refs, scale, least=images)
    whole = Split("train", refs=refs, sentences=scaled(whole.sentences, scale, least=refs), images=images)
    splits = []
    for split in others:
        images = scaled(split.images, scale, least=1)
        refs = scaled(split.refs, scale, least=images)
        sentences = scaled(split.sentences, scale, least=refs)
        splits.append(Split(split.name, refs=refs, sentences=sentences, images=images))
    train = Split(
        "train",
        refs=whole.refs - sum(split.refs for split in splits),
        sentences=whole.sentences - sum(split.sentences for split in splits),
        images=whole.images - sum(split.images for split in splits),
    )
    return [train, *splits]


def image_parts(dataset: str, images: Sequence[int], splits: Sequence[Split], *, scale: float) -> Iterator[list[int]]:
    """The images of each split.

    RefCOCO and RefCOCO+ train on the same ones. RefCOCOg evaluates on some of these, as upstream, and trains on
    many of them, so that about 26,000 images are in some train split at full scale.
    """
    num_evaluated = sum(split.images for split in splits[1:])
    at = {"train": num_evaluated, "rest": 0} if dataset == "refcocog" else {"train": 0, "rest": scaled(26_000, scale)}
    for split in splits:
        place = "train" if split.name == "train" else "rest"
        yield list(images[at[place] : at[place] + split.images])
        at[place] += split.images


def drawn_refs(rng: Random, splits: Sequence[Split], parts: Iterator[list[int]]) -> list[Ref]:
    """All refs of a dataset in random order, numbered in that order."""
    refs = []
    for split, images in zip(splits, parts, strict=True):
        rng.shuffle(images)
        per_image = spread(rng, total=split.refs, parts=split.images)
        owners = [image for image, _ in numbered(images, per_image)]
        per_ref = spread(rng, total=split.sentences, parts=split.refs)
        refs += [(image, split.name, num) for image, num in zip(owners, per_ref, strict=True)]
    rng.shuffle(refs)
    return [Ref(number, *ref) for number, ref in enumerate(refs)]


def expression(rng: Random) -> tuple[str, str]:
    """What somebody typed, and its cleaned form: lower case, no punctuation."""
    text = fill(
        rng,
        (
            "{noun} on the left",
            "the {adj} {noun} {where} the {noun}",
            "{color} {noun}",
            "second {noun} from the {place}",
            "{noun}{doing} right",  # upstream, too, some words have grown together
            "{color} thing {where} {color} {noun}, {doing}",
        ),
    )
    return typed(rng, text)


def typed(rng: Random, text: str, *, accented: str = "caf\u00e9") -> tuple[str, str]:
    """An expression as somebody types it, at times with a word that is not ASCII, and its cleaned form."""
    raw = rng.choice((text, text, text.upper(), text.capitalize() + ".", f"{text} {accented}"))
    return raw, "".join(letter for letter in raw.lower() if letter in " abcdefghijklmnopqrstuvwxyz")


def referred(ref: Ref, *, seed: int) -> tuple[Scene, Shape]:
    """The shape of its image's scene that a ref points at; refs take turns, so every shape may have its own."""
    scene = coco_scene(ref.image_id, seed=seed)
    return scene, scene.shapes[ref.number % len(scene.shapes)]


def ref_records(
    rng: Random, refs: Sequence[Ref], *, first_ann: int, scenes_seed: int | None
) -> Iterator[dict[str, Plain]]:
    """The refs in the key order that Python 2's dicts gave them."""
    expressions = [expression(rng) for _ in range(200 + len(refs) // 2)]
    next_sentence = count()
    for ref in refs:
        sent_ids = [next(next_sentence) for _ in range(ref.num_sentences)]
        if scenes_seed is None:
            said = rng.choices(expressions, k=ref.num_sentences)
        else:
            scene, shape = referred(ref, seed=scenes_seed)
            said = [typed(rng, referring_expression(scene, shape, rng), accented="voil\u00e0") for _ in sent_ids]
        yield {
            "sent_ids": sent_ids,
            "file_name": f"COCO_train2014_{ref.image_id:012d}_{ref.number}.jpg",
            "ann_id": first_ann + ref.number,
            "ref_id": ref.number,
            "image_id": ref.image_id,
            "split": ref.split,
            "sentences": [
                {"tokens": sent.split(), "raw": raw, "sent_id": sent_id, "sent": sent}
                for sent_id, (raw, sent) in zip(sent_ids, said, strict=True)
            ],
            "category_id": CATEGORIES[ref.number % len(CATEGORIES)][1],
        }


def image_record(rng: Random, image_id: int) -> str:
    """An element of `images`; about half of them do not tell where they come from."""
    width, height = coco_size(image_id)
    date, flickr = ("2013-11-20 12:00:00", f"http://farm{image_id % 9}.invalid/{image_id}_z.jpg")
    if rng.random() < 0.5:
        date = flickr = ""
    return (
        f'{{"license": 1, "file_name": "COCO_train2014_{image_id:012d}.jpg", "coco_url": '
        f'"http://coco.invalid/images/{image_id}", "height": {height}, "width": {width}, '
        f'"date_captured": "{date}", "flickr_url": "{flickr}", "id": {image_id}}}'
    )


def annotation(rng: Random, image_id: int, *, ann_id: int, crowd: bool = False, box: Box | None = None) -> str:
    """A box inside the image, the given one or any, with an outline in it; crowds have a run-length mask instead."""
    width, height = coco_size(image_id)
    x, y = round(rng.random() * width * 0.8, 2), round(rng.random() * height * 0.8, 2)
    w, h = round(5 + rng.random() * (width - x - 5), 2), round(5 + rng.random() * (height - y - 5), 2)
    if box:
        x, y, w, h = map(float, box)
    corners = [(0.0, 0.3), (0.4, 0.0), (0.9, 0.1), (1.0, 0.6), (0.7, 1.0), (0.2, 0.9)]
    outline: object = [[round(value, 2) for u, v in corners for value in (x + u * w, y + v * h)]]
    if crowd:
        outline = {"counts": [width * 3, 40, width * height - width * 3 - 40], "size": [height, width]}
    return (
        f'{{"segmentation": {json.dumps(outline)}, "area": {w * h * 0.7!r}, "iscrowd": {int(crowd)}, "image_id": '
        f'{image_id}, "bbox": [{x}, {y}, {w}, {h}], "category_id": {CATEGORIES[ann_id % 4][1]}, "id": {ann_id}}}'
    )


def write_instances(
    path: Path, rng: Random, refs: Sequence[Ref], *, spare: Sequence[int], first_ann: int, scenes_seed: int | None
) -> None:
    """Images and annotations, among them images and annotations that no ref uses."""
    images = sorted({ref.image_id for ref in refs}.union(spare))
    unused = count(first_ann + len(refs))
    boxes = [None if scenes_seed is None else referred(ref, seed=scenes_seed)[1].box for ref in refs]
    annotations = [
        annotation(rng, ref.image_id, ann_id=first_ann + ref.number, box=box)
        for ref, box in zip(refs, boxes, strict=True)
    ]
    annotations += [annotation(rng, image, ann_id=next(unused), crowd=at % 90 == 5) for at, image in enumerate(images)]
    rng.shuffle(annotations)
    described = ", ".join(image_record(rng, image) for image in images)
    kinds = [{"supercategory": group, "id": number, "name": name} for group, number, name in CATEGORIES]
    write_records(
        path,
        annotations,
        head=f'{{"info": {INFO}, "images": [{described}], "licenses": {LICENSES}, "annotations": [',
        tail=f'], "categories": {json.dumps(kinds)}}}',
    )


def write_refcoco(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """The three datasets, each with its own pickle and its own `instances.json`."""
    scenes_seed = seed if scenes else None
    rng = source_rng("refcoco", seed=seed)
    drawn = drawn_coco_ids(rng, scale, num=scaled(30_000, scale, least=24), among=TRAIN2014)
    written = []
    for place, dataset in enumerate(SPLITS):
        splits = scaled_splits(dataset, scale)
        refs = drawn_refs(rng, splits, image_parts(dataset, drawn, splits, scale=scale))
        first_ann = 1_000 + place
        path = folder / dataset / REFS_FILE[dataset]
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.writelines(pickled(ref_records(rng, refs, first_ann=first_ann, scenes_seed=scenes_seed)))
        instances = folder / dataset / "instances.json"
        write_instances(instances, rng, refs, spare=drawn[-8:], first_ann=first_ann, scenes_seed=scenes_seed)
        written += [path, instances]
    return written
