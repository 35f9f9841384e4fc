"""What the parts of a training step take on a CPU: the head, the images, the loading.

The model is that of the benchmark above; its micro-batch has 8 examples. The head is measured in a fresh process each
way: forward, loss and backward of one micro-batch, the best of three, and by how much the process grew over the model.
Images are loaded by one core in turns, the best of three; the rival is LLaVA's path, which pads with Pillow and leaves
the rest to the image processor.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results import write_section
from benchmarks.rival import SKIPPED_STEPS
from benchmarks.train_cpu import FOLDER, job_of, measured_steps, over_time, prepare
from mix665k.trainer.run.job import Job

ROUNDS = 3
PADDING_FREE = ("batching=padding_free",)
HEADS = {"all": "all positions", "labelled": "labelled positions"}


def main() -> None:
    """Measure all parts and write them down."""
    prepare()
    heads = {way: _head_in_its_own_process(way) for way in HEADS}
    images = _images_per_second()
    loading = {workers: _loading_share(workers) for workers in (0, 1)}
    write(heads, images, loading)


def _head_in_its_own_process(way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.train_parts", way]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_head(way: str) -> dict[str, float]:
    """Seconds and gigabytes of one micro-batch with the head on all or on labelled positions."""
    import torch

    from mix665k.trainer.model.attention import inputs_of
    from mix665k.trainer.model.hooks import LabelledHead
    from mix665k.trainer.model.trainable import load_model
    from mix665k.trainer.run.launch import prepare as prepare_job
    from mix665k.trainer.run.training_data import open_data

    job = _fresh(job_of(PADDING_FREE, "fp32", FOLDER / f"head-{way}"))
    prepare_job(job)
    data, model = open_data(job), load_model(job.start, job.stage).train()
    batch: Any = data.collator([data.train[index] for index in range(job.stage.per_device_batch)])
    given = inputs_of(batch, model.config.text_config._attn_implementation)
    head = LabelledHead(model)
    before, seconds = _peak_bytes(), []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        if way == "labelled":
            with head.at(batch["label_positions"]):
                loss: Any = torch.nn.functional.cross_entropy(model(**given).logits, batch["targets"])
        else:
            loss = model(**given, labels=batch["labels"]).loss
        loss.backward()
        model.zero_grad()
        seconds.append(time.perf_counter() - begun)
    positions, labels = batch["input_ids"].numel(), len(batch["targets"])
    grown = (_peak_bytes() - before) / 1e9
    return {"seconds": min(seconds), "gigabytes": grown, "positions": positions, "labels": labels}


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _fresh(job: Job) -> Job:
    shutil.rmtree(job.folder, ignore_errors=True)
    return job


def _images_per_second() -> dict[str, float]:
    """Pictures that each path loads in a second on one core."""
    import torch

    from mix665k.trainer.data.images import ImageLoader, load_processor, open_rgb
    from mix665k.trainer.data.pixels import Pixels, pad_to_square

    torch.set_num_threads(1)
    paths = sorted((FOLDER / "images").rglob("*.jpg"))
    processor = load_processor(str(FOLDER / "vision"))
    colour = Pixels(processor, speed="exact").mean_colour
    exact, fast = (ImageLoader(FOLDER, processor, speed=speed) for speed in ("exact", "fast"))

    def llava(path: Path) -> object:
        return processor(pad_to_square(open_rgb(path), colour), return_tensors="pt")["pixel_values"]

    ways: dict[str, Callable[[Path], object]] = {
        "LLaVA's path": llava,
        "`image_path: exact`": lambda path: exact.load(path.relative_to(FOLDER).as_posix(), record=""),
        "`image_path: fast`": lambda path: fast.load(path.relative_to(FOLDER).as_posix(), record=""),
    }
    rounds = [{way: _seconds(load, paths) for way, load in ways.items()} for _ in range(ROUNDS)]
    return {way: len(paths) / min(one[way] for one in rounds) for way in ways}


def _seconds(load: Callable[[Path], object], paths: list[Path]) -> float:
    begun = time.perf_counter()
    for path in paths:
        load(path)
    return time.perf_counter() - begun


def _loading_share(workers: int) -> float:
    """The share of its time that a run waits for batches, after its first steps."""
    out = FOLDER / "loading"
    job = _fresh(job_of((*PADDING_FREE, f"workers={workers}"), "bf16", out))
    code = "import sys; from mix665k.trainer.run.rank_main import main; sys.exit(main(sys.argv[1:]))"
    from mix665k.trainer.run.launch import prepare as prepare_job

    prepare_job(job)
    subprocess.run([sys.executable, "-c", code, str(out / "job.json")], check=True, stderr=subprocess.DEVNULL)
    return over_time(measured_steps(out, skipped=SKIPPED_STEPS), "loading")


def write(heads: dict[str, dict[str, float]], images: dict[str, float], loading: dict[int, float]) -> None:
    """The tables."""
    one = heads["all"]
    rival = images["LLaVA's path"]
    lines = [
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        f"The head: {one['positions']:,.0f} positions of which {one['labels']:,.0f} have a label, 32,064 words, "
        "float32; on all positions the loss is the model's own.",
        "",
        "| the head runs on | seconds | ratio | memory, GB | ratio |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {HEADS[way]} | {found['seconds']:.2f} | {found['seconds'] / one['seconds']:.2f} "
            f"| {found['gigabytes']:.2f} | {found['gigabytes'] / one['gigabytes']:.2f} |"
            for way, found in heads.items()
        ),
        "",
        "Images of 640 x 480, decoding included:",
        "",
        "| | images a second and core | ratio |",
        "|---|---:|---:|",
        *(f"| {way} | {speed:.0f} | {speed / rival:.2f} |" for way, speed in images.items()),
        "",
        "The goals are 1.4 for the exact path and 2.5 for the fast one.",
        "",
        f"Of the time of a run of stage 2 in bf16 on {os.cpu_count()} cores, waiting for batches is "
        + " and ".join(f"{share:.1%} with `workers={workers}`" for workers, share in loading.items())
        + "; every run logs it as `loading`.",
    ]
    write_section(
        "Parts of a training step",
        lines,
        libraries=("torch", "transformers", "pillow"),
        command="python -m benchmarks.train_parts",
    )


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        print(json.dumps(measure_head(sys.argv[1])))
