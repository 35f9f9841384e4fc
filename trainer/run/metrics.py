"""The numbers of a log line, over all ranks: tokens, padding, time, loss by source, which samples."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from mix665k.trainer.model.cost import Flops

_Sums = tuple[list[str], list[int], "torch.Tensor"]
"""Of a micro-batch: the source of each example, how many labels it has, and the sum of their losses."""
PEAK_FLOPS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "4090": 165e12,
    "V100": 125e12,
}
"""Dense bf16 operations a second (V100: fp16) by a part of the device's name, from the makers' data sheets.

The first that matches counts, so "H100 NVL" comes before "H100".
"""


class Metrics:
    """Counts what one rank does between two log lines; `drain` adds up the ranks and resets."""

    def __init__(self, sources: Sequence[str], *, flops: "Flops") -> None:
        self._sources = sources
        self._flops = flops
        self._losses: list[_Sums] = []
        self._tokens = self._computed = 0
        self._waited_s = 0.0
        self._seen: list[str] = []
        self._bad_images: list[str] = []
        self._begun = time.perf_counter()

    def waiting(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same batches; the time until each arrives counts as loading."""
        while True:
            begun = time.perf_counter()
            batch = next(batches, None)
            self._waited_s += time.perf_counter() - begun
            if batch is None:
                return
            yield batch

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done meanwhile, such as saving, is not in the seconds of the steps."""
        begun = time.perf_counter()
        yield
        self._begun += time.perf_counter() - begun

    def add(self, losses: "torch.Tensor", batch: dict[str, Any]) -> None:
        """Count a micro-batch of `collate`.

        losses  float32 [n]  of the labelled tokens, in reading order
        """
        # Sums stay on the device until `drain`: nothing here waits for it.
        self._losses.append((batch["sources"], batch["num_labels"], sums_of(losses, batch)))
        self._tokens += batch["num_tokens"]
        self._computed += batch["input_ids"].numel()
        self._bad_images += batch["bad_images"]
        self._seen += [identifier for identifier in batch["ids"] if identifier]

    def drain(self, gather: Any) -> dict[str, float | str]:
        """The numbers since the last call, over all ranks; `gather` gives the list of all ranks' objects.

        `padding` is the share of computed tokens that belong to no example; `loading` the share of the time that the
        slowest rank waited for batches; `samples` a hash of the ids seen; `mfu` the share of the device's peak.
        """
        mine = {
            "by_source": by_source(self._losses),
            "tokens": self._tokens,
            "computed": self._computed,
            "seen": self._seen,
            "bad_images": self._bad_images,
            "waited_s": self._waited_s,
        }
        now = time.perf_counter()  # the next window begins here, so that the time of `gather` is in it
        seconds = now - self._begun
        ranks = gather(mine)
        tokens, computed = (sum(rank[key] for rank in ranks) for key in ("tokens", "computed"))
        seen = [identifier for rank in ranks for identifier in rank["seen"]]
        numbers: dict[str, float | str] = {
            "seconds": seconds,
            "tokens_per_s": tokens / seconds,
            "samples_per_s": len(seen) / seconds,
            "padding": 1 - tokens / computed if computed else 0.0,
            "loading": max(rank["waited_s"] for rank in ranks) / seconds,
            "samples": hashlib.sha256("\n".join(sorted(seen)).encode()).hexdigest()[:16],
        }
        if bad := [text for rank in ranks for text in rank["bad_images"]]:
            numbers |= {"bad_images": len(bad), "bad_image_texts": "; ".join(bad)}
        if peak := _peak_flops():
            labels = sum(count for rank in ranks for _, count in rank["by_source"].values())
            done = tokens * self._flops.token + labels * self._flops.label
            numbers["mfu"] = done / seconds / (peak * len(ranks))
        numbers |= losses_of([rank["by_source"] for rank in ranks], self._sources)
        self._losses, self._tokens, self._computed, self._seen, self._bad_images = [], 0, 0, [], []
        self._waited_s = 0.0
        self._begun = now
        return numbers


def sums_of(losses: "torch.Tensor", batch: Mapping[str, Any]) -> "torch.Tensor":
    """float64 [E]: the sum of the losses of each example of a micro-batch."""
    import torch

    sums = torch.zeros(len(batch["ids"]), dtype=torch.float64, device=losses.device)
    return sums.index_add_(0, batch["example_index"], losses.detach().double())


def by_source(batches: Sequence[_Sums]) -> dict[str, tuple[float, int]]:
    """The sum of losses and the number of labels of each source; this waits for the device."""
    found: dict[str, tuple[float, int]] = {}
    for sources, counts, sums in batches:
        for source, count, loss in zip(sources, counts, sums.tolist(), strict=True):
            before = found.get(source, (0.0, 0))
            found[source] = (before[0] + loss, before[1] + count)
    return found


def losses_of(ranks: Sequence[Mapping[str, tuple[float, int]]], sources: Sequence[str]) -> dict[str, float | str]:
    """Each source's mean loss over all ranks, `loss/SOURCE`, and its labels, `labels/SOURCE`, in this order."""
    numbers: dict[str, float | str] = {}
    for source in sources:
        loss, count = (sum(rank.get(source, (0, 0))[k] for rank in ranks) for k in (0, 1))
        if count:
            numbers |= {f"loss/{source}": loss / count, f"labels/{source}": count}
    return numbers


def _peak_flops() -> float | None:
    import torch

    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((peak for piece, peak in PEAK_FLOPS.items() if piece in name), None)
