"""The names of weights in memory and in LLaVA's checkpoints."""

import pytest

from mix665k.trainer.model.layout import from_llava, is_computed, projector_name, to_llava, without_vision_model

PAIRS = [
    ("model.language_model.embed_tokens.weight", "model.embed_tokens.weight"),
    ("model.language_model.layers.31.mlp.up_proj.weight", "model.layers.31.mlp.up_proj.weight"),
    ("model.language_model.norm.weight", "model.norm.weight"),
    ("lm_head.weight", "lm_head.weight"),
    ("model.multi_modal_projector.linear_1.weight", "model.mm_projector.0.weight"),
    ("model.multi_modal_projector.linear_2.bias", "model.mm_projector.2.bias"),
    ("model.multi_modal_projector.linear_3.bias", "model.mm_projector.4.bias"),
    (
        "model.vision_tower.encoder.layers.3.mlp.fc1.bias",
        "model.vision_tower.vision_tower.vision_model.encoder.layers.3.mlp.fc1.bias",
    ),
    (
        "model.vision_tower.embeddings.class_embedding",
        "model.vision_tower.vision_tower.vision_model.embeddings.class_embedding",
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_weight_has_one_name_in_each_form(ours: str, theirs: str) -> None:
    assert (to_llava(ours), from_llava(theirs)) == (theirs, ours)


def test_the_level_that_only_some_releases_of_transformers_have_makes_no_difference() -> None:
    nested = "model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias"
    flat = "model.vision_tower.encoder.layers.0.mlp.fc1.bias"
    assert to_llava(nested) == to_llava(flat)
    assert without_vision_model(nested) == without_vision_model(flat) == flat


def test_a_name_of_another_model_is_not_taken_for_one_that_is_known() -> None:
    assert from_llava("model.image_newline") == "model.language_model.image_newline"
    assert from_llava("transformer.wte.weight") == "transformer.wte.weight"


@pytest.mark.parametrize(
    ("name", "computed"),
    [
        ("model.layers.0.self_attn.rotary_emb.inv_freq", True),
        ("model.vision_tower.vision_tower.vision_model.embeddings.position_ids", True),
        ("model.vision_tower.vision_tower.vision_model.embeddings.position_embedding.weight", False),
        ("model.layers.0.self_attn.q_proj.bias", False),
    ],
)
def test_buffers_that_old_checkpoints_hold_are_known(name: str, computed: bool) -> None:
    assert is_computed(name) is computed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("base_model.model.model.mm_projector.2.weight", "linear_2.weight"),
        ("multi_modal_projector.linear_1.bias", "linear_1.bias"),
        ("mm_projector.1.weight", "1.weight"),
    ],
)
def test_a_projectors_layers_are_found_behind_any_prefix(name: str, expected: str) -> None:
    assert projector_name(name) == expected
