"""`train plan`: simulates an epoch of a mixture in several orders, without a GPU."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mix665k.schemas.errors import StageError
from mix665k.schemas.images.places import require_place
from mix665k.schemas.terminal import say
from mix665k.trainer.batching.simulate import EpochCost, Setting
from mix665k.trainer.batching.types import Examples, Layout
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.lengths import lengths
from mix665k.trainer.data.mixture import Mixture
from mix665k.trainer.data.trees import Share, find_trees


def split_batch(batch: int, *, ranks: int, per_device_batch: int) -> Layout:
    """The layout of a global batch on so many ranks.

    Raises:
        StageError: when it cannot be shared out evenly.
    """
    per_step = ranks * per_device_batch
    if batch % per_step:
        raise StageError(
            f"--global-batch {batch}: no multiple of --per-device-batch {per_device_batch} x {ranks} ranks = "
            f"{per_step}; change one of the three"
        )
    return Layout(ranks=ranks, accumulation=batch // per_step, per_device_batch=per_device_batch)


class Sharing(NamedTuple):
    """How `shared_images` is simulated, as a stage says it; `images` is needed for `content`."""

    share: Share = "path"
    images: Path | None = None
    max_branches: int | None = None


def setting_of(
    mixture: Mixture,
    encoder: Encoder,
    *,
    layout: Layout,
    seed: int,
    window: int,
    sharing: Sharing,
) -> Setting:
    """What is simulated of a mixture, for one tokenizer and template.

    Rows without any label are left out; a line on stderr says how many.

    Raises:
        StageError: when pictures are to be compared and no folder of them is given.
        UserError: when a row cannot be encoded.
    """
    if sharing.share == "content":
        if sharing.images is None:
            raise StageError("--share content: expected --images, the folder whose files are compared")
        require_place(sharing.images, kind=StageError)
    jobs = os.cpu_count() or 1
    found = lengths(mixture, encoder, jobs=jobs)
    kept = np.flatnonzero(found.supervised > 0)
    if left_out := len(mixture) - len(kept):
        row = "1 row has no label and is" if left_out == 1 else f"{left_out:,} rows have no label and are"
        say(f"{mixture.folder}: {row} left out; a higher --max-tokens may help", err=True)
    _, sources = np.unique(np.array(mixture.sources), return_inverse=True)
    words = np.maximum(mixture.words()[kept], 1)  # LLaVA's sampler has no place for a row without words
    trees = find_trees(mixture, encoder, share=sharing.share, images=sharing.images, jobs=jobs)
    return Setting(
        examples=Examples(
            lengths=found.tokens[kept],
            has_image=found.has_image[kept],
            words=words,
            trees=trees.numbers[kept],
            shared=trees.shared[kept],
        ),
        sources=sources[kept].astype(np.int64),
        layout=layout,
        seed=seed,
        window=window,
        max_branches=sharing.max_branches,
    )


def to_json(found: list[EpochCost]) -> str:
    """One JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def print_costs(console: Console, found: list[EpochCost]) -> None:
    """Print a table, and how the orders compare in time."""
    numbers = ("tokens", "padding", "cost / ideal", "sources a step", "records a picture", "largest", "one modality")
    table = Table(box=SIMPLE_HEAD, collapse_padding=True)
    table.add_column("order", no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", min_width=max(len(word) for word in title.split()))
    for one in found:
        values = [f"{one.tokens:,}", f"{one.padding:.1%}", f"{one.ratio:.3f}", f"{one.sources_per_step:.1f}"]
        values += [f"{one.records_per_picture:.1f}", f"{one.largest_micro_batch:,}", f"{one.one_modality:.0%}"]
        table.add_row(one.order, *values)
    console.print(table)
    random, llava, *ours = found
    console.print(f"LLaVA's grouping against random order: {random.cost / llava.cost:.2f}x as fast", highlight=False)
    for one in ours:
        console.print(f"{one.order} against LLaVA's grouping: {llava.cost / one.cost:.2f}x as fast", highlight=False)


def require_drawable(path: Path) -> None:
    """Refuse a path that no plot can be written to.

    Raises:
        StageError: with what was expected.
    """
    if path.suffix != ".png" or not path.parent.is_dir():
        raise StageError(f"--png {path}: expected a name that ends in .png, in an existing folder")


def draw_costs(found: list[EpochCost], path: Path) -> None:
    """Draw a bar for each order: tokens, padding and waiting in multiples of the ideal.

    Raises:
        OSError: when the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes: Any = figure.subplots()
    names = [one.order for one in found]
    parts = {"tokens": [1.0] * len(found), "padding": [], "waiting for the slowest rank": []}
    for one in found:
        padded = 1 / (1 - one.padding)
        parts["padding"].append(padded - 1)
        parts["waiting for the slowest rank"].append(max(one.ratio - padded, 0))
    left = np.zeros(len(found))
    for (label, widths), colour in zip(parts.items(), ("#2b6cb0", "#cbd5e0", "#ed8936"), strict=True):
        axes.barh(names, widths, left=left, label=label, color=colour)
        left = left + widths
    for name, one in zip(names, found, strict=True):
        axes.text(one.ratio + 0.02, name, f"{one.ratio:.2f}", va="center")
    axes.set(xlabel="tokens computed by the slowest rank, 1 = the ideal", xlim=(0, max(left) * 1.12))
    axes.invert_yaxis()
    axes.legend(loc="lower right", frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
