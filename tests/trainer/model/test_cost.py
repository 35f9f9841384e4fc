"""Memory and operations, known without a GPU."""

from typing import Any

import pytest
import torch

from docs.generator.memory import seven_billion
from mix665k.schemas.stage import Stage
from mix665k.trainer.model.cost import Memory, count_flops, count_parameters, estimate
from mix665k.trainer.model.trainable import freeze, outline
from mix665k.trainer.run.stage_files import load_stage

PROJECTOR = (32 + 1) * 32 + (32 + 1) * 32
HEAD = 100 * 32
LAYER = 32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 64 + 2 * 32
"""q and o, k and v of half as many heads, gate, up and down, two norms."""
LANGUAGE_MODEL = 100 * 32 + 2 * LAYER + 32 + HEAD


@pytest.fixture(scope="module")
def config() -> Any:
    """A LLaVA whose parameters can be counted by hand."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    sizes: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=56, patch_size=14, **sizes),
        text_config=LlamaConfig(vocab_size=100, num_key_value_heads=2, **sizes),
    )


def stage(*sets: str) -> Stage:
    return load_stage("finetune", ["bf16=false", "gradient_checkpointing=false", "zero=0", *sets])


def cost(config: Any, chosen: Stage, *, ranks: int, tokens: int, labels: int) -> Memory:
    return estimate(outline(config, chosen), chosen, ranks=ranks, tokens=tokens, labels=labels)


def test_llava_7b_has_the_parameters_of_its_parts() -> None:
    """Of Vicuna 7B (6,738,415,616), a `mlp2x_gelu` from 1024 to 4096, and CLIP ViT-L/14 at 336 pixels."""
    assert count_parameters(outline(seven_billion(), stage())) == {
        "language_model": 6_738_415_616,
        "projector": 1024 * 4096 + 4096 + 4096 * 4096 + 4096,
        "vision_tower": 303_507_456,
    }


def test_parameters_are_counted_by_part(config: Any) -> None:
    counts = count_parameters(outline(config, stage()))
    assert counts["projector"] == PROJECTOR
    assert counts["language_model"] == LANGUAGE_MODEL


def test_a_plain_rank_keeps_all_states_and_all_activations(config: Any) -> None:
    found = cost(config, stage(), ranks=4, tokens=10, labels=3)
    counts = count_parameters(outline(config, stage()))
    trained = PROJECTOR + LANGUAGE_MODEL
    assert found == Memory(
        weights=4 * sum(counts.values()),
        gradients=4 * trained,
        optimizer=12 * trained,
        activations=10 * 2 * 34 * 2 * 32 + 3 * 100 * 8,
    )
    assert found.total == sum(found)


@pytest.mark.parametrize(("zero", "shards"), [(0, (1, 1, 1)), (2, (1, 4, 4)), (3, (4, 4, 4))])
def test_zero_partitions_what_its_stage_says(config: Any, zero: int, shards: tuple[int, int, int]) -> None:
    alone = cost(config, stage(f"zero={zero}"), ranks=1, tokens=10, labels=3)
    shared = cost(config, stage(f"zero={zero}"), ranks=4, tokens=10, labels=3)
    assert tuple(one / other for one, other in zip(alone[:3], shared[:3], strict=True)) == shards
    assert shared.activations == alone.activations


def test_half_precision_halves_all_but_optimizer_and_logits(config: Any) -> None:
    full, half = (cost(config, stage(f"bf16={value}"), ranks=1, tokens=10, labels=0) for value in ("false", "true"))
    assert [one / other for one, other in zip(full, half, strict=True)] == [2, 2, 1, 2]


def test_only_what_learns_has_gradients(config: Any) -> None:
    found = cost(config, stage("trains=[projector]"), ranks=1, tokens=1, labels=1)
    assert (found.gradients, found.optimizer) == (4 * PROJECTOR, 12 * PROJECTOR)
    assert found.weights == 4 * sum(count_parameters(outline(config, stage())).values())


def test_recomputed_layers_keep_their_input_and_one_layer_at_a_time(config: Any) -> None:
    found = cost(config, stage("gradient_checkpointing=true"), ranks=1, tokens=10, labels=0)
    assert found.activations == 10 * (2 * 4 * 32 + 34 * 2 * 32)


PRODUCTS = 32 + 16 + 16 + 32 + 64 + 64 + 32
"""Outputs of a layer's q, k, v, o, gate, up and down."""


@pytest.mark.parametrize(("lora", "products"), [((), PRODUCTS), (("lora.r=4",), 2 * PRODUCTS + 7 * 4)])
def test_selective_keeps_products_and_attention_too(config: Any, lora: tuple[str, ...], products: int) -> None:
    found = cost(config, stage("gradient_checkpointing=selective", *lora), ranks=1, tokens=10, labels=0)
    assert found.activations == 10 * (2 * 4 * (32 + 32 + products) + 34 * 2 * 32)


def test_adapters_are_counted_layer_by_layer(config: Any) -> None:
    adapters = 2 * 4 * sum(a + b for a, b in [(32, 32), (32, 16), (32, 16), (32, 32), (32, 64), (32, 64), (64, 32)])
    chosen = stage("lora.r=4")
    model = outline(config, chosen)
    assert count_parameters(model, trained=True) == {
        "projector": PROJECTOR,
        "language_model": adapters,
        "vision_tower": 0,
    }
    assert count_parameters(model)["language_model"] == LANGUAGE_MODEL + adapters
    assert cost(config, chosen, ranks=1, tokens=1, labels=1).gradients == 4 * (PROJECTOR + adapters)


@pytest.mark.parametrize(
    ("trains", "per_projector", "per_language_model"),
    [("[projector]", 6, 4), ("[projector, language_model]", 6, 6)],
)
def test_what_is_frozen_takes_no_operations_for_its_own_gradient(
    config: Any, trains: str, per_projector: int, per_language_model: int
) -> None:
    from transformers import LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    freeze(model, stage(f"trains={trains}"))
    found = count_flops(model)
    assert found.token == per_projector * PROJECTOR + per_language_model * (2 * LAYER + 32)
    assert found.label == per_language_model * HEAD


def of(text: Any) -> Any:
    """The outline of a LLaVA with another language model."""
    from transformers import CLIPVisionConfig, LlavaConfig

    sizes: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision = CLIPVisionConfig(image_size=56, patch_size=14, **sizes)
    tied = text.tie_word_embeddings
    return outline(LlavaConfig(vision_config=vision, text_config=text, tie_word_embeddings=tied), stage())


def test_a_head_that_is_the_embedding_is_a_head_too() -> None:
    from transformers import LlamaConfig

    sizes: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    own = LlamaConfig(vocab_size=100, num_key_value_heads=2, **sizes)
    tied = LlamaConfig(vocab_size=100, num_key_value_heads=2, tie_word_embeddings=True, **sizes)
    assert count_flops(of(tied)) == count_flops(of(own))
    assert count_parameters(of(tied))["language_model"] == LANGUAGE_MODEL - HEAD


def test_a_token_passes_two_experts_of_eight() -> None:
    from transformers import MixtralConfig

    sizes: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    experts: Any = {"num_local_experts": 8, "num_experts_per_tok": 2}
    text = MixtralConfig(vocab_size=100, num_key_value_heads=2, **experts, **sizes)
    router = 8 * 32
    layer = LAYER - 3 * 32 * 64 + 2 * 3 * 32 * 64 + router
    assert count_flops(of(text)).token == 6 * (PROJECTOR + 2 * layer + 32)
