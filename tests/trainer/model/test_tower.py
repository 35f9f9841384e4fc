"""Any vision tower: what one look at it says is what it does, and what cannot be right is refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mix665k.schemas.errors import ModelError
from mix665k.trainer.check import check
from mix665k.trainer.data.images import load_processor
from mix665k.trainer.data.pixels import Pixels
from mix665k.trainer.model.compose import PARTS, compose, describe
from mix665k.trainer.model.tower import load_tower, tower_of
from mix665k.trainer.model.trainable import make_trainable
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.launch import prepare
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.running import Inputs
from tests.trainer.towers import tower

TOKENS = {
    "clip56": 16,
    "clip56_full": 16,
    "clip224": 49,
    "clip336": 576,
    "siglip56": 16,
    "siglip56_full": 16,
    "siglip384": 729,
    "dinov2": 16,
    "dinov2_224": 256,
    "internvit": 16,
}
"""Every tower that can be used, by its tokens for a picture."""
WITHOUT_CLASS_TOKEN = {"siglip56", "siglip56_full", "siglip384"}
REFUSED = {
    "siglip2_naflex": "a siglip2_vision_model needs pixel_attention_mask, spatial_shapes, expected a tower that takes",
    "convnext": "a convnext gives maps, expected a tower that gives a token for each patch",
    "dinov2_registers": "a dinov2_with_registers gives 21 tokens for 16 patches, expected one for each, and a class",
}


def composed(inputs: Inputs, name: str) -> tuple[Any, Any]:
    """The processor and a random model of a tower."""
    from transformers import LlavaForConditionalGeneration

    processor, config = describe(str(inputs.llm), str(tower(name)), "v1")
    model: Any = LlavaForConditionalGeneration(config)
    return processor, model


@pytest.mark.parametrize("name", TOKENS)
def test_the_tokens_of_a_picture_are_the_features_that_the_model_gives(name: str, inputs: Inputs) -> None:
    processor, model = composed(inputs, name)
    given = processor(images=Image.new("RGB", (90, 60)), text="<image>", return_tensors="pt")
    with torch.no_grad():
        [features] = model.get_image_features(given["pixel_values"]).pooler_output
    placeholders = int((given["input_ids"] == model.config.image_token_index).sum())
    assert len(features) == placeholders == model.config.image_seq_length == TOKENS[name]
    assert tower_of(str(tower(name))).strategy == ("full" if name in WITHOUT_CLASS_TOKEN else "default")


@pytest.mark.parametrize("name", ["clip56", "clip56_full", "siglip56", "siglip56_full", "dinov2", "internvit"])
def test_exactly_what_is_unfrozen_of_a_tower_gets_a_gradient(name: str, inputs: Inputs) -> None:
    """DDP waits for the gradient of each weight that is unfrozen; a frozen one that could learn would be lost."""
    _, model = composed(inputs, name)
    ids = torch.tensor([[5, *[model.config.image_token_index] * TOKENS[name], 7, 8]])
    pixels = torch.rand(1, 3, 56, 56)

    def reached() -> set[str]:
        model(input_ids=ids, pixel_values=pixels, labels=ids).loss.backward()
        parts = [(name, value) for name, value in model.named_parameters() if name.startswith(PARTS["vision_tower"])]
        return {name for name, value in parts if value.grad is not None}

    possible = reached()
    model.zero_grad()
    make_trainable(model, load_stage("finetune", ["trains=[projector, vision_tower]", "zero=2", "bf16=false"]))
    unfrozen = {name for name, value in model.named_parameters() if value.requires_grad}
    assert {name for name in unfrozen if name.startswith(PARTS["vision_tower"])} == reached() == possible
    assert possible


@pytest.mark.parametrize(("name", "bare"), [("siglip56_full", "SiglipModel"), ("clip56_full", "CLIPModel")])
def test_of_a_checkpoint_with_a_text_model_the_tower_is_taken(
    name: str, bare: str, inputs: Inputs, tmp_path: Path
) -> None:
    import transformers

    compose(str(inputs.llm), str(tower(name)), tmp_path, projector=None, template="v1", seed=0)
    model: Any = transformers.LlavaForConditionalGeneration.from_pretrained(tmp_path)
    whole = getattr(transformers, bare).from_pretrained(tower(name))
    pixels = torch.rand(1, 3, 56, 56)
    with torch.no_grad():
        expected = whole.vision_model(pixels, output_hidden_states=True).hidden_states[-2]
        found = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2]
    assert torch.equal(found, expected)


def test_a_checkpoint_that_lacks_weights_of_its_tower_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tower("siglip56"), tmp_path / "half")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "encoder.layers.1." not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"half: its weights are not .*: 16 missing \(encoder\.layers\.1\.layer_norm1"):
        load_tower(str(folder), tower_of(str(folder)).config)


@pytest.mark.parametrize("layer", [4, -5, 0])
def test_a_layer_that_a_tower_does_not_have_is_refused(layer: int) -> None:
    with pytest.raises(ModelError, match=f"clip56: has no layer {layer}, expected 1 to 3, or -4 to -1 from the last"):
        tower_of(str(tower("clip56")), layer=layer)


@pytest.mark.parametrize("name", REFUSED)
def test_what_check_refuses_a_run_refuses_with_the_same_line(name: str, inputs: Inputs, tmp_path: Path) -> None:
    job = Job(
        stage=load_stage("pretrain"),
        mixture=str(inputs.mixture),
        images=str(inputs.images),
        llm=str(inputs.llm),
        vision=str(tower(name)),
        out=str(tmp_path),
        report_to="none",
    )
    lines = []
    for act in (lambda: check(job, ranks=1), lambda: prepare(job)):
        with pytest.raises(ModelError, match=REFUSED[name]) as caught:
            act()
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]


def test_a_tower_whose_image_processor_makes_other_pictures_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(tower("clip56"), tmp_path / "mixed")
    path = folder / "preprocessor_config.json"
    wider = json.loads(path.read_text()) | {"crop_size": {"height": 56, "width": 112}, "size": {"shortest_edge": 112}}
    path.write_text(json.dumps(wider))
    with pytest.raises(ModelError, match=r"takes \[1, 3, 56, 112\], expected one square picture"):
        tower_of(str(folder))


def test_a_tower_that_training_could_not_load_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training runs towers with sdpa, and transformers refuses that of the few that lack it."""
    from transformers import CLIPVisionModel

    monkeypatch.setattr(CLIPVisionModel, "_supports_sdpa", False)
    with pytest.raises(ModelError, match="clip56: a clip_vision_model has no sdpa attention in transformers"):
        tower_of(str(tower("clip56")))


@pytest.mark.parametrize("published", ["feature_extractor_type", "image_processor_type"])
def test_clips_first_name_of_its_image_processor_is_known(published: str, tmp_path: Path) -> None:
    """OpenAI's repositories hold it: they are older than image processors."""
    folder = shutil.copytree(tower("clip56"), tmp_path / "old")
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    del settings["image_processor_type"]
    path.write_text(json.dumps(settings | {published: "CLIPFeatureExtractor", "size": 56, "crop_size": 56}))
    assert tower_of(str(folder)).tokens_per_image == 16


@pytest.mark.parametrize("name", ["siglip56", "dinov2"])
def test_pictures_are_padded_with_the_towers_own_mean_colour(name: str) -> None:
    colours = {"siglip56": (127, 127, 127), "dinov2": (123, 116, 103)}
    pixels = Pixels(load_processor(str(tower(name))), speed="exact")
    wide = pixels.padded(Image.new("RGB", (80, 20)))
    assert pixels.mean_colour == colours[name]
    assert torch.equal(wide[:, 0], pixels.blank()[:, 0])


def test_all_of_a_padded_picture_is_kept_where_the_processor_would_cut_its_edges() -> None:
    """DINOv2's resizes to 256 and keeps 224: a frame of 6 % at each edge would be lost."""
    pixels = Pixels(load_processor(str(tower("dinov2"))), speed="exact")
    framed = Image.new("RGB", (64, 64), (255, 255, 255))
    framed.paste(Image.new("RGB", (60, 60)), (2, 2))
    assert pixels.padded(framed)[0, 0].min() > 1
    assert pixels.cropped(framed)[0, 0].max() < 0
