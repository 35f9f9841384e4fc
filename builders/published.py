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

LCS558K = PublishedFile(name="blip_laion_cc_sbu_558k.json", num_records=558_128)
"""Stage 1 (paper, appendix A)."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a published file holds of a source, and how a record of it is recognised there.

    A record of the source has an image below the source's first image folder, or none if the source has none. Where
    several sources share a folder, `prompt_forms` are those of the first question that only its records have; sources
    with the same folder and form cannot be told apart. `place` is the source's among those of the file,
    which reports follow.
    """

    file: PublishedFile
    num_records: int
    place: int = 1
    prompt_forms: tuple[str, ...] = ()
