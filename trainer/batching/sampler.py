"""The micro-batches of one rank, as `DataLoader(batch_sampler=…)` takes them."""

from collections.abc import Iterator

from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.types import EMPTY, Examples, Integers, Layout, Order


class MicroBatches:
    """Lists of row numbers of the dataset, `accumulation` of them for each optimizer step of one epoch.

    They are this rank's share already: nothing may shard them again, as `accelerator.prepare` would. A list is shorter
    than `per_device_batch` in an incomplete global batch, and empty where that has fewer examples than micro-batches.
    With `shared_images` lists are as long as gives them equal work.
    """

    def __init__(self, examples: Examples, *, layout: Layout, order: Order, rank: int) -> None:
        assert 0 <= rank < layout.ranks, (rank, layout)
        self._examples = examples
        self._layout = layout
        self._order = order
        self._rank = rank
        self._epoch = 0
        # No count of what was consumed: a loader's workers read ahead. A resumed Trainer sets the epoch, and skips the
        # micro-batches of it that it has taken steps on.
        self._rows: Integers | None = None

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch; its plan is computed when it is first needed."""
        assert epoch >= 0, epoch
        if epoch != self._epoch:
            self._rows = None
        self._epoch = epoch

    @property
    def num_steps(self) -> int:
        """Optimizer steps of an epoch, the same in every epoch."""
        return len(self._planned()) // self._layout.accumulation

    def __len__(self) -> int:
        return len(self._planned())

    def __iter__(self) -> Iterator[list[int]]:
        for row in self._planned():
            yield row[row != EMPTY].tolist()

    def _planned(self) -> Integers:
        """[micro-batches of the epoch, examples], this rank's."""
        if self._rows is None:
            plan = plan_epoch(self._examples, layout=self._layout, order=self._order, epoch=self._epoch)
            self._rows = plan.steps[:, self._rank].reshape(-1, plan.steps.shape[-1])
        return self._rows
