"""A training job: what the command line asks for, as a file that every rank reads."""

from pathlib import Path
from typing import Literal

import msgspec

from mix665k.schemas.errors import TrainingError, os_reason
from mix665k.schemas.stage import Stage

Reporter = Literal["none", "tensorboard", "wandb", "trackio"]
OnBadImage = Literal["fail", "blank", "drop"]
JOB = "job.json"
START = "start"


class Job(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One run of one stage. Paths are absolute."""

    stage: Stage
    mixture: str
    images: str
    llm: str
    vision: str
    out: str
    projector: str | None = None
    """A file, or the folder of stage 1's run."""
    resume: str = "auto"
    report_to: Reporter = "tensorboard"
    on_bad_image: OnBadImage = "fail"

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(self.out)

    @property
    def mixture_folder(self) -> Path:
        """The mixture to train on."""
        return Path(self.mixture)

    @property
    def images_folder(self) -> Path:
        """Where the images are that the mixture names."""
        return Path(self.images)

    @property
    def start(self) -> Path:
        """The model that the run starts from."""
        return self.folder / START


def write_job(job: Job) -> Path:
    """Write the job into its folder."""
    path = job.folder / JOB
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(job), indent=1))
    part.replace(path)
    return path


def read_job(path: Path) -> Job:
    """The job in a file; its run is where the file is, wherever it was when it was written.

    Raises:
        TrainingError: when it is not there or no job.
    """
    try:
        job = msgspec.json.decode(path.read_bytes(), type=Job)
        return msgspec.structs.replace(job, out=str(path.parent.resolve()))
    except OSError as error:
        raise TrainingError(f"{path}: {os_reason(error)}, expected a run's folder") from None
    except msgspec.DecodeError as error:
        raise TrainingError(f"{path}: not a job of this version: {error}") from None
