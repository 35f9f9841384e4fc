"""LCS-558K: 558,128 captioned pictures of LAION, CC-3M and SBU for stage 1."""

from collections.abc import Iterator

from builders.llava_json import llava_conversations, llava_file
from builders.raw import RawFiles
from builders.registry import About, source
from schemas.conversation import Conversation

ABOUT = About(
    title="LLaVA-Pretrain, blip_laion_cc_sbu_558k",
    files=(
        llava_file(
            "lcs558k/blip_laion_cc_sbu_558k.json",
            "https://huggingface.co/datasets/liuhaotian/LLaVA-Pretrain",
            181_000_000,
        ),
    ),
    licence="other: CC-3M, SBU and LAION terms",
    image_licence="CC-3M, SBU and LAION terms",
    images="<folder>/<name>.jpg of its images.zip",
    counts="558,128 captions",
)


@source(ABOUT)
def lcs558k(raw: RawFiles, *, image_folder: str = "") -> Iterator[Conversation]:
    """The file as it is; the stage-1 template ignores the human text."""
    return llava_conversations(raw, image_folder=image_folder, several=False)
