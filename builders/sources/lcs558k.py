"""LCS-558K: 558,128 captioned pictures of LAION, CC-3M and SBU for stage 1."""

from collections.abc import Iterator

from mix665k.builders.licences import LLAVA, Paper, Terms, Use
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, source
from mix665k.builders.sources.llava_json import llava_conversations, llava_file, llava_trail
from mix665k.schemas.conversation import Conversation

ABOUT = About(
    title="LLaVA-Pretrain, blip_laion_cc_sbu_558k",
    files=(
        llava_file(
            "lcs558k/blip_laion_cc_sbu_558k.json",
            "liuhaotian/LLaVA-Pretrain",
            181_000_000,
        ),
    ),
    licence="other: CC-3M, SBU and LAION terms",
    image_licence="CC-3M, SBU and LAION terms",
    images="<folder>/<name>.jpg of its images.zip",
    counts="558,128 captions",
    terms=Terms(
        text=Use("unclear", "under the terms of CC-3M, SBU and LAION together"),
        images=Use("unclear", "under the terms of CC-3M, SBU and LAION together"),
        papers=(
            LLAVA,
            Paper(
                "sharma2018cc3m",
                "Sharma, Piyush and Ding, Nan and Goodman, Sebastian and Soricut, Radu",
                "Conceptual Captions: A Cleaned, Hypernymed, Image Alt-text Dataset for Automatic Image Captioning",
                "Annual Meeting of the Association for Computational Linguistics (ACL)",
                2018,
            ),
            Paper(
                "ordonez2011sbu",
                "Ordonez, Vicente and Kulkarni, Girish and Berg, Tamara L.",
                "Im2Text: Describing Images Using 1 Million Captioned Photographs",
                "Advances in Neural Information Processing Systems (NIPS)",
                2011,
            ),
            Paper(
                "schuhmann2021laion",
                "Schuhmann, Christoph and Vencu, Richard and Beaumont, Romain and Kaczmarczyk, Robert and "
                "Mullis, Clayton and Katta, Aarush and Coombes, Theo and Jitsev, Jenia and Komatsuzaki, Aran",
                "LAION-400M: Open Dataset of CLIP-Filtered 400 Million Image-Text Pairs",
                "arXiv 2111.02114",
                2021,
                "misc",
            ),
            Paper(
                "li2022blip",
                "Li, Junnan and Li, Dongxu and Xiong, Caiming and Hoi, Steven",
                "BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and "
                "Generation",
                "International Conference on Machine Learning (ICML)",
                2022,
            ),
        ),
    ),
)


@source(ABOUT, trail=llava_trail(several=False))
def lcs558k(raw: RawFiles, *, image_folder: str = "") -> Iterator[Conversation]:
    """The file as it is; the stage-1 template ignores the human text."""
    return llava_conversations(raw, image_folder=image_folder, several=False)
