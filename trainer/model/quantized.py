"""The language model's layers in 4 or 8 bits, with adapters that learn: QLoRA, by bitsandbytes."""

import importlib.util
from typing import Any

from mix665k.schemas.errors import StageError
from mix665k.schemas.install import install
from mix665k.schemas.stage import Stage

_FULL_PRECISION = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]


def require_bits(stage: Stage) -> None:
    """Refuse a stage whose layers cannot be quantised.

    Raises:
        StageError: when bitsandbytes is not installed, or DeepSpeed would partition or save what is quantised.
    """
    if stage.lora is None or stage.lora.bits is None:
        return
    if stage.zero:
        # A checkpoint of DeepSpeed's holds quantised weights under names that it does not load again, and ZeRO-3 cannot
        # partition them. What learns is small: there is little that ZeRO-2 would share out.
        raise StageError(f"lora.bits {stage.lora.bits}: does not go with ZeRO-{stage.zero}; --set zero=0")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise StageError(f"lora.bits {stage.lora.bits}: bitsandbytes is not installed; {install('quantized')}")


def quantization(stage: Stage) -> Any:
    """How transformers quantises the model of a stage; None where it does not."""
    import torch
    from transformers import BitsAndBytesConfig

    lora = stage.lora
    if lora is None or lora.bits is None:
        return None
    kind: Any = BitsAndBytesConfig
    return kind(
        load_in_4bit=lora.bits == 4,
        load_in_8bit=lora.bits == 8,
        bnb_4bit_quant_type=lora.quant_type,
        bnb_4bit_use_double_quant=lora.double_quant,
        bnb_4bit_compute_dtype=torch.bfloat16 if stage.bf16 else torch.float32,
        llm_int8_skip_modules=_FULL_PRECISION,
    )
