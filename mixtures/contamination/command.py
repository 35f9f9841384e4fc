"""`mix contamination`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mix665k.mixtures.contamination.findings import Kind
from mix665k.mixtures.options import ALL_CORES, Address, Engine, Jobs, MixtureOrFile, OutputFormat, workers
from mix665k.schemas.terminal import open_console, say_json

if TYPE_CHECKING:
    from mix665k.mixtures.contamination.findings import Contamination

EvalSet = Annotated[
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
        help="The layout of a file, if its content does not show it: vqav2, textvqa, gqa, scienceqa, refcoco, aokvqa, "
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
Images = Annotated[
    Path | None, typer.Option(help="Folder with the images: those of the mixture, to compare by content.")
]
EvalImages = Annotated[
    list[str] | None,
    typer.Option(
        help="With --images: a folder of the set NAME's images, or of a set that is images only; may be repeated.",
        metavar="[NAME=]DIR",
    ),
]
WriteList = Annotated[
    Path | None, typer.Option(help="File to list in what was found: all that is shared, as JSON lines.", dir_okay=False)
]
DropTo = Annotated[Path | None, typer.Option(help="Write a mixture without such records.", file_okay=False)]
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
    mixture: MixtureOrFile,
    *,
    eval_set: EvalSet = None,
    layout: Layout = None,
    ids_of: IdsOf = None,
    raw: Raw = None,
    image_data: ImageData = None,
    images: Images = None,
    eval_images: EvalImages = None,
    write_list: WriteList = None,
    drop_to: DropTo = None,
    drop_by: DropBy = None,
    fail_on: FailOn = None,
    jobs: Jobs = ALL_CORES,
    engine: Engine = "local",
    address: Address = None,
    output: OutputFormat = "table",
) -> None:
    """Report what a mixture shares with evaluation sets: images, questions about the same image, question texts.

    Exit code 0 whatever is found, unless --fail-on names it.
    """
    from mix665k.mixtures.contamination.run import ContaminationRequest, find_contamination, require_clean
    from mix665k.mixtures.terminal import bar_on_stderr

    if not (eval_set or eval_images or raw):
        raise typer.BadParameter("nothing to compare with; pass --eval-set, --eval-images or --raw")
    for name, given, needed, value in (
        ("--images", images, "--eval-images", eval_images),
        ("--drop-by content", Kind.CONTENT in (drop_by or ()), "--eval-images", eval_images),
        ("--drop-by", drop_by, "--drop-to", drop_to),
    ):
        if given and not value:
            raise typer.BadParameter(f"goes with {needed}", param_hint=name)
    request = ContaminationRequest(
        eval_sets=tuple(eval_set or ()),
        layouts=tuple(layout or ()),
        ids_of=tuple(ids_of or ()),
        raw=raw,
        image_data=image_data,
        images=images,
        eval_images=tuple(eval_images or ()),
        list_file=write_list,
        drop_to=drop_to,
        drop_by=tuple(drop_by or [Kind.PAIRS]),
        jobs=workers(jobs, engine=engine, address=address),
    )
    found = find_contamination(mixture, request, bar=bar_on_stderr)
    _print_found(found, output=output)
    require_clean(found, fail_on or ())


def _print_found(found: "Contamination", *, output: str) -> None:
    if output == "json":
        from mix665k.mixtures.contamination.findings import to_json

        say_json(to_json(found))
    else:
        from mix665k.mixtures.contamination.show import print_contamination

        print_contamination(open_console(), found)
