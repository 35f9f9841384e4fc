"""RefCOCO, RefCOCO+ and RefCOCOg: sentences that refer to one object in a COCO image, pooled."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Literal, NamedTuple

import msgspec

from mix665k.builders.boxes import DESCRIBE, LOCATE, AskWithBox, AskWithSentence, Outside, RegionPairs, Side
from mix665k.builders.coco import TRAIN2017, coco_id
from mix665k.builders.draw import Draw
from mix665k.builders.evaluation import EvaluationLayout, ImageSplits, Item
from mix665k.builders.funnel import Dropped, Regrouped
from mix665k.builders.image_collections import COCO_IMAGES
from mix665k.builders.licences import APACHE, COCO, FLICKR, Paper
from mix665k.builders.published import MIX665K, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import (
    About,
    ByField,
    DecodedRecord,
    Download,
    Lookup,
    RawFile,
    Stated,
    by_origin,
    source,
)
from mix665k.schemas.boxes import Box, Convention, Size
from mix665k.schemas.conversation import Conversation, Pair


class Sentence(msgspec.Struct, gc=False):
    """`{"sent_id": 0, "sent": "the lady in blue", "raw": "THE LADY IN BLUE", "tokens": […]}`.

    Copies of the files that others made may lack `raw`.
    """

    sent_id: int
    sent: str
    raw: str | None = None


class Ref(msgspec.Struct, gc=False):
    """`{"ref_id": 0, "ann_id": 1719310, "image_id": 581857, "split": "train", "sentences": […], "file_name": …}`.

    `file_name` is not the image's file; `instances.json` names it.
    """

    ref_id: int
    ann_id: int
    image_id: int
    split: str
    sentences: list[Sentence]


class Annotation(msgspec.Struct, gc=False):
    """`{"id": 1719310, "image_id": 581857, "bbox": [x, y, width, height], "segmentation": […], …}`."""

    id: int
    image_id: int
    bbox: tuple[float, float, float, float]


class Image(msgspec.Struct, gc=False):
    """`{"id": 581857, "file_name": "COCO_train2014_000000581857.jpg", "width": 427, "height": 640, …}`."""

    id: int
    width: Side
    height: Side


_SPLIT_BY = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd"}
_FOLDER = "https://bvisionweb1.cs.unc.edu/licheng/referit/data"
_CRAWLED = {"refcoco": "20220413011718", "refcoco+": "20220413011656", "refcocog": "20220413012904"}
"""When the Internet Archive took its copies, which people use since the publisher's server went down in 2022
(github.com/lichengunc/refer, issue 14)."""


_COCO2014 = Stated(
    field="info.description",
    expected=("the 2014 MS COCO dataset",),
    like=r".* version of the (?!2014)\d{4} MS COCO dataset\.|COCO \d{4} Dataset",
)


def _files(name: str, split_by: str) -> tuple[RawFile, ...]:
    """The three parts of a data set; the last two stand in one file."""
    download = Download(
        name=f"{name}.zip", folders=(_FOLDER, f"https://web.archive.org/web/{_CRAWLED[name]}/{_FOLDER}")
    )

    def part(role: str, file: str, **facts: Any) -> RawFile:
        member = f"{name}/{file}"
        path = f"refcoco/{member}"
        return RawFile(role=f"{name}/{role}", path=path, download=download, member=member, optional=True, **facts)

    pairs = lambda ref: len(ref.sentences)  # noqa: E731
    return (
        part("refs", f"refs({split_by}).p", form=Ref, at="pickle", id="ref_id", pairs=pairs, split_field="split"),
        part("annotations", "instances.json", form=Annotation, at="annotations", id="id", states=(_COCO2014,)),
        part("images", "instances.json", form=Image, at="images", id="id", states=(_COCO2014,)),
    )


def _items(_: str, record: Ref) -> Iterator[Item]:
    for said in record.sentences:
        yield Item(str(said.sent_id), str(record.image_id), said.sent)


ABOUT = About(
    title="RefCOCO (unc), RefCOCO+ (unc), RefCOCOg (umd)",
    files=tuple(file for name, split_by in _SPLIT_BY.items() for file in _files(name, split_by)),
    licence=APACHE,
    image_licence=FLICKR,
    images=(TRAIN2017,),
    counts="142,210 + 141,564 + 95,010 sentences",
    papers=(
        Paper(
            key="kazemzadeh2014referit",
            authors="Kazemzadeh, Sahar and Ordonez, Vicente and Matten, Mark and Berg, Tamara",
            title="ReferItGame: Referring to Objects in Photographs of Natural Scenes",
            venue="Conference on Empirical Methods in Natural Language Processing (EMNLP)",
            year=2014,
        ),
        Paper(
            key="yu2016refcoco",
            authors="Yu, Licheng and Poirson, Patrick and Yang, Shan and Berg, Alexander C. and Berg, Tamara L.",
            title="Modeling Context in Referring Expressions",
            venue="European Conference on Computer Vision (ECCV)",
            year=2016,
        ),
        Paper(
            key="mao2016refcocog",
            authors="Mao, Junhua and Huang, Jonathan and Toshev, Alexander and Camburu, Oana and Yuille, Alan L. and "
            "Murphy, Kevin",
            title="Generation and Comprehension of Unambiguous Object Descriptions",
            venue="Conference on Computer Vision and Pattern Recognition (CVPR)",
            year=2016,
        ),
        COCO,
    ),
    writes_boxes=True,
    published=Published(file=MIX665K, num_records=48_447, place=5, prompt_forms=("describe region", "locate region")),
    image_collection=COCO_IMAGES,
    evaluation=EvaluationLayout(  # refs(unc).p, refs(umd).p (github.com/lichengunc/refer): the raw form itself
        name="refcoco",
        at="pickle",
        form=Ref,
        keys=frozenset({"ref_id"}),
        items=_items,
        id="ref_id",
        collection=COCO_IMAGES,
        splits=True,
    ),
    image_splits=ImageSplits(title="RefCOCO", roles={name: f"{name}/refs" for name in _SPLIT_BY}),
)


class _Phrase(NamedTuple):
    """A sentence with the box and the image it refers to."""

    text: str
    origin: str
    box: Box
    size: Size


def _by_sentence(entries: Iterable[DecodedRecord]) -> Iterator[tuple[str, DecodedRecord]]:
    return ((str(said.sent_id), entry) for entry in entries for said in entry.record.sentences)


def _place(origin: str, ref: Ref) -> dict[str, list[int]]:
    return {"sentences": [i for i, said in enumerate(ref.sentences) if str(said.sent_id) == origin]}


def _lookups(name: str) -> tuple[Lookup, ...]:
    """The lookups of one data set, whose origins are `<name>/<sent_id>`."""
    refs, prefix = f"{name}/refs", f"{name}/"
    return (
        Lookup(role=refs, key=by_origin, names=_by_sentence, id_name="sent_id", items=_place, prefix=prefix),
        Lookup(role=f"{name}/annotations", key=ByField(refs, "ann_id"), prefix=prefix),
        Lookup(role=f"{name}/images", key=ByField(refs, "image_id"), prefix=prefix),
    )


def _annotated(raw: RawFiles, name: str) -> Iterator[tuple[str, Ref, Box, Size]]:
    """The refs of a data set, each with its origin, its box and the size of its image; the others are rejected."""
    annotations, images = raw.index(f"{name}/annotations"), raw.index(f"{name}/images")
    for identifier, ref in raw.entering(f"{name}/refs"):
        origin = f"{name}/{identifier}"
        annotation, image = annotations.get(str(ref.ann_id)), images.get(str(ref.image_id))
        if annotation is None or image is None or annotation.image_id != ref.image_id:
            why = f"ann_id {ref.ann_id} of image_id {ref.image_id} is not in instances.json, expected it there"
            raw.reject(f"{name}/refs", origin, why, pairs=len(ref.sentences))
            continue
        yield origin, ref, Box(*annotation.bbox), Size(image.width, image.height)


@source(ABOUT, lookups=tuple(lookup for name in _SPLIT_BY for lookup in _lookups(name)))
def refcoco(
    raw: RawFiles,
    *,
    seed: int,
    splits: list[str] = ["train"],  # noqa: B006, read only
    exclude_images_of: list[str] = [],  # noqa: B006, read only
    sentence: Literal["sent", "raw"] = "sent",
    convention: Convention = "square",
    outside: Outside = "clip",
    describe: AskWithBox = DESCRIBE,
    locate: AskWithSentence = LOCATE,
) -> Iterator[Conversation | Dropped | Regrouped]:
    """All sentences of an image in one conversation, shuffled, each with one of two drawn prompts.

    The datasets whose files are given are pooled, nothing is deduplicated. `sentence` is the field: `sent` cleaned
    by the publisher, `raw` as typed. For the box convention, boxes outside the image and the prompts see `vg`.
    Images that a split of `exclude_images_of` has too, in any of the datasets, are left out.
    """
    refs: dict[int, list[list[_Phrase]]] = {}
    excluded: set[int] = set()
    for name in [name for name in _SPLIT_BY if f"{name}/refs" in raw.paths]:
        for origin, ref, box, size in _annotated(raw, name):
            if ref.split in exclude_images_of:
                excluded.add(ref.image_id)
            if ref.split not in splits:
                yield Dropped(f"split {ref.split}", origin, kind="chosen", pairs=len(ref.sentences))
                continue
            if any(getattr(said, sentence) is None for said in ref.sentences):
                why = f"a sentence without `{sentence}`, expected it as the parameter `sentence` asks; use `sent`"
                raw.reject(f"{name}/refs", origin, why, pairs=len(ref.sentences))
                continue
            refs.setdefault(ref.image_id, []).append(
                [
                    _Phrase(text=getattr(said, sentence), origin=f"{name}/{said.sent_id}", box=box, size=size)
                    for said in ref.sentences
                ]
            )
    order = Draw(seed, purpose="refcoco order")
    region_pairs = RegionPairs(
        Draw(seed, purpose="region prompt"), convention, outside, note=raw.note, describe=describe, locate=locate
    )
    for image_id, grouped in refs.items():
        name = coco_id(image_id)
        if image_id in excluded:
            reason, num_pairs = "image of an excluded split", sum(map(len, grouped))
            yield Dropped(reason, name, kind="chosen", conversations=len(grouped), pairs=num_pairs)
            continue
        shuffled = order.order(chain.from_iterable(grouped), key=lambda phrase: phrase.origin)
        made = [region_pairs.pair(one.text, one.box, size=one.size, origin=one.origin) for one in shuffled]
        yield from (one for one in made if isinstance(one, Dropped))
        pairs = [one for one in made if isinstance(one, Pair)]
        if not pairs:
            yield Dropped("no usable sentence", name, conversations=len(grouped), pairs=0)
            continue
        yield Regrouped("merged", conversations=1 - len(grouped))
        done = (f"{len(pairs)} sentences shuffled",)
        yield Conversation(id=name, image=TRAIN2017.path(name), pairs=pairs, several=True, history=done)
