"""The processor of an exported model gives what training gave, or there is no export."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoProcessor

from mix665k.schemas.errors import ModelError
from mix665k.schemas.template import TEMPLATES
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.pixels import Pixels
from mix665k.trainer.export import export
from mix665k.trainer.model.compose import describe
from mix665k.trainer.model.files import write_processor
from mix665k.trainer.model.probe import mask_fault, require_same_pixels, require_same_prompts
from mix665k.trainer.tiny import write_tiny
from tests.trainer.exporting import untrained_run
from tests.trainer.families import language_model
from tests.trainer.parts import processor


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny(folder, tokenizer="tiny")
    return folder


def _run(folder: Path, models: Path, *, stage: str = "finetune", llm: Path | None = None, sets: Any = ()) -> Path:
    return untrained_run(folder, llm=llm or models / "llm", vision=models / "vision", stage=stage, sets=sets)


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_prompts_of_every_shipped_template_are_those_of_training(tmp_path: Path, models: Path, template: str) -> None:
    made, config = describe(str(models / "llm"), str(models / "vision"), template)
    write_processor(made, tmp_path)
    kind: Any = AutoProcessor

    sizes = {"image_token_id": config.image_token_id, "tokens_per_image": config.image_seq_length}
    encoder = Encoder(load_tokenizer(str(tmp_path)), template, **sizes, max_tokens=2048)
    loaded = kind.from_pretrained(tmp_path)
    require_same_prompts(loaded, encoder, where="here")
    assert mask_fault(loaded, encoder) is None


@pytest.mark.parametrize(
    ("stage", "kind", "pads"), [("pretrain", "CLIPImageProcessor", None), ("finetune", "LlavaImageProcessor", True)]
)
def test_each_stage_exports_what_it_did_to_pictures(
    tmp_path: Path, models: Path, stage: str, kind: str, pads: bool | None
) -> None:
    export(_run(tmp_path / "run", models, stage=stage), tmp_path / "model")

    written = json.loads((tmp_path / "model/preprocessor_config.json").read_text())
    assert (written["image_processor_type"], written.get("do_pad")) == (kind, pads)
    assert json.loads((tmp_path / "model/tokenizer_config.json").read_text())["padding_side"] == "left"


@pytest.mark.parametrize(
    ("family", "ends"),
    [("gemma3", ["<eos>", "<end_of_turn>"]), ("phi3", ["<|endoftext|>", "<|assistant|>", "<|end|>"])],
)
def test_an_export_stops_at_the_end_of_its_turn_and_where_its_language_model_did(
    tmp_path: Path, models: Path, family: str, ends: list[str]
) -> None:
    export(_run(tmp_path / "run", models, llm=language_model(family), sets=("template=chat",)), tmp_path / "model")

    written = json.loads((tmp_path / "model/generation_config.json").read_text())["eos_token_id"]
    assert load_tokenizer(str(tmp_path / "model")).convert_ids_to_tokens(written) == ends


def test_the_learned_end_joins_those_of_a_language_model_that_lacks_it(tmp_path: Path, models: Path) -> None:
    run = _run(tmp_path / "run", models, llm=language_model("gemma"), sets=("template=chat",))
    export(run, tmp_path / "model")

    written = json.loads((tmp_path / "model/generation_config.json").read_text())["eos_token_id"]
    assert load_tokenizer(str(tmp_path / "model")).convert_ids_to_tokens(written) == ["<eos>", "<end_of_turn>"]


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("chat_template.jinja", "USER: ", "USER:", "its processor's prompt of 1 turn(s) without a picture is not that"),
        ("chat_template.jinja", "<image>\\n", "<image>", "its processor's prompt of 1 turn(s) with a picture is not"),
        ("processor_config.json", '"patch_size": 14', '"patch_size": 28', "its processor's prompt of 1 turn(s) with a"),
    ],
)
def test_a_processor_that_asks_otherwise_is_refused_and_leaves_nothing(
    tmp_path: Path, models: Path, *, file: str, old: str, new: str, why: str
) -> None:
    run = _run(tmp_path / "run", models)
    changed = (run / "start" / file).read_text().replace(old, new)
    assert changed != (run / "start" / file).read_text()
    (run / "start" / file).write_text(changed)

    with pytest.raises(ModelError) as refusal:
        export(run, tmp_path / "model")
    assert why in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{% generation %}{{- learned -}}{% endgeneration %}", "{{- learned -}}"),
        ("{{- whole[written.stop:start] -}}{% generation %}", "{% generation %}{{- whole[written.stop:start] -}}"),
    ],
)
def test_marks_that_are_not_the_labels_of_training_are_left_out_and_that_is_said(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], *, old: str, new: str
) -> None:
    run = _run(tmp_path / "run", models, llm=language_model("qwen25"), sets=("template=chat",))
    written = (run / "start/chat_template.jinja").read_text()
    assert old in written
    (run / "start/chat_template.jinja").write_text(written.replace(old, new))
    export(run, tmp_path / "model")

    assert "generation %}" not in (tmp_path / "model/chat_template.jinja").read_text()
    assert "its chat template has no {% generation %}: its processor's mask of 1 turn(s) " in capsys.readouterr().err


def test_an_export_and_its_card_say_that_the_processor_puts_nothing_on_the_background(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(_run(tmp_path / "run", models, sets=("background=[0, 0, 0]",)), tmp_path / "model")

    line = "processor drops transparency, which training put on the colour (0, 0, 0): put such pictures on it yourself"
    assert line in capsys.readouterr().err
    assert line in (tmp_path / "model/README.md").read_text()
    export(_run(tmp_path / "other", models), tmp_path / "plain")
    assert "transparency" not in capsys.readouterr().err + (tmp_path / "plain/README.md").read_text()


def test_what_an_export_that_was_killed_left_is_replaced(tmp_path: Path, models: Path) -> None:
    (tmp_path / ".model.part").mkdir()
    (tmp_path / ".model.part/model.safetensors").write_bytes(b"half")
    export(_run(tmp_path / "run", models), tmp_path / "model")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "run"]
    shutil.rmtree(tmp_path / "model")


def test_an_image_processor_that_crops_what_was_padded_is_refused() -> None:
    own = processor()
    with pytest.raises(ModelError, match=r"its processor's pixels of a RGB picture of 90 x 60 px differ .* by up"):
        require_same_pixels(own, Pixels(own, speed="exact").padded, where="here")
