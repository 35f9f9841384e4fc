"""`mix images`."""

from pathlib import Path
from typing import Annotated

import typer

from mix665k.mixtures.images.findings import MIN_SIDE_PX
from mix665k.mixtures.options import ALL_CORES, Address, Engine, Jobs, MixtureOrFile, OutputFormat, Source, workers
from mix665k.schemas.terminal import open_console, say_json

Mapping = Annotated[
    Path | None,
    typer.Option(
        help="For covers that are gone: a JSON object from image to the file to use for it (null: none exists), or "
        "CSV with the header `image,file` (empty: none exists). Both are paths below the images folder.",
        dir_okay=False,
    ),
]
Fix = Annotated[
    bool,
    typer.Option(
        "--fix",
        help="Convert to JPEG what is named so, rename files whose case or extension differs, copy mapped files into "
        "place. Nothing else is touched.",
    ),
]
MinSide = Annotated[int, typer.Option(min=1, help="The shortest side in pixels that is plausible.")]
WriteList = Annotated[
    Path | None, typer.Option(help="File to list in what was found: the bad images, as JSON.", dir_okay=False)
]


def images(
    mixture: MixtureOrFile,
    *,
    folder: Annotated[
        Path,
        typer.Option(
            "--images", help="Folder with the images: coco, gqa, ocr_vqa and so on; or shards, or an address."
        ),
    ],
    source: Source = None,
    mapping: Mapping = None,
    fix: Fix = False,
    min_side: MinSide = MIN_SIDE_PX,
    write_list: WriteList = None,
    jobs: Jobs = ALL_CORES,
    engine: Engine = "local",
    address: Address = None,
    output: OutputFormat = "table",
) -> None:
    """Decode every image that a mixture names, and say which cannot be used as they are.

    Exit code 1 for any that is missing, truncated, not decodable, not a file,
    unreadable; of wrong case, wrong extension or wrong format (a GIF named .jpg);
    of implausible size: 0 bytes, a short side, one side over 200 times the other.
    """
    from mix665k.mixtures.images.checking import ImagesRequest, check_images, require_sound
    from mix665k.mixtures.terminal import bar_on_stderr

    request = ImagesRequest(
        folder=folder,
        sources=tuple(source or ()),
        mapping=mapping,
        fix=fix,
        min_side_px=min_side,
        bad_list=write_list,
        jobs=workers(jobs, engine=engine, address=address),
    )
    found = check_images(mixture, request, bar=bar_on_stderr)
    if output == "json":
        from mix665k.mixtures.images.findings import to_json

        say_json(to_json(found))
    else:
        from mix665k.mixtures.images.report_tables import print_report

        print_report(open_console(), found)
    require_sound(found)
