"""LLaVA-Instruct-150K: 157,712 conversations that GPT-4 wrote about COCO images."""

from collections.abc import Iterator

from mix665k.builders.coco import TRAIN2017
from mix665k.builders.image_collections import COCO_IMAGES
from mix665k.builders.licences import COCO, FLICKR, LLAVA, Licence
from mix665k.builders.llava_records import llava_conversations, llava_file, llava_lookups
from mix665k.builders.published import MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, source
from mix665k.schemas.conversation import Conversation

ABOUT = About(
    title="LLaVA-Instruct-150K",
    files=(
        llava_file(
            "llava_instruct/llava_instruct_150k.json", hub="liuhaotian/LLaVA-Instruct-150K", num_bytes=229_000_000
        ),
    ),
    licence=Licence(
        name="CC BY 4.0, and the terms of the model that wrote it",
        commercial="unclear",
        because="CC BY 4.0, but its texts are also under the terms of the model that wrote them",
    ),
    image_licence=FLICKR,
    images=(TRAIN2017,),
    counts="157,712 conversations",
    papers=(
        LLAVA,
        COCO,
    ),
    published=Published(
        file=MIX665K,
        num_records=157_712,
        place=1,
        prompt_forms=("none",),
        figures={"pairs": Figure(361_160, "2.29 a record, counted by others", 789)},
    ),
    image_collection=COCO_IMAGES,
)


@source(ABOUT, lookups=llava_lookups(several=True), by_record=True)
def llava_instruct(raw: RawFiles, *, image_folder: str = TRAIN2017.folder) -> Iterator[Conversation]:
    """The file as it is, with the image folder put before the image names.

    It is not the sum of its three published parts, which hold 1,148 records fewer. One COCO image serves several.
    """
    return llava_conversations(raw, image_folder=image_folder, several=True)
