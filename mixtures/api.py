"""The verbs of the public Python interface, docs/python.md: the commands of the same names as functions.

They stand above all that they call, so that `Mixture`, which everything imports, imports nothing of it.
"""

import os
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.mixtures.build.display import build_progress
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build as build_plan
from mix665k.mixtures.diff.compare import compare
from mix665k.mixtures.engine.tasks import Unwatched
from mix665k.mixtures.inspect.findings import Inspection
from mix665k.mixtures.inspect.run import inspect as inspect_mixture
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.derived import require_room
from mix665k.mixtures.select.report import require_resolved
from mix665k.mixtures.select.run import files_of, find, write_selection
from mix665k.mixtures.terminal import no_bar, no_progress
from mix665k.mixtures.verify.raw import RawRequest, verify_all
from mix665k.mixtures.verify.verification import Verification
from mix665k.schemas.manifest import SELECTION
from mix665k.schemas.recipe import Recipe, Select
from mix665k.schemas.terminal import open_console
from mix665k.schemas.tokens import TOKENS_PER_IMAGE

_Path = str | os.PathLike[str]


def build(
    recipe: _Path | Recipe,
    *,
    raw: _Path,
    out: _Path,
    sources: Collection[str] = (),
    exclude_sources: Collection[str] = (),
    commercial_only: bool = False,
    settings: Collection[str] = (),
    fraction: float | None = None,
    plugins: Collection[_Path] = (),
    limit: int | None = None,
    tokenizer: str | None = None,
    draws_from: _Path | None = None,
    images: _Path | None = None,
    on_missing_image: Literal["fail", "drop"] = "fail",
    on_bad_record: Literal["fail", "drop"] = "fail",
    jobs: int | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Mixture:
    """Build the mixture of a recipe from the raw files below `raw` into the folder `out`.

    `recipe` is the path of a YAML file, the name of a shipped recipe, or a `Recipe`. The options are those of
    `mix build`: only some `sources`, or all but `exclude_sources` and those whose licence does not clearly allow
    commercial use (`commercial_only`); values in place of the recipe's (`settings`, such as `["seed=7"]`); a `fraction`
    of each source; Python files with sources and steps of one's own (`plugins`); the first `limit` conversations of
    each; another `tokenizer`; ids of a file in LLaVA's form in place of draws (`draws_from`); a folder of `images` in
    which every image must be there. Sources that are built already are kept. `jobs` processes are used, as many as
    there are processors by default; with `progress` bars are drawn on stderr. It can be called from a notebook, and
    from a script without a `__main__` guard.

    Raises:
        UserError: for whatever the user can fix, in one line; `out` then holds no manifest.
    """
    options = Options(
        raw=Path(raw),
        out=Path(out),
        sources=tuple(sources),
        limit=limit,
        tokenizer=tokenizer,
        draws_from=None if draws_from is None else Path(draws_from),
        images=None if images is None else Path(images),
        on_missing_image=on_missing_image,
        on_bad_record=on_bad_record,
        exclude_source=tuple(exclude_sources),
        commercial_only=commercial_only,
        settings=tuple(settings),
        fraction=fraction,
        plugins=tuple(Path(plugin) for plugin in plugins),
    )
    plan = make_plan(recipe, options)
    shown = build_progress(plan, console=open_console(stderr=True)) if progress else nullcontext(Unwatched())
    with shown as listener:
        build_plan(plan, jobs=jobs or os.cpu_count() or 1, overwrite=overwrite, listener=listener)
    return Mixture.open(out)


def inspect(
    mixture: Mixture,
    *,
    sources: Collection[str] = (),
    sample: int = 0,
    tokenizer: str | None = None,
    tokens_per_image: int = TOKENS_PER_IMAGE,
) -> Inspection:
    """Check every record and measure it: what `mix inspect` shows, as an object.

    `sample` records of each source come along, always the same ones; with a `tokenizer` (a Hub name or a folder)
    tokens are counted too, `tokens_per_image` for an image. Records of a JSON file that have faults are counted in
    `faults`.

    Raises:
        MixtureError: when the mixture is damaged or has no such source.
        RawDataError: when a JSON file is no list.
        TokenizerError: when the tokenizer cannot be loaded.
    """
    return inspect_mixture(
        mixture,
        sources=sources,
        sample=sample,
        tokenizer=tokenizer,
        tokens_per_image=tokens_per_image,
        advance=no_progress,
    )


def select(mixture: Mixture, by: _Path | Select, *, out: _Path) -> Mixture:
    """Write the mixture of the records that a file names into the folder `out`: what `mix select` does.

    `by` is the file, or a `Select` that says how to read it, with paths as they are.

    Raises:
        RawDataError: for a file that cannot be read as what it is.
        MixtureError: for entries that are missing or may be several records, unless the `Select` drops them; for a
            JSON file in place of a mixture's folder.
    """
    asked = by if isinstance(by, Select) else Select(by=os.fspath(by))
    require_room(mixture.path, mixture.require_manifest(), Path(out), step=SELECTION, option="out")
    files, asked = files_of(asked, None)
    found = find(mixture, files, asked, bar=no_bar)
    require_resolved(found.report, asked)
    write_selection(mixture, found, Path(out), bar=no_bar)
    return Mixture.open(out)


def verify(
    mixture: Mixture,
    *,
    raw: _Path | None = None,
    against: _Path | None = None,
    sources: Collection[str] = (),
    sample: int = 100,
    tokenizer: str | None = None,
    draws_from: _Path | None = None,
    plugins: Collection[_Path] = (),
    jobs: int | None = None,
) -> Verification:
    """Check a mixture's folder by itself, against its raw files, against a published file: what `mix verify` shows.

    With the folder `raw`, `sources` (or all) are built again and compared, `sample` records of each field by field;
    `tokenizer`, `draws_from` and `plugins` say where the build's are now; no plugin runs because a manifest names it.
    `against` is a file in LLaVA's own form. `jobs` processes are used, as many as there are processors by default.
    Whatever is wrong is in the object returned: its `ok` says whether everything is right.

    Raises:
        MixtureError: for a JSON file, or a source that the mixture does not have.
        RawDataError: when there is no raw folder, or `against` is no JSON list.
    """
    mixture.require_manifest()
    published = None if against is None else Mixture.open(against)
    request = None
    if raw is not None:
        request = RawRequest(
            raw=Path(raw),
            sample=sample,
            sources=tuple(sources),
            tokenizer=tokenizer,
            draws_from=None if draws_from is None else Path(draws_from),
            plugins=tuple(Path(plugin) for plugin in plugins),
        )
    found = verify_all(mixture.path, request, jobs=jobs or os.cpu_count() or 1, bar=no_bar)
    if published is not None:
        found.against = compare(mixture, published, advance=no_progress)
    return found
