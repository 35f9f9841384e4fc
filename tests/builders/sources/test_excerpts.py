"""Records of the real annotation files through `tests/recipes/excerpt.yaml`, where they are at hand."""

import re

import msgspec
import pytest
import yaml

from mix665k.schemas.conversation import fault, values
from mix665k.schemas.recipe import Block, Recipe
from tests.builders.building import ROOT, SHARED, Result, run_block

RAW = SHARED / "raw"
RECIPE = msgspec.convert(yaml.safe_load((ROOT / "tests/recipes/excerpt.yaml").read_text(encoding="utf-8")), Recipe)
BLOCKS = {block.source: block for block in RECIPE.sources}

needs_excerpts = pytest.mark.skipif(not RAW.is_dir(), reason=f"the real excerpts are not at {RAW}")


def _built(source: str) -> Result:
    assert RECIPE.seed is not None
    return run_block(BLOCKS[source], raw=RAW, seed=RECIPE.seed)


def test_the_recipe_draws_no_sample() -> None:
    assert not any("sample" in step for block in RECIPE.sources for step in block.steps)


@needs_excerpts
@pytest.mark.parametrize("source", sorted(set(BLOCKS) - {"sharegpt"}))
def test_excerpt_gives_the_expected_number_of_sound_conversations(source: str) -> None:
    result = _built(source)

    expect = BLOCKS[source].expect
    assert expect is not None
    assert expect.strict
    assert len(result.conversations) == expect.count
    for conversation in result.conversations:
        assert fault(list(values(conversation)), num_images=len(conversation.images), boxes=True) is None, conversation


@needs_excerpts
def test_sharegpt_excerpt_is_cleaned_and_cut() -> None:
    result = _built("sharegpt")

    assert result.funnel[0].conversations.entered == 577
    assert result.funnel[0].conversations.left == 562
    for conversation in result.conversations:
        assert conversation.image is None
        assert re.fullmatch(r"\w{7}_\d+", conversation.id)
        assert fault(list(values(conversation)), num_images=0, boxes=True) is None, conversation


@needs_excerpts
def test_origins_are_unique_within_an_excerpt() -> None:
    for source in sorted(set(BLOCKS) - {"aokvqa"}):
        origins = [origin for *_, origin in _built(source).pairs]
        assert len(set(origins)) == len(origins), source


@needs_excerpts
def test_each_aokvqa_question_is_in_four_copies() -> None:
    origins = [origin for *_, origin in _built("aokvqa").pairs]

    assert len(origins) == 4 * 1145
    assert {origins.count(origin) for origin in set(origins)} == {4}


@needs_excerpts
def test_no_pair_of_vqav2_is_lost_by_merging() -> None:
    result = _built("vqav2")

    assert len(result.pairs) == 12000
    assert len({conversation.image for conversation in result.conversations}) == 10798


def test_blocks_of_the_excerpt_differ_from_the_665k_recipe_by_files_and_samples_only() -> None:
    shipped = yaml.safe_load((ROOT / "mixtures/recipes/llava-v1.5-mix665k.yaml").read_text(encoding="utf-8"))
    blocks = {block.source: block for block in msgspec.convert(shipped, Recipe).sources}

    for source, block in blocks.items():
        steps = [step for step in block.steps if "sample" not in step]
        assert [step for step in BLOCKS[source].steps if "truncate" not in step] == steps


def test_a_source_stands_once_in_the_recipe() -> None:
    assert len(BLOCKS) == len(RECIPE.sources)
    assert isinstance(RECIPE.sources[0], Block)
