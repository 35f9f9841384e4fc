"""What is counted between two log lines, over all ranks: tokens, padding, time, loss by source, which samples."""

import hashlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12, "V100": 125e12}
"""Dense bf16 operations a second (V100: fp16) by a piece of the device's name, from the makers' data sheets."""


class Meters:
    """Sums of one rank; `drain` adds the ranks up and starts anew."""

    def __init__(self, sources: Sequence[str], *, flops_per_token: float) -> None:
        self._sources = sources
        self._flops_per_token = flops_per_token
        self._by_source: torch.Tensor | None = None
        self._tokens = self._padded = 0
        self._seen: list[str] = []
        self._bad_images: list[str] = []
        self._begun = time.perf_counter()

    def add(self, losses: "torch.Tensor", labels: "torch.Tensor", batch: dict[str, Any]) -> None:
        """Count a micro-batch.

        losses  float32 [labelled]  of the labelled positions, in reading order
        labels  int64   [B, T]      shifted
        batch   `attention_mask` [B, T], `sources` and `ids` of the B examples
        """
        import torch

        rows = (labels != -100).nonzero()[:, 0]
        sums = torch.zeros(len(self._sources), 2, dtype=torch.float64, device=losses.device)
        values = torch.stack([losses.detach().double(), torch.ones_like(losses, dtype=torch.float64)], dim=1)
        numbers = [self._sources.index(source) if source else 0 for source in batch["sources"]]
        sums.index_add_(0, torch.tensor(numbers, device=losses.device)[rows], values)
        self._by_source = sums if self._by_source is None else self._by_source + sums
        self._tokens += int(batch["attention_mask"].sum())
        self._padded += batch["attention_mask"].numel()
        self._bad_images += batch["bad_images"]
        self._seen += [identifier for identifier in batch["ids"] if identifier]

    def drain(self, gather: Any) -> dict[str, float | str]:
        """The numbers since the last call, added up over ranks; `gather` gives the list of all ranks' objects."""
        mine = {
            "by_source": [] if self._by_source is None else self._by_source.tolist(),
            "tokens": self._tokens,
            "padded": self._padded,
            "seen": self._seen,
            "bad_images": self._bad_images,
        }
        seconds = time.perf_counter() - self._begun
        ranks = gather(mine)
        tokens, padded = (sum(rank[key] for rank in ranks) for key in ("tokens", "padded"))
        seen = [identifier for rank in ranks for identifier in rank["seen"]]
        numbers: dict[str, float | str] = {
            "tokens_per_s": tokens / seconds,
            "samples_per_s": len(seen) / seconds,
            "padding": 1 - tokens / padded if padded else 0.0,
            "samples": hashlib.sha256("\n".join(sorted(seen)).encode()).hexdigest()[:16],
        }
        if bad := [text for rank in ranks for text in rank["bad_images"]]:
            numbers |= {"bad_images": len(bad), "bad_image_texts": "; ".join(bad)}
        if peak := _peak_flops():
            numbers["mfu"] = tokens * self._flops_per_token / seconds / (peak * len(ranks))
        for k, source in enumerate(self._sources):
            loss, count = (sum(rank["by_source"][k][j] for rank in ranks if rank["by_source"]) for j in (0, 1))
            if count:
                numbers[f"loss/{source}"] = loss / count
                numbers[f"labels/{source}"] = count
        self._by_source, self._tokens, self._padded, self._seen, self._bad_images = None, 0, 0, [], []
        self._begun = time.perf_counter()
        return numbers


def _peak_flops() -> float | None:
    import torch

    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((peak for piece, peak in PEAK_FLOPS.items() if piece in name), None)
