"""The micro-batches of one rank, as `DataLoader(batch_sampler=…)` takes them."""

from collections.abc import Iterator

from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.types import EMPTY, Examples, Integers, Layout, Order


class MicroBatches:
    """Lists of row numbers of the dataset, `accumulation` of them for each optimizer step of one epoch.

    They are this rank's share already: nothing may shard them again, as `accelerator.prepare` would. A list is shorter
    than `per_device_batch` in an incomplete global batch, and empty where that has fewer examples than micro-batches.
    """

    def __init__(self, examples: Examples, *, layout: Layout, order: Order, rank: int) -> None:
        assert 0 <= rank < layout.ranks, (rank, layout)
        self._examples = examples
        self._layout = layout
        self._order = order
        self._rank = rank
        self._epoch = 0
        self._skip = 0
        # No count of what was consumed: a loader's workers read ahead. The loop knows the step and calls `seek`.
        self._rows: Integers | None = None

    def set_epoch(self, epoch: int, *, skip: int = 0) -> None:
        """Go to an epoch, past its first `skip` micro-batches; its plan is computed when it is first needed."""
        assert min(epoch, skip) >= 0, (epoch, skip)
        if epoch != self._epoch:
            self._rows = None
        self._epoch = epoch
        self._skip = skip

    def seek(self, step: int) -> None:
        """Go to the micro-batches that follow `step` optimizer steps, counted from the beginning of the run."""
        epoch, within = divmod(step, self.num_steps)
        self.set_epoch(epoch, skip=within * self._layout.accumulation)

    @property
    def num_steps(self) -> int:
        """Optimizer steps of an epoch, the same in every epoch."""
        return len(self._planned()) // self._layout.accumulation

    def __len__(self) -> int:
        return max(len(self._planned()) - self._skip, 0)

    def __iter__(self) -> Iterator[list[int]]:
        for row in self._planned()[self._skip :]:
            yield row[row != EMPTY].tolist()

    def _planned(self) -> Integers:
        """[micro-batches of the epoch, per_device_batch], this rank's."""
        if self._rows is None:
            plan = plan_epoch(self._examples, layout=self._layout, order=self._order, epoch=self._epoch)
            self._rows = plan.steps[:, self._rank].reshape(-1, self._layout.per_device_batch)
        return self._rows
