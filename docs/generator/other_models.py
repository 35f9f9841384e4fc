"""The tables of the page on other models: what they cost, estimated from their shapes as `train check` does it."""

from functools import partial
from typing import Any, NamedTuple

import msgspec

from docs.generator.memory import seven_billion
from docs.generator.recordings import RECORDED
from docs.generator.tables import table
from mix665k.trainer.run.stage_files import load_stage

RECORDED_MODELS = RECORDED / "models.json"
"""What tests found of every language model under every vision tower; `tests/trainer/cells.py` writes it."""
WORKS = "works"


class RecordedModel(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A tiny random language model of a configuration class, and what became of it under each vision tower."""

    config: str
    towers: dict[str, str]
    """`works`, or the stage that refuses it and its line."""


_MODELS = {
    "vicuna": "Vicuna, Llama 2",
    "llama3": "Llama 3.1",
    "llama32": "Llama 3.2, tied head",
    "mistral": "Mistral, with a window",
    "qwen2_window": "Qwen2, with a window",
    "qwen25": "Qwen2.5",
    "qwen3": "Qwen3",
    "phi3": "Phi-3-mini",
    "phi4mini": "Phi-4-mini",
    "gemma": "Gemma 1",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3, text",
    "gemma3_multimodal": "Gemma 3, multimodal",
    "smollm2": "SmolLM2",
    "olmo2": "OLMo 2",
    "smollm3": "SmolLM3",
    "olmo3": "OLMo 3",
    "mixtral": "Mixtral",
    "qwen2moe": "Qwen2-MoE",
    "qwen3moe": "Qwen3-MoE",
    "gptoss": "gpt-oss",
    "cohere": "Cohere",
    "granite": "Granite",
    "gptneox": "GPT-NeoX",
    "gptneox_templated": "GPT-NeoX, template of your own",
    "mpt": "MPT",
    "opt": "OPT",
    "phi2": "Phi-2",
}
_TOWERS = {
    "clip56": "CLIP",
    "siglip56": "SigLIP",
    "dinov2": "DINOv2",
    "internvit": "InternViT",
    "siglip2_naflex": "SigLIP2 NaFlex",
    "dinov2_registers": "DINOv2 with registers",
    "convnext": "ConvNeXt",
}


class Shape(NamedTuple):
    """A published language model: its configuration class and its sizes."""

    kind: str
    hidden: int
    feed_forward: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    others: dict[str, Any]


_TIED = {"tie_word_embeddings": True}
SHAPES = {
    "Vicuna 7B v1.5": Shape("Llama", 4096, 11_008, 32, 32, 32, 32_000, {}),
    "Llama 3.1 8B": Shape("Llama", 4096, 14_336, 32, 32, 8, 128_256, {}),
    "Llama 3.2 3B": Shape("Llama", 3072, 8192, 28, 24, 8, 128_256, {"head_dim": 128} | _TIED),
    "Mistral 7B v0.3": Shape("Mistral", 4096, 14_336, 32, 32, 8, 32_768, {}),
    "Qwen2.5 7B": Shape("Qwen2", 3584, 18_944, 28, 28, 4, 152_064, {}),
    "Qwen3 8B": Shape("Qwen3", 4096, 12_288, 36, 32, 8, 151_936, {"head_dim": 128}),
    "Gemma 3 4B": Shape("Gemma3Text", 2560, 10_240, 34, 8, 4, 262_208, {"head_dim": 256} | _TIED),
    "Phi-3-mini": Shape("Phi3", 3072, 8192, 32, 32, 32, 32_064, {}),
    "Phi-4-mini": Shape("Phi3", 3072, 8192, 32, 24, 8, 200_064, _TIED),
    "SmolLM2 1.7B": Shape("Llama", 2048, 8192, 24, 32, 32, 49_152, _TIED),
    "OLMo 2 7B": Shape("Olmo2", 4096, 11_008, 32, 32, 32, 100_352, {}),
    "SmolLM3 3B": Shape("SmolLM3", 2048, 11_008, 36, 16, 4, 128_256, _TIED),
    "OLMo 3 7B": Shape("Olmo3", 4096, 11_008, 32, 32, 32, 100_278, {}),
    "Mixtral 8x7B": Shape("Mixtral", 4096, 14_336, 32, 32, 8, 32_000, {}),
}
"""Sizes as their published configurations give them."""
FULL = ("per_device_batch=4",)
LORA = ("zero=0", "lora.r=128", "per_device_batch=1")


def matrix() -> str:
    """Each language model under each vision tower: whether it trains, or the number of why not in a list."""
    found = msgspec.json.decode(RECORDED_MODELS.read_bytes(), type=dict[str, RecordedModel])
    reasons: dict[str, int] = {}

    def shown(line: str) -> str:
        return WORKS if line == WORKS else f"no ({reasons.setdefault(_reason(line), len(reasons) + 1)})"

    rows = [
        [_MODELS[name], f"`{one.config}`", *(shown(one.towers[vision]) for vision in _TOWERS)]
        for name, one in found.items()
    ]
    listed = "\n".join(f"{number}. {reason}" for reason, number in reasons.items())
    return f"{table(['language model', 'class', *_TOWERS.values()], rows)}\n\n{listed}"


def _reason(line: str) -> str:
    """The reason of a refusal, without the model's name and without what to do."""
    stage, said = line.split(": ", 1)
    why = said.partition("cannot be the language model of a LLaVA: ")[2].partition("; expected")[0]
    if why:
        return why
    if stage == "finetune":
        return f"in stage 2: {said.partition(', not one special token')[0]}, not one special token to stop at"
    return said.partition(": ")[2]


def other_models_table() -> str:
    """Parameters and gigabytes on a rank of LLaVA with each language model and CLIP ViT-L/14 at 336 pixels."""
    rows = []
    for name, shape in SHAPES.items():
        parameters, full = _cost(shape, FULL, ranks=8)
        _, lora = _cost(shape, LORA, ranks=1)
        rows.append([name, f"{parameters / 1e9:.1f} billion", f"{full:,.0f}", f"{lora:,.0f}"])
    what = ["GB on each of eight ranks, stage 2", "GB on one, stage 2 with LoRA"]
    return table(["language model", "parameters", *what], rows)


def _cost(shape: Shape, overrides: tuple[str, ...], *, ranks: int) -> tuple[int, float]:
    """Parameters of the language model, adapters too, and gigabytes of a rank; full rows, half of them learned."""
    from mix665k.trainer.model.cost import count_parameters, estimate
    from mix665k.trainer.model.trainable import outline

    stage = load_stage("finetune", overrides)
    tokens = stage.per_device_batch * stage.max_tokens
    model = outline(llava(shape), stage)
    found = estimate(model, stage, ranks=ranks, tokens=tokens, labels=tokens // 2)
    return count_parameters(model)["language_model"], found.total / 1e9


def llava(shape: Shape) -> Any:
    """The configuration of a LLaVA with this language model."""
    import transformers

    kind = partial(getattr(transformers, f"{shape.kind}Config"), pad_token_id=None)
    text = kind(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        **shape.others,
    )
    vision = seven_billion().vision_config
    return transformers.LlavaConfig(
        vision_config=vision, text_config=text, tie_word_embeddings=text.tie_word_embeddings
    )
