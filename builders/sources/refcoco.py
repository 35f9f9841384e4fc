"""RefCOCO, RefCOCO+ and RefCOCOg: sentences that refer to one object in a COCO image, pooled."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from mix665k.builders.boxes import Box, Convention, Outside, RegionPairs, Size
from mix665k.builders.coco import TRAIN2017, coco_id, coco_image
from mix665k.builders.draw import Draw
from mix665k.builders.licences import APACHE, COCO, FLICKR, Paper, Terms
from mix665k.builders.provenance import by_field, by_origin
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, Entry, Lead, RawFile, source
from mix665k.schemas.conversation import Conversation


class Sentence(msgspec.Struct, gc=False):
    """`{"sent_id": 0, "sent": "the lady in blue", "raw": "THE LADY IN BLUE", "tokens": […]}`."""

    sent_id: int
    sent: str
    raw: str


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
    width: int
    height: int


_SPLIT_BY = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd"}
_FOLDER = "https://bvisionweb1.cs.unc.edu/licheng/referit/data"
_CRAWLED = {"refcoco": "20220413011718", "refcoco+": "20220413011656", "refcocog": "20220413012904"}
"""When the Internet Archive took its copies, which people use since the publisher's server went down in 2022
(github.com/lichengunc/refer, issue 14)."""


def _files(name: str, split_by: str) -> tuple[RawFile, ...]:
    """The three parts of a data set; the last two stand in one file."""
    download = Download(f"{name}.zip", (_FOLDER, f"https://web.archive.org/web/{_CRAWLED[name]}/{_FOLDER}"))

    def part(role: str, file: str, form: type, at: str, key: str) -> RawFile:
        member = f"{name}/{file}"
        return RawFile(f"{name}/{role}", f"refcoco/{member}", form, at, key, download, optional=True, member=member)

    return (
        part("refs", f"refs({split_by}).p", Ref, "pickle", "ref_id"),
        part("annotations", "instances.json", Annotation, "annotations", "id"),
        part("images", "instances.json", Image, "images", "id"),
    )


ABOUT = About(
    title="RefCOCO (unc), RefCOCO+ (unc), RefCOCOg (umd)",
    files=tuple(file for name, split_by in _SPLIT_BY.items() for file in _files(name, split_by)),
    licence="Apache-2.0",
    image_licence="COCO: Flickr terms",
    images="coco/train2017/<12 digits>.jpg",
    counts="142,210 + 141,564 + 95,010 sentences",
    terms=Terms(
        text=APACHE,
        images=FLICKR,
        papers=(
            Paper(
                "kazemzadeh2014referit",
                "Kazemzadeh, Sahar and Ordonez, Vicente and Matten, Mark and Berg, Tamara",
                "ReferItGame: Referring to Objects in Photographs of Natural Scenes",
                "Conference on Empirical Methods in Natural Language Processing (EMNLP)",
                2014,
            ),
            Paper(
                "yu2016refcoco",
                "Yu, Licheng and Poirson, Patrick and Yang, Shan and Berg, Alexander C. and Berg, Tamara L.",
                "Modeling Context in Referring Expressions",
                "European Conference on Computer Vision (ECCV)",
                2016,
            ),
            Paper(
                "mao2016refcocog",
                "Mao, Junhua and Huang, Jonathan and Toshev, Alexander and Camburu, Oana and Yuille, Alan L. and "
                "Murphy, Kevin",
                "Generation and Comprehension of Unambiguous Object Descriptions",
                "Conference on Computer Vision and Pattern Recognition (CVPR)",
                2016,
            ),
            COCO,
        ),
    ),
    archives=(TRAIN2017,),
)


class _Phrase(NamedTuple):
    """A sentence with the box and the image it refers to."""

    text: str
    origin: str
    box: Box
    size: Size


def _by_sentence(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    return ((str(said.sent_id), entry) for entry in entries for said in entry.record.sentences)


def _place(origin: str, ref: Ref) -> dict[str, list[int]]:
    return {"sentences": [i for i, said in enumerate(ref.sentences) if str(said.sent_id) == origin]}


def _leads(name: str) -> tuple[Lead, ...]:
    """The trail of one data set, whose origins are `<name>/<sent_id>`."""
    refs, prefix = f"{name}/refs", f"{name}/"
    return (
        Lead(refs, by_origin, _by_sentence, "sent_id", _place, prefix),
        Lead(f"{name}/annotations", by_field(refs, "ann_id"), prefix=prefix),
        Lead(f"{name}/images", by_field(refs, "image_id"), prefix=prefix),
    )


@source(ABOUT, trail=tuple(lead for name in _SPLIT_BY for lead in _leads(name)))
def refcoco(
    raw: RawFiles,
    *,
    seed: int,
    splits: list[str] = ["train"],  # noqa: B006, read only
    sentence: Literal["sent", "raw"] = "sent",
    convention: Convention = "square",
    outside: Outside = "clip",
) -> Iterator[Conversation]:
    """All sentences of an image in one conversation, shuffled, each with one of two drawn prompts.

    The data sets whose files are given are pooled, nothing is deduplicated. `sentence` is the field: `sent` cleaned
    by the publisher, `raw` as typed. For the box convention and boxes outside the image see `vg`.
    """
    images: dict[int, list[_Phrase]] = {}
    for name in _datasets(raw):
        for image_id, phrase in _phrases(raw, name, splits, sentence):
            images.setdefault(image_id, []).append(phrase)
    order = Draw(seed, purpose="refcoco order")
    turns = RegionPairs(Draw(seed, purpose="region prompt"), convention, outside, raw.tally)
    for image_id, phrases in images.items():
        shuffled = order.order(phrases, key=lambda phrase: phrase.origin)
        pairs = [turns.pair(phrase.text, phrase.box, phrase.size, origin=phrase.origin) for phrase in shuffled]
        kept = [pair for pair in pairs if pair]
        if not kept:
            raw.tally.note("no usable sentence", coco_id(image_id))
            continue
        raw.tally.change("merged", conversations=1)
        done = (f"{len(kept)} sentences shuffled",)
        yield Conversation(coco_id(image_id), coco_image(image_id), kept, coco_id(image_id), several=True, history=done)


def _datasets(raw: RawFiles) -> list[str]:
    """The data sets whose files are given, in the order of the paper."""
    return [name for name in _SPLIT_BY if f"{name}/refs" in raw.paths]


def _phrases(raw: RawFiles, name: str, splits: list[str], sentence: str) -> Iterator[tuple[int, _Phrase]]:
    """The sentences of one data set with their image ids, in the order of the file."""
    annotations, images = raw.index(f"{name}/annotations"), raw.index(f"{name}/images")
    for identifier, ref in raw.entries(f"{name}/refs", counted=True):
        annotation = annotations.get(str(ref.ann_id))
        image = images.get(str(ref.image_id))
        if annotation is None or image is None or annotation.image_id != ref.image_id:
            why = f"ann_id {ref.ann_id} of image_id {ref.image_id} is not in instances.json, expected it there"
            raw.reject(f"{name}/refs", f"{name}/{identifier}", why, counted=True)
            continue
        raw.tally.enter(pairs=len(ref.sentences))
        if ref.split not in splits:
            raw.tally.drop(f"split {ref.split}", f"{name}/{identifier}", pairs=len(ref.sentences))
            continue
        raw.tally.change("merged", conversations=-1)
        for said in ref.sentences:
            phrase = _Phrase(
                getattr(said, sentence),
                f"{name}/{said.sent_id}",
                Box(*annotation.bbox),
                Size(image.width, image.height),
            )
            yield ref.image_id, phrase
