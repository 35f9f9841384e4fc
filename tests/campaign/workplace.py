"""What commands that write need, made once per process: raw files, a mixture, pictures, a mirror and a Hub."""

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mix665k.builders.synthetic import draw_images, write_raw
from mix665k.mixtures.fetch.downloads import chosen, raw_jobs
from mix665k.schemas.manifest import MANIFEST, load_manifest
from mix665k.trainer.tiny import write_tiny
from tests.campaign.commands import said, start
from tests.loopback_hub import environment, serve
from tests.mixtures.fetch.packing import below, packed
from tests.mixtures.fetch.server import publishing

SCALE = 0.0005
_SOURCES = ("okvqa", "aokvqa", "textcaps", "vg")
_OPEN = ExitStack()


class Writing(NamedTuple):
    """A command that writes `out`, and the content of what it has written, None while that looks unfinished."""

    arguments: Callable[[Path], tuple[str | Path, ...]]
    content: Callable[[Path], str | None]
    program: str = "mix"

    def start(self, out: Path, **options: Any) -> "subprocess.Popen[str]":
        """The command in a process of its own; the options are those of `commands.start`."""
        return start(*self.arguments(out), program=self.program, **options)


@cache
def workplace() -> Path:
    """A folder with `raw`, a `mixture` of it and its `images`; read only, for as long as the process lives."""
    folder = Path(tempfile.mkdtemp(prefix="campaign-work-"))
    _OPEN.callback(shutil.rmtree, folder, ignore_errors=True)
    write_raw(folder / "raw", scale=SCALE, seed=0)
    chosen_sources = [word for name in _SOURCES for word in ("--source", name)]
    built = said("build", "tiny", "--raw", folder / "raw", "--out", folder / "mixture", *chosen_sources, "--jobs", "2")
    assert built.code == 0, built
    draw_images(folder / "raw", folder / "images", seed=0)
    pictures = sorted((folder / "images").rglob("*.jpg"))
    for number, path in enumerate(pictures[:200:2]):  # for `images --fix`
        path.rename(path.with_suffix(".gif" if number % 2 else ".JPG"))
    questions = [{"image": "COCO_val2014_000000000042.jpg", "question": "What is this?"}]
    (folder / "chosen.txt").write_text("".join(f"{number}\n" for number in range(0, 60, 3)))
    (folder / "asked.jsonl").write_text("".join(json.dumps(one) + "\n" for one in questions))
    return folder


@cache
def trained() -> Path:
    """A run of tiny models whose checkpoint can be exported."""
    from tests.trainer.exporting import untrained_run

    write_tiny(workplace() / "models", tokenizer="tiny")
    return untrained_run(
        workplace() / "run", llm=workplace() / "models/llm", vision=workplace() / "models/vision", stage="finetune"
    )


@cache
def mirror() -> str:
    """The address of a mirror of the raw files, each of them made larger by spaces so that fetching it takes time."""
    publisher = _OPEN.enter_context(publishing())
    for job in raw_jobs(chosen([]), workplace() / "raw"):
        publisher.files[f"/{job.name}"] = packed(job, workplace() / "raw")
    return publisher.url


@contextmanager
def hub(folder: Path) -> Iterator[tuple[dict[str, str], Callable[[], str | None]]]:
    """A Hub of its own: the variables that turn a command to it, and what it holds, None for nothing committed."""
    with serve() as found:

        def content() -> str | None:
            name = "datasets/me/mix"
            if name not in found.repositories or MANIFEST not in found.files(name):
                return None
            assert len(found.commits(name)) <= 2, found.commits(name)
            return _digest({path: data for path, data in found.files(name).items() if path.startswith("data/")})

        yield environment(found, folder / "home"), content


def of_mixture(out: Path) -> str | None:
    """A mixture's row hash, once it has a manifest."""
    return load_manifest(out).row_hash if (out / MANIFEST).is_file() else None


def of_file(out: Path) -> str | None:
    """A file's hash."""
    return hashlib.sha256(out.read_bytes()).hexdigest() if out.is_file() else None


def of_folder(out: Path) -> str | None:
    """A hash of all files below a folder that are no state of an unfinished run."""
    return _digest({name: data for name, data in below(out).items() if "fetched" not in name}) if out.is_dir() else None


def _digest(files: dict[str, bytes]) -> str:
    listed = "".join(f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(files.items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders below a folder."""
    odd = [path for path in folder.rglob("*") if path.name.endswith((".part", ".tmp", ".incomplete"))]
    odd += [path for path in folder.rglob(".build/*") if path.is_dir()]
    return sorted(str(path.relative_to(folder)) for path in odd)


WRITING: dict[str, Writing] = {
    "build": Writing(
        lambda out: ("build", "tiny", "--raw", workplace() / "raw", "--out", out, "--jobs", "2"), of_mixture
    ),
    "export": Writing(lambda out: ("export", workplace() / "mixture", "--format", "llava", "--out", out), of_file),
    "export messages": Writing(
        lambda out: ("export", workplace() / "mixture", "--format", "messages", "--out", out), of_file
    ),
    "export webdataset": Writing(
        lambda out: (
            *("export", workplace() / "mixture", "--format", "webdataset", "--images", workplace() / "images"),
            *("--out", out, "--shard-records", "50"),
        ),
        of_folder,
    ),
    "fetch": Writing(
        lambda out: ("fetch", "--raw", out, "--mirror", mirror(), "--accept-changed", "--timeout", "10"), of_folder
    ),
    "contamination": Writing(
        lambda out: (
            *("contamination", workplace() / "mixture", "--eval-set", workplace() / "asked.jsonl", "--drop-to", out),
            *("--drop-by", "text", "--jobs", "2"),
        ),
        of_mixture,
    ),
    "inspect html": Writing(
        lambda out: ("inspect", workplace() / "mixture", "--html", out, "--images", workplace() / "images"), of_file
    ),
    "images fix": Writing(
        lambda out: ("images", workplace() / "mixture", "--images", out, "--fix", "--jobs", "2"), of_folder
    ),
    "select": Writing(
        lambda out: (
            *("select", workplace() / "mixture", "--by", workplace() / "chosen.txt", "--base", "0", "--out", out),
        ),
        of_mixture,
    ),
    "train export": Writing(lambda out: ("export", trained(), "--out", out), of_folder, program="train"),
    "synth": Writing(lambda out: ("synth", "--out", out, "--scale", "0.003", "--jobs", "2"), of_folder),
}
"""Commands by name. What `fetch`, `images fix` and `synth` write is many files, each of them complete or absent."""
SUFFIX = {"export": ".json", "export messages": ".jsonl", "inspect html": ".html"}
