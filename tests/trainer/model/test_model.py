"""Putting a model together, and giving it away."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, CLIPVisionModel
from transformers import LlavaForConditionalGeneration as Llava

from mix665k.schemas.errors import ModelError, TrainingError
from mix665k.schemas.stage import Lora
from mix665k.schemas.template import TEMPLATES, render
from mix665k.trainer.data.jinja import jinja_of
from mix665k.trainer.export import export
from mix665k.trainer.model.adapters import add_adapters, merge_adapters
from mix665k.trainer.model.compose import compose, describe, read_projector
from mix665k.trainer.model.llava_form import require_llava_form
from mix665k.trainer.model.trainable import freeze
from mix665k.trainer.run.checkpoint import find_checkpoint
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.weights import load_trained, write_projector
from tests.trainer.running import Inputs, run

LLAVA: Any = Llava
PROCESSOR: Any = AutoProcessor
LANGUAGE: Any = AutoModelForCausalLM
TOWER: Any = CLIPVisionModel
MODEL: Any = AutoModelForImageTextToText


@pytest.fixture(scope="module")
def start(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A composed model."""
    out = tmp_path_factory.mktemp("start")
    compose(str(inputs.llm), str(inputs.vision), out, projector=None, template="v1", seed=3)
    return out


def test_a_composed_model_holds_its_parts_unchanged(inputs: Inputs, start: Path) -> None:
    model = LLAVA.from_pretrained(start)
    language = LANGUAGE.from_pretrained(inputs.llm)
    tower = TOWER.from_pretrained(inputs.vision)
    words = language.get_input_embeddings().weight
    assert torch.equal(model.get_input_embeddings().weight[: len(words)], words)
    for name, value in tower.state_dict().items():
        assert torch.equal(model.model.vision_tower.state_dict()[name], value)
    assert (model.config.vision_feature_layer, model.config.vision_feature_select_strategy) == (-2, "default")
    assert model.get_input_embeddings().weight.shape[0] % 64 == 0


def test_the_projector_depends_on_the_seed_alone(inputs: Inputs, start: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)
    compose(str(inputs.llm), str(inputs.vision), tmp_path / "same", projector=None, template="v1", seed=3)
    compose(str(inputs.llm), str(inputs.vision), tmp_path / "other", projector=None, template="v1", seed=4)
    first, same, other = (
        LLAVA.from_pretrained(path).model.multi_modal_projector.linear_1.weight
        for path in (start, tmp_path / "same", tmp_path / "other")
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_llavas_projector_file_is_read(inputs: Inputs, start: Path, tmp_path: Path) -> None:
    model = LLAVA.from_pretrained(start)
    weights = model.model.multi_modal_projector.state_dict()
    names = {"linear_1": "0", "linear_2": "2"}
    theirs = {
        f"model.mm_projector.{names[name.split('.')[0]]}.{name.split('.')[1]}": value + 1
        for name, value in weights.items()
    }
    torch.save(theirs, tmp_path / "mm_projector.bin")
    out = tmp_path / "out"
    compose(str(inputs.llm), str(inputs.vision), out, projector=tmp_path / "mm_projector.bin", template="v1", seed=0)
    read = LLAVA.from_pretrained(out).model.multi_modal_projector.state_dict()
    assert all(torch.equal(read[name], weights[name] + 1) for name in weights)


def test_a_projector_of_another_size_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    torch.save({"model.mm_projector.0.weight": torch.zeros(2, 2)}, tmp_path / "mm_projector.bin")
    with pytest.raises(ModelError, match="was it trained with other models"):
        compose(
            str(inputs.llm),
            str(inputs.vision),
            tmp_path / "out",
            projector=tmp_path / "mm_projector.bin",
            template="v1",
            seed=0,
        )


def test_a_projector_that_is_no_file_of_weights_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"no")
    with pytest.raises(ModelError, match=r"projector .*x.bin: no file of weights, expected .safetensors"):
        compose(
            str(inputs.llm), str(inputs.vision), tmp_path / "out", projector=tmp_path / "x.bin", template="v1", seed=0
        )


def test_a_part_that_is_not_there_is_an_error(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none: no such folder, and not the form of a Hub name"):
        describe(str(tmp_path / "none"), str(inputs.vision), "v1")
    with pytest.raises(ModelError, match="llm: a llama, expected a vision tower"):
        describe(str(inputs.llm), str(inputs.llm), "v1")


@pytest.mark.parametrize("name", [name for name, template in TEMPLATES.items() if template.keeps_question])
def test_the_chat_template_renders_as_the_trainer_does(name: str, start: Path) -> None:
    processor = PROCESSOR.from_pretrained(start)
    pairs = [("What is this?", "A mill.\n\nIt turns."), ("And “that”?", "{{ no }} code")]
    messages = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    shown = processor.apply_chat_template(messages, chat_template=jinja_of(TEMPLATES[name]))
    assert shown == render(TEMPLATES[name], pairs).text


def test_an_exported_model_gives_the_logits_of_the_trained_one(first_stage: Path, tmp_path: Path) -> None:
    export(first_stage, tmp_path / "model")
    trained = load_trained(find_checkpoint(first_stage)[0]).eval()
    model = MODEL.from_pretrained(tmp_path / "model").eval()
    processor = PROCESSOR.from_pretrained(tmp_path / "model")
    text = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}],
        add_generation_prompt=True,
    )
    given = processor(images=Image.new("RGB", (80, 60), (200, 30, 30)), text=text, return_tensors="pt")
    assert torch.equal(model(**given).logits, trained(**given).logits)
    assert model.generate(**given, max_new_tokens=2).shape[1] == given["input_ids"].shape[1] + 2
    assert "Mixture" in (tmp_path / "model" / "README.md").read_text()


def test_an_export_does_not_write_over_something(first_stage: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(TrainingError, match="not empty; name another --out"):
        export(first_stage, tmp_path)


def test_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no complete checkpoint here"):
        write_projector(tmp_path, tmp_path / "p.safetensors")


def test_merged_adapters_change_no_logit(start: Path) -> None:
    torch.manual_seed(0)
    model = LLAVA.from_pretrained(start).eval()
    names = set(model.state_dict())
    add_adapters(model, Lora(r=4, alpha=8, dropout=0.0), seed=0)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.tensor([[1, 5, 9, 200]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        merge_adapters(model)
        after = model(input_ids=ids).logits
    assert set(model.state_dict()) == names
    assert torch.allclose(before, after, atol=1e-5)


def test_generate_answers_on_stdout(first_stage: Path, tmp_path: Path) -> None:
    export(first_stage, tmp_path / "model")
    Image.new("RGB", (30, 50)).save(tmp_path / "a.png")
    done = run(
        "generate", tmp_path / "model", "--prompt", "What?", "--image", tmp_path / "a.png", "--max-new-tokens", "3"
    )
    assert done.returncode == 0
    assert len(done.stdout.strip("\n").splitlines()) <= 1
    wrong = run("generate", tmp_path / "model", "--prompt", "What?", "--image", tmp_path / "model" / "config.json")
    assert wrong.returncode == 1
    assert "cannot be opened as an image" in wrong.stderr


def test_a_run_is_no_model_and_a_prompt_holds_no_image_token(first_stage: Path) -> None:
    a_run = run("generate", first_stage, "--prompt", "What?")
    assert (a_run.returncode, "is a training run, not an exported model; run `train export" in a_run.stderr) == (
        1,
        True,
    )
    prompt = run("generate", first_stage / "start", "--prompt", "a <image> b")
    assert (prompt.returncode, "give each picture with --image" in prompt.stderr) == (1, True)


def test_the_two_stages_are_the_papers() -> None:
    first, second = load_stage("pretrain"), load_stage("finetune")
    assert (first.lr, first.global_batch, first.trains, first.template, first.zero) == (
        1e-3,
        256,
        ["projector"],
        "plain",
        2,
    )
    assert (second.lr, second.global_batch, second.template, second.zero) == (2e-5, 128, "auto", 3)
    assert second.trains == ["projector", "language_model"]
    for stage in (first, second):
        assert (stage.warmup_ratio, stage.weight_decay, stage.epochs, stage.schedule) == (0.03, 0.0, 1.0, "cosine")
        assert (stage.max_tokens, stage.bf16, stage.gradient_checkpointing) == (2048, True, True)


def test_a_linear_projector_is_one_layer_in_llava_hfs_form_and_that_one_learns(inputs: Inputs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compose(str(inputs.llm), str(inputs.vision), out, projector=None, template="v1", seed=3, projector_type="linear")
    model = LLAVA.from_pretrained(out, dtype=torch.float32)
    projector = model.model.multi_modal_projector
    features = torch.randn(5, projector.linear_1.in_features)
    assert torch.equal(projector(features), projector.linear_1(features))
    freeze(model, load_stage("pretrain"))
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {f"model.multi_modal_projector.linear_1.{kind}" for kind in ("weight", "bias")}


def test_llavas_linear_projector_file_is_read(inputs: Inputs, start: Path, tmp_path: Path) -> None:
    first = LLAVA.from_pretrained(start).model.multi_modal_projector.linear_1.state_dict()
    torch.save({f"model.mm_projector.{name}": value for name, value in first.items()}, tmp_path / "mm_projector.bin")
    out, file = tmp_path / "out", tmp_path / "mm_projector.bin"
    compose(str(inputs.llm), str(inputs.vision), out, projector=file, template="v1", seed=0, projector_type="linear")
    read = LLAVA.from_pretrained(out).model.multi_modal_projector
    assert all(torch.equal(read.linear_1.state_dict()[name], value) for name, value in first.items())
    assert torch.equal(read.linear_2.weight, torch.eye(len(read.linear_2.weight), dtype=read.linear_2.weight.dtype))
    with pytest.raises(ModelError, match="was it trained with other models"):
        compose(str(inputs.llm), str(inputs.vision), tmp_path / "x", projector=file, template="v1", seed=0)


def test_a_projector_file_of_the_other_kind_is_refused(inputs: Inputs, start: Path, tmp_path: Path) -> None:
    weights = LLAVA.from_pretrained(start).model.multi_modal_projector.state_dict()
    torch.save({f"model.multi_modal_projector.{name}": value for name, value in weights.items()}, tmp_path / "two.bin")
    _, config = describe(str(inputs.llm), str(inputs.vision), "v1", projector_type="linear")
    with pytest.raises(ModelError, match=r"two.bin: is mlp2x_gelu, the stage's projector_type is linear; change one"):
        read_projector(tmp_path / "two.bin", config)


@pytest.mark.parametrize("kind", ["mlp3x_gelu", "identity", "mlp2x"])
def test_a_projector_that_the_export_cannot_hold_is_refused(inputs: Inputs, kind: str) -> None:
    with pytest.raises(ModelError, match=f"^projector_type {kind}: expected mlp2x_gelu or linear; the exported form"):
        describe(str(inputs.llm), str(inputs.vision), "v1", projector_type=kind)


def test_a_projector_that_llavas_code_has_not_is_not_written_in_its_form(inputs: Inputs) -> None:
    for kind in ("mlp2x_gelu", "linear"):
        _, config = describe(str(inputs.llm), str(inputs.vision), "v1", projector_type=kind)
        require_llava_form(config)
    config.projector_hidden_act = "silu"
    with pytest.raises(ModelError, match="--format llava: the projector has silu between its layers, expected gelu"):
        require_llava_form(config)
