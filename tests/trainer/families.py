"""Tiny random language models in the exact configuration classes of today's families.

`language_model("gemma2")` writes one once and gives its folder: weights, tokenizer, chat template, generation_config.
Widths are tiny; what makes a family special (windows, softcaps, sinks, multipliers, end tokens, tied heads, a padded
vocabulary) is there in kind, exaggerated where real values would need long rows to show. Towers are in
`tests/trainer/towers.py`.
"""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.trainer.tokenizers import byte_level, sentencepiece_like

TEMPLATES = Path(__file__).with_name("chat_templates")
WINDOW = 24
"""Small, so that a conversation of a few dozen tokens is longer."""
HIDDEN = 64
_PLAIN = {
    "hidden_size": HIDDEN,
    "intermediate_size": 2 * HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 4096,
}
_GROUPED = _PLAIN | {"num_key_value_heads": 2}
_WIDE = _GROUPED | {"head_dim": 32}
_TIED = {"tie_word_embeddings": True}
_LLAMA3_SCALING = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_PARTIAL_ROTARY = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "partial_rotary_factor": 0.75,
    "original_max_position_embeddings": 4096,
    "long_factor": [1.0] * 6,
    "short_factor": [1.0] * 6,
}


class LanguageModel(NamedTuple):
    """What makes a family: its configuration and its tokenizer."""

    config: str
    """The name of its configuration class in transformers."""
    settings: dict[str, Any]
    tokenizer: Callable[[], Any]
    tokenizer_class: str
    special: dict[str, Any]
    """The special tokens in `tokenizer_config.json`."""
    end: str
    """The token that ends an answer in its chat template; its own eos where it has none."""
    stops: tuple[str, ...]
    """The eos list of its generation_config."""
    template: str | None = None
    """The file in `chat_templates/`."""
    config_eos: tuple[str, ...] = ()
    """What `config.json` calls eos, where that is not the tokenizer's."""
    multiple: int | None = None
    """The vocabulary is padded to one more than a multiple of it; none: as long as the tokenizer."""
    sampling: dict[str, Any] = {}  # noqa: RUF012, read only
    """Other settings of its generation_config."""


_SENTENCEPIECE = ("<unk>", "<s>", "</s>")
_MISTRAL = partial(sentencepiece_like, *_SENTENCEPIECE, more=("[INST]", "[/INST]"))
_PHI3_MARKS = ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
_HEADER_MARKS = ("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>")
_LLAMA3_MARKS = ("<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", *_HEADER_MARKS)
_LLAMA3 = partial(byte_level, *_LLAMA3_MARKS, bos="<|begin_of_text|>")
_IM_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_QWEN = partial(byte_level, *_IM_MARKS, nfc=True)
_THINKING = partial(byte_level, *_IM_MARKS, "<think>", "</think>", nfc=True)
_GEMMA_MARKS = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
_GEMMA = partial(
    sentencepiece_like, "<pad>", "<eos>", "<bos>", "<unk>", "<mask>", more=_GEMMA_MARKS, bos="<bos>", gemma=True
)
_TURN_MARKS = (
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<|SYSTEM_TOKEN|>",
)
_COHERE = partial(byte_level, "<PAD>", "<BOS_TOKEN>", "<EOS_TOKEN>", *_TURN_MARKS, bos="<BOS_TOKEN>", by_words=False)
_GPTOSS_MARKS = ("<|return|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>")

_LLAMA_SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
_LLAMA3_SPECIAL = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
_LLAMA3_STOPS = ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")
_QWEN_SPECIAL = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None, "unk_token": None}
_QWEN_STOPS = ("<|im_end|>", "<|endoftext|>")
_QWEN_SAMPLING = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05}
_GEMMA_SPECIAL: dict[str, Any] = {
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}
_GEMMA_SPECIAL |= {"add_bos_token": True}
_ONE_MARK = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
_GEMMA3_SETTINGS = _WIDE | {
    "query_pre_attn_scalar": 64,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"],
}

FAMILIES = {
    "vicuna": LanguageModel(
        config="LlamaConfig",
        settings=_PLAIN,
        tokenizer=partial(sentencepiece_like, *_SENTENCEPIECE),
        tokenizer_class="LlamaTokenizer",
        special=_LLAMA_SPECIAL,
        end="</s>",
        stops=("</s>",),
    ),
    "llama3": LanguageModel(
        config="LlamaConfig",
        settings=_GROUPED | {"rope_parameters": _LLAMA3_SCALING},
        tokenizer=_LLAMA3,
        tokenizer_class="PreTrainedTokenizerFast",
        special=_LLAMA3_SPECIAL,
        template="llama3.jinja",
        end="<|eot_id|>",
        stops=_LLAMA3_STOPS,
        config_eos=_LLAMA3_STOPS,
        sampling={"do_sample": True, "temperature": 0.6, "top_p": 0.9},
    ),
    "llama32": LanguageModel(
        config="LlamaConfig",
        settings=_WIDE | _TIED,
        tokenizer=_LLAMA3,
        tokenizer_class="PreTrainedTokenizerFast",
        special=_LLAMA3_SPECIAL,
        template="llama3.jinja",
        end="<|eot_id|>",
        stops=_LLAMA3_STOPS,
        config_eos=_LLAMA3_STOPS,
    ),
    "mistral": LanguageModel(
        config="MistralConfig",
        settings=_GROUPED | {"sliding_window": WINDOW},
        tokenizer=_MISTRAL,
        tokenizer_class="LlamaTokenizer",
        special=_LLAMA_SPECIAL,
        template="mistral.jinja",
        end="</s>",
        stops=("</s>",),
    ),
    "qwen2_window": LanguageModel(  # the first layer sees all, the others a window
        config="Qwen2Config",
        settings=_GROUPED | {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
        tokenizer=_QWEN,
        tokenizer_class="Qwen2Tokenizer",
        special=_QWEN_SPECIAL,
        template="qwen25.jinja",
        end="<|im_end|>",
        stops=_QWEN_STOPS,
    ),
    "qwen25": LanguageModel(
        config="Qwen2Config",
        settings=_GROUPED | _TIED | {"use_sliding_window": False},
        tokenizer=_QWEN,
        tokenizer_class="Qwen2Tokenizer",
        special=_QWEN_SPECIAL,
        template="qwen25.jinja",
        end="<|im_end|>",
        stops=_QWEN_STOPS,
        multiple=128,
        sampling=_QWEN_SAMPLING,
    ),
    "qwen3": LanguageModel(
        config="Qwen3Config",
        settings=_WIDE | _TIED,
        tokenizer=_THINKING,
        tokenizer_class="Qwen2Tokenizer",
        special=_QWEN_SPECIAL,
        template="qwen3.jinja",
        end="<|im_end|>",
        stops=_QWEN_STOPS,
        multiple=128,
        sampling={"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20},
    ),
    "phi3": LanguageModel(
        config="Phi3Config",
        settings=_PLAIN | {"sliding_window": WINDOW},
        tokenizer=partial(sentencepiece_like, *_SENTENCEPIECE, more=_PHI3_MARKS),
        tokenizer_class="LlamaTokenizer",
        special=_LLAMA_SPECIAL | {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "add_bos_token": False},
        template="phi3.jinja",
        end="<|end|>",
        stops=("<|endoftext|>", "<|assistant|>", "<|end|>"),
        multiple=64,
    ),
    "phi4mini": LanguageModel(
        config="Phi3Config",
        settings=_GROUPED | _TIED | {"sliding_window": None, "rope_parameters": _PARTIAL_ROTARY},
        tokenizer=partial(byte_level, *_PHI3_MARKS),
        tokenizer_class="GPT2Tokenizer",
        special=_ONE_MARK | {"pad_token": "<|endoftext|>"},
        template="phi4mini.jinja",
        end="<|end|>",
        stops=("<|end|>", "<|endoftext|>"),
    ),
    "gemma": LanguageModel(
        config="GemmaConfig",
        settings=_WIDE,
        tokenizer=_GEMMA,
        tokenizer_class="GemmaTokenizer",
        special=_GEMMA_SPECIAL,
        template="gemma.jinja",
        end="<end_of_turn>",
        stops=("<eos>",),
    ),
    "gemma2": LanguageModel(
        config="Gemma2Config",
        settings=_WIDE
        | {"query_pre_attn_scalar": 64, "sliding_window": WINDOW}
        | {"attn_logit_softcapping": 0.5, "final_logit_softcapping": 0.8},
        tokenizer=_GEMMA,
        tokenizer_class="GemmaTokenizer",
        special=_GEMMA_SPECIAL,
        template="gemma.jinja",
        end="<end_of_turn>",
        stops=("<eos>", "<end_of_turn>"),
    ),
    "gemma3": LanguageModel(
        config="Gemma3TextConfig",
        settings=_GEMMA3_SETTINGS,
        tokenizer=_GEMMA,
        tokenizer_class="GemmaTokenizer",
        special=_GEMMA_SPECIAL,
        template="gemma3.jinja",
        end="<end_of_turn>",
        stops=("<eos>", "<end_of_turn>"),
        sampling={"do_sample": True, "top_k": 64, "top_p": 0.95},
    ),
    "gemma3_multimodal": LanguageModel(  # a language model and a tower, as most checkpoints of 2026 are
        config="Gemma3Config",
        settings=_GEMMA3_SETTINGS,
        tokenizer=_GEMMA,
        tokenizer_class="GemmaTokenizer",
        special=_GEMMA_SPECIAL,
        template="gemma3.jinja",
        end="<end_of_turn>",
        stops=("<eos>", "<end_of_turn>"),
    ),
    "smollm2": LanguageModel(
        config="LlamaConfig",
        settings=_GROUPED | _TIED,
        tokenizer=partial(byte_level, *_IM_MARKS, by_words=False),
        tokenizer_class="GPT2Tokenizer",
        special={"bos_token": "<|im_start|>", "unk_token": "<|endoftext|>"}
        | {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
        template="smollm2.jinja",
        end="<|im_end|>",
        stops=("<|im_end|>",),
    ),
    "olmo2": LanguageModel(
        config="Olmo2Config",
        settings=_GROUPED,
        tokenizer=partial(byte_level, "<|endoftext|>", "<|pad|>"),
        tokenizer_class="GPT2Tokenizer",
        special=_ONE_MARK | {"pad_token": "<|pad|>"},
        template="olmo2.jinja",
        end="<|endoftext|>",
        stops=("<|endoftext|>",),
    ),
    "smollm3": LanguageModel(  # one layer of two has no rotary positions
        config="SmolLM3Config",
        settings=_GROUPED | _TIED | {"no_rope_layers": [1, 0], "use_sliding_window": False},
        tokenizer=partial(byte_level, "<|begin_of_text|>", *_IM_MARKS, "<think>", "</think>"),
        tokenizer_class="PreTrainedTokenizerFast",
        special={"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
        template="smollm3.jinja",
        end="<|im_end|>",
        stops=("<|im_end|>",),
    ),
    "olmo3": LanguageModel(
        config="Olmo3Config",
        settings=_GROUPED | {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
        tokenizer=partial(byte_level, *_IM_MARKS, "<|pad|>"),
        tokenizer_class="GPT2Tokenizer",
        special=_ONE_MARK | {"eos_token": "<|im_end|>", "pad_token": "<|pad|>"},
        template="smollm2.jinja",
        end="<|im_end|>",
        stops=("<|im_end|>", "<|endoftext|>"),
    ),
    "mixtral": LanguageModel(
        config="MixtralConfig",
        settings=_GROUPED
        | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None}
        | {"router_aux_loss_coef": 0.02, "output_router_logits": True},
        tokenizer=_MISTRAL,
        tokenizer_class="LlamaTokenizer",
        special=_LLAMA_SPECIAL,
        template="mistral.jinja",
        end="</s>",
        stops=("</s>",),
    ),
    "qwen2moe": LanguageModel(  # experts, and one that all tokens share
        config="Qwen2MoeConfig",
        settings=_GROUPED
        | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
        | {"shared_expert_intermediate_size": 96, "use_sliding_window": False},
        tokenizer=_QWEN,
        tokenizer_class="Qwen2Tokenizer",
        special=_QWEN_SPECIAL,
        template="qwen25.jinja",
        end="<|im_end|>",
        stops=_QWEN_STOPS,
        multiple=128,
    ),
    "qwen3moe": LanguageModel(
        config="Qwen3MoeConfig",
        settings=_WIDE | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64},
        tokenizer=_THINKING,
        tokenizer_class="Qwen2Tokenizer",
        special=_QWEN_SPECIAL,
        template="qwen3.jinja",
        end="<|im_end|>",
        stops=_QWEN_STOPS,
        multiple=128,
    ),
    "gptoss": LanguageModel(  # its layers alternate between a window and all
        config="GptOssConfig",
        settings=_WIDE
        | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": WINDOW}
        | {"rope_parameters": {"rope_type": "default", "rope_theta": 150000.0}},
        tokenizer=partial(byte_level, "<|startoftext|>", "<|endoftext|>", *_GPTOSS_MARKS),
        tokenizer_class="PreTrainedTokenizerFast",
        special={"bos_token": "<|startoftext|>", "eos_token": "<|return|>", "pad_token": "<|endoftext|>"},
        template="gptoss.jinja",
        end="<|return|>",
        stops=("<|return|>", "<|endoftext|>"),
    ),
    "cohere": LanguageModel(
        config="CohereConfig",
        settings=_GROUPED | {"logit_scale": 0.0625},
        tokenizer=_COHERE,
        tokenizer_class="PreTrainedTokenizerFast",
        special={"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>", "pad_token": "<PAD>"},
        template="cohere.jinja",
        end="<|END_OF_TURN_TOKEN|>",
        stops=("<|END_OF_TURN_TOKEN|>",),
    ),
    "granite": LanguageModel(
        config="GraniteConfig",
        settings=_GROUPED
        | _TIED
        | {"embedding_multiplier": 12.0, "logits_scaling": 8.0}
        | {"residual_multiplier": 0.22, "attention_multiplier": 0.0625},
        tokenizer=partial(byte_level, "<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", by_words=False),
        tokenizer_class="GPT2Tokenizer",
        special=dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), "<|end_of_text|>"),
        template="granite.jinja",
        end="<|end_of_text|>",
        stops=("<|end_of_text|>",),
    ),
    "gptneox": LanguageModel(
        config="GPTNeoXConfig",
        settings=_PLAIN | {"rotary_pct": 0.25, "use_parallel_residual": True},
        tokenizer=partial(byte_level, "<|endoftext|>", "<|padding|>", by_words=False),
        tokenizer_class="GPTNeoXTokenizer",
        special=_ONE_MARK,
        end="<|endoftext|>",
        stops=("<|endoftext|>",),
    ),
    "mpt": LanguageModel(
        config="MptConfig",
        settings={"d_model": HIDDEN, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": 4096},
        tokenizer=partial(byte_level, *_IM_MARKS, "<|padding|>", by_words=False),
        tokenizer_class="GPTNeoXTokenizer",
        special=_ONE_MARK,
        end="<|im_end|>",
        stops=("<|im_end|>",),
    ),
    "opt": LanguageModel(  # learned positions; one token begins and ends texts
        config="OPTConfig",
        settings={"hidden_size": HIDDEN, "word_embed_proj_dim": HIDDEN, "ffn_dim": 2 * HIDDEN, "num_hidden_layers": 2}
        | {"num_attention_heads": 4, "max_position_embeddings": 2048},
        tokenizer=partial(byte_level, "<s>", "<pad>", "</s>", bos="</s>", by_words=False),
        tokenizer_class="GPT2Tokenizer",
        special=dict.fromkeys(("bos_token", "eos_token", "unk_token"), "</s>") | {"pad_token": "<pad>"},
        end="</s>",
        stops=("</s>",),
    ),
    "phi2": LanguageModel(  # its head has a bias
        config="PhiConfig",
        settings=_PLAIN | {"partial_rotary_factor": 0.5},
        tokenizer=partial(byte_level, "<|endoftext|>", by_words=False),
        tokenizer_class="CodeGenTokenizer",
        special=_ONE_MARK,
        end="<|endoftext|>",
        stops=("<|endoftext|>",),
    ),
}


@lru_cache
def made() -> Path:
    """The folder that they are written to, which goes with the process."""
    folder = tempfile.mkdtemp(prefix="families-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@lru_cache
def language_model(name: str) -> Path:
    """The folder of a family's language model; read only."""
    import torch

    family, out = FAMILIES[name], made() / "llm" / name
    tokenizer = _write_tokenizer(family, out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _write_weights(family, tokenizer, out)
    return out


def _write_tokenizer(family: LanguageModel, out: Path) -> Any:
    out.mkdir(parents=True)
    tokenizer = family.tokenizer()
    tokenizer.save(str(out / "tokenizer.json"))
    settings = {"tokenizer_class": family.tokenizer_class, "clean_up_tokenization_spaces": False, **family.special}
    (out / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 131072}))
    if family.template:
        (out / "chat_template.jinja").write_text((TEMPLATES / family.template).read_text())
    return tokenizer


def _write_weights(family: LanguageModel, tokenizer: Any, out: Path) -> None:
    import torch
    import transformers

    configure: Any = transformers.GenerationConfig
    size = tokenizer.get_vocab_size()
    if family.multiple:
        size = (size // family.multiple + 2) * family.multiple
    eos = [tokenizer.token_to_id(text) for text in family.config_eos or (family.special["eos_token"],)]
    bos, pad = (family.special.get(f"{kind}_token") for kind in ("bos", "pad"))
    ids: dict[str, Any] = {
        "bos_token_id": tokenizer.token_to_id(bos) if bos else None,
        "pad_token_id": tokenizer.token_to_id(pad) if pad else None,
        "eos_token_id": eos if len(eos) > 1 else eos[0],
    }
    config = _configure(family, vocab_size=size, ids=ids)
    composite = "text_config" in config.sub_configs
    kind: Any = transformers.AutoModelForImageTextToText if composite else transformers.AutoModelForCausalLM
    model = kind.from_config(config)
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith(("sinks", "lm_head.bias")):  # made as zeros, or not at all
            torch.nn.init.normal_(parameter)
    stops = [tokenizer.token_to_id(text) for text in family.stops]
    generation = ids | {"eos_token_id": stops if len(stops) > 1 else stops[0]} | family.sampling
    model.generation_config = configure(**generation)
    model.save_pretrained(out)


def _configure(family: LanguageModel, *, vocab_size: int, ids: dict[str, Any]) -> Any:
    """The configuration; weights drawn wider than usual, so that windows and softcaps show."""
    import transformers

    if family.config == "Gemma3Config":
        text = transformers.Gemma3TextConfig(vocab_size=vocab_size, initializer_range=0.08, **ids, **family.settings)
        vision = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
        sizes = {"image_size": 56, "patch_size": 14}
        config: Any = transformers.Gemma3Config(text_config=text, vision_config=vision | sizes, mm_tokens_per_image=4)
    else:
        kind = getattr(transformers, family.config)
        config = kind(vocab_size=vocab_size, initializer_range=0.08, **ids, **family.settings)
    return config
