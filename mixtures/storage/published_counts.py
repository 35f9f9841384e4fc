"""What is known about the published files, to compare a mixture with."""

import msgspec

RECORDS = {
    "llava_instruct": 157_712,
    "sharegpt": 40_688,
    "vqav2": 82_783,
    "gqa": 72_140,
    "okvqa": 8_998,
    "ocrvqa": 80_000,
    "aokvqa": 66_160,
    "textcaps": 21_953,
    "refcoco": 48_447,
    "vg": 86_417,
}
"""Records of `llava_v1_5_mix665k.json` by source, in the order of the paper's table.

LLaVA issues #657 and #702; the first arXiv version (table 7) has A-OKVQA and RefCOCO wrong, says its author.
"""

ALL_RECORDS = 665_298
"""LLaVA issue #657; the sum of the above."""

IMAGE_NAMES = 291_684
"""Distinct images of the published file, counted by file name.

Others' count, which must go by name: VQAv2, GQA, OCR-VQA, TextCaps and VG alone have 343,293 paths. GQA's pictures are
Visual Genome's, so that `gqa/images/1.jpg` and `vg/VG_100K/1.jpg` are the same one.
"""

STAGE_1 = {"lcs558k": 558_128}
"""Records of `blip_laion_cc_sbu_558k.json` (paper, appendix A)."""

UNTOLD = "coco, short answer"
"""VQAv2 or OKVQA: in LLaVA's own form nothing tells them apart."""


class Audit(msgspec.Struct):
    """A number beside the published one."""

    published: int
    difference: int


def audit_source(name: str, records: int) -> Audit | None:
    """A source's records beside the published file's, where it has that source."""
    known = {**RECORDS, **STAGE_1, UNTOLD: RECORDS["vqav2"] + RECORDS["okvqa"]}
    return Audit(known[name], records - known[name]) if name in known else None


def audit_image_names(count: int) -> Audit:
    """Distinct image file names beside the published file's."""
    return Audit(IMAGE_NAMES, count - IMAGE_NAMES)


def has_all(names: set[str]) -> bool:
    """Whether these are the sources of the published file, all ten and no other."""
    told = set(RECORDS)
    return names == told or names == (told - {"vqav2", "okvqa"}) | {UNTOLD}
