"""The model that a run starts from, and what it was composed of."""

import shutil
from pathlib import Path

import msgspec

from mix665k.schemas.errors import TrainingError, os_reason
from mix665k.schemas.files import sha256_of, write_whole
from mix665k.trainer.model.compose import compose
from mix665k.trainer.run.checkpoint import checkpoints, find_checkpoint
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.weights import write_projector

_ORIGIN = "start.json"
_PROJECTOR = "projector.safetensors"


class Origin(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a start model was composed of; written when it is complete."""

    llm: str
    vision: str
    template: str
    seed: int
    projector: str | None
    """A checkpoint of stage 1, or the SHA-256 of a file."""


def make_start(job: Job) -> None:
    """Compose the start model of a run into `OUT/start`, unless it is already there.

    Raises:
        ModelError: when a part cannot be loaded, or parts do not fit together.
        TrainingError: when the run has checkpoints that started from another model.
    """
    # A folder on disk, not a model in memory: every rank, and ZeRO-3 while it partitions, loads it like any other
    # model, and an export knows what the run started from.
    # start.json: without it the start of a run that was killed early was taken for that of other models, seed or
    # projector, and another --from beside a checkpoint was ignored.
    wanted, existing = _origin(job), _read_origin(job.folder / _ORIGIN)
    if wanted == existing:
        return
    if existing and (known := checkpoints(job.folder)):
        pairs = [(name, getattr(existing, name), getattr(wanted, name)) for name in Origin.__struct_fields__]
        changed = "; ".join(f"{name} changed from {was} to {now}" for name, was, now in pairs if was != now)
        raise TrainingError(f"{known[-1][0]}: {changed}; use the original value or a new --out")
    (job.folder / _ORIGIN).unlink(missing_ok=True)
    shutil.rmtree(job.start, ignore_errors=True)
    projector = Path(job.projector) if job.projector else None
    if projector and projector.is_dir():
        projector = write_projector(projector, job.folder / _PROJECTOR)
    stage = job.stage
    compose(job.llm, job.vision, job.start, projector=projector, template=stage.template, seed=stage.seed)
    write_whole(job.folder / _ORIGIN, msgspec.json.encode(wanted))


def _origin(job: Job) -> Origin:
    projector = None
    if job.projector and Path(job.projector).is_dir():
        checkpoint, done = find_checkpoint(Path(job.projector))
        projector = f"{checkpoint} of mixture {done.mixture[:16]}"
    elif job.projector:
        try:
            projector = f"sha256 {sha256_of(Path(job.projector))}"
        except OSError as error:
            raise TrainingError(f"--projector {job.projector}: {os_reason(error)}") from None
    stage = job.stage
    return Origin(llm=job.llm, vision=job.vision, template=stage.template, seed=stage.seed, projector=projector)


def _read_origin(path: Path) -> Origin | None:
    """What the start in this folder was composed of; None when there is none, or it is not complete."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Origin)
    except (OSError, msgspec.DecodeError):
        return None
