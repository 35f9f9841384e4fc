"""The layer that features are taken from: the stage's, or that of what a run starts from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mix665k.schemas.errors import ModelError, StageError
from mix665k.trainer.model.compose import PARTS
from mix665k.trainer.run.checkpoint import Complete, mark_complete
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.start_from import StartFrom, of_parts
from mix665k.trainer.run.start_model import describe_start, make_start
from mix665k.trainer.run.weights import WEIGHTS
from tests.trainer.running import Inputs


def job(inputs: Inputs, out: Path, *sets: str, start: StartFrom | None = None, stage: str = "finetune") -> Job:
    chosen = load_stage(stage, ["bf16=false", "zero=0", "template=v1", *sets])
    start = start or of_parts(str(inputs.llm), str(inputs.vision))
    return Job(stage=chosen, mixture=str(inputs.mixture), images=str(inputs.images), out=str(out), **start._asdict())


def aligned(inputs: Inputs, out: Path, *sets: str) -> Path:
    """A run of stage 1 with one checkpoint."""
    from transformers import LlavaForConditionalGeneration

    made = job(inputs, out, *sets, stage="pretrain")
    make_start(made)
    model = LlavaForConditionalGeneration.from_pretrained(made.start)
    checkpoint = out / "checkpoint-1"
    checkpoint.mkdir()
    save_file(model.state_dict(), checkpoint / WEIGHTS)
    mark_complete(checkpoint, Complete(step=1, ranks=1, mixture="a" * 64, stage="pretrain"))
    write_job(made)
    return out


@pytest.mark.parametrize(("sets", "layer"), [((), -2), (("vision_layer=-1",), -1), (("vision_layer=1",), 1)])
def test_features_are_taken_from_the_stages_layer(
    sets: tuple[str, ...], layer: int, inputs: Inputs, tmp_path: Path
) -> None:
    from transformers import LlavaForConditionalGeneration

    asked = job(inputs, tmp_path, *sets)
    make_start(asked)
    model = LlavaForConditionalGeneration.from_pretrained(asked.start)
    assert describe_start(asked)[1].vision_feature_layer == model.config.vision_feature_layer == layer
    pixels = torch.rand(1, 3, 56, 56)
    with torch.no_grad():
        states = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
        expected = model.model.multi_modal_projector(states[layer][:, 1:])
        [found] = model.get_image_features(pixels).pooler_output
    assert torch.equal(found, expected[0])


def test_a_layer_that_the_tower_does_not_have_is_refused_before_anything_is_written(
    inputs: Inputs, tmp_path: Path
) -> None:
    asked = job(inputs, tmp_path, "vision_layer=9")
    for act in (describe_start, make_start):
        with pytest.raises(ModelError, match="has no layer 9, expected 1 to 3, or -4 to -1"):
            act(asked)
    assert not asked.start.exists()


def test_stage_2_takes_the_layer_that_stage_1s_projector_learned_from(inputs: Inputs, tmp_path: Path) -> None:
    run = aligned(inputs, tmp_path / "one", "vision_layer=-1")
    start = StartFrom(llm=str(inputs.llm), vision=str(inputs.vision), projector=str(run))
    assert describe_start(job(inputs, tmp_path / "two", start=start))[1].vision_feature_layer == -1
    said = describe_start(job(inputs, tmp_path / "two", "vision_layer=-3", start=start))[1]
    assert said.vision_feature_layer == -3


def test_a_model_keeps_its_layer(inputs: Inputs, tmp_path: Path) -> None:
    make_start(job(inputs, tmp_path / "one", "vision_layer=-1"))
    start = StartFrom(llm="", vision="", model=str(tmp_path / "one/start"))
    for sets in ((), ("vision_layer=-1",)):
        assert describe_start(job(inputs, tmp_path / "two", *sets, start=start))[1].vision_feature_layer == -1
    with pytest.raises(StageError, match=r"vision_layer -2: .*start learned from the output of layer -1; leave it out"):
        describe_start(job(inputs, tmp_path / "two", "vision_layer=-2", start=start))


def test_another_layer_is_another_start(inputs: Inputs, tmp_path: Path) -> None:
    from mix665k.schemas.errors import TrainingError

    run = aligned(inputs, tmp_path / "one")
    with pytest.raises(TrainingError, match="vision_layer changed from -2 to -1; use the original value or a new"):
        make_start(job(inputs, run, "vision_layer=-1", stage="pretrain"))


def test_later_layers_of_a_training_tower_stay_as_they_are(inputs: Inputs, tmp_path: Path) -> None:
    from mix665k.trainer.model.trainable import load_model

    asked = job(inputs, tmp_path, "vision_layer=1", "trains=[projector, vision_tower]", "max_tokens=64")
    make_start(asked)
    model = load_model(asked.start, asked.stage)
    learning = [name for name, value in model.named_parameters() if value.requires_grad]
    layers = {name.split("layers.")[1][0] for name in learning if name.startswith(PARTS["vision_tower"] + "encoder")}
    assert layers == {"0"}
