"""What may be done with a source, and whom to cite for it."""

from typing import Literal

import msgspec

Commercial = Literal["yes", "no", "unclear"]
"""Whether a licence allows commercial use; `unclear` counts as no."""


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """A licence by its name, whether it allows commercial use, and what says so."""

    name: str
    commercial: Commercial
    because: str


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """Where a data set was published, as facts of a BibTeX entry; `authors` as BibTeX has them, surname first."""

    key: str
    authors: str
    title: str
    venue: str
    year: int
    kind: Literal["inproceedings", "article", "misc"] = "inproceedings"

    def bibtex(self) -> str:
        """The entry."""
        where = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}[self.kind]
        fields = {"author": self.authors, "title": f"{{{self.title}}}", where: self.venue, "year": str(self.year)}
        return "\n".join([f"@{self.kind}{{{self.key},", *(f"  {key} = {{{fields[key]}}}," for key in fields), "}"])


CC_BY = Licence(name="CC BY 4.0", commercial="yes", because="CC BY 4.0, with attribution")
APACHE = Licence(name="Apache-2.0", commercial="yes", because="Apache-2.0")
NO_IMAGES = Licence(name="no images", commercial="yes", because="there are no images")
FLICKR = Licence(
    name="COCO: Flickr terms",
    commercial="unclear",
    because="each photo has the licence its owner chose on Flickr, some without commercial use",
)
YOURS = Licence(name="your own", commercial="unclear", because="your own data: only you know its licence")
COCO = Paper(
    key="lin2014coco",
    authors="Lin, Tsung-Yi and Maire, Michael and Belongie, Serge and Hays, James and Perona, Pietro and Ramanan, Deva "
    "and Dollár, Piotr and Zitnick, C. Lawrence",
    title="Microsoft COCO: Common Objects in Context",
    venue="European Conference on Computer Vision (ECCV)",
    year=2014,
)
LLAVA = Paper(
    key="liu2023llava",
    authors="Liu, Haotian and Li, Chunyuan and Wu, Qingyang and Lee, Yong Jae",
    title="Visual Instruction Tuning",
    venue="Advances in Neural Information Processing Systems (NeurIPS)",
    year=2023,
)
LLAVA_1_5 = Paper(
    key="liu2024llava15",
    authors="Liu, Haotian and Li, Chunyuan and Li, Yuheng and Lee, Yong Jae",
    title="Improved Baselines with Visual Instruction Tuning",
    venue="Conference on Computer Vision and Pattern Recognition (CVPR)",
    year=2024,
)
"""Describes the mixture as a whole (arXiv 2310.03744)."""
VISUAL_GENOME = Paper(
    key="krishna2017visualgenome",
    authors="Krishna, Ranjay and Zhu, Yuke and Groth, Oliver and Johnson, Justin and Hata, Kenji and Kravitz, Joshua "
    "and Chen, Stephanie and Kalantidis, Yannis and Li, Li-Jia and Shamma, David A. and Bernstein, Michael S. and "
    "Fei-Fei, Li",
    title="Visual Genome: Connecting Language and Vision Using Crowdsourced Dense Image Annotations",
    venue="International Journal of Computer Vision",
    year=2017,
    kind="article",
)
