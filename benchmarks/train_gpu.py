"""Both stages of a 7B model on one GPU.

The model has the shapes of LLaVA-1.5 7B (Vicuna 7B, CLIP ViT-L/14 at 336 pixels) and random weights; records and
pictures of 640 x 480 are made up, their lengths near those of the real ones, and in stage 2 they share pictures as the
mixture's do. Everything else is a run as `train` starts
it: DeepSpeed, checkpointing, pictures decoded by workers, a step's log. Every row is a process of its own. All that was
tried is there, the slow too.

`--rehearse` runs every row with tiny shapes wherever it is, to see that all work; it writes nothing down.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.build import MIX, RECIPE, WORK, real_tokenizer
from benchmarks.results import RESULTS, read_sections, write_section
from benchmarks.shared_pictures import write_shared
from benchmarks.train_cpu import draw_pictures, measured_steps, over_time
from mix665k.trainer.model.attention import has_flash_attn

TITLE = "Training on a GPU"
COMMAND = "python -m benchmarks.train_gpu"
STEPS, SKIPPED_STEPS = 8, 3
PICTURES = 500
FAILED = "failed"
NO_MEMORY = ("OutOfMemoryError", "out of memory", "ALLOC_FAILED")
"""What stands in the errors of torch, of CUDA and of its libraries when the device's memory was not enough."""
GOALS = (
    "The goals on one H200 are in stage 2 45 % of the bf16 peak, 55 % without padding (12 samples/s), and 17 samples/s "
    "where pictures are shared."
)
_NOT_MEASURED = (
    "Not measured: no GPU was at hand. The command above measures it on a machine with one, of 141 GB for stage 2 in "
    f"full, of 80 GB for the rest, and puts the table here. {GOALS}"
)


class Kind(NamedTuple):
    """A row: a stage with overrides."""

    name: str
    stage: str
    sets: tuple[str, ...]


FREE, SHARED = "batching=padding_free", "batching=shared_images"
FLASH = "attention=flash_attention_2"
SELECTIVE = "gradient_checkpointing=selective"
KINDS = (
    Kind("stage 1, sdpa", "pretrain", ("attention=sdpa",)),
    Kind("stage 1, `padding_free`, torch's varlen", "pretrain", (FREE, "attention=segments")),
    Kind("stage 1, `padding_free`, flash-attn", "pretrain", (FREE, FLASH)),
    Kind("stage 2, sdpa", "finetune", ("attention=sdpa",)),
    Kind("stage 2, flash-attn", "finetune", (FLASH,)),
    *(
        Kind(f"stage 2, `{batching.partition('=')[2]}`, {name}", "finetune", (batching, *sets))
        for batching in (FREE, SHARED)
        for name, sets in {
            "torch's varlen": ("attention=segments",),
            "flash-attn": (FLASH,),
            "torch's varlen, selective, 8 each": ("attention=segments", SELECTIVE, "per_device_batch=8"),
            "flash-attn, selective, 8 each": (FLASH, SELECTIVE, "per_device_batch=8"),
        }.items()
    ),
    Kind(
        "stage 2, LoRA, `padding_free`, torch's varlen",
        "finetune",
        (FREE, "attention=segments", "zero=0", "lora.r=128", "per_device_batch=8"),
    ),
)
SHAPES: dict[str, dict[str, Any]] = {
    "7b": {
        "llm": {"hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32, "num_attention_heads": 32},
        "vision": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
    },
    "tiny": {
        "llm": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4},
        "vision": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4},
    },
}


def main(*, rehearse: bool) -> None:
    """Run every kind and write the table, or print it where it is a rehearsal; exits 1 then if a row failed."""
    import torch

    if not rehearse and not torch.cuda.is_available():
        if "|" not in read_sections(RESULTS).get(TITLE, ""):  # a table of a machine with a GPU stays
            write_section(TITLE, [_NOT_MEASURED], libraries=("torch", "deepspeed"), command=COMMAND)
        return
    folder = WORK / "train_gpu"
    prepare(folder, "tiny" if rehearse else "7b")
    found = [measure(kind, folder, rehearse=rehearse) for kind in KINDS]
    lines = [
        (__doc__ or "").split("\n\n")[1],
        "",
        f"One {torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU, a rehearsal'}, revision "
        f"{_revision()}. {GOALS} MFU counts "
        "6 operations for each token and weight that learns, 4 for a frozen one, those of the head for labelled tokens "
        "only, nothing for attention, the vision tower and what is computed anew, a shared beginning once; "
        f"{STEPS - SKIPPED_STEPS} steps are measured.",
        "",
        "| | samples/s | tokens/s | MFU | waiting for pictures | peak memory, GB |",
        "|---|---:|---:|---:|---:|---:|",
        *map(row, KINDS, found),
    ]
    if rehearse:
        print("\n".join(lines))
    else:
        write_section(TITLE, lines, libraries=("torch", "transformers", "deepspeed"), command=COMMAND)
    if FAILED in found:
        sys.exit(1)


def _revision() -> str:
    """What was measured, as git names it."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def prepare(folder: Path, shape: str) -> None:
    """What is not there yet: mixtures of both stages, their pictures, the configuration of the model."""
    tokenizer = str(real_tokenizer())
    if not (folder / "finetune").is_dir():
        made = str(folder / "raw")
        captions = yaml.safe_load(RECIPE.with_name("llava-v1.5-pretrain558k.yaml").read_text(encoding="utf-8"))
        for block in captions["sources"]:
            block.pop("expect", None)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "captions.yaml").write_text(yaml.safe_dump(captions), encoding="utf-8")
        subprocess.run([MIX, "synth", "--out", made, "--scale", "0.002"], check=True)
        for recipe, out in ((str(folder / "captions.yaml"), "pretrain"), ("tiny", "built")):
            build = [MIX, "build", recipe, "--raw", made, "--out", str(folder / out), "--tokenizer", tokenizer]
            subprocess.run(build, check=True)
        write_shared(folder / "built", folder / "finetune", pictures=PICTURES, tokenizer=tokenizer)
    for stage in ("pretrain", "finetune"):
        if not (folder / "images" / stage).is_dir():
            draw_pictures(folder / stage, folder / "images" / stage)
    _write_parts(folder / shape, tokenizer, SHAPES[shape])


def _write_parts(folder: Path, tokenizer: str, shapes: dict[str, Any]) -> None:
    """Configurations of the two parts; no weights."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, LlamaConfig

    from mix665k.schemas.tokenizer.load import load_tokenizer
    from mix665k.trainer.model.tokenizer import save_tokenizer

    words = load_tokenizer(tokenizer)
    LlamaConfig(vocab_size=len(words), max_position_embeddings=4096, **shapes["llm"]).save_pretrained(folder / "llm")
    save_tokenizer(words, folder / "llm")
    CLIPVisionConfig(image_size=336, patch_size=14, **shapes["vision"]).save_pretrained(folder / "vision")
    square = {"height": 336, "width": 336}
    CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size=square).save_pretrained(folder / "vision")


def measure(kind: Kind, folder: Path, *, rehearse: bool) -> dict[str, float] | str:
    """What a kind measured, or why it did not."""
    if FLASH in kind.sets and not has_flash_attn():
        return "flash-attn is not installed"
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.train_gpu", "--kind", kind.name, str(folder)]
    done = subprocess.run([*command, "tiny" if rehearse else "7b"], capture_output=True, text=True)
    if done.returncode:
        reason = "out of memory" if any(words in done.stderr for words in NO_MEMORY) else FAILED
        print(f"{kind.name}: {reason}, exit status {done.returncode}\n{done.stderr[-2000:]}", file=sys.stderr)
        return reason
    last = done.stdout.splitlines()[-1]
    print(f"{kind.name}: {last}", file=sys.stderr)
    found: dict[str, float] = json.loads(last)
    return found


def run_kind(kind: Kind, folder: Path, shape: str) -> dict[str, float]:
    """Train one kind in this process; its log's means and the peak of memory."""
    import torch

    from mix665k.trainer.run.job import Job
    from mix665k.trainer.run.rank_main import run
    from mix665k.trainer.run.stage_files import load_stage

    small = ("global_batch=16", "per_device_batch=8", "max_tokens=700", "workers=0") if shape == "tiny" else ()
    batch = "global_batch=128" if kind.stage == "pretrain" else "global_batch=64"
    workers = f"workers={max(1, (os.cpu_count() or 2) - 2)}"
    fixed = (batch, workers, "remainder=drop", "on_unlabelled=drop", "save_steps=1000", f"max_steps={STEPS}")
    paths: dict[str, Any] = {name: str(folder / shape / name) for name in ("llm", "vision")}
    template = () if kind.stage == "pretrain" else ("template=v1",)
    stage = load_stage(kind.stage, [*fixed, *template, *kind.sets, *small])
    job = Job(
        stage=stage,
        mixture=str(folder / kind.stage),
        images=str(folder / "images" / kind.stage),
        out=str(folder / "run"),
        resume="no",
        report_to="none",
        **paths,
    )
    _write_start(job)
    run(job, load=random_model)
    steps = measured_steps(job.folder, skipped=SKIPPED_STEPS)
    names = ("samples_per_s", "tokens_per_s", "mfu", "loading")
    found = {name: over_time(steps, name) for name in names if name in steps[0]}
    if torch.cuda.is_available():
        found["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return found


def _write_start(job: Any) -> None:
    """What a run reads of its start besides weights."""
    from mix665k.trainer.model.compose import describe

    processor, config = describe(job.llm, job.vision, job.stage.template)
    config.save_pretrained(job.start)
    processor.save_pretrained(job.start)


def random_model(start: Path, stage: Any) -> Any:
    """A model of the start's configuration with weights drawn on the device."""
    import torch
    from transformers import AutoConfig, LlavaForConditionalGeneration

    from mix665k.trainer.model.attention_needs import choose
    from mix665k.trainer.model.trainable import make_trainable

    config = AutoConfig.from_pretrained(start)
    config._attn_implementation = {"text_config": choose(stage, config.text_config), "vision_config": "sdpa"}
    kind: Any = LlavaForConditionalGeneration
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = kind._from_config(config, dtype=torch.bfloat16 if stage.bf16 else torch.float32)
    return make_trainable(model, stage)


def row(kind: Kind, found: dict[str, float] | str) -> str:
    """A line of the table; what was not measured is a dash."""
    if isinstance(found, str):
        return f"| {kind.name} | {found} | | | | |"
    forms = {"samples_per_s": ".1f", "tokens_per_s": ",.0f", "mfu": ".1%", "loading": ".1%", "peak_gb": ".1f"}
    cells = [format(found[name], form) if name in found else "-" for name, form in forms.items()]
    return f"| {kind.name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    if "--kind" in sys.argv:
        chosen = next(kind for kind in KINDS if kind.name == sys.argv[2])
        print(json.dumps(run_kind(chosen, Path(sys.argv[3]), sys.argv[4])))
    else:
        main(rehearse="--rehearse" in sys.argv)
