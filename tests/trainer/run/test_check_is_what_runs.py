"""`train check` refuses what a run would refuse, in the same words, and nothing else: over families, towers, stages."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from mix665k.schemas.errors import UserError
from mix665k.trainer.check import check
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.launch import launch
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.families import FAMILIES, language_model
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.towers import TOWERS, tower

SETS = ("global_batch=4", "per_device_batch=2", "zero=0", "bf16=false", "workers=0", "max_steps=1")
QUICK = {"qwen25", "gemma2", "phi2", "mpt"}
FITTING = ("siglip56", "internvit", "dinov2", "clip56")
"""Towers that families take in turn."""
REFUSED = {
    "gemma2": "it scales or caps its logits",
    "cohere": "it scales or caps its logits",
    "granite": "it scales or caps its logits",
    "phi2": "its head has a bias",
    "mpt": "transformers cannot put it there",
    "opt": "transformers cannot put it there",
    "gptneox": "template v1: ends answers with '</s>', 4 tokens here",  # it has no chat template of its own
    "siglip2_naflex": "needs pixel_attention_mask, spatial_shapes",
    "dinov2_registers": "gives 21 tokens for 16 patches",
    "convnext": "gives maps",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a mixture of conversations, some about a picture, and the pictures; read only."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    for k in range(4):
        Image.new("RGB", (20, 30)).save(folder / "images" / f"{k}.jpg")
    rows = [record(f"a/{k}", "<image>\nWhat?", "A cat.", image=f"{k}.jpg") for k in range(4)]
    write_mixture(folder / "mixture", rows + [record(f"b/{k}", "Why?", "So.", "And?", "Yes.") for k in range(4)])
    write_mixture(folder / "texts", [record(f"b/{k}", "Why?", "So it is.") for k in range(4)])
    return folder


def refusal(act: Callable[[], Any]) -> str | None:
    """The line that a command would print; none where it does what it is asked."""
    try:
        act()
    except UserError as error:
        return str(error)
    return None


@pytest.fixture
def outcome(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str | None]:
    """What becomes of a job: the line that both refuse it with, or none where both accept it."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")

    def of(
        family: str | Path, vision: str | Path, *sets: str, mixture: str = "mixture", images: str = "images"
    ) -> str | None:
        job = Job(
            stage=load_stage("finetune", [*SETS, *sets]),
            mixture=str(data / mixture),
            images=str(data / images),
            llm=str(language_model(family) if isinstance(family, str) else family),
            vision=str(tower(vision) if isinstance(vision, str) else vision),
            out=str(tmp_path / "out"),
            report_to="none",
        )
        checked = refusal(lambda: check(job, ranks=1))
        ran = refusal(lambda: launch(job, nproc=1))
        assert checked == ran
        assert "\n" not in str(ran)
        return ran

    return of


def is_expected(line: str | None, name: str) -> bool:
    return line is None if name not in REFUSED else REFUSED[name] in str(line)


@pytest.mark.parametrize(
    ("family", "vision"),
    [
        pytest.param(name, FITTING[k % len(FITTING)], marks=[] if name in QUICK else pytest.mark.slow)
        for k, name in enumerate(FAMILIES)
    ],
)
def test_a_family_trains_or_is_refused_before_it(family: str, vision: str, outcome: Any) -> None:
    assert is_expected(outcome(family, vision), family)


@pytest.mark.parametrize(
    "vision", [pytest.param(name, marks=[] if name in REFUSED else pytest.mark.slow) for name in TOWERS]
)
def test_a_tower_trains_or_is_refused_before_it(vision: str, outcome: Any) -> None:
    assert is_expected(outcome("vicuna", vision), vision)


@pytest.mark.parametrize(
    ("family", "sets", "why"),
    [
        ("phi3", ("lora.r=4", "lora.targets=[q_proj]"), "lora.targets: 'q_proj': no linear layer's name ends so"),
        ("vicuna", ("router_loss=0.1",), "router_loss 0.1: the language model has no experts"),
        ("llama3", ("template=v1",), "template v1: ends answers with '</s>'"),
        ("vicuna", ("max_tokens=12",), "raise max_tokens"),
        ("vicuna", ("global_batch=3",), "global_batch 3 is no multiple"),
        ("vicuna", ("attention=flash_attention_2",), "flash-attn 2 is not installed"),
    ],
)
def test_a_stage_that_does_not_fit_is_refused_by_both(
    family: str, sets: tuple[str, ...], why: str, outcome: Any
) -> None:
    assert why in str(outcome(family, "clip56", *sets))


@pytest.mark.parametrize(
    ("family", "file", "change"),
    [
        ("gemma", "tokenizer_config.json", {"pad_token": None}),  # `<pad>` is in its vocabulary all the same
        ("llama3", "config.json", {"attention_dropout": 0.1}),
        ("qwen25", "config.json", {"eos_token_id": None, "bos_token_id": None}),
    ],
)
def test_what_a_checkpoint_leaves_open_stops_nothing(
    family: str, file: str, change: dict[str, Any], outcome: Any, tmp_path: Path
) -> None:
    changed = Path(shutil.copytree(language_model(family), tmp_path / "llm"))
    settings = json.loads((changed / file).read_text()) | change
    (changed / file).write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))
    for batching in ("grouped", "padding_free"):
        assert outcome(changed, "clip56", f"batching={batching}", "lora.r=4") is None
        shutil.rmtree(tmp_path / "out")


def _remove(file: Path) -> None:
    file.unlink()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5_000])


def _lose(file: Path) -> None:
    weights = load_file(file)
    save_file({name: weights[name] for name in list(weights)[:-1]}, file, {"format": "pt"})


def _widen(file: Path) -> None:
    save_file({name: torch.cat([value, value]) for name, value in load_file(file).items()}, file, {"format": "pt"})


@pytest.mark.parametrize("part", ["llm", "vision"])
@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (_remove, ": no weights, expected one of model.safetensors, "),
        (_cut, ": its weights cannot be read, are they whole?"),
        (_lose, ": its weights are not those that its configuration says: 1 missing ("),
        (_widen, " of another shape ("),
    ],
)
def test_a_folder_without_all_its_weights_is_refused_by_both(
    part: str, harm: Callable[[Path], None], why: str, outcome: Any, tmp_path: Path
) -> None:
    parts = {"llm": language_model("qwen25"), "vision": tower("siglip56")}
    parts[part] = Path(shutil.copytree(parts[part], tmp_path / part))
    harm(parts[part] / "model.safetensors")

    line = str(outcome(parts["llm"], parts["vision"]))

    assert line.startswith(f"{parts[part]}: ")
    assert why in line


@pytest.mark.parametrize("sets", [("lora.r=4", "batching=padding_free"), ("router_loss=0.1",)])
def test_experts_train_with_adapters_and_with_their_routers(sets: tuple[str, ...], outcome: Any) -> None:
    assert outcome("mixtral", "clip56", *sets) is None


def test_data_that_nothing_can_be_learned_from_is_refused_by_both(outcome: Any) -> None:
    line = outcome("vicuna", "clip56", "trains=[projector]", mixture="texts")
    assert "no record has an image, and stage finetune learns from images only" in line
    assert "no such folder" in outcome("vicuna", "clip56", images="none")
