"""Proof that the right tokens are learned, and a run on real pictures."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.schemas.manifest import load_manifest
from mix665k.trainer.tiny import write_tiny
from tests.conftest import SilentWatcher
from tests.trainer.families import language_model
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.running import SMALL, Inputs, finetune, pretrain, run

pytestmark = pytest.mark.slow
SHARED = Path(__file__).parents[3] / "shared" / "data"
ANSWERS = {"What is to the left?": "Blue", "How many are there?": "12 kettles", "Who is this?": "A baker."}


@pytest.mark.parametrize("family", [None, "qwen25"])
def test_overfitting_a_few_examples_makes_generation_repeat_their_answers(
    inputs: Inputs, projector: Path, tmp_path: Path, family: str | None
) -> None:
    records = [
        record(f"made/{k}", f"<image>\n{question}", answer, image=f"{k}.jpg")
        for k, (question, answer) in enumerate(ANSWERS.items())
    ]
    mixture = write_mixture(tmp_path / "mixture", [*records, record("made/text", "And without?", "Nothing at all.")])
    (tmp_path / "images").mkdir()
    for k in range(len(ANSWERS)):
        Image.new("RGB", (70, 50), (80 * k, 40, 200 - 60 * k)).save(tmp_path / "images" / f"{k}.jpg")
    llm = inputs.llm if family is None else language_model(family)
    own = inputs._replace(mixture=mixture, images=tmp_path / "images", llm=llm)
    sets = ("global_batch=4", "epochs=40", "lr=5e-3", "save_steps=500", "zero=0", "schedule=constant", "warmup_ratio=0")
    lines = finetune(own, projector, tmp_path / "run", sets=sets)
    assert lines[-1]["loss"] < 0.05
    assert run("export", tmp_path / "run", "--out", tmp_path / "model").returncode == 0
    said = {question: _answer(tmp_path, question, k) for k, question in enumerate(ANSWERS)}
    assert said == ANSWERS
    assert _answer(tmp_path, "And without?", None) == "Nothing at all."


def _answer(folder: Path, question: str, image: int | None) -> str:
    """What the exported model says, until it ends by itself."""
    model_kind: Any = AutoModelForImageTextToText
    processor_kind: Any = AutoProcessor
    model = model_kind.from_pretrained(folder / "model", dtype=torch.float32).eval()
    processor = processor_kind.from_pretrained(folder / "model")
    content: list[dict[str, Any]] = [{"type": "text", "text": question}]
    if image is not None:
        content.insert(0, {"type": "image", "image": Image.open(folder / "images" / f"{image}.jpg")})
    given = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    output = model.generate(**given, max_new_tokens=20, do_sample=False)[0, given["input_ids"].shape[1] :]
    ends = model.generation_config.eos_token_id
    assert int(output[-1]) in (ends if isinstance(ends, list) else [ends])
    answer: str = processor.decode(output, skip_special_tokens=True)
    return answer.strip()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real excerpts are not beside the project")
def test_both_stages_run_on_the_real_excerpts_and_their_pictures(tmp_path: Path) -> None:
    recipe = str(Path(__file__).parents[1] / "recipes" / "excerpt.yaml")
    sources = ("vqav2", "gqa", "okvqa", "aokvqa", "vg")
    options = Options(
        SHARED / "raw", tmp_path / "mixture", sources=sources, images=SHARED / "images", on_missing_image="drop"
    )
    build(make_plan(recipe, options), jobs=2, overwrite=False, listener=SilentWatcher())
    named = {path.relative_to(SHARED / "images").as_posix() for path in (SHARED / "images").rglob("*.jpg")}
    manifest = load_manifest(tmp_path / "mixture")
    assert 12 <= manifest.conversations < 100
    write_tiny(tmp_path, tokenizer="tiny")
    inputs = Inputs(tmp_path / "mixture", SHARED / "images", tmp_path / "llm", tmp_path / "vision")
    shown = run("check", *inputs.options(), *inputs.models(), sets=SMALL)
    assert shown.returncode == 0, shown.stderr
    assert "12, 0 of them unusable" in shown.stdout
    assert len(named) == 17
    first = pretrain(inputs, tmp_path / "first", "--max-steps", "2")
    done = run(
        "finetune", *inputs.options(), "--from", tmp_path / "first", "--out", tmp_path / "second", "--max-steps", "2",
        sets=SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(first) == 2
