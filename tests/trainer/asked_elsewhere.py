"""Loads exported models and asks them, in whatever environment runs this: `asked_elsewhere.py MODEL... OUT.pt`.

It must run under every release of transformers that an export is read by, and imports nothing of ours.
"""

import sys
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

*folders, out = sys.argv[1:]
of_model: Any = AutoModelForImageTextToText
of_processor: Any = AutoProcessor
picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8))
messages = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "A kettle."}]},
    {"role": "user", "content": [{"type": "text", "text": "  And\nthe café?"}]},
]


def asked(folder: str) -> dict[str, Any]:
    """What was loaded, what the processor makes of the question, and the model's logits."""
    model, info = of_model.from_pretrained(
        folder, output_loading_info=True, torch_dtype=torch.float32, attn_implementation="eager"
    )
    processor = of_processor.from_pretrained(folder)
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    given = processor(images=picture, text=text, return_tensors="pt")
    with torch.no_grad():
        logits = model.eval()(**given).logits
    return {
        "missing": sorted(info["missing_keys"]),
        "unexpected": sorted(info["unexpected_keys"]),
        "ids": given["input_ids"][0].tolist(),
        "pixels": given["pixel_values"],
        "logits": logits,
        "stops": model.generation_config.eos_token_id,
        "side": processor.tokenizer.padding_side,
    }


torch.save([asked(folder) for folder in folders], out)
