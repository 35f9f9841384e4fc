"""The plan of an epoch in which records of a picture come together."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.schemas.errors import UserError
from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.types import EMPTY, Examples, Layout, Order, Plan, Remainder, load_of, measure
from tests.trainer.batching.planning import layouts, real, seeds

Tree = tuple[int, list[int]]
"""The tokens of a beginning, and how many each record has beyond it."""
trees = st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.integers(0, 20), min_size=1, max_size=9)), min_size=1, max_size=40
)
BOTH = ((3, 2), (40, 2), (7, 1))


def examples_of(mixture: list[Tree]) -> Examples:
    """The records of each tree, tree after tree."""
    numbers = np.array([number for number, (_, own) in enumerate(mixture) for _ in own])
    lengths = np.array([max(shared + tokens, 1) for shared, own in mixture for tokens in own])
    shared = np.array([shared * (len(own) > 1) for shared, own in mixture for _ in own])
    return Examples(lengths=lengths, has_image=lengths > 0, trees=numbers, shared=shared)


def plan(
    mixture: list[Tree],
    layout: tuple[int, int, int] | Layout,
    *,
    seed: int = 7,
    epoch: int = 0,
    remainder: Remainder = "short",
    most: int | None = None,
) -> Plan:
    order = Order(mode="shared_images", window=1, remainder=remainder, seed=seed, max_branches=most)
    return plan_epoch(examples_of(mixture), layout=Layout(*layout), order=order, epoch=epoch)


def test_a_beginning_is_computed_once_in_a_micro_batch() -> None:
    examples = examples_of([(10, [1, 2, 3]), (20, [5, 6])])
    steps = np.array([[0, 3, 1, EMPTY], [2, 0, 4, 3], [EMPTY, EMPTY, EMPTY, EMPTY]])
    assert load_of(steps, examples, mode="shared_images").tolist() == [10 + 1 + 2 + 25, 10 + 3 + 1 + 20 + 5 + 6, 0]


def test_trees_stay_whole_and_work_is_equal_not_the_number_of_records() -> None:
    mixture = [(10, [2, 2, 2, 2, 2]), (8, [6]), (9, [0])]
    [step] = plan(mixture, (2, 1, 4), remainder="short").steps
    assert [sorted(real(cell)) for cell in step] == [[5, 6], [0, 1, 2, 3, 4]]


def test_a_tree_of_more_tokens_than_a_rank_should_get_is_split() -> None:
    [step] = plan([(4, [10] * 8)], (2, 1, 4)).steps
    assert [len(real(cell)) for cell in step] == [4, 4]


def test_a_tree_is_split_where_a_micro_batch_would_be_empty() -> None:
    [step] = plan([(100, [1, 1]), (5, [60]), (5, [60])], (4, 1, 1)).steps
    assert [len(real(cell)) for cell in step] == [1, 1, 1, 1]


@given(mixture=trees, layout=layouts, seed=seeds, epoch=st.integers(0, 3), most=st.sampled_from([None, 1, 2, 5]))
def test_every_record_comes_once_and_no_micro_batch_is_empty_before_the_last_step(
    mixture: list[Tree], layout: Layout, seed: int, epoch: int, most: int | None
) -> None:
    planned = plan(mixture, layout, seed=seed, epoch=epoch, most=most)
    number = sum(len(own) for _, own in mixture)
    assert sorted(real(planned.steps)) == list(range(number))
    sizes = sorted(len(real(step)) for step in planned.steps)
    assert sizes[1:] == [layout.global_batch] * (len(sizes) - 1)
    filled = (planned.steps != EMPTY).sum(axis=-1)
    for step, size in zip(filled, (planned.steps != EMPTY).sum(axis=(1, 2, 3)), strict=True):
        assert (step > 0).sum() == min(size, step.size)


@given(mixture=trees, size=st.sampled_from([4, 12]), seed=seeds)
def test_the_layout_changes_neither_the_batches_nor_their_order(mixture: list[Tree], size: int, seed: int) -> None:
    given = [plan(mixture, layout, seed=seed) for layout in ((1, 1, size), (2, size // 4, 2))]
    assert [sorted(real(step)) for step in given[0].steps] == [sorted(real(step)) for step in given[1].steps]


def test_a_tree_comes_in_one_batch_or_in_two_that_follow_each_other() -> None:
    mixture: list[Tree] = [(600, [50 + tree, 60]) for tree in range(40)]
    examples = examples_of(mixture)
    assert examples.trees is not None
    steps = plan(mixture, (1, 1, 5)).steps
    where = Counter((int(examples.trees[row]), number) for number, step in enumerate(steps) for row in real(step))
    split = [tree for tree in range(40) if (len({number for one, number in where if one == tree})) == 2]
    assert len(split) == 8  # every second batch of five ends within a tree of two


def test_max_branches_limits_how_many_records_of_a_picture_follow_each_other() -> None:
    mixture: list[Tree] = [(600, [50] * 6) for _ in range(200)]
    trees = examples_of(mixture).trees
    assert trees is not None
    for most, expected in ((None, 6), (2, 2), (4, 4), (1, 1)):
        steps = plan(mixture, (1, 1, 12), most=most).steps
        counts = [max(Counter(trees[real(step)].tolist()).values()) for step in steps]
        assert np.median(counts) == expected


@pytest.mark.parametrize(("remainder", "kept"), [("drop", 8), ("repeat", 12), ("short", 11)])
def test_a_remainder_is_dropped_filled_up_or_short(remainder: Remainder, kept: int) -> None:
    mixture: list[Tree] = [(5, [1, 2, 3])] * 3 + [(5, [1, 2])]
    assert len(real(plan(mixture, (2, 1, 2), remainder=remainder).steps)) == kept


def test_no_complete_batch_is_an_error() -> None:
    with pytest.raises(UserError, match="no complete global batch"):
        plan([(5, [1])], (2, 1, 2), remainder="drop")


def test_seeds_and_epochs_differ() -> None:
    mixture: list[Tree] = [(5, [1, 2, 3])] * 20
    orders = [plan(mixture, (1, 1, 4), seed=k, epoch=epoch).steps.tolist() for k, epoch in ((7, 0), (7, 1), (8, 0))]
    assert all(one != other for one, other in pairwise([*orders, orders[0]]))


def test_the_batch_of_most_computed_tokens_comes_first() -> None:
    mixture: list[Tree] = [(600, [50] * 4), *[(10, [400 + tree]) for tree in range(8)]]
    examples = examples_of(mixture)
    steps = plan(mixture, (1, 1, 4)).steps
    loads = load_of(steps, examples, mode="shared_images").ravel().tolist()
    assert loads[0] == max(loads)


def test_its_cost_is_near_the_ideal_on_trees_like_the_mixtures() -> None:
    draw = np.random.default_rng(0)
    mixture: list[Tree] = [(611, draw.integers(20, 400, draw.choice([1, 1, 1, 4, 5])).tolist()) for _ in range(5_000)]
    mixture += [(35, [int(tokens)]) for tokens in draw.integers(60, 2_000, 600)]
    examples = examples_of(mixture)
    cost = measure(plan(mixture, (8, 1, 16)), examples, mode="shared_images")
    assert cost.real == sum(shared + sum(own) for shared, own in mixture)
    assert cost.ratio <= 1.03
    assert examples.lengths.sum() / cost.computed >= 1.3
