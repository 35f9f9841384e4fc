"""Starting a run: everything that can be wrong is found before the first rank starts."""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from mix665k.schemas.errors import StageError, TrainingError
from mix665k.schemas.stage import Stage
from mix665k.trainer.run.job import JOB, Job, read_job, write_job
from mix665k.trainer.run.ranks import launched_ranks
from mix665k.trainer.run.stage_files import accumulation

if TYPE_CHECKING:
    from mix665k.trainer.run.checkpoint import Complete

_LOCK = ".lock"
_WEIGHTS = ("zero", "lora", "trains", "bf16")
_ORDER = ("seed", "global_batch", "batching", "window", "remainder", "eval_fraction", "template", "max_tokens")
_OPTIMIZER = ("lr", "projector_lr", "vision_tower_lr", "weight_decay")
_SAME = (*_WEIGHTS, *_ORDER, *_OPTIMIZER)
"""Fields of a stage that say which weights a checkpoint holds, which examples a step takes, what AdamW keeps."""


def launch(job: Job, *, nproc: int) -> int:
    """Run a job on `nproc` ranks of this machine, or as the one rank that a launcher started; gives the exit code.

    Raises:
        UserError: for whatever the user can mend.
    """
    launched = launched_ranks()
    accumulation(job.stage, ranks=launched or nproc)
    with ExitStack() as held:
        if launched is not None:
            _as_one_rank(job, held)
            return 0
        held.enter_context(alone(job.folder))
        prepare(job)
        if nproc > 1:
            return _start_ranks(write_job(job), nproc)
        from mix665k.trainer.run.rank import run

        run(job)
        return 0


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder; the system lets go of it when this process ends, however that ends.

    Raises:
        TrainingError: when another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK, timeout=0):
            yield
    except Timeout:
        raise TrainingError(f"{folder}: another run is training here; wait for it, or name another --out") from None


def _start_ranks(job: Path, nproc: int) -> int:
    """Start `nproc` ranks through torchrun's launcher and wait for them; a rank tells its own error."""
    import torch.distributed.run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // nproc)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    line = ["--standalone", "--nproc_per_node", str(nproc), "-m", "mix665k.trainer.run.rank", str(job)]
    launcher: Any = torch.distributed.run
    try:
        launcher.run(launcher.parse_args(line))
    except SignalException:
        raise KeyboardInterrupt from None
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise TrainingError(
                f"rank {rank} was killed by signal {-failure.exitcode}; out of memory? the same command goes on"
            ) from None
        return 1
    return 0


def prepare(job: Job) -> None:
    """Put the start model together if it is not there, check the images, measure the mixture, tell where a run goes on.

    Raises:
        UserError: for whatever the user can mend.
    """
    from mix665k.trainer.data.examples import open_data
    from mix665k.trainer.model.start import make_start
    from mix665k.trainer.run.checkpoint import choose

    require_reporter(job.report_to)
    require_attention(job.stage)
    require_images(job)
    make_start(job)
    chosen = choose(job.folder, resume=job.resume, mixture=open_data(job).mixture_hash)
    if chosen:
        require_same_run(job, chosen[0])
        print(_how_it_goes_on(job, *chosen), file=sys.stderr)
    write_job(job)


def _how_it_goes_on(job: Job, checkpoint: Path, done: "Complete") -> str:
    """What is told of a run that has a checkpoint.

    Raises:
        TrainingError: when the run is past the last step that is asked for.
    """
    last = job.stage.max_steps
    if last is not None and done.step > last:
        raise TrainingError(f"{checkpoint}: is past --max-steps {last:,}; give more steps, or another --out")
    return f"{checkpoint}: nothing is left to train" if done.step == last else f"going on from {checkpoint}"


def require_same_run(job: Job, checkpoint: Path) -> None:
    """Refuse to go on with what a checkpoint would not follow, or in another order, which takes some examples twice.

    Raises:
        TrainingError: with what it was and what it is.
    """
    if not (checkpoint.parent / JOB).is_file():
        return
    before = read_job(checkpoint.parent / JOB)
    pairs = [(name, getattr(before.stage, name), getattr(job.stage, name)) for name in _SAME]
    if differing := [f"{name} was {was}, is {now}" for name, was, now in pairs if was != now]:
        raise TrainingError(f"{checkpoint}: {'; '.join(differing)}; give what it was, or another --out")


def require_reporter(name: str) -> None:
    """Refuse a run whose reporter is not installed.

    Raises:
        TrainingError: with what to install.
    """
    if name != "none" and importlib.util.find_spec(name) is None:
        raise TrainingError(f"--report-to {name}: not installed; pip install {name}, or --report-to none")


def require_attention(stage: Stage) -> None:
    """Refuse a run whose kind of attention is not installed.

    Raises:
        StageError: with what to do.
    """
    from mix665k.trainer.model.attention import has_flash_attn

    if stage.attention == "flash_attention_2" and not has_flash_attn():
        raise StageError(
            "attention flash_attention_2: flash-attn 2 is not installed, or no GPU is there; "
            "pip install 'mix665k[flash]' or say `auto`"
        )


def require_images(job: Job) -> None:
    """Refuse a run whose images are not all there, or that has none to learn from; `train check` also decodes them.

    Raises:
        TrainingError: with their number and the first, unless bad images are blanked or dropped.
    """
    from mix665k.trainer.data.images import find_faults
    from mix665k.trainer.data.mixture import Mixture

    if not job.images_folder.is_dir():
        raise TrainingError(f"--images {job.images}: no such folder")
    names = sorted({path for path in Mixture(job.mixture_folder).images if path})
    if not names and job.stage.trains == ["projector"]:
        name = job.stage.name
        raise TrainingError(f"{job.mixture}: no record has an image, and stage {name} learns from images only")
    faults = list(find_faults(job.images_folder, names, decode=False, jobs=1, on_done=lambda: None))
    if not faults:
        return
    told = f"{job.images}: {len(faults):,} of {len(names):,} images are not there, the first is {faults[0][0]}; "
    if job.on_bad_image == "fail":
        raise TrainingError(f"{told}get them, or pass --on-bad-image blank|drop")
    become = "blank" if job.on_bad_image == "blank" else "records without a label"
    print(f"{told}they become {become}", file=sys.stderr)


def _as_one_rank(job: Job, held: ExitStack) -> None:
    """Rank 0 prepares while the others wait for it, on as many machines as the launcher uses.

    Raises:
        UserError: on all ranks alike.
    """
    from mix665k.trainer.run.rank import run
    from mix665k.trainer.run.ranks import let_rank_0, start_ranks

    def hold_and_prepare() -> None:
        held.enter_context(alone(job.folder))
        prepare(job)

    start_ranks()
    let_rank_0(hold_and_prepare)
    run(job)
