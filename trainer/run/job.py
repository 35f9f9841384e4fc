"""A training job: what the command line asks for, as a file that every rank reads."""

from pathlib import Path
from typing import Literal

import msgspec

from mix665k.schemas.errors import NEWER, TrainingError, os_reason
from mix665k.schemas.files import decode_json, write_whole
from mix665k.schemas.manifest import HELD_OUT, MANIFEST, load_manifest
from mix665k.schemas.stage import Stage
from mix665k.schemas.template import Template

Reporter = Literal["none", "tensorboard", "wandb", "trackio"]
OnBadImage = Literal["fail", "blank", "drop"]
JOB = "job.json"
START = "start"


class Job(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One run of one stage. Paths are absolute."""

    stage: Stage
    mixture: str
    images: str
    llm: str
    """A name on the Hub or a folder, as `vision`."""
    vision: str
    out: str
    asked_template: str | Template | None = None
    """The stage's template as it was asked for, such as `auto`; none until it is settled."""
    projector: str | None = None
    """A file, or the folder of stage 1's run."""
    model: str | None = None
    """A finished model to start from instead of parts: a run or checkpoint of ours, a folder, a name on the Hub.

    `llm` and `vision` then say what it was composed of, as far as it is known; `vision` may replace the vision tower
    that one of LLaVA's own checkpoints names.
    """
    eval_mixture: str | None = None
    """A mixture whose loss is measured: one that was asked for, or what the recipe of `mixture` holds out of it.

    None where rows of `mixture` are held out by the stage's `eval_fraction`, or nothing is measured.
    """
    resume: str = "auto"
    """`auto`, `no` or the path of a checkpoint."""
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


def held_out_of(mixture: Path) -> Path | None:
    """The mixture that a mixture's recipe holds out of it, where it is beside; None where there is none.

    Raises:
        TrainingError: when what is there is another one.
    """
    folder = mixture / HELD_OUT
    if not (folder / MANIFEST).is_file() or not (mixture / MANIFEST).is_file():
        return None
    held, found = load_manifest(mixture).held_out, load_manifest(folder)
    if held is None:
        return None
    if held.row_hash != found.row_hash:
        raise TrainingError(
            f"{folder}: row hash {found.row_hash[:16]}, expected {held.row_hash[:16]}, what {mixture} holds out; "
            "build the mixture again, or pass --eval-mixture"
        )
    return folder


def write_job(job: Job) -> Path:
    """Write the job into its folder.

    Raises:
        OSError: when it cannot be written.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    write_whole(job.folder / JOB, msgspec.json.format(msgspec.json.encode(job), indent=1))
    return job.folder / JOB


def read_job(path: Path) -> Job:
    """The job in a file; `out` is the folder of the file, as a run may have been moved.

    Raises:
        TrainingError: when there is no such file, or it holds no job.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path}: {os_reason(error)}, expected a run's folder") from None
    job = decode_json(
        content, Job, kind=TrainingError, where=path, fix=f"expected a job that this version wrote; {NEWER}"
    )
    return msgspec.structs.replace(job, out=str(path.parent.resolve()))


def job_of(checkpoint: Path) -> Job:
    """The job whose run wrote a checkpoint.

    Raises:
        TrainingError: when its run's folder holds no job.
    """
    return read_job(checkpoint.parent / JOB)
