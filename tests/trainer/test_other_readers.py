"""What others make of an exported model: other releases of transformers, whoever copies the card, LLaVA's form."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from mix665k.schemas.errors import ModelError
from mix665k.trainer.export import export
from mix665k.trainer.generate import generate
from mix665k.trainer.model.finished import load_finished, look_at_finished
from mix665k.trainer.tiny import write_tiny
from tests.trainer.environments import environment, run_there
from tests.trainer.exporting import untrained_run
from tests.trainer.families import language_model

ASKED = Path(__file__).with_name("asked_elsewhere.py")
RELEASES = {
    "4.57": ("transformers==4.57.*", "tokenizers>=0.22,<=0.23.0", "huggingface_hub>=0.34,<1"),
    "4.49": ("transformers==4.49.*", "tokenizers>=0.21,<0.22", "huggingface_hub>=0.34,<1"),
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    write_tiny(folder, tokenizer="tiny")
    return folder


@pytest.fixture(scope="module")
def run(parts: Path) -> Path:
    return untrained_run(parts / "run", llm=parts / "llm", vision=parts / "vision", stage="finetune")


@pytest.fixture(scope="module")
def model(run: Path) -> Path:
    export(run, run.parent / "llava-model")
    return run.parent / "llava-model"


@pytest.fixture(scope="module")
def chat_model(parts: Path) -> Path:
    llm = language_model("llama3")
    run = untrained_run(parts / "chat", llm=llm, vision=parts / "vision", stage="finetune", sets=("template=chat",))
    export(run, parts / "chat-model")
    return parts / "chat-model"


@pytest.fixture(scope="module")
def asked_here(model: Path, chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What this release makes of both models, asked with a picture."""
    out = tmp_path_factory.mktemp("here") / "asked.pt"
    run_there(Path(sys.executable), ASKED, model, chat_model, out)
    return list(torch.load(out))


@pytest.mark.slow
@pytest.mark.parametrize("release", sorted(RELEASES))
def test_other_releases_of_transformers_read_the_same_models(
    asked_here: list[dict[str, Any]], model: Path, chat_model: Path, tmp_path: Path, release: str
) -> None:
    run_there(environment(*RELEASES[release]), ASKED, model, chat_model, tmp_path / "there.pt")

    asked_there = torch.load(tmp_path / "there.pt")
    assert len(asked_there) == len(asked_here) == 2
    for here, there in zip(asked_here, asked_there, strict=True):
        assert (there["missing"], there["unexpected"]) == ([], [])
        assert [there[fact] for fact in ("ids", "stops", "side")] == [here[fact] for fact in ("ids", "stops", "side")]
        assert torch.equal(there["pixels"], here["pixels"])
        assert (there["logits"] - here["logits"]).abs().max() <= 1e-5


def test_the_card_says_how_to_ask_in_python_and_it_runs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = (model / "README.md").read_text(encoding="utf-8").replace("path/to/this/folder", str(model))
    snippet = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    assert len(snippet) == 1
    Image.new("RGB", (90, 60), (200, 30, 40)).save(tmp_path / "picture.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet[0].replace("max_new_tokens=128", "max_new_tokens=6"), "card", "exec"), {})

    said = generate(str(model), prompt="What is this?", images=[tmp_path / "picture.jpg"], max_new_tokens=6)
    assert capsys.readouterr().out.strip() == said


def test_a_batch_of_questions_is_answered_as_they_are_one_by_one(model: Path) -> None:
    of_model: Any = AutoModelForImageTextToText
    of_processor: Any = AutoProcessor
    loaded, processor = of_model.from_pretrained(model), of_processor.from_pretrained(model)
    questions = ["Why?", "What is it that stands to the left of the tree, and who put it there?"]
    texts = [
        processor.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True)
        for question in questions
    ]

    def answers(*asked: str) -> list[list[int]]:
        given = processor(text=list(asked), padding=True, return_tensors="pt")
        output = loaded.generate(**given, max_new_tokens=5, do_sample=False)
        return [row[given["input_ids"].shape[1] :].tolist() for row in output]

    assert answers(*texts) == [*answers(texts[0]), *answers(texts[1])]


def test_llavas_form_has_its_names_and_comes_back_bit_for_bit(run: Path, model: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "llava-mine", form="llava")

    weights = load_file(tmp_path / "llava-mine/model.safetensors")
    assert {name.split(".layers.")[0] for name in weights} == {
        "model",
        "model.embed_tokens.weight",
        "model.norm.weight",
        "lm_head.weight",
        *(f"model.mm_projector.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")),
    }
    config = json.loads((tmp_path / "llava-mine/config.json").read_text())
    said = ("model_type", "architectures", "mm_projector_type", "mm_vision_select_layer", "image_aspect_ratio")
    assert [config[field] for field in said] == ["llava_llama", ["LlavaLlamaForCausalLM"], "mlp2x_gelu", -2, "pad"]
    kind: Any = AutoModelForImageTextToText
    expected = kind.from_pretrained(model).state_dict()
    found = load_finished(look_at_finished(str(tmp_path / "llava-mine"), "v1"), seed=0).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_llavas_form_is_refused_for_what_its_code_does_not_have(parts: Path, tmp_path: Path) -> None:
    made = untrained_run(
        tmp_path / "run",
        llm=language_model("qwen25"),
        vision=parts / "vision",
        stage="finetune",
        sets=("template=chat",),
    )
    with pytest.raises(ModelError, match="--format llava: LLaVA's own code has no qwen2 with a clip_vision_model"):
        export(made, tmp_path / "model", form="llava")
    assert not (tmp_path / "model").exists()


def test_a_linear_projector_is_one_layer_in_llavas_form(parts: Path, tmp_path: Path) -> None:
    sets = ("projector_type=linear",)
    made = untrained_run(tmp_path / "run", llm=parts / "llm", vision=parts / "vision", stage="pretrain", sets=sets)
    export(made, tmp_path / "model", form="llava")

    weights = load_file(tmp_path / "model/model.safetensors")
    names = {name for name in weights if "mm_projector" in name}
    assert names == {"model.mm_projector.weight", "model.mm_projector.bias"}
    assert json.loads((tmp_path / "model/config.json").read_text())["mm_projector_type"] == "linear"
