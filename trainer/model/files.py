"""A model's files as llava-hf lays them out, for transformers 4 and 5."""

import json
from pathlib import Path
from typing import Any

from mix665k.schemas.files import write_whole
from mix665k.trainer.model.tokenizer import save_tokenizer

GENERATION = "generation_config.json"
Config = dict[str, Any]


def write_model(model: Any, out: Path) -> None:
    """Write weights, configuration and generation settings as llava-hf has them.

    Raises:
        OSError: when the folder cannot be written.
    """
    from transformers import GenerationConfig
    from transformers.conversion_mapping import get_model_conversion_mapping

    # Transformers 5 renames what it read when it saves, and leaves the prefix `vision_model` out where a model was
    # not read from a file of that form. Transformers 4 then takes a random vision tower, with a warning only.
    model._weight_conversions = get_model_conversion_mapping(model, add_legacy=False)
    # A published configuration may hold what `save_pretrained` refuses: Vicuna's has a temperature and no do_sample.
    kind: Any = GenerationConfig
    generation, model.generation_config = model.generation_config, kind()
    model.save_pretrained(out)
    write_whole(out / GENERATION, generation.to_json_string(use_diff=True))
    path = out / "config.json"
    config = readable_by_transformers_4(json.loads(path.read_text(encoding="utf-8")))
    write_whole(path, as_json(config))


def readable_by_transformers_4(config: Config) -> Config:
    """A model's configuration that also has the older names of dtype and rotary positions; 5 reads either."""
    parts = ("text_config", "vision_config")
    named = {key: readable_by_transformers_4(value) if key in parts else value for key, value in config.items()}
    if "dtype" in config:
        named["torch_dtype"] = config["dtype"]
    if "num_local_experts" in config:
        named["num_experts"] = config["num_local_experts"]  # Qwen's name
    rope = config.get("rope_parameters")
    if not rope:
        return named
    # One set of parameters for all layers, or one for each kind of layer: Gemma-3 alone has the latter in 4.
    of_all = rope.get("full_attention", rope)
    moved = {"rope_theta", "partial_rotary_factor"}
    if of_all["rope_type"] == "longrope":
        moved.add("original_max_position_embeddings")
    scaling = {key: value for key, value in of_all.items() if key not in moved}
    if of_all["rope_type"] == "longrope":  # Phi's in 4 must have exactly `type` and two lists
        scaling["type"] = scaling.pop("rope_type")
    named |= {key: of_all[key] for key in moved if key in of_all}
    # None, not left out: gpt-oss has a scaling of its own where the file names none.
    named["rope_scaling"] = None if of_all["rope_type"] == "default" else scaling
    if "sliding_attention" in rope:
        named["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    return named


def write_processor(processor: Any, out: Path) -> None:
    """Write tokenizer, image processor and chat template so that transformers 4 and 5 make the same of them.

    Raises:
        OSError: when the folder cannot be written.
    """
    processor.tokenizer.chat_template = processor.chat_template  # lmms-eval and servers take the tokenizer's
    processor.save_pretrained(out)
    save_tokenizer(processor.tokenizer, out)
    # Version 5 writes the image processor into `processor_config.json`, under the name of its form for Pillow; 4 looks
    # for a file of its own, and knows the name without it.
    processor.image_processor.save_pretrained(out)
    of_pictures, of_all = out / "preprocessor_config.json", out / "processor_config.json"
    config = json.loads(of_pictures.read_text(encoding="utf-8"))
    config["image_processor_type"] = config["image_processor_type"].removesuffix("Pil")
    write_whole(of_pictures, as_json(config | {"processor_class": type(processor).__name__}))
    config = json.loads(of_all.read_text(encoding="utf-8"))
    config.pop("image_processor", None)
    write_whole(of_all, as_json(config))


def as_json(content: Config) -> str:
    """A configuration file's text."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
