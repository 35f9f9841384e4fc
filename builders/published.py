"""The files that LLaVA-1.5 was trained on, as published, and what they hold of each source."""

import msgspec


class PublishedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A published file in LLaVA's own form."""

    name: str
    num_records: int


MIX665K = PublishedFile(name="llava_v1_5_mix665k.json", num_records=665_298)
"""Stage 2. LLaVA issue #657; the sum of what the ten sources declare.

Their counts are those of LLaVA issues #657 and #702; the first arXiv version (table 7) has A-OKVQA and RefCOCO wrong,
says its author.
"""

IMAGE_NAMES = 291_684
"""Distinct images of that file, counted by file name.

Others' count, which must go by name: VQAv2, GQA, OCR-VQA, TextCaps and VG alone have 343,293 paths. GQA's pictures are
Visual Genome's, so `gqa/images/1.jpg` and `vg/VG_100K/1.jpg` are the same one.
"""


class Figure(msgspec.Struct, frozen=True):
    """A number that a published file is known to have; it may be off by `within`, where it was published rounded."""

    value: float
    evidence: str
    within: float = 0


COUNTS = "LLaVA issues 657 and 702"
COUNTED = "counted in the file by others"
ARITHMETIC = "arithmetic on published counts"
MIX665K_FIGURES = {
    "records": Figure(MIX665K.num_records, COUNTS),
    "pairs": Figure(3_446_244, COUNTED, 3_326),  # 5.18 a record
    "distinct ids": Figure(389_722, COUNTED),
    "repeated ids": Figure(87_738, COUNTED),
    "distinct images": Figure(IMAGE_NAMES, COUNTED),
    "image paths": Figure(349_034, COUNTED),
    "question chars": Figure(67.7, COUNTED, 0.05),
    "answer chars": Figure(80.8, COUNTED, 0.05),
    "median answer": Figure(14, COUNTED),
    "cut at 6 pairs": Figure(921_000, COUNTED, 500),
    "cut at 12 pairs": Figure(714_000, COUNTED, 500),
}
"""The whole of stage 2's file, with as many digits as were published: mean characters of questions and answers, the
median of answers, and how many records it gives when conversations are cut into parts of 6 or 12 pairs."""
UNSURE = {
    "refcoco": "all train sentences at nine a record, or those of no image of val or test at eight",
    "vg": "ten regions an image, or fewer",
    "sharegpt": "the third dump cut at 2,048 tokens, or another dump or cut",
}
"""The sources whose pairs nobody counted, with the readings that are possible; the totals leave a number for all."""

LCS558K = PublishedFile(name="blip_laion_cc_sbu_558k.json", num_records=558_128)
"""Stage 1 (paper, appendix A)."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a published file holds of a source, and how a record of it is recognised there.

    A record of the source has an image below the source's first image folder, or none if the source has none. Where
    several sources share a folder, `prompt_forms` are those of the first question that only its records have; sources
    with the same folder and form are told apart by their `fewest pairs`. `place` is the source's among those of the
    file, which reports follow; `figures` are other numbers known of it. The images of the source `shared_with` are the
    same pictures where their names are equal.
    """

    file: PublishedFile
    num_records: int
    place: int = 1
    prompt_forms: tuple[str, ...] = ()
    figures: dict[str, Figure] = {}
    shared_with: str | None = None
