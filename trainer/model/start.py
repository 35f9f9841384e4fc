"""The model that a run starts from, and what it was made of."""

import hashlib
import shutil
from pathlib import Path

import msgspec

from mix665k.schemas.errors import TrainingError, os_reason
from mix665k.trainer.export import find_checkpoint, write_projector
from mix665k.trainer.model.compose import compose
from mix665k.trainer.run.checkpoint import checkpoints
from mix665k.trainer.run.job import Job

_ORIGIN = "start.json"
_PROJECTOR = "projector.safetensors"


class Origin(msgspec.Struct, forbid_unknown_fields=True):
    """What a start is made of; written when it is whole."""

    llm: str
    vision: str
    template: str
    seed: int
    projector: str | None
    """A checkpoint of stage 1, or a file's SHA-256."""


def make_start(job: Job) -> None:
    """Put the start model of a run together, if it is not there already.

    Raises:
        ModelError: when a part cannot be loaded, or parts do not fit.
        TrainingError: when the run has checkpoints that started from something else.
    """
    wanted, there = _origin(job), _read(job.folder / _ORIGIN)
    if wanted == there:
        return
    if there and (known := checkpoints(job.folder)):
        pairs = [(name, getattr(there, name), getattr(wanted, name)) for name in Origin.__struct_fields__]
        differing = "; ".join(f"{name} was {was}, is {now}" for name, was, now in pairs if was != now)
        raise TrainingError(f"{known[-1][0]}: {differing}; give what it was, or another --out")
    (job.folder / _ORIGIN).unlink(missing_ok=True)
    shutil.rmtree(job.start, ignore_errors=True)
    projector = Path(job.projector) if job.projector else None
    if projector and projector.is_dir():
        projector = write_projector(projector, job.folder / _PROJECTOR)
    stage = job.stage
    compose(job.llm, job.vision, job.start, projector=projector, template=stage.template, seed=stage.seed)
    part = job.folder / f".{_ORIGIN}.part"
    part.write_bytes(msgspec.json.encode(wanted))
    part.replace(job.folder / _ORIGIN)


def _origin(job: Job) -> Origin:
    projector = None
    if job.projector and Path(job.projector).is_dir():
        checkpoint, done = find_checkpoint(Path(job.projector))
        projector = f"{checkpoint} of mixture {done.mixture[:16]}"
    elif job.projector:
        projector = f"sha256 {_hash(Path(job.projector))}"
    return Origin(job.llm, job.vision, job.stage.template, job.stage.seed, projector)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainingError(f"--projector {path}: {os_reason(error)}") from None


def _read(path: Path) -> Origin | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Origin)
    except (OSError, msgspec.DecodeError):
        return None
