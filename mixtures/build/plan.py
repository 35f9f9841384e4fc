"""What a build will do, resolved and checked before a raw byte is read."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

import msgspec

from mix665k.builders.bind import FILES, BoundSource, BoundStep, bind
from mix665k.builders.parts import beside, parts_fault
from mix665k.builders.plugins import plugins_of, use_plugins
from mix665k.builders.raw import OnBadRecord
from mix665k.builders.stored_folders import HUB, bring
from mix665k.mixtures.build.selection import Choice, Offered, Selection, select
from mix665k.mixtures.build.settings import with_settings
from mix665k.mixtures.storage.extending import Resolved, changes, resolve, written_out
from mix665k.mixtures.storage.recipes import find_recipe, load_recipe
from mix665k.schemas.addresses import address_of, require_local
from mix665k.schemas.errors import MixtureError, RawDataError, RecipeError, did_you_mean
from mix665k.schemas.manifest import DERIVING, ROWS_PER_SHARD, Extended, SourceEntry, UsedPlugin
from mix665k.schemas.recipe import Block, Recipe
from mix665k.schemas.recipe import Step as StepEntry
from mix665k.schemas.tokenizer import tokenizer_files

_MAX_BESIDE = 3
"""Files beside a missing one that the message names."""
OnMissingImage = Literal["fail", "drop"]


PIECE_BYTES = 1 << 28
"""Of raw files that one task builds: some 10^5 records with texts; the rows do not depend on it."""


class Options(NamedTuple):
    """What the command line adds to a recipe; only tests make shards smaller, as row hashes depend on their size."""

    raw: Path
    out: Path
    sources: tuple[str, ...] = ()
    limit: int | None = None
    tokenizer: str | None = None
    draws_from: Path | None = None
    images: Path | None = None
    on_missing_image: OnMissingImage = "fail"
    on_bad_record: OnBadRecord = "fail"
    exclude_source: tuple[str, ...] = ()
    commercial_only: bool = False
    settings: tuple[str, ...] = ()
    fraction: float | None = None
    plugins: tuple[Path, ...] = ()
    rows_per_shard: int = ROWS_PER_SHARD
    piece_bytes: int = PIECE_BYTES

    def overrides(self) -> dict[str, Any]:
        """Those that change what is built, for the manifest."""
        changes: dict[str, Any] = {
            "source": list(self.sources),
            "limit": self.limit,
            "set": list(self.settings),
            "fraction": self.fraction,
            "tokenizer": self.tokenizer,
            "draws_from": self.draws_from and self.draws_from.name,
            "on_missing_image": self.on_missing_image if self.images and self.on_missing_image == "drop" else None,
            "on_bad_record": self.on_bad_record if self.on_bad_record == "drop" else None,
        }
        return {name: value for name, value in changes.items() if value}


class Plan(NamedTuple):
    """A recipe bound to its sources, files and parameters."""

    recipe: Recipe
    text: str
    sources: list[BoundSource]
    options: Options
    selection: Selection = Selection()
    extends: tuple[Extended, ...] = ()
    changes: tuple[str, ...] = ()
    """What the recipe and --set change in what it extends, or --set in the recipe, a line each."""

    @property
    def in_part(self) -> bool:
        """Whether options leave out some of what the recipe's sources give."""
        options = self.options
        return bool(options.sources or options.limit or options.fraction or self.selection.names)

    def overrides(self) -> dict[str, Any]:
        """What the command line changed in the recipe, for the manifest."""
        return self.options.overrides() | self.selection.overrides()

    def plugins(self) -> list[UsedPlugin]:
        """The plugins that its sources and their steps are from."""
        users: dict[tuple[str, str, str], list[str]] = {}
        for bound in self.sources:
            for one in plugins_of(bound):
                users.setdefault((one.name, one.sha256, one.version), []).append(bound.block.label)
        return [
            UsedPlugin(name=name, sha256=sha256, version=version, sources=labels)
            for (name, sha256, version), labels in users.items()
        ]

    def draw_lines(self) -> list[str]:
        """Which sources take their draws from a file, and which are built whole beside them."""
        if self.options.draws_from is None:
            return []
        drawing = [bound.block.label for bound in self.sources if named_by(bound.steps, "draws_from")]
        whole = [bound.block.label for bound in self.sources if bound.block.label not in drawing]
        name = self.options.draws_from.name
        told = [f"draws of {', '.join(drawing) or 'no source'} take the ids of {name}"]
        if whole:
            told.append(f"built whole, whatever {name} holds: {', '.join(whole)}; `mix select` takes what a file names")
        return told


def make_plan(recipe_or_name: str | os.PathLike[str] | Recipe, options: Options) -> Plan:
    """Resolve a recipe, given by its path, as the name of a shipped one or itself; check that all it needs is there.

    Raises:
        RecipeError: for a name, parameter or type that does not fit.
        RawDataError: for raw files that are missing.
        TokenizerError: for a tokenizer that is nowhere.
        HubError: when a data set of the Hub that the recipe reads is not below `raw` yet and cannot be downloaded.
    """
    require_local(options.out, shown="out ")  # the command puts a path here in place of one; Python's callers may not
    resolved = _resolved(recipe_or_name, options)
    recipe = resolved.recipe
    _check_labels(recipe, "integer_ids", recipe.integer_ids)
    _check_labels(recipe, "--source", options.sources)
    recipe = overridden(recipe, options)
    if options.limit is not None and options.limit < 1:
        raise MixtureError(f"--limit {options.limit}: expected 1 or more")
    if address := address_of(options.raw):
        from mix665k.mixtures.build.remote_raw import raw_here

        options = options._replace(raw=raw_here(address, recipe))
    for named in named_on_hub(recipe) if options.raw.is_dir() else ():
        bring(options.raw, named)
    sources = bind(recipe, raw=options.raw, places=resolved.places)
    selection = _selection(recipe, sources, options)
    sources = [bound for bound in sources if bound.block.label not in selection.names]
    if options.images:
        from mix665k.schemas.images.places import require_place

        require_place(options.images, kind=MixtureError)
    _check_files(sources, options.raw)
    for tokenizer in named_by([step for bound in sources for step in bound.steps], "tokenizer"):
        tokenizer_files(tokenizer)
    _check_parts(recipe, options)
    if recipe.select:
        from mix665k.mixtures.select.run import files_of, require_usable  # brings polars, of which most plans need none

        require_usable(*files_of(recipe.select, options.raw))
    return Plan(
        recipe=recipe,
        text=resolved.text,
        sources=sources,
        options=options,
        selection=selection,
        extends=resolved.extends,
        changes=tuple(changes(resolved.base, resolved.recipe)) if resolved.base else (),
    )


def _check_parts(recipe: Recipe, options: Options) -> None:
    """What is drawn from all sources together has all it needs.

    Raises:
        RecipeError: for a seed, tokenizer or option that is missing, and a label that no source has.
        MixtureError: for a mixture to match that is not there.
    """
    for name in ("hold_out", "deduplicate", "balance"):
        if (part := getattr(recipe, name)) and part.seed is None and recipe.seed is None:
            raise RecipeError(f"recipe {recipe.name}: {name}: no seed is given; set it here or for the whole recipe")
    if recipe.deduplicate and recipe.deduplicate.pictures == "content" and options.images is None:
        raise RecipeError(f"recipe {recipe.name}: deduplicate: pictures: content: needs the pictures; pass --images")
    if (asked := recipe.balance) is None:
        return
    if not options.sources:  # a build of one source may have weights of all
        _check_labels(recipe, "balance: weights", list(asked.weights))
    if asked.counts[0] == "tokens":
        if recipe.tokenizer is None:
            raise RecipeError(f"recipe {recipe.name}: balance: no tokenizer is given to count tokens with; set it")
        tokenizer_files(recipe.tokenizer)
    if asked.match and not (path := options.raw / asked.match.mixture).exists():
        raise MixtureError(f"balance: match: {path}: no such file or folder, expected a mixture or a file of one")


def _resolved(recipe_or_name: str | os.PathLike[str] | Recipe, options: Options) -> Resolved:
    """A recipe with what it extends and with --set; its plugins are loaded."""
    if isinstance(recipe_or_name, Recipe):
        text = written_out(recipe_or_name)
        found = Resolved(load_recipe(text, where=f"recipe {recipe_or_name.name}"), text)
    else:
        found = resolve(find_recipe(os.fspath(recipe_or_name)))
    plugins = (*found.plugins, *options.plugins)
    for name in found.recipe.plugins:
        if PurePath(name).name not in {path.name for path in plugins}:
            raise RecipeError(
                f"recipe {found.recipe.name}: plugins: {name}: a recipe that is no file has nothing beside it; pass "
                "the plugin's path as `plugins` of the build"
            )
    use_plugins(plugins)
    if not options.settings:
        return found
    recipe = with_settings(found.recipe, options.settings)
    return found._replace(recipe=recipe, text=written_out(recipe), base=found.base or found.recipe)


def named_on_hub(recipe: Recipe) -> list[str]:
    """The addresses of the Hub among a recipe's raw files."""
    lists = [[named] if isinstance(named, str) else named for block in recipe.sources for named in block.files.values()]
    return [one for names in lists for one in names if one.startswith(HUB)]


def _selection(recipe: Recipe, sources: list[BoundSource], options: Options) -> Selection:
    """What the options leave out; how many records a source has, only the recipe's expectation tells."""
    whole = {bound.block.label: bound.block.expect for bound in sources if not (options.limit or options.fraction)}
    offered = {
        bound.block.label: Offered(
            bound.source.name, expect.count if (expect := whole.get(bound.block.label)) else None
        )
        for bound in sources
    }
    choice = Choice(options.exclude_source, options.commercial_only)
    return select(offered, choice, where=f"recipe {recipe.name}")


def overridden(recipe: Recipe, options: Options) -> Recipe:
    """The recipe with what the command line puts in place of its own."""
    if options.sources:
        chosen = [block for block in recipe.sources if block.label in options.sources]
        recipe = msgspec.structs.replace(recipe, sources=chosen)
    if options.tokenizer:
        recipe = msgspec.structs.replace(recipe, tokenizer=options.tokenizer)
    if options.draws_from:
        recipe = msgspec.structs.replace(recipe, draws_from=str(options.draws_from.resolve()))
    return recipe if options.fraction is None else _part_of(recipe, options.fraction)


def _part_of(recipe: Recipe, fraction: float) -> Recipe:
    """The recipe with every source's last draw made smaller, or with a draw after its steps where it has none.

    A draw takes the lowest ranks, so the smaller mixture is a part of the larger one.

    Raises:
        RecipeError: for a fraction that is none, and where ids of a file take the place of draws.
    """
    if not 0 < fraction <= 1:
        raise RecipeError(f"--fraction {fraction:g}: expected more than 0 and at most 1")
    if recipe.draws_from:
        raise RecipeError(f"--fraction {fraction:g}: draws take the ids of {Path(recipe.draws_from).name}; give one")
    blocks = [
        msgspec.structs.replace(block, steps=_smaller(block, [*block.steps, *recipe.for_all], fraction))
        for block in recipe.sources
    ]
    return msgspec.structs.replace(recipe, sources=blocks, for_all=[])


def _smaller(block: Block, steps: list[StepEntry], fraction: float) -> list[StepEntry]:
    """Steps with a smaller last `sample`."""
    draws = [(i, given) for i, step in enumerate(steps) if isinstance(given := _given(step, "sample"), dict)]
    if not draws or draws[-1][1].get("at_most"):  # of fewer than `count` a smaller count is no smaller part
        return [*steps, {"sample": {"fraction": fraction}}]
    at, given = draws[-1]
    if given.get("draws_from"):
        raise RecipeError(f"--fraction {fraction:g}: {block.label} takes the ids of {given['draws_from']}; give one")
    scaled = dict(given)
    if isinstance(scaled.get("count"), int):
        scaled["count"] = max(1, round(scaled["count"] * fraction))
    if isinstance(scaled.get("fraction"), int | float):
        scaled["fraction"] *= fraction
    return [*steps[:at], {"sample": scaled}, *steps[at + 1 :]]


def _given(step: StepEntry, name: str) -> Any:
    """What a recipe gives a step of this name; None for another one."""
    return step.get(name) if isinstance(step, dict) else None


def _check_labels(recipe: Recipe, where: str, names: Collection[str]) -> None:
    labels = [block.label for block in recipe.sources]
    for name in names:
        if name not in labels:
            raise RecipeError(f"recipe {recipe.name}: {where}: no source {name!r}{did_you_mean(name, labels)}")


def _check_files(sources: list[BoundSource], raw: Path) -> None:
    if not raw.is_dir():
        raise RawDataError(f"--raw {raw}: no such folder; `mix sources` lists what belongs there")
    parts = [(bound, role, path) for bound in sources for role, paths in bound.files.items() for path in paths]
    missing = [one for one in parts if not (one[2].is_file() or one[2].is_dir())]
    if not missing:
        for bound in sources:
            for role, paths in bound.files.items():
                if why := parts_fault(bound.block.files.get(role, ""), paths):
                    raise RawDataError(f"{why} ({bound.block.label}, {role})")
        return
    users: dict[Path, list[str]] = {}
    for bound, role, path in missing:
        users.setdefault(path, [bound.block.label] if path not in users else []).append(role)
    listed = [f"{path} ({', '.join(names)})" for path, names in users.items()]
    found = f"no such file: {listed[0]}"
    if len(listed) > 1:  # the folder once, or a line of all files of a recipe would be cut
        found = f"{len(listed)} raw files are not there: {', '.join(listed).replace(f'{raw}/', '')} below {raw}"
    offered = [bound for bound, _, _ in missing if bound.source.about.offered and not bound.block.files]
    names = dict.fromkeys(bound.source.name for bound in offered)
    fetch = " ".join(f"--source {name}" for name in names)
    advice = f"`mix fetch {fetch} --raw {raw}` gets them" if fetch else "they are your own, see `files` of the recipe"
    bound, role, path = missing[0]
    if not bound.block.files and (others := beside(path, [raw / file.path for file in bound.source.about.files])):
        some = f"{', '.join(others[:_MAX_BESIDE])}{', …' if len(others) > _MAX_BESIDE else ''}"
        advice += f"; beside it lies {some}: to read that, name it as {role!r} under `files` of a recipe"
    raise RawDataError(f"{found}; {advice}")


def named_by(steps: Sequence[BoundStep], parameter: str) -> list[str]:
    """The values that steps, and the steps inside them, have for a parameter such as `tokenizer`."""
    found: set[str] = set()
    for step in steps:
        found |= {step.params[parameter]} if step.params.get(parameter) else set()
        for inner in step.inner.values():
            found.update(named_by(inner, parameter))
    return sorted(found)


def params_of(step: BoundStep) -> dict[str, dict[str, Any]]:
    """A bound step as it would stand in a recipe, with every parameter; files by name only."""
    params = {**step.params, **{name: [params_of(one) for one in steps] for name, steps in step.inner.items()}}
    params |= {name: Path(params[name]).name for name in FILES if params.get(name)}
    return {step.step.name: params}


def is_held(entry: SourceEntry, overrides: dict[str, Any]) -> bool:
    """Whether a source must have the number that is expected of it: a build with these options may not ask for less."""
    if entry.expect is None or not entry.expect.strict:
        return False
    dropping = "drop" in (overrides.get("on_missing_image"), overrides.get("on_bad_record"))
    takes_ids = any(params.get("draws_from") for step in entry.steps for params in step.values())
    derived = any(step.step in DERIVING for step in entry.funnel)
    return not (overrides.get("limit") or overrides.get("fraction") or derived or dropping or takes_ids)
