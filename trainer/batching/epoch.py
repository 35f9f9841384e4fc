"""The batches of one epoch as a pure function of lengths, modalities, layout, seed and epoch.

Every rank computes the same plan and takes its row of it, so nothing is sent between ranks. Which examples share a
global batch, and the order of the global batches, depend on the size of a global batch and not on its layout: a run
that is resumed on another number of ranks meets the same examples at every later step.
"""

from typing import Protocol

from mix665k.schemas.errors import UserError
from mix665k.trainer.batching.grouped import plan_grouped
from mix665k.trainer.batching.llava import plan_llava_grouped, plan_llava_random
from mix665k.trainer.batching.padding_free import plan_padding_free
from mix665k.trainer.batching.shared_images import plan_shared_images
from mix665k.trainer.batching.types import Examples, Layout, Mode, Order, Plan


class Planner(Protocol):
    """Plans one epoch in one mode."""

    def __call__(self, examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
        """The same plan for the same arguments, on any machine, with any version of any library."""
        ...


PLANNERS: dict[Mode, Planner] = {
    "grouped": plan_grouped,
    "padding_free": plan_padding_free,
    "shared_images": plan_shared_images,
    "llava_grouped": plan_llava_grouped,
    "llava_random": plan_llava_random,
}


def plan_epoch(examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
    """The batches of one epoch in the order's mode.

    Raises:
        UserError: there is no example, or no complete global batch where the remainder is dropped.
    """
    num_examples = len(examples.lengths)
    assert examples.has_image.shape == (num_examples,), (examples.has_image.shape, num_examples)
    assert min(*layout, order.window) >= 1, (layout, order)
    if not num_examples:
        raise UserError("batching: no example to train on, expected at least one; does the mixture hold conversations?")
    assert examples.lengths.min() >= 1, examples.lengths.min()
    plan = PLANNERS[order.mode](examples, layout=layout, order=order, epoch=epoch)
    if not len(plan.steps):
        raise UserError(
            f"batching: no complete global batch of {layout.global_batch:,} among {num_examples:,} examples, and the "
            "remainder is 'drop'; say `remainder: short` or lower global_batch"
        )
    return plan
