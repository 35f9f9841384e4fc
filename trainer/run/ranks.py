"""Starting the ranks of a run, with a GPU each or none at all."""

import logging
import os
import socket
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from mix665k.schemas.errors import TrainingError, UserError, one_line

ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
_SLURM = {"RANK": "SLURM_PROCID", "LOCAL_RANK": "SLURM_LOCALID", "WORLD_SIZE": "SLURM_STEP_NUM_TASKS"}
"""What srun sets for each task of a step; a batch script or an allocation's shell has no step."""
_set_here: list[str] = []
"""Variables of the environment that `start_ranks` set and `end_ranks` removes."""


class Ranks(NamedTuple):
    """This process among all of a run."""

    rank: int
    world: int


def launched_ranks() -> int | None:
    """How many ranks torchrun, deepspeed or srun started, this process being one of them; None when none did.

    Raises:
        TrainingError: when srun did, and no MASTER_ADDR says where rank 0 is.
    """
    if "RANK" in os.environ:
        return int(os.environ.get("WORLD_SIZE", "1"))
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks > 1 and "MASTER_ADDR" not in os.environ:
        raise TrainingError(
            f"srun started {tasks} ranks; export MASTER_ADDR and MASTER_PORT, the first node and a port"
        )
    return tasks if tasks > 1 else None


def quieten() -> None:
    """Keep the libraries' own bars, remarks and deprecations off the terminal; errors are shown."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", message="OMP_NUM_THREADS/MKL_NUM_THREADS unset")
    for library in ("accelerate", "bitsandbytes"):
        logging.getLogger(library).setLevel(logging.ERROR)
    import transformers

    quiet: Any = transformers.utils.logging
    quiet.disable_progress_bar()
    quiet.set_verbosity_error()


def start_ranks() -> Ranks:
    """Join the other ranks; must come before TrainingArguments and the model, so that ZeRO-3 can partition it.

    Raises:
        TrainingError: when the ranks cannot find each other.
    """
    import torch

    quieten()
    import deepspeed

    on_gpu = torch.cuda.is_available()
    deepspeed.utils.logger.setLevel("ERROR")
    for name, value in ALONE.items():
        _set_unless_given(name, os.environ.get(_SLURM.get(name, ""), value))
    if os.environ["WORLD_SIZE"] == "1":
        _set_unless_given("MASTER_PORT", str(_free_port()))
    if torch.distributed.is_initialized():
        return _ranks()
    if not on_gpu:  # gloo's collectives: DeepSpeed's own for shared memory would be compiled first
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    try:
        deepspeed.init_distributed("nccl" if on_gpu else "gloo", auto_mpi_discovery=False)
    except (RuntimeError, ValueError) as error:
        why = one_line(error)[:300]
        raise TrainingError(f"the ranks cannot find each other: {why}; check MASTER_ADDR and MASTER_PORT") from None
    return _ranks()


def _set_unless_given(name: str, value: str) -> None:
    if name not in os.environ:
        os.environ[name] = value
        _set_here.append(name)


def _ranks() -> Ranks:
    return Ranks(rank=int(os.environ["RANK"]), world=int(os.environ["WORLD_SIZE"]))


def let_rank_0(work: Callable[[], None]) -> None:
    """Let rank 0 work while the others wait, for as long as that takes.

    Raises:
        TrainingError: for what the user can fix; raised on every rank, so that none hangs.
    """
    import torch.distributed as dist

    # In a gloo group of their own. In NCCL's collectives, tried first, each rank's GPU must be known, which Trainer's
    # arguments choose only later, and a run that waits for more than ten minutes is ended.

    waiting: Any = dist.new_group(backend="gloo", timeout=timedelta(days=1))
    failure: list[str | None] = [None]
    if dist.get_rank() == 0:
        try:
            work()
        except UserError as error:
            failure = [str(error)]
    dist.broadcast_object_list(failure, group=waiting)
    dist.destroy_process_group(waiting)
    if failure[0] is not None:
        raise TrainingError(failure[0])


def _free_port() -> int:
    """A port that no process listens on, so that two runs of one rank do not meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def end_ranks() -> None:
    """Wait for all ranks, then leave their process group: a rank that ends earlier breaks the others' connections.

    The environment is as it was before: a later run of this process, or of a child of it, finds a port of its own.
    """
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
    while _set_here:
        os.environ.pop(_set_here.pop(), None)
