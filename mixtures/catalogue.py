"""What `mix sources` and `mix steps` print: each source's files and where to get them; sources and steps with their
parameters.
"""

import inspect
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.bind import SHARED, Steps, bind, describe, parameters
from mix665k.builders.containers import forms_of
from mix665k.builders.decode import BadRecord, read
from mix665k.builders.parts import Parts, beside, parts_fault, published_parts
from mix665k.builders.pipeline import Run
from mix665k.builders.plugin_errors import plugin_errors
from mix665k.builders.registry import SOURCES, STEPS, RawFile, Source, Step, plugin_of
from mix665k.schemas.errors import RawDataError, RecipeError, brief_line, did_you_mean
from mix665k.schemas.recipe import Block, Recipe


class Finding(NamedTuple):
    """What was found of a raw file, in words, whether it can be used, and each bad record."""

    text: str
    usable: bool
    bad: tuple[str, ...] = ()


def describe_sources(console: Console, name: str | None, raw: Path | None) -> int:
    """Print every source or the one of this name; with `raw`, read its files. Gives the number of damaged files.

    Raises:
        RecipeError: when there is no such source.
        RawDataError: when `raw` is no folder.
    """
    if name is not None and name not in SOURCES:
        raise RecipeError(f"{name}: no such source{did_you_mean(name, SOURCES)}")
    if raw is not None and not raw.is_dir():
        raise RawDataError(f"--raw {raw}: no such folder")
    chosen = [SOURCES[key] for key in sorted(SOURCES) if name in (None, key)]
    damaged = 0
    for source in chosen:
        with plugin_errors(f"source {source.name}"):
            damaged += _describe_source(console, source, raw)
    return damaged


def inspect_file(file: RawFile, parts: Parts) -> Finding | None:
    """Whether a raw file holds records of its declared form, by reading all its parts; None when it is not there."""
    if not any(part.exists() for part in parts):
        return None
    if why := parts_fault(file.path, parts):
        return Finding(why.removeprefix(f"{parts[0]}: "), usable=False)
    records = 0
    bad: list[str] = []
    done: Counter[str] = Counter()
    for path in parts:
        part = f"{path.name}: " if len(parts) > 1 else ""
        try:
            for _, identifier, found in read(file, path, lambda _: None):
                records += 1
                done.update(getattr(found, "done", ()))
                if isinstance(found, BadRecord):
                    bad.append(f"{part}{found.where}: {found.why} (id {identifier!r})")
        except RawDataError as error:
            return Finding(f"{part}{str(error).removeprefix(f'{path}: ')}", usable=False)
    count = f"{len(parts)} parts, {parts[0].name} to {parts[-1].name}, " if len(parts) > 1 else ""
    size = f"{count}{sum(path.stat().st_size for path in parts) / 1e6:,.1f} MB, {records:,} records"
    for form in dict.fromkeys(form for _, form in forms_of(file, parts)):
        size += f", read as {form}"
    for what, times in done.items():
        size += f"; {what} {times:,} times"
    if bad:
        return Finding(f"{size}, {len(bad):,} bad records", usable=False, bad=tuple(bad))
    return Finding(size, usable=True) if records else Finding("holds no records", usable=False)


def _describe_source(console: Console, source: Source, raw: Path | None) -> int:
    about = source.about

    def say(text: str | Text) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(Text.assemble((source.name, "bold cyan"), f"  {about.title}{_origin(source)}"))
    say(
        f"  {about.counts}; annotations {about.licence.name}; images {about.image_licence.name}, in {about.image_paths}"
    )
    uses = {"texts": about.licence, "images": about.image_licence}
    say(f"  commercial use: {'; '.join(f'{what} {use.commercial}, {use.because}' for what, use in uses.items())}")
    damaged = 0
    told: list[str] = []
    listed: set[str] = set()
    for file in about.files:
        size = f", about {file.num_bytes / 1e6:,.0f} MB" if file.num_bytes else ""
        say(f"  {file.role}: {file.path}{size}")
        place = file.download.place if file.download else "your own"
        if place not in told:
            told.append(place)
            say(f"    from {place}")
        if raw is not None:
            found = inspect_file(file, published_parts(raw, file.path))
            damaged += bool(found and not found.usable)
            say(_verdict(found))
            known = [raw / one.path for one in about.files]
            if found is None and (others := beside(raw / file.path, known)):
                some = brief_line(", ".join(others[:3]))
                say(f"    beside it lies {some}; a recipe can name it under `files`")
            for line in found.bad if found else ():
                say(f"      {brief_line(line)}")
            listed.update(found.bad if found else ())
    if raw is not None and (others := [line for line in records_refused_together(source, raw) if line not in listed]):
        damaged += 1
        say(Text.assemble("  ", ("wrong", "red"), f": {len(others):,} bad records where its files are read together"))
        for line in others:
            say(f"      {brief_line(line)}")
    for images, download in about.archives:
        size = f", {download.num_bytes / 1e9:,.1f} GB" if download.num_bytes else ""
        say(f"  images of {images.folder}: from {download.place}{size}")
    say("")
    return damaged


def records_refused_together(source: Source, raw: Path) -> list[str]:
    """Every record that a build would refuse, a line each: ids that occur twice and what another file lacks, too.

    None where files are missing, or damaged as a whole, which is said of each file.
    """
    files: dict[str, str | list[str]] = {
        file.role: file.path for file in source.about.files if published_parts(raw, file.path)[0].exists()
    }
    recipe = Recipe(source.name, [Block(source.name, files=files)], seed=0)
    try:
        [bound] = bind(recipe, raw=raw)
        run = Run(bound, on_bad_record="drop", progress=lambda _: None)
        for _ in run.conversations:
            pass
    except (RawDataError, RecipeError):
        return []
    several = {part for parts in bound.files.values() if len(parts) > 1 for part in parts}
    return [
        f"{f'{part.name}: ' if part in several else ''}{why} (id {identifier!r})"
        for part, identifier, why in run.raw.refused
    ]


def _verdict(found: Finding | None) -> Text:
    if found is None:
        return Text.assemble("    ", ("not there", "yellow"))
    verdict = ("there", "green") if found.usable else ("wrong", "red")
    return Text.assemble("    ", verdict, f": {found.text}")


def describe_functions(console: Console, name: str | None) -> None:
    """Print every source and step, or the one of this name.

    Raises:
        RecipeError: when there is none of this name.
    """
    known: dict[str, Source | Step] = {**SOURCES, **STEPS}
    if name is not None and name not in known:
        raise RecipeError(f"{name}: no such source or step{did_you_mean(name, known)}")
    for title, group in (("sources", SOURCES), ("steps", STEPS)):
        chosen = [group[key] for key in sorted(group) if name in (None, key)]
        if chosen:
            console.print(Text.assemble((title, "bold"), "\n"))
        for one in chosen:
            _describe_function(console, one)


def _describe_function(console: Console, one: Source | Step) -> None:
    console.print(Text.assemble((one.name, "bold cyan"), _origin(one)), soft_wrap=True)
    for line in inspect.cleandoc(one.function.__doc__ or "").splitlines():
        console.print(f"  {line}".rstrip(), highlight=False, soft_wrap=True)
    for key, parameter in parameters(one.function).items():
        console.print(f"    {key}: {kind_of(parameter)}", highlight=False, soft_wrap=True)
    console.print()


def _origin(one: Source | Step) -> str:
    """Where a source or step is from that does not come with the package."""
    plugin = plugin_of(one)
    return f"  from {plugin.version or plugin.path}" if plugin else ""


def kind_of(parameter: inspect.Parameter) -> str:
    """A parameter's type and default in a YAML author's words."""
    kind = describe(parameter.annotation)
    if parameter.annotation is Steps:
        return f"{kind} (default: none)"
    shared = parameter.name in SHARED
    if parameter.default is inspect.Parameter.empty:
        return f"{kind} (default: the recipe's)" if shared else f"{kind} (required)"
    if parameter.default is None:
        return f"{kind} (default: the recipe's, or none)" if shared else f"{kind} (default: none)"
    default = parameter.default
    return f"{kind} (default: {str(default).lower() if isinstance(default, bool) else repr(default)})"
