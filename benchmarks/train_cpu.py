"""Stage 2 on a CPU against a plain Hugging Face Trainer: `python -m benchmarks.train_cpu` writes it to RESULTS.md.

Both train the same random model on the same examples: Llama of 256 units, 4 layers and 32,000 words, CLIP of 128 units
and 4 layers at 336 pixels, 8 examples a step, gradient checkpointing, no DeepSpeed. The rival is what one writes with
Trainer alone: batches in random order padded to the longest, the model's own loss over all logits, images through the
processor; both load their data in the same process. LLaVA's own trainer was measured elsewhere on a machine of this
kind (transformers 4.37.2): 0.90 samples/s in fp32, 1.22 in bf16.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import rival
from benchmarks.build import WORK, real_tokenizer
from benchmarks.results import write_section
from benchmarks.rival import BATCH, SKIPPED_STEPS, STEPS, Speed

FOLDER = WORK / "train_cpu"
BIN = Path(sys.executable).parent
RIVAL = "Hugging Face Trainer"
KINDS = {
    "`grouped`": (),
    "`padding_free`": ("batching=padding_free",),
    "`padding_free`, selective": ("batching=padding_free", "gradient_checkpointing=selective"),
    "`padding_free`, selective, fast images": (
        "batching=padding_free",
        "gradient_checkpointing=selective",
        "image_path=fast",
    ),
}
LLAVA = {"fp32": 0.90, "bf16": 1.22}
GOAL = 2.0


def main() -> None:
    """Make models, mixture and images, run every kind in a fresh process, write the table."""
    prepare()
    rows = []
    for precision in ("fp32", "bf16"):
        theirs = measure(RIVAL, precision)
        rows.append((precision, theirs, {name: measure(name, precision) for name in KINDS}))
    write(rows)


def prepare() -> None:
    """Models, 64 or so examples of all sources, and a picture of 640 x 480 for each image they name."""
    if (FOLDER / "done").is_file():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    write_models(FOLDER)
    mix, made = str(BIN / "mix"), str(FOLDER / "raw")
    subprocess.run([mix, "synth", "--out", made, "--scale", "0.001"], check=True)
    build = [mix, "build", "tiny", "--raw", made, "--out", str(FOLDER / "mixture"), "--limit", "7"]
    subprocess.run(build, check=True)
    draw_pictures(FOLDER / "mixture", FOLDER / "images")
    (FOLDER / "done").touch()


def write_models(out: Path, *, layers: int = 4) -> None:
    """The two random models; so many layers has the language model."""
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        CLIPVisionModel,
        LlamaConfig,
        LlamaForCausalLM,
    )

    from mix665k.schemas.tokenizer.load import load_tokenizer
    from mix665k.trainer.model.tokenizer import save_tokenizer

    torch.manual_seed(0)
    words = load_tokenizer(str(real_tokenizer()))
    sizes: Any = {"num_hidden_layers": 4, "num_attention_heads": 4}
    llm = LlamaConfig(
        vocab_size=len(words),
        hidden_size=256,
        intermediate_size=688,
        max_position_embeddings=4096,
        **sizes | {"num_hidden_layers": layers},
    )
    LlamaForCausalLM(llm).save_pretrained(out / "llm")
    save_tokenizer(words, out / "llm")
    clip = CLIPVisionConfig(hidden_size=128, intermediate_size=512, image_size=336, patch_size=14, **sizes)
    CLIPVisionModel(clip).save_pretrained(out / "vision")
    square = {"height": 336, "width": 336}
    CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size=square).save_pretrained(out / "vision")


def draw_pictures(mixture: Path, out: Path) -> None:
    """JPEGs with as much detail as photographs: smooth colours under some noise."""
    from mix665k.trainer.data.mixture import Mixture

    draw = np.random.default_rng(0)
    for name in sorted({image for image in Mixture(mixture).images if image}):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480))
        noisy = np.asarray(coarse) + draw.normal(0, 8, (480, 640, 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=85)


def measure(name: str, precision: str) -> Speed:
    """Run one kind in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.train_cpu", name, precision]
    environment = dict(os.environ) | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    speed = Speed(**json.loads(done.stdout.splitlines()[-1]))
    print(f"{name}, {precision}: {speed.samples_per_s:.2f} samples/s", file=sys.stderr)
    return speed


def job_of(sets: Sequence[str], precision: str, out: Path, *, folder: Path = FOLDER) -> Any:
    """The job of a run, as `train finetune` makes it."""
    from mix665k.trainer.run.job import Job
    from mix665k.trainer.run.stage_files import load_stage

    batch = (f"global_batch={BATCH}", f"per_device_batch={BATCH}", "remainder=drop", f"max_steps={STEPS}")
    fixed = (
        *batch,
        "zero=0",
        "template=v1",
        "workers=0",
        "on_unlabelled=drop",
        f"bf16={str(precision == 'bf16').lower()}",
    )
    stage = load_stage("finetune", [*fixed, *sets])
    paths: dict[str, Any] = {name: str(folder / name) for name in ("mixture", "images", "llm", "vision")}
    return Job(stage=stage, out=str(out), resume="no", report_to="none", **paths)


def run_ours(sets: Sequence[str], precision: str) -> Speed:
    """The trainer of this project, from its own log."""
    from mix665k.trainer.run.launch import launch

    out = FOLDER / "run"
    shutil.rmtree(out, ignore_errors=True)
    launch(job_of(sets, precision, out), nproc=1)
    steps = measured_steps(out, skipped=SKIPPED_STEPS)
    return Speed(over_time(steps, "samples_per_s"), over_time(steps, "tokens_per_s"))


def measured_steps(out: Path, *, skipped: int) -> list[dict[str, Any]]:
    """The log lines of a run's steps after the first ones."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line and line["step"] > skipped]


def over_time(steps: Sequence[dict[str, Any]], name: str) -> float:
    """A rate or a share of time, as it was over all these steps: each counts by how long it took."""
    return float(sum(line[name] * line["seconds"] for line in steps) / sum(line["seconds"] for line in steps))


def write(rows: Sequence[tuple[str, Speed, dict[str, Speed]]]) -> None:
    """The table."""
    lines = []
    for precision, theirs, ours in rows:
        lines.append(f"| {precision} | {RIVAL} | {theirs.samples_per_s:.2f} | {theirs.tokens_per_s:,.0f} | 1 |")
        for name, speed in ours.items():
            ratio = speed.samples_per_s / theirs.samples_per_s
            lines.append(f"| | {name} | {speed.samples_per_s:.2f} | {speed.tokens_per_s:,.0f} | {ratio:.2f} |")
    write_section(
        "Training on a CPU",
        [
            "Stage 2 of a small random model (Llama of 256 units, 4 layers, 32,000 words; CLIP of 128 units, 4 layers,",
            f"336 px), {BATCH} examples a step, gradient checkpointing, {STEPS - SKIPPED_STEPS} steps measured.",
            "The rival is Hugging Face's Trainer alone over the same model and examples, measured in the same run:",
            "random batches padded to the longest, the loss over all logits, images through the processor. In bf16 its",
            "weights are bfloat16; ours are float32 where they learn. All steps are whole: what is left of an epoch is",
            "dropped, in `grouped` of each modality, and so all of its few examples without an image.",
            "",
            "| precision | trainer | samples/s | tokens/s | ratio |",
            "|---|---|---:|---:|---:|",
            *lines,
            "",
            f"The goal is {GOAL:.0f} times the rival. LLaVA's own trainer, transformers 4.37.2, was measured on such a",
            f"machine with its own examples: {LLAVA['fp32']:.2f} samples/s in fp32, {LLAVA['bf16']:.2f} in bf16.",
        ],
        libraries=("torch", "transformers"),
        command="python -m benchmarks.train_cpu",
    )


def main_of(name: str, precision: str) -> Speed:
    """One kind, in this process."""
    return rival.train(job_of((), precision, FOLDER / "rival")) if name == RIVAL else run_ours(KINDS[name], precision)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        print(json.dumps(main_of(*sys.argv[1:])._asdict()))
