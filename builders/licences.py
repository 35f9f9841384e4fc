"""What may be done with a source, who made it, and what a reader should know before using it."""

from typing import Literal, NamedTuple

Commercial = Literal["yes", "no", "unclear"]
"""Whether a licence allows commercial use; `unclear` counts as no."""


class Use(NamedTuple):
    """Whether commercial use is allowed, and what says so."""

    commercial: Commercial
    because: str


class Paper(NamedTuple):
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


class Terms(NamedTuple):
    """What may be done with the texts and the images of a source, apart, and whom to cite.

    `languages` are ISO 639-1 codes, or `multilingual`; `personal_data` says what of it the texts may hold.
    """

    text: Use
    images: Use
    papers: tuple[Paper, ...] = ()
    languages: tuple[str, ...] = ("en",)
    personal_data: str = ""


CC_BY = Use("yes", "CC BY 4.0, with attribution")
APACHE = Use("yes", "Apache-2.0")
NO_IMAGES = Use("yes", "there are no images")
FLICKR = Use("unclear", "each photo has the licence its owner chose on Flickr, some without commercial use")
YOURS = Use("unclear", "your own data: only you know its licence")
COCO = Paper(
    "lin2014coco",
    "Lin, Tsung-Yi and Maire, Michael and Belongie, Serge and Hays, James and Perona, Pietro and Ramanan, Deva and "
    "Dollár, Piotr and Zitnick, C. Lawrence",
    "Microsoft COCO: Common Objects in Context",
    "European Conference on Computer Vision (ECCV)",
    2014,
)
LLAVA = Paper(
    "liu2023llava",
    "Liu, Haotian and Li, Chunyuan and Wu, Qingyang and Lee, Yong Jae",
    "Visual Instruction Tuning",
    "Advances in Neural Information Processing Systems (NeurIPS)",
    2023,
)
LLAVA_1_5 = Paper(
    "liu2024llava15",
    "Liu, Haotian and Li, Chunyuan and Li, Yuheng and Lee, Yong Jae",
    "Improved Baselines with Visual Instruction Tuning",
    "Conference on Computer Vision and Pattern Recognition (CVPR)",
    2024,
)
"""Describes the mixture as a whole (arXiv 2310.03744)."""
VISUAL_GENOME = Paper(
    "krishna2017visualgenome",
    "Krishna, Ranjay and Zhu, Yuke and Groth, Oliver and Johnson, Justin and Hata, Kenji and Kravitz, Joshua and "
    "Chen, Stephanie and Kalantidis, Yannis and Li, Li-Jia and Shamma, David A. and Bernstein, Michael S. and "
    "Fei-Fei, Li",
    "Visual Genome: Connecting Language and Vision Using Crowdsourced Dense Image Annotations",
    "International Journal of Computer Vision",
    2017,
    "article",
)
