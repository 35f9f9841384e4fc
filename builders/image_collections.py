"""Whose images the sources show: one key for each image, whatever name or id a data set gives it."""

import msgspec


class ImageCollection(msgspec.Struct, frozen=True, kw_only=True):
    """A collection whose images several data sets show; an image's key is `NAME/ID`.

    An image is one of the collection's if a folder in its path is one of `folders`, or if the stem, its file name
    without suffix, matches one of the regular expressions `stems` in full. The id is the first group of `id` in the
    stem.
    """

    name: str
    title: str
    folders: tuple[str, ...] = ()
    stems: tuple[str, ...] = ()
    id: str = "(?s)^(.*)$"


COCO_IMAGES = ImageCollection(
    name="coco",
    title="COCO",
    stems=(r"COCO_(?:train|val|test)\d{4}_0*\d+", r"\d{12}"),
    id=r"^(?:COCO_(?:train|val|test)\d{4}_)?0*(\d+)$",
)
"""Its ids are unique over train, val and test of 2014, 2015 and 2017, and shared by VQAv2, OK-VQA, A-OKVQA, RefCOCO,
POPE and LLaVA-Instruct. A folder `coco` says nothing: people keep other images in it too."""

VG_IMAGES = ImageCollection(
    name="vg",
    title="Visual Genome",
    folders=("gqa", "vg", "VG_100K", "VG_100K_2"),
    stems=(r"n\d+",),  # GQA's own images, such as `n578323`, which are not among Visual Genome's 108,077
)
"""GQA's ids are Visual Genome's."""


class SameImages(msgspec.Struct, frozen=True, kw_only=True):
    """A raw file that says which images of the source's collection are also images of another collection.

    Each record of the file `role`, read as `form`, has the other collection's id in `field`: a positive number, or None
    or another number where the image is not there.
    """

    role: str
    form: type
    field: str
    collection: ImageCollection


class ImageAddresses(msgspec.Struct, frozen=True, kw_only=True):
    """A raw file that gives one address for each image of a source whose images no archive holds.

    The records of the file `role`, read as `form`, have the address in `field`. Their ids are the names of the images
    in the source's only image folder.
    """

    role: str
    form: type
    field: str
