"""One rank of a run: `python -m mix665k.trainer.run.rank_main OUT/job.json`, which `train` and every launcher start."""

import atexit
import os
import sys
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, NoReturn

from safetensors import SafetensorError

from mix665k.schemas.errors import TrainingError, UserError, one_line
from mix665k.schemas.stage import Stage
from mix665k.schemas.terminal import say
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.batching.sampler import MicroBatches
from mix665k.trainer.run.arguments import training_arguments
from mix665k.trainer.run.checkpoint import choose, universal_form
from mix665k.trainer.run.job import Job, read_job
from mix665k.trainer.run.ranks import end_ranks, start_ranks
from mix665k.trainer.run.stage_files import layout_of
from mix665k.trainer.run.training_data import TrainingData, open_data

_PARTED = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""What gloo reports when another rank has ended."""
_UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, LookupError, UnpicklingError, SafetensorError)
"""What torch, safetensors, DeepSpeed and json raise where a file of a checkpoint is cut off, changed or missing."""
LoadModel = Callable[[Path, Stage], Any]
"""From the folder of a start model and a stage to the model that trains."""

if TYPE_CHECKING:
    from mix665k.trainer.run.loop import StageTrainer


def main(arguments: list[str] | None = None) -> int:
    """Run the job in a file; a user's error is one line, and none where another rank printed its own."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        run(read_job(Path(given[0])))
    except UserError as error:
        say(f"error: rank {os.environ.get('RANK', '0')}: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        if not any(text in str(error) for text in _PARTED):
            raise
        return 1
    return 0


def run(job: Job, *, load: LoadModel | None = None) -> None:
    """Train the stage of a job, from a complete checkpoint if it is to resume from one.

    `load` makes the model, `load_model` by default.

    Raises:
        UserError: for whatever the user can fix.
    """
    ranks = start_ranks()
    layout = layout_of(job.stage, ranks=ranks.world)
    data = open_data(job)
    chosen = choose(job.folder, resume=job.resume, mixture=data.mixture_hash)
    if chosen and chosen[1].step == job.stage.max_steps:
        end_ranks()
        return
    other_ranks = chosen is not None and chosen[1].ranks != ranks.world
    if chosen and other_ranks:
        universal_form(chosen[0])
    arguments = training_arguments(job, layout, universal=other_ranks)
    batches = MicroBatches(data.examples, layout=layout, order=data.order, rank=ranks.rank)
    trainer = _make_trainer(job, data, batches=batches, arguments=arguments, load=load)
    try:
        trainer.train(resume_from_checkpoint=str(chosen[0]) if chosen else None)
    except UserError as error:  # from a worker of the loader: PyTorch puts a traceback before the message
        last = str(error).strip().splitlines()[-1]
        raise TrainingError(last.removeprefix(f"{type(error).__module__}.{type(error).__name__}: ")) from None
    except _UNREADABLE as error:
        if chosen is None or trainer.has_computed or not _is_of_a_file(error):
            raise
        raise TrainingError(
            f"{chosen[0]}: cannot be read, it is damaged ({one_line(error)[:160]}); remove it, and the same command "
            "resumes from the checkpoint before it, or starts again"
        ) from None
    end_ranks()


def _is_of_a_file(error: BaseException) -> bool:
    """Whether reading may have failed: not where memory was short, or another rank has ended."""
    import torch

    return not isinstance(error, torch.OutOfMemoryError) and not any(text in str(error) for text in _PARTED)


def _make_trainer(
    job: Job, data: TrainingData, *, batches: MicroBatches, arguments: object, load: LoadModel | None
) -> "StageTrainer":
    """The trainer with its model, which is loaded after the arguments are made, so that ZeRO-3 can partition it."""
    from mix665k.trainer.model.cost import count_flops
    from mix665k.trainer.model.trainable import load_model
    from mix665k.trainer.run.callbacks import callbacks
    from mix665k.trainer.run.loop import StageTrainer
    from mix665k.trainer.run.metrics import Metrics

    model = (load or load_model)(job.start, job.stage)
    trainer = StageTrainer(
        stage=job.stage,
        batches=batches,
        metrics=Metrics(data.sources, flops=count_flops(model)),
        mixture_hash=data.mixture_hash,
        model=model,
        args=arguments,
        train_dataset=data.train,
        eval_dataset=data.held_out,
        data_collator=data.collator,
        callbacks=callbacks(job, batches),
    )
    if job.stage.evaluate is not None:
        from mix665k.trainer.run.benchmarks import Benchmarks

        trainer.add_callback(Benchmarks(job, trainer, model=model, tokenizer=load_tokenizer(str(job.start))))
    return trainer


def _leave(code: int) -> NoReturn:
    """End the process once what is registered for its exit has run.

    Without taking Python down: on a busy machine threads of the libraries, which may still end then, have aborted a
    process whose run was complete ("terminate called without an active exception").
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
