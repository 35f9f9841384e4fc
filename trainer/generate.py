"""`train generate`: one question to an exported model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import ModelError, one_line
from mix665k.trainer.data.images import open_rgb
from mix665k.trainer.model.loading import load, load_weights
from mix665k.trainer.run.job import JOB


def generate(model_folder: str, *, prompt: str, images: Sequence[Path], max_new_tokens: int) -> str:
    """The model's answer to one question, by greedy decoding; its images come first, each on a line of its own.

    Raises:
        ModelError: when there is no such model, the image cannot be opened, or the prompt holds an image token.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    if IMAGE_TOKEN in prompt:
        raise ModelError(f"--prompt: holds {IMAGE_TOKEN}, which is added automatically; give each picture with --image")
    cannot_be_hub_name = model_folder.startswith((".", "/", "~")) or model_folder.count("/") > 1  # not OWNER/NAME
    if cannot_be_hub_name and not Path(model_folder).is_dir():
        raise ModelError(f"{model_folder}: no such folder, expected a model; `train export RUN --out DIR` makes one")
    if (Path(model_folder) / JOB).is_file():
        raise ModelError(
            f"{model_folder}: is a training run, not an exported model; run `train export {model_folder} --out DIR`"
        )
    model = load_weights(AutoModelForImageTextToText, model_folder, "an image-text-to-text model")
    processor = load(AutoProcessor.from_pretrained, model_folder, "a processor")
    content: list[dict[str, Any]] = [{"type": "image", "image": _open(image)} for image in images]
    content.append({"type": "text", "text": prompt})
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    inputs = inputs.to(model.device, model.dtype)
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    answer: str = processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return answer.strip()


def _open(path: Path) -> Any:
    try:
        return open_rgb(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise ModelError(f"{path}: cannot be opened as an image: {one_line(error)}") from None
