"""LCS-558K: 558,128 captioned pictures of LAION, CC-3M and SBU for stage 1."""

from collections.abc import Iterator

from mix665k.builders.licences import LLAVA, Licence, Paper
from mix665k.builders.llava_records import llava_conversations, llava_file, llava_lookups
from mix665k.builders.published import LCS558K, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, ImageFolder, source
from mix665k.schemas.conversation import Conversation

ABOUT = About(
    title="LLaVA-Pretrain, blip_laion_cc_sbu_558k",
    files=(llava_file("lcs558k/blip_laion_cc_sbu_558k.json", hub="liuhaotian/LLaVA-Pretrain", num_bytes=181_000_000),),
    licence=Licence(
        name="other: CC-3M, SBU and LAION terms",
        commercial="unclear",
        because="under the terms of CC-3M, SBU and LAION together",
    ),
    image_licence=Licence(
        name="CC-3M, SBU and LAION terms",
        commercial="unclear",
        because="under the terms of CC-3M, SBU and LAION together",
    ),
    images=(ImageFolder(folder="", names="<folder>/<name>.jpg of its images.zip"),),
    counts="558,128 captions",
    papers=(
        LLAVA,
        Paper(
            key="sharma2018cc3m",
            authors="Sharma, Piyush and Ding, Nan and Goodman, Sebastian and Soricut, Radu",
            title="Conceptual Captions: A Cleaned, Hypernymed, Image Alt-text Dataset for Automatic Image Captioning",
            venue="Annual Meeting of the Association for Computational Linguistics (ACL)",
            year=2018,
        ),
        Paper(
            key="ordonez2011sbu",
            authors="Ordonez, Vicente and Kulkarni, Girish and Berg, Tamara L.",
            title="Im2Text: Describing Images Using 1 Million Captioned Photographs",
            venue="Advances in Neural Information Processing Systems (NIPS)",
            year=2011,
        ),
        Paper(
            key="schuhmann2021laion",
            authors="Schuhmann, Christoph and Vencu, Richard and Beaumont, Romain and Kaczmarczyk, Robert and "
            "Mullis, Clayton and Katta, Aarush and Coombes, Theo and Jitsev, Jenia and Komatsuzaki, Aran",
            title="LAION-400M: Open Dataset of CLIP-Filtered 400 Million Image-Text Pairs",
            venue="arXiv 2111.02114",
            year=2021,
            kind="misc",
        ),
        Paper(
            key="li2022blip",
            authors="Li, Junnan and Li, Dongxu and Xiong, Caiming and Hoi, Steven",
            title="BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and "
            "Generation",
            venue="International Conference on Machine Learning (ICML)",
            year=2022,
        ),
    ),
    published=Published(file=LCS558K, num_records=558_128),
)


@source(ABOUT, lookups=llava_lookups(several=False), by_record=True)
def lcs558k(raw: RawFiles, *, image_folder: str = "") -> Iterator[Conversation]:
    """The file as it is; the stage-1 template ignores the human text."""
    return llava_conversations(raw, image_folder=image_folder, several=False)
