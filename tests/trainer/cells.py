"""Cells: every language model under every vision tower, and what becomes of each as a stage would train it.

What becomes of them is kept in `docs/recorded/models.json`, which the page on other models shows;
`UPDATE_GOLDEN=models pytest tests/trainer/test_cells.py` writes it. Read the difference.
"""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from PIL import Image

from docs.generator.other_models import RECORDED_MODELS, WORKS, RecordedModel
from mix665k.schemas.errors import UserError
from mix665k.trainer.check import check
from mix665k.trainer.model import attention_needs, compose, language, summary
from mix665k.trainer.model.proof import require_same_logits
from mix665k.trainer.model.tower import tower_of
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.launch import prepare
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.families import FAMILIES, language_model, made
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.towers import tower

OWN_TEMPLATE = "template={start: '', human: ' Q: ', reply: ' A:', lead: ' ', end: '<|endoftext|>'}"
MODELS: dict[str, tuple[str, tuple[str, ...]]] = {name: (name, ()) for name in FAMILIES}
MODELS["gptneox_templated"] = ("gptneox", (OWN_TEMPLATE,))
"""Families, with what their stage says besides; one has no chat template and is given one."""
TOWERS = ("clip56", "siglip56", "dinov2", "internvit", "siglip2_naflex", "dinov2_registers", "convnext")
SETS = ("global_batch=4", "per_device_batch=4", "zero=0", "bf16=false", "workers=0", "eval_fraction=0")
TALKS = (
    ("<image>\nWhat is on the table?", "A kettle, and two cups beside it."),
    ("Why does it rain?", "Because clouds hold water.", "And where does the water go when it has rained?", "Down."),
    ("<image>\nAnd here?", "No.", "Sure?", "Yes."),
    ("Say a word.", "So."),
)
"""Longer than the families' windows and shorter, with a picture and without, of one turn and of two."""


class Cell(NamedTuple):
    """A language model under a vision tower."""

    model: str
    vision: str

    @property
    def family(self) -> str:
        """The name of the language model in `families`."""
        return MODELS[self.model][0]

    def job(self, stage: str) -> Job:
        """A run of it on conversations, some about a picture, that has not begun."""
        sets = MODELS[self.model][1] if stage == "finetune" else ()
        return Job(
            stage=load_stage(stage, [*SETS, *sets]),
            mixture=str(data() / "mixture"),
            images=str(data() / "images"),
            llm=str(language_model(self.family)),
            vision=str(tower(self.vision)),
            out=str(made() / "cells" / f"{self.model}-{self.vision}-{stage}"),
            report_to="none",
        )


def recorded() -> dict[str, RecordedModel]:
    """By language model what became of it under each tower, when it was last recorded."""
    return msgspec.json.decode(RECORDED_MODELS.read_bytes(), type=dict[str, RecordedModel])


def record_cell(cell: Cell, line: str) -> None:
    """Write what becomes of a cell where that is asked for."""
    if "models" not in os.environ.get("UPDATE_GOLDEN", "").split(","):
        return
    known = recorded()
    before = known[cell.model].towers if cell.model in known else {}
    found = before | {cell.vision: line}
    towers = {vision: found[vision] for vision in TOWERS if vision in found}
    known[cell.model] = RecordedModel(config=FAMILIES[cell.family].config, towers=towers)
    ordered = {name: known[name] for name in MODELS if name in known}
    RECORDED_MODELS.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def verdict(cell: Cell) -> str:
    """What `train check` and a run up to its first step say of a cell in both stages, which must be the same."""
    for stage in ("pretrain", "finetune"):
        job = cell.job(stage)
        checked = _refusal(partial(check, job, ranks=1))
        ran = _refusal(partial(prepare, job))
        assert checked == ran
        if ran is not None:
            assert "\n" not in ran
            return f"{stage}: {ran}".replace(f"{made()}/llm/", "").replace(f"{made()}/vision/", "")
    return WORKS


@contextmanager
def looked_at_once() -> Iterator[None]:
    """Within it towers, and what is proved of language models on small copies, are computed once for all cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "tower_of", _once_each(tower_of))
        patch.setattr(language, "require_same_logits", _once_each(require_same_logits))
        patch.setattr(attention_needs, "_difference", _once_each(attention_needs._difference))
        needs_of = _once_each(attention_needs.needs_of)
        for module in (attention_needs, summary):
            patch.setattr(module, "needs_of", needs_of)
        yield


def _once_each(compute: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which computes a result, or a refusal, once for each of its arguments, and gives copies."""
    known: dict[str, Any] = {}

    def given(what: Any, **how: Any) -> Any:
        key = str((what if isinstance(what, str) else what.to_json_string(use_diff=False), how))
        if key not in known:
            try:
                known[key] = compute(what, **how)
            except UserError as error:
                known[key] = error
        if isinstance(known[key], UserError):
            raise copy.copy(known[key])
        return copy.deepcopy(known[key])

    return given


@cache
def data() -> Path:
    """A folder with a mixture and its pictures; read only."""
    folder = made() / "data"
    (folder / "images").mkdir(parents=True)
    records = []
    for k, texts in enumerate(TALKS):
        image = f"{k}.jpg" if texts[0].startswith("<image>") else None
        records.append(record(f"made/{k}", *texts, image=image))
        Image.new("RGB", (90, 60), (200 - 60 * k, 30, 80 * k)).save(folder / "images" / f"{k}.jpg")
    write_mixture(folder / "mixture", records)
    return folder


def _refusal(act: Callable[[], Any]) -> str | None:
    """The line that a command would print; none where it does what it is asked."""
    try:
        act()
    except UserError as error:
        return str(error)
    return None
