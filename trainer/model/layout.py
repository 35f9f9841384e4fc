"""The names of a model's weights: those it has in memory, and those of LLaVA's own checkpoints."""

import re

# In memory:                                  in LLaVA's checkpoints (`LlavaLlamaForCausalLM`):
# model.language_model.layers.0.*             model.layers.0.*
# lm_head.weight                              lm_head.weight
# model.multi_modal_projector.linear_{1,2}.*  model.mm_projector.{0,2}.*, a Sequential with GELUs between
# model.vision_tower.encoder.*                model.vision_tower.vision_tower.vision_model.encoder.*
PROJECTOR = "model.multi_modal_projector."
_LANGUAGE = "model.language_model."
_TOWER = "model.vision_tower."
_LLAVA_PROJECTOR = "model.mm_projector."
_LLAVA_TOWER = "model.vision_tower.vision_tower.vision_model."
_VISION_MODEL = "vision_model."
"""A level of CLIP's and SigLIP's names that releases of transformers have or leave out."""
_COMPUTED = re.compile(r"(^|\.)(rotary_emb\.inv_freq|position_ids|masked_bias|attn\.bias)$")


def is_computed(name: str) -> bool:
    """Whether a checkpoint holds this tensor although every model computes it: buffers that older releases saved."""
    return _COMPUTED.search(name) is not None


def without_vision_model(name: str) -> str:
    """A name without CLIP's level `vision_model.`, so that names of all releases of transformers can be compared."""
    return name.replace(f"vision_tower.{_VISION_MODEL}", "vision_tower.")


def to_llava(name: str) -> str:
    """LLaVA's name of a weight that has this name in memory."""
    if name.startswith(PROJECTOR):
        layer, _, kind = name.removeprefix(PROJECTOR).rpartition(".")
        return f"{_LLAVA_PROJECTOR}{2 * (int(layer.removeprefix('linear_')) - 1)}.{kind}"
    if name.startswith(_TOWER):
        return _LLAVA_TOWER + without_vision_model(name).removeprefix(_TOWER)
    return f"model.{name.removeprefix(_LANGUAGE)}" if name.startswith(_LANGUAGE) else name


def from_llava(name: str) -> str:
    """The name in memory, without the level `vision_model.`, of a weight of one of LLaVA's checkpoints.

    A name that is none of theirs is given as one of the language model, which has no such weight.
    """
    if name.startswith(_LLAVA_PROJECTOR):
        return PROJECTOR + projector_name(name.removeprefix(_LLAVA_PROJECTOR))
    if name.startswith(_TOWER):
        return _TOWER + name.removeprefix(_TOWER).removeprefix("vision_tower.").removeprefix(_VISION_MODEL)
    return f"{_LANGUAGE}{name.removeprefix('model.')}" if name.startswith("model.") else name


def projector_name(name: str) -> str:
    """The name in a projector of a weight whose layer has LLaVA's number or llava-hf's name, behind any prefix."""
    layer, _, kind = name.rpartition(".")
    last = layer.rpartition(".")[2]
    return f"linear_{int(last) // 2 + 1}.{kind}" if last.isdecimal() and int(last) % 2 == 0 else f"{last}.{kind}"
