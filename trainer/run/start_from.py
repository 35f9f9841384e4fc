"""What a run is asked to start from: parts, a projector, a run of ours or a finished model."""

from pathlib import Path
from typing import NamedTuple

from mix665k.schemas.errors import TrainingError
from mix665k.trainer.run.checkpoint import find_checkpoint
from mix665k.trainer.run.job import JOB, job_of

VICUNA, CLIP = "lmsys/vicuna-7b-v1.5", "openai/clip-vit-large-patch14-336"
_PROJECTOR_FILE = "mm_projector.bin"
_CONFIG = "config.json"


class StartFrom(NamedTuple):
    """The fields of a job that say what it starts from, as the job has them."""

    llm: str
    vision: str
    projector: str | None = None
    model: str | None = None


def start_from(name: str, *, llm: str | None = None, vision: str | None = None) -> StartFrom:
    """What is meant by `--from`: a run or checkpoint of ours, a projector file, a model's folder or its Hub name.

    Of a run that trained the projector only that is taken, and the parts it was composed of; of any other all it has.
    `llm` and `vision` are used with a projector file; `vision` also with one of LLaVA's own checkpoints.

    Raises:
        TrainingError: when there is nothing of the kind.
    """
    path = Path(name)
    if (path.is_dir() and not (path / _CONFIG).is_file()) or (path / JOB).is_file():
        return _of_run(path)
    if path.is_file():
        return of_projector(path, llm=llm, vision=vision)
    if path.is_dir() and (path / _PROJECTOR_FILE).is_file() and not any(_weights_of(path)):
        return of_projector(path / _PROJECTOR_FILE, llm=llm, vision=vision)
    if not path.is_dir() and (path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1):
        raise TrainingError(
            f"--from {name}: no such file or folder; expected a run, one of its checkpoints, a model or a projector"
        )
    return StartFrom(llm="", vision=_place(vision or ""), model=_place(name))


def of_parts(llm: str | None, vision: str | None) -> StartFrom:
    """A language model and a vision tower, LLaVA-1.5's by default."""
    return StartFrom(llm=_place(llm or VICUNA), vision=_place(vision or CLIP))


def of_projector(path: Path, *, llm: str | None, vision: str | None) -> StartFrom:
    """A projector's file, and the parts that it connects."""
    return of_parts(llm, vision)._replace(projector=str(path.resolve()))


def _of_run(path: Path) -> StartFrom:
    checkpoint, _ = find_checkpoint(path)
    job = job_of(checkpoint)
    if job.model is None and set(job.stage.trains) == {"projector"}:
        return StartFrom(llm=job.llm, vision=job.vision, projector=str(path.resolve()))
    return StartFrom(llm=job.llm, vision=job.vision, model=str(path.resolve()))


def _place(name: str) -> str:
    """A folder's absolute path, or a Hub name as it is."""
    return str(Path(name).resolve()) if name and Path(name).is_dir() else name


def _weights_of(folder: Path) -> list[Path]:
    return [*folder.glob("*.safetensors*"), *folder.glob("pytorch_model*.bin*")]
