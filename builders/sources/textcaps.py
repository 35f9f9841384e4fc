"""TextCaps: 21,953 OpenImages pictures with five captions each, and the words that OCR read in them."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from mix665k.builders.draw import Draw
from mix665k.builders.licences import CC_BY, Paper, Terms, Use
from mix665k.builders.provenance import by_field, by_origin
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, ImageArchive, Lead, RawFile, source
from mix665k.builders.sentences import fold, with_period
from mix665k.schemas.conversation import Conversation, Pair


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
_IMAGES = Download(  # the hash as huggingface/datasets recorded it, in dataset_infos.json of textvqa
    "train_val_images.zip",
    (f"{_FOLDER}/images",),
    num_bytes=7_072_297_970,
    sha256="ecf35005640d0708eae185aab1c0a10f89b2db7420b29185a1ed92a8f4290498",
)
ABOUT = About(
    title="TextCaps v0.1, train, with TextVQA's Rosetta OCR",
    files=(
        RawFile(
            "captions",
            "textcaps/TextCaps_0.1_train.json",
            Caption,
            "data",
            "caption_id",
            Download("TextCaps_0.1_train.json", (f"{_FOLDER}/data/textcaps",)),
            181_000_000,
        ),
        RawFile(
            "ocr",
            "textcaps/TextVQA_Rosetta_OCR_v0.2_train.json",
            Ocr,
            "data",
            "image_id",
            Download("TextVQA_Rosetta_OCR_v0.2_train.json", (f"{_FOLDER}/data",)),
            66_000_000,
        ),
    ),
    licence="CC BY 4.0",
    image_licence="OpenImages: CC BY 2.0",
    images="textvqa/train_images/<image_id>.jpg",
    counts="109,765 captions, 21,953 images",
    terms=Terms(
        text=CC_BY,
        images=Use("yes", "OpenImages: CC BY 2.0, with attribution"),
        papers=(
            Paper(
                "sidorov2020textcaps",
                "Sidorov, Oleksii and Hu, Ronghang and Rohrbach, Marcus and Singh, Amanpreet",
                "TextCaps: A Dataset for Image Captioning with Reading Comprehension",
                "European Conference on Computer Vision (ECCV)",
                2020,
            ),
            Paper(
                "singh2019textvqa",
                "Singh, Amanpreet and Natarajan, Vivek and Shah, Meet and Jiang, Yu and Chen, Xinlei and Batra, Dhruv "
                "and Parikh, Devi and Rohrbach, Marcus",
                "Towards VQA Models That Can Read",
                "Conference on Computer Vision and Pattern Recognition (CVPR)",
                2019,
            ),
        ),
    ),
    archives=(ImageArchive("textvqa/train_images", "train_images/", _IMAGES),),
)


_TRAIL = (Lead("captions", by_origin), Lead("ocr", by_field("captions", "image_id"), optional=True))


@source(ABOUT, trail=_TRAIL)
def textcaps(
    raw: RawFiles,
    *,
    seed: int,
    caption: Literal["first", "drawn"] = "first",
    prompt: str = "Provide a one-sentence caption for the provided image.",
    ocr_line: Literal["always", "where_tokens", "never"] = "always",
) -> Iterator[Conversation]:
    """One caption per image: the first in the file, or a drawn one.

    The OCR tokens follow the prompt on a line of their own. Where there are none, `always` keeps the line, ending in
    `: ` as in the authors' evaluation file; `where_tokens` leaves it out.
    """
    tokens = {identifier: ocr.ocr_tokens for identifier, ocr in raw.entries("ocr")}
    draw = Draw(seed, purpose="textcaps")
    chosen: dict[str, Caption] = {}
    for identifier, candidate in raw.entries("captions", counted=True):
        raw.tally.enter()
        image = candidate.image_id
        if not candidate.caption_str.strip():
            raw.tally.drop("empty sentence", identifier)
        elif image not in chosen:
            chosen[image] = candidate
        else:
            raw.tally.change("another caption of the image taken", conversations=-1, pairs=-1)
            if caption == "drawn" and draw.rank(identifier) < draw.rank(str(chosen[image].caption_id)):
                chosen[image] = candidate
    for image, taken in chosen.items():
        if image not in tokens:
            raw.tally.note("no OCR record", image)
        question = _question(prompt, tokens.get(image, []), ocr_line)
        pair = Pair(question, with_period(fold(taken.caption_str)), str(taken.caption_id))
        yield Conversation(image, f"textvqa/train_images/{image}.jpg", [pair], image)


def _question(prompt: str, tokens: list[str], ocr_line: str) -> str:
    if ocr_line == "never" or (ocr_line == "where_tokens" and not tokens):
        return prompt
    return f"{prompt}\nReference OCR token: {', '.join(tokens)}"
