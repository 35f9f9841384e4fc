"""Raw files of every source, changed by structure and by bytes, and built."""

import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import yaml

from mix665k.builders.bind import bind
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.build.source import build_source
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.schemas.errors import UserError
from mix665k.schemas.manifest import STATE, SourceEntry
from mix665k.schemas.recipe import Block, Recipe
from tests.builders.building import FIXTURES, ROOT
from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.damage import mutate_bytes, mutate_pickle
from tests.campaign.structure import Mutation, mutate_json

BY_STRUCTURE = 0.6
TRACE = "code-ran"


class Target(NamedTuple):
    """A raw file of a source, its content, and the roles that it has; `block` is the source in a recipe."""

    block: Block
    path: str
    content: bytes
    files: list[RawFile]


@cache
def targets() -> list[Target]:
    """Every raw file of every source, each source through the steps of the recipe `tiny` that draw nothing."""
    entries = yaml.safe_load((ROOT / "mixtures" / "recipes" / "tiny.yaml").read_text(encoding="utf-8"))["sources"]
    steps = {entry["source"]: entry.get("steps", []) for entry in entries}
    found = []
    for name in sorted(SOURCES):
        kept = [step for step in steps.get(name, []) if not (isinstance(step, dict) and "sample" in step)]
        by_path: dict[str, list[RawFile]] = {}
        for file in SOURCES[name].about.files:
            by_path.setdefault(file.path, []).append(file)
        for path, files in by_path.items():
            found.append(Target(Block(name, steps=kept), path, (FIXTURES / path).read_bytes(), files))
    return found


def mutate(rng: Random, target: Target, *, trace: str) -> Mutation:
    """One mutation of a target's file."""
    if target.files[0].at == "pickle":
        return mutate_pickle(rng, target.content, target.files[0], trace=trace)
    if rng.random() < BY_STRUCTURE:
        return mutate_json(rng, target.content, target.files)
    return mutate_bytes(rng, target.content)


def make(number: int, seed: int, folder: Path) -> Case:
    """A mutated raw file beside the sound ones of its source."""
    rng = Random(f"{seed}/{number}")
    target = targets()[number % len(targets())]
    raw = folder / "raw"
    for file in SOURCES[target.block.source].about.files:
        path = raw / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.symlink_to(FIXTURES / file.path)
    mutation = mutate(rng, target, trace=str(folder / TRACE))
    (raw / target.path).unlink()
    (raw / target.path).write_bytes(mutation.content)
    drops = rng.random() < 0.5
    what = f"{target.path}: {mutation.what}, {'drop' if drops else 'fail'}{', marked' if mutation.marked else ''}"
    return Case(target.block.source, what, lambda: _judged(target, mutation, folder, drops=drops))


def _judged(target: Target, mutation: Mutation, folder: Path, *, drops: bool) -> Verdict:
    name = target.block.source
    try:
        entry = _built(target.block, folder, drops=drops)
    except UserError as error:
        verdict = _refused(str(error), target)
    else:
        verdict = _accepted(entry, sound(name), mutation)
    if (folder / TRACE).exists():
        return Verdict(verdict.result, "outside", "the pickle's code ran")
    return verdict


def _built(block: Block, folder: Path, *, drops: bool) -> SourceEntry:
    """The source built from `folder/raw` into `folder/out`."""
    raw, out = folder / "raw", folder / "out"
    (out / "data").mkdir(parents=True)
    (out / STATE).mkdir()
    [bound] = bind(Recipe("campaign", [block], seed=7, tokenizer="tiny"), raw=raw)
    options = Options(raw, out, on_bad_record="drop" if drops else "fail")
    return build_source(bound, options, lambda num_bytes, records: None).entry


@cache
def sound(name: str) -> SourceEntry:
    """What the source gives without a mutation."""
    block = next(target.block for target in targets() if target.block.source == name)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "raw").symlink_to(FIXTURES)
        return _built(block, Path(work), drops=False)


def _refused(message: str, target: Target) -> Verdict:
    label = target.block.source
    names = {Path(file.path).name for file in SOURCES[label].about.files}
    if "add up" in message:
        return Verdict("refused", "traceback", message)
    if not any(name in message for name in names) and f"{label}/" not in message:
        return Verdict("refused", "nameless", message)
    if not message.isprintable():
        return Verdict("refused", "noisy", message)
    return Verdict("refused", None, message)


def _accepted(entry: SourceEntry, before: SourceEntry, mutation: Mutation) -> Verdict:
    said = _said(entry) != _said(before)
    same = hash_of_all([entry]) == hash_of_all([before])
    if mutation.marked and not said and (mutation.always or not same):
        return Verdict("other", "silent", "the same funnel as without the mutation")
    return Verdict("counted" if said else "same" if same else "other")


def _said(entry: SourceEntry) -> Any:
    """What a manifest says about records that were not taken as they are."""
    return [
        (step.step, step.conversations.changes, step.pairs.changes, step.noted, msgspec.to_builtins(step.kinds))
        for step in entry.funnel
    ]


KIND = Kind(
    name="mutations",
    about="raw files of every source, changed by structure (keys, types, blank texts, repeated ids, vast numbers, "
    "names out of the folder) and by bytes (flipped, cut, put in, swapped, opcodes of pickles), then built",
    cases=110_000,
    make=make,
)
