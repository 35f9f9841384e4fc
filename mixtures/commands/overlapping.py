"""The command that compares a mixture with evaluation sets."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mix665k.mixtures.commands.options import Format, Jobs
from mix665k.mixtures.contamination.findings import Kind

if TYPE_CHECKING:
    from mix665k.mixtures.contamination.findings import Contamination

Against = Annotated[
    list[str] | None,
    typer.Option(
        help="A file of an evaluation set, with NAME= before it to call the set so; may be repeated. VQAv2, OK-VQA, "
        "A-OKVQA, GQA, TextVQA, POPE, ScienceQA and RefCOCO as published, LLaVA's question files, or a CSV, TSV or "
        "JSON lines with `image` or `image_id` and `question` or `text`.",
        metavar="[NAME=]FILE",
    ),
]
Layout = Annotated[
    list[str] | None,
    typer.Option(
        help="The layout of a file, where its content does not tell: vqav2, textvqa, gqa, scienceqa, refcoco, aokvqa, "
        "pope, llava, questions or list.",
        metavar="[NAME=]LAYOUT",
    ),
]
IdsOf = Annotated[
    list[str] | None,
    typer.Option(
        help="Whose those image ids are that are bare numbers: coco, vg, openimages, ocrvqa, or the set's own.",
        metavar="[NAME=]COLLECTION",
    ),
]
Raw = Annotated[
    Path | None, typer.Option(help="Folder with the raw files: RefCOCO's splits, and which VG images are COCO's.")
]
ImageData = Annotated[
    Path | None, typer.Option(help="Visual Genome's image_data.json, if not below --raw.", dir_okay=False)
]
HitList = Annotated[
    Path | None, typer.Option("--list", help="Write all that is shared, as JSON lines.", dir_okay=False)
]
EvalImages = Annotated[
    list[str] | None,
    typer.Option(
        help="With --images: a folder of the set NAME's images, or of a set that is images only; may be repeated.",
        metavar="[NAME=]DIR",
    ),
]
DropBy = Annotated[
    list[Kind] | None,
    typer.Option(
        help="What makes a record go: images, pairs, text or content; may be repeated. By default pairs, a question "
        "about the same image.",
        metavar="KIND",
    ),
]
FailOn = Annotated[
    list[Kind] | None,
    typer.Option(help="Exit with code 1 when a set shares any of these; may be repeated.", metavar="KIND"),
]


def contamination(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder, or a JSON file in LLaVA's own form.")],
    against: Against = None,
    layout: Layout = None,
    ids_of: IdsOf = None,
    raw: Raw = None,
    image_data: ImageData = None,
    images: Annotated[Path | None, typer.Option(help="The mixture's images, to compare by content.")] = None,
    eval_images: EvalImages = None,
    hit_list: HitList = None,
    drop_to: Annotated[Path | None, typer.Option(help="Write a mixture without such records.", file_okay=False)] = None,
    drop_by: DropBy = None,
    fail_on: FailOn = None,
    jobs: Jobs = None,
    output: Format = "table",
) -> None:
    """Tell what a mixture shares with evaluation sets: images, questions about the same image, question texts.

    Exit code 0 whatever is found, unless --fail-on names it.
    """
    from mix665k.mixtures.contamination.run import Request, look_for, require_clean
    from mix665k.mixtures.progress import progress_bar

    if not (against or eval_images or raw):
        raise typer.BadParameter("nothing to compare with; pass --against, --eval-images or --raw")
    _require_together(
        {"--images": images, "--drop-by content": Kind.CONTENT in (drop_by or ())}, "--eval-images", eval_images
    )
    _require_together({"--drop-by": drop_by}, "--drop-to", drop_to)
    sets = (tuple(against or ()), tuple(layout or ()), tuple(ids_of or ()))
    kinds, num_jobs = tuple(drop_by or [Kind.PAIRS]), jobs or os.cpu_count() or 1
    request = Request(*sets, raw, image_data, images, tuple(eval_images or ()), hit_list, drop_to, kinds, num_jobs)
    found = look_for(mixture, request, bar=lambda what: progress_bar(Console(stderr=True), what=what))
    _print_found(found, output)
    require_clean(found, fail_on or ())


def _require_together(given: dict[str, object], option: str, value: object) -> None:
    """Options that mean nothing without another are wrong usage without it."""
    for name, one in given.items():
        if one and not value:
            raise typer.BadParameter(f"goes with {option}", param_hint=name)


def _print_found(found: "Contamination", output: str) -> None:
    if output == "json":
        from mix665k.mixtures.contamination.findings import to_json

        typer.echo(to_json(found))
    else:
        from mix665k.mixtures.contamination.show import print_contamination

        print_contamination(Console(), found)
