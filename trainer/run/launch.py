"""Starting a run: whatever can be wrong is found before the first rank starts."""

import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix665k.schemas.errors import StageError, TrainingError
from mix665k.schemas.files import held
from mix665k.schemas.install import install
from mix665k.schemas.stage import Lora, Stage
from mix665k.schemas.terminal import say
from mix665k.trainer.model.quantized import require_bits
from mix665k.trainer.run.deepspeed_config import deepspeed_config
from mix665k.trainer.run.job import JOB, Job, read_job, write_job
from mix665k.trainer.run.ranks import launched_ranks
from mix665k.trainer.run.stage_files import layout_of

if TYPE_CHECKING:
    from mix665k.trainer.run.checkpoint import Complete

_LOCK = ".lock"
_WEIGHTS = ("zero", "lora", "trains", "bf16")
_ORDER = ("seed", "global_batch", "batching", "share", "max_branches", "window", "remainder", "eval_fraction")
_ROWS = ("template", "max_tokens")
_OPTIMIZER = ("lr", "projector_lr", "vision_tower_lr", "weight_decay", "decay_groups", "loss")
_SCHEDULE = ("max_steps", "epochs", "schedule", "warmup_ratio")
_SAME = (*_WEIGHTS, *_ORDER, *_ROWS, *_OPTIMIZER)
"""Fields of a stage that determine which weights a checkpoint holds, which examples a step takes, what AdamW keeps."""


def launch(job: Job, *, nproc: int) -> int:
    """Run a job on `nproc` ranks of this machine, or as the one rank that a launcher started; gives the exit code.

    Raises:
        UserError: for whatever the user can fix.
    """
    launched = launched_ranks()
    layout_of(job.stage, ranks=launched or nproc)
    if launched is not None:
        with _saying_where(job):
            _run_as_rank(job)
        return 0
    with _only_run(job.folder), _saying_where(job):
        job = prepare(job)
        if nproc > 1:
            return _start_ranks(write_job(job), nproc)
        from mix665k.trainer.run.rank_main import run

        run(job)
        return 0


def _only_run(folder: Path) -> AbstractContextManager[None]:
    """Hold a run's folder, so that a second run does not write into it."""
    busy = TrainingError(f"{folder}: another run is training here; wait for it, or name another --out")
    return held(folder / _LOCK, busy=busy)


@contextmanager
def _saying_where(job: Job) -> Iterator[None]:
    """Let an interruption say how far the run is and how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(where_stopped(job)) from None


def where_stopped(job: Job) -> str:
    """How far an interrupted run came, its newest checkpoint, and the command that resumes from it."""
    from mix665k.trainer.run.checkpoint import checkpoints
    from mix665k.trainer.run.log import read_log

    steps = [line["step"] for line in read_log(job.folder) if "loss" in line]
    where = f"after step {steps[-1]:,}" if steps else "before the first step"
    known = checkpoints(job.folder)
    if not known:
        return f"{where}; no checkpoint is complete, the same command starts again"
    how = "the same command" if job.resume == "auto" else "the same command with --resume auto"
    return f"{where}; {how} resumes from {known[-1][0]}"


def _run_as_rank(job: Job) -> None:
    """Prepare on rank 0 while the others wait for it, on as many machines as the launcher uses; then train.

    Raises:
        UserError: on all ranks alike.
    """
    from mix665k.trainer.run.rank_main import run
    from mix665k.trainer.run.ranks import let_rank_0, start_ranks

    with ExitStack() as locks:

        def hold_and_prepare() -> None:
            locks.enter_context(_only_run(job.folder))
            prepare(job)

        start_ranks()
        let_rank_0(hold_and_prepare)
        run(read_job(job.folder / JOB))  # as rank 0 settled it


def _start_ranks(job: Path, nproc: int) -> int:
    """Start `nproc` ranks through torchrun's launcher and wait for them; a rank prints its own error."""
    import torch.distributed.run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // nproc)))
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed.elastic")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # each of them has a level of its own
    line = ["--standalone", "--nproc_per_node", str(nproc), "-m", "mix665k.trainer.run.rank_main", str(job)]
    launcher: Any = torch.distributed.run
    try:
        launcher.run(launcher.parse_args(line))
    except SignalException:
        raise KeyboardInterrupt from None
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise TrainingError(
                f"rank {rank} was killed by signal {-failure.exitcode}; possibly out of memory; rerun the same command "
                "to resume"
            ) from None
        return 1
    return 0


def prepare(job: Job) -> Job:
    """Check everything, compose the start model, measure the mixture, choose the checkpoint to resume from.

    Gives the job with its template settled, as it is in the run's folder; prints to stderr which checkpoint that is.

    Raises:
        UserError: for whatever the user can fix.
    """
    from mix665k.trainer.run.checkpoint import choose
    from mix665k.trainer.run.start_model import make_start
    from mix665k.trainer.run.templates import settle_template, settled_before
    from mix665k.trainer.run.training_data import open_data

    require_reporter(job.report_to)
    deepspeed_config(job.stage, universal=False)  # raises for what does not agree with the stage
    require_attention(job.stage)
    require_bits(job.stage)
    require_images(job)
    job = settled_before(job) or settle_template(job)
    if job.stage.evaluate is not None:
        from mix665k.trainer.run.benchmarks import drawn_questions

        drawn_questions(job)  # raises for what is missing
    make_start(job)
    chosen = choose(job.folder, resume=job.resume, mixture=open_data(job).mixture_hash)
    if chosen:
        require_same_run(job, chosen[0])
        say(_resumption(job, *chosen), err=True)
        if changed := _changes(job, chosen[0], _SCHEDULE):
            say(f"{'; '.join(changed)}: learning rates follow the new schedule", err=True)
    write_job(job)
    return job


def _resumption(job: Job, checkpoint: Path, done: "Complete") -> str:
    """The line that says what becomes of a run that has a checkpoint.

    Raises:
        TrainingError: when the checkpoint is past the last step that is asked for.
    """
    last = job.stage.max_steps
    if last is not None and done.step > last:
        raise TrainingError(f"{checkpoint}: is past --max-steps {last:,}; give more steps, or another --out")
    return f"{checkpoint}: nothing left to train" if done.step == last else f"resuming from {checkpoint}"


def require_same_run(job: Job, checkpoint: Path) -> None:
    """Refuse to resume a run that would not continue as it was.

    Raises:
        TrainingError: with the fields that changed.
    """
    # A checkpoint restores weights, optimizer states and learning rates, whatever the stage says now; and in another
    # order some examples would be trained on twice and others never. The length of the schedule may change: `Schedule`
    # follows a longer one.
    if changed := _changes(job, checkpoint, _SAME):
        raise TrainingError(f"{checkpoint}: {'; '.join(changed)}; use the original value or a new --out")


def _changes(job: Job, checkpoint: Path, names: Sequence[str]) -> list[str]:
    """Which of these fields of the stage are others than when the run of a checkpoint was last started, in words."""
    if not (checkpoint.parent / JOB).is_file():
        return []
    before = read_job(checkpoint.parent / JOB)
    pairs = [(name, getattr(before.stage, name), getattr(job.stage, name)) for name in names]
    inner = [(name, was, now) for name, was, now in pairs if isinstance(was, Lora) and isinstance(now, Lora)]
    pairs = [pair for pair in pairs if pair not in inner]
    pairs += [
        (f"{name}.{field}", getattr(was, field), getattr(now, field))
        for name, was, now in inner
        for field in was.__struct_fields__
    ]
    return [f"{name} changed from {was} to {now}" for name, was, now in pairs if was != now]


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
            "attention flash_attention_2: flash-attn 2 is not installed, or there is no GPU; "
            f"{install('flash')} or say `auto`"
        )


def image_names(job: Job) -> list[str]:
    """The images that the records of a job name, in order.

    Raises:
        TrainingError: when there is no folder for them, or no image and the stage learns from nothing else.
    """
    from mix665k.schemas.images.places import require_place
    from mix665k.trainer.data.mixture import Mixture

    require_place(job.images_folder, kind=TrainingError)
    names = Mixture(job.mixture_folder).image_names()
    if not names and job.stage.trains == ["projector"]:
        name = job.stage.name
        raise TrainingError(f"{job.mixture}: no record has an image, and stage {name} learns from images only")
    other = set() if job.eval_mixture is None else Mixture(Path(job.eval_mixture)).image_names()
    return sorted(names | other)


def require_images(job: Job) -> None:
    """Refuse a run whose images are missing, or that has none to learn from; `train check` also decodes them.

    Raises:
        TrainingError: with their number and the first, unless bad images are blanked or dropped.
    """
    from mix665k.trainer.data.images import find_faults

    names = image_names(job)
    faults = list(find_faults(job.images_folder, names, decode=False, jobs=1, on_done=lambda: None))
    if not faults:
        return
    missing = f"{job.images}: {len(faults):,} of {len(names):,} images are missing, the first is {faults[0][0]}; "
    if job.on_bad_image == "fail":
        raise TrainingError(f"{missing}download them, or pass --on-bad-image blank|drop")
    become = "blank" if job.on_bad_image == "blank" else "records without a label"
    say(f"{missing}they become {become}", err=True)
