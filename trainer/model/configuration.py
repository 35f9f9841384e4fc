"""The configuration of a model on the Hub or in a folder, LLaVA's own checkpoints among them."""

from typing import Any

from mix665k.schemas.errors import ModelError
from mix665k.trainer.model.loading import load, require_model

LLAVAS_OWN = {"llava": "llama", "llava_llama": "llama", "llava_mistral": "mistral"}
"""The model types of LLaVA's own checkpoints, which transformers does not know, and the language model of each."""
_UNLIKE_1_5: dict[str, tuple[object, ...]] = {
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_patch_merge_type": ("flat", None),
    "image_aspect_ratio": ("pad", "square", None),
    "mm_use_im_start_end": (False, None),
    "mm_use_im_patch_token": (False, None),
    "mm_vision_select_feature": ("patch", None),
}
"""The fields of LLaVA's configuration that change the model, and the values that LLaVA-1.5 has."""


def read_fields(name: str, what: str) -> dict[str, Any]:
    """What a model's config.json says.

    Raises:
        ModelError: when there is none, where `what` was expected.
    """
    from transformers import PreTrainedConfig

    require_model(name)
    fields: dict[str, Any] = load(PreTrainedConfig.get_config_dict, name, what)[0]
    return fields


def is_llavas_own(fields: dict[str, Any]) -> bool:
    """Whether it is one of LLaVA's own checkpoints, whose configuration is that of its language model and more."""
    return "text_config" not in fields and fields.get("model_type") in LLAVAS_OWN


def read_config(name: str, what: str) -> Any:
    """A model's configuration, `what` in an error; of one of LLaVA's own checkpoints that of its language model.

    Raises:
        ModelError: when it cannot be read, or is that of a later LLaVA: tiles, other projectors, other tokens.
    """
    from transformers import CONFIG_MAPPING, AutoConfig

    fields = read_fields(name, what)
    if not is_llavas_own(fields):
        return load(AutoConfig.from_pretrained, name, what)
    for field, known in _UNLIKE_1_5.items():
        if fields.get(field) not in known:
            raise ModelError(
                f"{name}: {field} is {fields.get(field)!r}, expected {known[0]!r} as in LLaVA-1.5; models with tiles, "
                "other projectors or other image tokens cannot be continued"
            )
    kind = CONFIG_MAPPING[LLAVAS_OWN[fields["model_type"]]]
    taken = {*kind().to_dict(), "rope_theta", "rope_scaling", "torch_dtype"} - {"model_type", "architectures"}
    return kind(**{key: value for key, value in fields.items() if key in taken})
