"""The language model of a LLaVA: its configuration, its weights, and whether LLaVA can hold it."""

from typing import Any

from mix665k.schemas.errors import ModelError, one_line
from mix665k.trainer.model.configuration import read_config
from mix665k.trainer.model.loading import load_weights
from mix665k.trainer.model.proof import require_same_logits

WORKING = "Llama, Mistral, Mixtral, Qwen2, Qwen3, Gemma 1 and 3, Phi-3, Phi-4, SmolLM or OLMo"
"""Families that are known to work: a refusal names them."""
_UNFIT = (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError, ImportError, AssertionError)
"""What transformers raises where a model does not have the form that LLaVA expects of its language model."""


def language_config(name: str) -> Any:
    """The configuration of a language model by Hub name or folder, also where that holds more than a language model.

    Raises:
        ModelError: when there is none, or LLaVA cannot hold it: its logits would be others.
    """
    whole = read_config(name, "a language model's configuration")
    config = whole.get_text_config(decoder=True)
    config.tie_word_embeddings = whole.tie_word_embeddings
    try:
        require_same_logits(config)
    except _UNFIT as error:
        raise _refusal(name, config, why=f"transformers cannot put it there ({one_line(error)[:120]})") from None
    except ModelError as error:
        raise _refusal(name, config, why=str(error)) from None
    return config


def load_language(name: str, *, on_meta: bool = False) -> Any:
    """A checkpoint with its weights, in the dtype they were saved in: its decoder is the language model.

    Raises:
        ModelError: when it cannot be loaded, or does not hold all weights; with `on_meta` no weight is read.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    config = read_config(name, "a language model's configuration")
    multimodal = config.get_text_config(decoder=True) is not config
    kind = AutoModelForImageTextToText if multimodal else AutoModelForCausalLM
    return load_weights(kind, name, "a causal language model", on_meta=on_meta, takes_part=True)


def end_ids_of(name: str) -> tuple[int, ...]:
    """The tokens at which the generation of a model by Hub name or folder ends, as its own settings say.

    Raises:
        ModelError: when there is no such model.
    """
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(name).eos_token_id
    except (OSError, ValueError, RecursionError):  # no such file: older checkpoints have theirs in config.json
        found = None
    if found is None:
        found = read_config(name, "a language model's configuration").get_text_config(decoder=True).eos_token_id
    return tuple(found) if isinstance(found, list) else () if found is None else (int(found),)


def _refusal(name: str, config: Any, *, why: str) -> ModelError:
    made = (config.architectures or [config.model_type])[0]
    return ModelError(
        f"{name}: a {made} cannot be the language model of a LLaVA: {why}; expected one built like {WORKING}"
    )
