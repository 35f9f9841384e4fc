"""A model's files as LLaVA's own code and llama.cpp's tools read them: the form of `liuhaotian/llava-v1.5-7b`."""

import shutil
from pathlib import Path
from typing import Any

from mix665k.schemas.errors import ModelError
from mix665k.schemas.files import write_whole
from mix665k.schemas.tokenizer import local_tokenizer_folder
from mix665k.trainer.model.compose import PARTS
from mix665k.trainer.model.files import GENERATION, as_json, readable_by_transformers_4
from mix665k.trainer.model.layout import PROJECTOR, to_llava
from mix665k.trainer.model.tokenizer import save_tokenizer

_CLASSES = {"llama": "LlavaLlamaForCausalLM", "mistral": "LlavaMistralForCausalLM"}
"""The language models of LLaVA's own code, and its class of each; MPT, the third, is no part of a LLaVA-1.5."""
_SENTENCEPIECE = "tokenizer.model"
_OF_VERSION_5 = ("dtype", "rope_parameters", "_name_or_path")
_FIXED = {
    **dict.fromkeys(("mm_use_im_start_end", "mm_use_im_patch_token", "tune_mm_mlp_adapter"), False),
    "freeze_mm_mlp_adapter": False,
    "use_cache": True,
    "use_mm_proj": True,
}


def require_llava_form(config: Any) -> None:
    """Refuse a model that LLaVA's own code cannot load.

    Raises:
        ModelError: when it has no such language model, vision tower or projector.
    """
    llm, tower = config.text_config.model_type, config.vision_config.model_type
    if llm not in _CLASSES or tower != "clip_vision_model":
        raise ModelError(
            f"--format llava: LLaVA's own code has no {llm} with a {tower}, expected llama or mistral with CLIP; "
            "--format hf writes any model"
        )
    if config.projector_hidden_act not in ("gelu", "linear"):  # a finished model of llava-hf's form may have any
        raise ModelError(
            f"--format llava: the projector has {config.projector_hidden_act} between its layers, expected gelu, which "
            "LLaVA's code puts there; --format hf writes it"
        )


def write_llava(model: Any, out: Path, *, tower: str, padded: bool, tower_trained: bool) -> None:
    """Write weights, configuration and generation settings under LLaVA's own names.

    `tower` is the vision tower's name or folder, from where LLaVA's code loads it: its weights are written only if they
    were trained. `padded` says whether pictures are padded to a square.

    Raises:
        ModelError: when LLaVA's code has no such language model or vision tower.
        OSError: when the folder cannot be written.
    """
    from huggingface_hub import save_torch_state_dict

    require_llava_form(model.config)
    text, vision = model.config.text_config, model.config.vision_config
    left_out: tuple[str, ...] = () if tower_trained else (PARTS["vision_tower"],)
    left_out += ("lm_head.",) if text.tie_word_embeddings else ()
    is_linear = model.config.projector_hidden_act == "linear"  # one layer there, and here the identity behind it
    left_out += (f"{PROJECTOR}linear_2.",) if is_linear else ()
    weights = {to_llava(name): w for name, w in model.state_dict().items() if not name.startswith(left_out)}
    if is_linear:
        weights = {name.replace("mm_projector.0.", "mm_projector."): w for name, w in weights.items()}
    save_torch_state_dict(weights, out, filename_pattern="model{suffix}.safetensors", max_shard_size="5GB")
    config = readable_by_transformers_4(text.to_dict() | {"dtype": str(model.dtype).removeprefix("torch.")})
    config |= _FIXED | {
        "architectures": [_CLASSES[text.model_type]],
        "model_type": f"llava_{text.model_type}",
        "image_aspect_ratio": "pad" if padded else None,
        "mm_vision_tower": tower,
        "mm_hidden_size": vision.hidden_size,
        "mm_projector_type": "linear" if is_linear else "mlp2x_gelu",
        "mm_vision_select_layer": model.config.vision_feature_layer,
        "mm_vision_select_feature": "patch",
        "unfreeze_mm_vision_tower": tower_trained,
    }
    kept = {key: value for key, value in config.items() if key not in _OF_VERSION_5}
    write_whole(out / "config.json", as_json(kept))
    write_whole(out / GENERATION, model.generation_config.to_json_string(use_diff=True))


def write_llava_tokenizer(tokenizer: Any, out: Path, *, llm: str) -> None:
    """Write a tokenizer, and for llama.cpp's converter the SentencePiece model of a language model that has one.

    Raises:
        OSError: when the folder cannot be written.
    """
    save_tokenizer(tokenizer, out)
    folder = local_tokenizer_folder(llm)
    if folder is not None and (folder / _SENTENCEPIECE).is_file():
        shutil.copyfile(folder / _SENTENCEPIECE, out / _SENTENCEPIECE)
