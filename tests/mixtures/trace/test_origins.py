"""Every origin leads to the raw record that its pair was made of."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.parts import parts_of
from mix665k.builders.provenance import follow
from mix665k.builders.registry import SOURCES
from mix665k.builders.synthetic import WRITERS
from mix665k.mixtures.trace.tables import narrowed
from mix665k.schemas.conversation import Pair
from mix665k.schemas.recipe import Block
from mix665k.schemas.sentences import fold
from tests.builders.building import FIXTURES, ROOT, SHARED, run_block

EXCERPTS = SHARED / "raw"
needs_excerpts = pytest.mark.skipif(not EXCERPTS.is_dir(), reason=f"the real excerpts are not at {EXCERPTS}")
Raw = dict[str, Any]


def blocks(recipe: Path) -> list[Block]:
    """The sources of a recipe, none of their conversations cut away."""
    content = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    found = [msgspec.convert(entry, Block) for entry in content["sources"]]
    for block in found:
        block.steps = [step for step in block.steps if not {"sample", "truncate"} & set(step)]
    return found


def turns(raw: Raw) -> list[str]:
    [record] = raw.values()
    return [turn["value"] for turn in record["conversations"]]


def regions(raw: Raw) -> list[str]:
    [region] = raw["regions"]["regions"]
    assert raw["images"]["image_id"] == raw["regions"]["id"]
    return [region["phrase"]]


def sentences(raw: Raw) -> list[str]:
    ref, annotation, image = raw.values()
    assert (annotation["id"], image["id"]) == (ref["ann_id"], ref["image_id"])
    return [said["sent"] for said in ref["sentences"]]


def most_given(raw: Raw, pair: Pair) -> list[str]:
    answers = [given["raw_answer"].strip() for given in raw["annotations"]["answers"]]
    assert pair.answer.casefold() in {answer.casefold() for answer in answers}
    return [raw["questions"]["question"]]


TEXTS: dict[str, Callable[[Raw, Pair], list[str]]] = {
    "vqav2": lambda raw, _: [raw["questions"]["question"], raw["annotations"]["multiple_choice_answer"]],
    "gqa": lambda raw, _: [raw["questions"]["question"], raw["questions"]["answer"]],
    "okvqa": most_given,
    "aokvqa": lambda raw, _: [raw["questions"]["question"], *raw["questions"]["choices"]],
    "ocrvqa": lambda raw, _: [*raw["books"]["questions"], *raw["books"]["answers"]],
    "textcaps": lambda raw, _: [raw["captions"]["caption_str"], *raw.get("ocr", {}).get("ocr_tokens", [])],
    "refcoco": lambda raw, _: sentences(raw),
    "vg": lambda raw, _: regions(raw),
    **dict.fromkeys(("sharegpt", "llava_instruct", "llava_json", "lcs558k"), lambda raw, _: turns(raw)),
}
"""The texts of its raw records that a pair must hold, of their lists only what the lookups name; a source that is not
named here must lead to raw records, whatever they hold."""


def plain(text: str) -> str:
    return fold(text).casefold()


def trails(source: str, block: Block, raw: Path) -> Iterator[tuple[Pair, Raw]]:
    """Every pair that a source gives, with its raw records by role."""
    published: dict[str, str | list[str]] = {file.role: file.path for file in SOURCES[source].about.files}
    pairs = [pair for conversation in run_block(block, raw=raw).conversations for pair in conversation.pairs]
    assert pairs
    paths = {role: parts_of(raw, named) for role, named in (block.files or published).items()}
    traces = follow(SOURCES[source], paths, {pair.origin for pair in pairs}, progress=lambda num_bytes: None)
    for pair in pairs:
        for one in traces[pair.origin]:
            assert one.found or one.lookup.optional, (pair, one)
        yield (
            pair,
            {one.lookup.role: narrowed(one.found.record, one.found.items) for one in traces[pair.origin] if one.found},
        )


def require_held(block: Block, raw: Path) -> None:
    texts = TEXTS.get(block.source)
    for pair, records in trails(block.source, block, raw):
        held = plain(f"{pair.question} {pair.answer}")
        for text in texts(records, pair) if texts else []:
            assert plain(text) in held, (pair, text)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_origin_leads_to_its_raw_record(source: str, made_up_raw: Path) -> None:
    tiny = {block.source: block for block in blocks(ROOT / "mixtures" / "recipes" / "tiny.yaml")}
    block = tiny.get(source, Block(source))
    require_held(block, made_up_raw if source in WRITERS else FIXTURES)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_origins_of_the_fixtures_lead_to_their_raw_records(source: str) -> None:
    require_held(Block(source), FIXTURES)


@needs_excerpts
@pytest.mark.parametrize("block", blocks(ROOT / "tests" / "recipes" / "excerpt.yaml"), ids=lambda block: block.source)
def test_every_origin_of_the_excerpts_leads_to_its_raw_record(block: Block) -> None:
    require_held(block, EXCERPTS)


@pytest.mark.parametrize("odd", ["\ud800", {None: 1}])
def test_a_raw_record_with_a_field_that_is_no_json_is_shown_without_it(tmp_path: Path, odd: Any) -> None:
    ref = {"ref_id": 1, "ann_id": 2, "image_id": 3, "split": "train", "tokens": odd}
    ref["sentences"] = [{"sent_id": 4, "sent": "a cat", "raw": "A cat"}]
    (tmp_path / "refs.p").write_bytes(pickle.dumps([ref], protocol=2))
    paths = {"refcoco/refs": (tmp_path / "refs.p",)}
    traces = follow(SOURCES["refcoco"], paths, ["refcoco/4"], progress=lambda num_bytes: None)
    refs, annotations, images = traces["refcoco/4"]
    assert refs.found
    assert refs.found.record == {key: value for key, value in ref.items() if key != "tokens"}
    assert [(one.key, one.found) for one in (annotations, images)] == [("2", None), ("3", None)]
