"""Made-up raw files of every source, in the publishers' exact forms and with their oddities.

`write_raw` writes them at any scale (1 is the real size); `draw_images` draws a small picture for every image
that they name. No word of them is real, and the same seed and scale give the same bytes.

A module writes the files of one source or two: texts come from `text`, ids and sizes of images, which sources share,
from `image_ids`, and `files.write_records` streams the records, encoded, to disk. `pictures` reads the written files
to know which images to draw, `images` draws them. `tokenizer` makes the shipped `tiny` tokenizer.

With `scenes` the words are true: `scenes` decides what a picture shows, `scene_questions`, `scene_graph` and
`scene_texts` say it, `images` draws it, each from nothing but the seed and the picture's name.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from mix665k.builders.synthetic.books import write_ocrvqa
from mix665k.builders.synthetic.captions import write_lcs558k, write_textcaps
from mix665k.builders.synthetic.chats import write_sharegpt
from mix665k.builders.synthetic.gqa import write_gqa
from mix665k.builders.synthetic.images import draw_images
from mix665k.builders.synthetic.instruct import write_llava_instruct
from mix665k.builders.synthetic.referring import write_refcoco
from mix665k.builders.synthetic.regions import write_vg
from mix665k.builders.synthetic.vqa import write_aokvqa, write_okvqa, write_vqav2
from mix665k.schemas.errors import UserError

__all__ = ["WRITERS", "Writer", "draw_images", "write_raw"]


class Writer(Protocol):
    """Writes the files of one source into its folder and gives their paths; can be pickled."""

    def __call__(self, folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]: ...


WRITERS: dict[str, Writer] = {
    "llava_instruct": write_llava_instruct,
    "sharegpt": write_sharegpt,
    "vqav2": write_vqav2,
    "gqa": write_gqa,
    "okvqa": write_okvqa,
    "ocrvqa": write_ocrvqa,
    "aokvqa": write_aokvqa,
    "textcaps": write_textcaps,
    "refcoco": write_refcoco,
    "vg": write_vg,
    "lcs558k": write_lcs558k,
}


def say_nothing(path: Path, num_bytes: int) -> None:
    """The default listener."""


def write_raw(
    out: Path,
    *,
    scale: float,
    seed: int,
    only: Collection[str] = (),
    scenes: bool = False,
    on_file: Callable[[Path, int], None] = say_nothing,
) -> None:
    """Write the raw files of all sources, or of those in `only`, to `out/<source>/`, one source after the other.

    `on_file` hears of every finished file and its size in bytes. At scale F a source has its real number of
    images and questions times F, rounded, and a few of each at the least. With `scenes` the files say what is true of
    the pictures that `draw_images` draws with the same seed.

    Raises:
        UserError: `only` names an unknown source, or the scale is not above zero.
    """
    if not 0 < scale < float("inf"):
        raise UserError(f"scale {scale!r}: expected a number above 0; 1 gives the real size")
    if unknown := sorted(set(only) - WRITERS.keys()):
        raise UserError(f"{unknown[0]!r}: no such source; expected one of {', '.join(WRITERS)}")
    for source, write in WRITERS.items():
        if not only or source in only:
            for path in write(out / source, scale=scale, seed=seed, scenes=scenes):
                on_file(path, path.stat().st_size)
