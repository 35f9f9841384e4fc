"""Checkpoints: complete ones only, of this mixture only."""

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec

from mix665k.schemas.errors import NEWER, TrainingError
from mix665k.schemas.files import UNREADABLE, fault, write_whole
from mix665k.trainer.run.ranks import let_rank_0

COMPLETE = "complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")


class Complete(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Written into a checkpoint last: what it belongs to."""

    step: int
    ranks: int
    mixture: str
    """The mixture's row hash."""
    stage: str


def mark_complete(folder: Path, complete: Complete) -> None:
    """Record that all ranks have written their part of a checkpoint."""
    write_whole(folder / COMPLETE, msgspec.json.encode(complete))


def mark_incomplete(folder: Path) -> None:
    """Record that a checkpoint is being written again."""
    (folder / COMPLETE).unlink(missing_ok=True)


def remove_older(run: Path, *, step: int, keep: int) -> None:
    """Keep `keep` complete checkpoints up to the one of `step`, which is complete; remove older and unfinished ones.

    Later checkpoints stay: they exist when a run was resumed from one that is not its newest.
    """
    *_, oldest = [done.step for _, done in reversed(checkpoints(run)) if done.step <= step][:keep]
    for path in run.glob("checkpoint-*"):
        named = _NAME.fullmatch(path.name)
        if named and int(named[1]) < oldest:
            shutil.rmtree(path)


def read_complete(folder: Path) -> Complete | None:
    """What a checkpoint belongs to; None when it was not finished.

    Raises:
        TrainingError: for one of another version. Taken as unfinished, the next save would remove it.
    """
    path = folder / COMPLETE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Complete)
    except msgspec.ValidationError as error:
        raise TrainingError(f"{path}: {fault(error)[1]}; {NEWER}, or name another folder") from None
    except (OSError, *UNREADABLE):
        return None


def checkpoints(run: Path) -> list[tuple[Path, Complete]]:
    """The complete checkpoints of a run, the oldest first."""
    found = [(path, read_complete(path)) for path in run.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    return sorted(((path, done) for path, done in found if done), key=lambda pair: pair[1].step)


def find_checkpoint(path: Path) -> tuple[Path, Complete]:
    """A complete checkpoint: the folder itself, or the newest of a run.

    Raises:
        TrainingError: when there is none.
    """
    if done := read_complete(path):
        return path, done
    found = checkpoints(path)
    if not found:
        raise TrainingError(f"{path}: no complete checkpoint here; expected a run's folder or one of its checkpoint-N")
    return found[-1]


def choose(run: Path, *, resume: str, mixture: str) -> tuple[Path, Complete] | None:
    """The checkpoint to resume from: the newest complete one (`auto`), the one named, or none (`no`).

    Raises:
        TrainingError: when it is incomplete, belongs to another mixture, or a new run would mix with an old one.
    """
    existing = checkpoints(run)
    if resume == "no":
        if existing:
            raise TrainingError(
                f"{run}: holds checkpoints up to step {existing[-1][1].step}; name another --out or --resume auto"
            )
        return None
    if resume == "auto":
        chosen = existing[-1] if existing else None
    else:
        done = read_complete(Path(resume))
        if done is None:
            complete = ", ".join(path.name for path, _ in existing) or "none"
            raise TrainingError(
                f"--resume {resume}: expected auto, no or a complete checkpoint; complete are {complete}"
            )
        chosen = (Path(resume), done)
    if chosen and chosen[1].mixture != mixture:
        raise TrainingError(
            f"{chosen[0]}: was trained on the mixture {chosen[1].mixture[:16]}, this one is {mixture[:16]}; "
            "name that mixture, or another --out"
        )
    return chosen


def universal_form(checkpoint: Path) -> None:
    """Convert a checkpoint in place, once, so that another number of ranks can load it; rank 0 does, the others wait.

    Raises:
        TrainingError: when it cannot be converted.
    """
    let_rank_0(partial(_convert_once, checkpoint))


def _convert_once(checkpoint: Path) -> None:
    tag = (checkpoint / "latest").read_text().strip()
    target = checkpoint / f"{tag}_universal"
    if not (target / COMPLETE).is_file():
        shutil.rmtree(target, ignore_errors=True)
        _convert(checkpoint / tag, target)
        (target / COMPLETE).touch()
        (checkpoint / "latest_universal").write_text(target.name)


def _convert(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal"]
    command += ["--input_folder", str(source), "--output_folder", str(target), "--inject_missing_state"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"{source}: cannot be converted for another number of ranks: {why}")
