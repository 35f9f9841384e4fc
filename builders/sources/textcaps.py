"""TextCaps: 21,953 OpenImages pictures with five captions each, and the words that OCR read in them."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from mix665k.builders.draw import Draw
from mix665k.builders.evaluation import AskedQuestion, EvaluationLayout, asked_question
from mix665k.builders.funnel import Dropped
from mix665k.builders.image_collections import ImageCollection
from mix665k.builders.licences import CC_BY, Licence, Paper
from mix665k.builders.published import MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, ByField, Download, ImageFolder, Lookup, RawFile, Stated, by_origin, source
from mix665k.schemas.conversation import Conversation, Pair, is_blank
from mix665k.schemas.prompts import OCR_LINE, RESPONSE_FORMATS
from mix665k.schemas.sentences import fold, with_period


class Caption(msgspec.Struct, gc=False):
    """`{"image_id": "011e7e629fb9ae7b", "caption_id": 100000000, "caption_str": …, "image_path": "train/….jpg", …}`."""

    image_id: str
    caption_id: int
    caption_str: str


class Ocr(msgspec.Struct, gc=False):
    """`{"image_id": "011e7e629fb9ae7b", "ocr_tokens": ["ZERO", "ALCOHOL"], "ocr_info": [their boxes]}`."""

    image_id: str
    ocr_tokens: list[str]


_FOLDER = "https://dl.fbaipublicfiles.com/textvqa"
IMAGES = ImageFolder(
    folder="textvqa/train_images",
    names="<image_id>.jpg",
    members="train_images/",
    download=Download(  # the hash as huggingface/datasets recorded it, in dataset_infos.json of textvqa
        name="train_val_images.zip",
        folders=(f"{_FOLDER}/images",),
        num_bytes=7_072_297_970,
        sha256="ecf35005640d0708eae185aab1c0a10f89b2db7420b29185a1ed92a8f4290498",
    ),
)
_OPENIMAGES = ImageCollection(name="openimages", title="OpenImages", folders=("textvqa",), stems=("[0-9a-f]{16}",))


def _states(name: str, *, version: str) -> tuple[Stated, ...]:
    return (Stated(field="dataset_name", expected=(name,)), Stated(field="dataset_version", expected=(version,)))


ABOUT = About(
    title="TextCaps v0.1, with TextVQA's Rosetta OCR",
    files=(
        RawFile(
            role="captions",
            path="textcaps/TextCaps_0.1_train.json",
            form=Caption,
            at="data",
            id="caption_id",
            states=_states("textcaps", version="0.1"),
            split="train",
            split_field="dataset_type",
            download=Download(name="TextCaps_0.1_train.json", folders=(f"{_FOLDER}/data/textcaps",)),
            num_bytes=181_000_000,
        ),
        RawFile(
            role="ocr",
            path="textcaps/TextVQA_Rosetta_OCR_v0.2_train.json",
            form=Ocr,
            at="data",
            id="image_id",
            states=_states("textvqa_rosetta_ocr", version="0.2"),
            split="train",
            split_field="dataset_type",
            download=Download(name="TextVQA_Rosetta_OCR_v0.2_train.json", folders=(f"{_FOLDER}/data",)),
            num_bytes=66_000_000,
        ),
    ),
    licence=CC_BY,
    image_licence=Licence(
        name="OpenImages: CC BY 2.0", commercial="yes", because="OpenImages: CC BY 2.0, with attribution"
    ),
    images=(IMAGES,),
    counts="109,765 captions, 21,953 images",
    papers=(
        Paper(
            key="sidorov2020textcaps",
            authors="Sidorov, Oleksii and Hu, Ronghang and Rohrbach, Marcus and Singh, Amanpreet",
            title="TextCaps: A Dataset for Image Captioning with Reading Comprehension",
            venue="European Conference on Computer Vision (ECCV)",
            year=2020,
        ),
        Paper(
            key="singh2019textvqa",
            authors="Singh, Amanpreet and Natarajan, Vivek and Shah, Meet and Jiang, Yu and Chen, Xinlei and Batra, "
            "Dhruv and Parikh, Devi and Rohrbach, Marcus",
            title="Towards VQA Models That Can Read",
            venue="Conference on Computer Vision and Pattern Recognition (CVPR)",
            year=2019,
        ),
    ),
    published=Published(
        file=MIX665K, num_records=21_953, place=9, figures={"pairs": Figure(21_953, "one caption an image")}
    ),
    image_collection=_OPENIMAGES,
    evaluation=EvaluationLayout(  # TextVQA_0.5.1_val.json (textvqa.org/dataset), on the images of TextCaps
        name="textvqa",
        at="data",
        form=AskedQuestion,
        keys=frozenset({"image_id", "question"}),
        items=asked_question,
        id="question_id",
        collection=_OPENIMAGES,
    ),
)


_LOOKUPS = (
    Lookup(role="captions", key=by_origin),
    Lookup(role="ocr", key=ByField("captions", "image_id"), optional=True),
)


@source(ABOUT, lookups=_LOOKUPS)
def textcaps(
    raw: RawFiles,
    *,
    seed: int,
    caption: Literal["first", "drawn"] = "first",
    prompt: str = RESPONSE_FORMATS["caption"],
    ocr_line: Literal["always", "where_tokens", "never"] = "always",
) -> Iterator[Conversation | Dropped]:
    """One caption per image: the first in the file, or a drawn one.

    The OCR tokens follow the prompt on a line of their own. Where there are none, `always` keeps the line, ending in
    `: ` as in the authors' evaluation file; `where_tokens` leaves it out.
    """
    tokens = {identifier: ocr.ocr_tokens for identifier, ocr in raw.index("ocr").items()}
    draw = Draw(seed, purpose="textcaps")
    chosen: dict[str, Caption] = {}
    for identifier, candidate in raw.entering("captions"):
        image = candidate.image_id
        if is_blank(candidate.caption_str):
            yield Dropped("empty sentence", identifier)
        elif image not in chosen:
            chosen[image] = candidate
        else:
            yield Dropped("another caption of the image taken", kind="chosen")
            if caption == "drawn" and draw.rank(identifier) < draw.rank(str(chosen[image].caption_id)):
                chosen[image] = candidate
    for image, taken in chosen.items():
        if image not in tokens:
            raw.note("no OCR record", image)
        question = _question(prompt, tokens.get(image, []), ocr_line)
        pair = Pair(question, with_period(fold(taken.caption_str)), str(taken.caption_id))
        yield Conversation(id=image, image=IMAGES.path(image), pairs=[pair])


def _question(prompt: str, tokens: list[str], ocr_line: str) -> str:
    if ocr_line == "never" or (ocr_line == "where_tokens" and not tokens):
        return prompt
    return f"{prompt}\n{OCR_LINE} {', '.join(tokens)}"
