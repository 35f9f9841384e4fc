"""`mix verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mix665k.mixtures.options import ALL_CORES, Jobs, MixtureFolder, OutputFormat, Plugin, Source
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.terminal import open_console, say_json

if TYPE_CHECKING:
    from mix665k.mixtures.verify.verification import Verification

Raw = Annotated[
    Path | None,
    typer.Option(help="Folder with the raw files: hash them, and build every source again to compare."),
]
Against = Annotated[
    Path | None, typer.Option(help="A published file in LLaVA's own form to compare with.", dir_okay=False)
]
Sample = Annotated[int, typer.Option(min=0, help="With --raw: records of each source: compare so many field by field.")]
Tokenizer = Annotated[
    str | None, typer.Option(help="With --raw: tokenizer, by Hub name or folder: where the recipe's is now.")
]
DrawsFrom = Annotated[
    Path | None,
    typer.Option(
        help="With --raw: file in LLaVA's form to take the ids from: where the build's is now.", dir_okay=False
    ),
]


def verify(
    mixture: MixtureFolder,
    *,
    raw: Raw = None,
    against: Against = None,
    source: Source = None,
    sample: Sample = 100,
    tokenizer: Tokenizer = None,
    draws_from: DrawsFrom = None,
    plugin: Plugin = None,
    jobs: Jobs = ALL_CORES,
    output: OutputFormat = "table",
) -> None:
    """Prove that a mixture is intact and reproduced by its recipe: exit code 1 unless every check passes.

    By itself: manifest, files, hashes, every record, ids, funnel, counts.
    With --raw, sources can be chosen with --source.
    """
    from mix665k.mixtures.terminal import bar_on_stderr
    from mix665k.mixtures.verify.raw import RawRequest, verify_all
    from mix665k.mixtures.verify.verification import require_passed

    of_raw = {"--source": source, "--tokenizer": tokenizer, "--draws-from": draws_from, "--plugin": plugin}
    if raw is None and any(of_raw.values()):
        raise typer.BadParameter("goes with --raw", param_hint=", ".join(name for name in of_raw if of_raw[name]))
    request = None
    if raw is not None:
        request = RawRequest(
            raw=raw,
            sample=sample,
            sources=tuple(source or ()),
            tokenizer=tokenizer,
            draws_from=draws_from,
            plugins=tuple(plugin or ()),
        )
    found = verify_all(mixture, request, jobs=jobs, bar=bar_on_stderr)
    equal = _print_verification(found, mixture, against=against, output=output)
    require_passed(found)
    if not equal:
        raise MixtureError(f"{mixture}: not equal to {against}")


def _print_verification(found: "Verification", mixture: Path, *, against: Path | None, output: str) -> bool:
    """Print it, then the comparison with a published file if there is one; gives whether that found both equal."""
    import msgspec

    from mix665k.mixtures.verify.tables import print_verification
    from mix665k.mixtures.verify.verification import to_json

    if output == "table":
        print_verification(open_console(), found)
    comparison = None
    if against is not None:
        from mix665k.mixtures.diff.compare import compare
        from mix665k.mixtures.diff.tables import print_comparison
        from mix665k.mixtures.mixture import Mixture
        from mix665k.mixtures.terminal import bar_on_stderr

        with bar_on_stderr("comparing") as advance:
            comparison = compare(Mixture.open(mixture), Mixture.open(against), advance=advance)
        if output == "table":
            print_comparison(open_console(), comparison)
    if output == "json":
        say_json(to_json(msgspec.structs.replace(found, against=comparison)))
    return comparison is None or comparison.equal
