"""`train export`: from a checkpoint to a model that anyone can load.

A folder of llava-hf's form, or of LLaVA's own: weights, configuration, processor and, written last, a card.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from mix665k.schemas.errors import ModelError, TrainingError
from mix665k.schemas.files import held, write_whole
from mix665k.schemas.template import is_jinja
from mix665k.schemas.terminal import say
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.data.encode import end_tokens
from mix665k.trainer.data.exported_images import exported_image_processor
from mix665k.trainer.data.images import load_processor as load_image_processor
from mix665k.trainer.data.jinja import without_marks
from mix665k.trainer.data.pixels import Pixels
from mix665k.trainer.model.adapters import write_adapters
from mix665k.trainer.model.files import write_model, write_processor
from mix665k.trainer.model.llava_form import write_llava, write_llava_tokenizer
from mix665k.trainer.model.loading import load
from mix665k.trainer.model.probe import mask_fault, require_same_pixels, require_same_prompts
from mix665k.trainer.run.checkpoint import Complete, find_checkpoint
from mix665k.trainer.run.job import Job, job_of
from mix665k.trainer.run.training_data import make_encoder
from mix665k.trainer.run.weights import load_trained, trained_weights

if TYPE_CHECKING:
    from mix665k.trainer.data.encode import Encoder

Form = Literal["hf", "llava"]
CARD = "README.md"
NO_REPOSITORY = "path/to/this/folder"
"""In a card that was not published yet: replaced by the repository's name."""


def export(path: Path, out: Path, *, form: Form = "hf") -> Path:
    """Write the model of a checkpoint, or of a run's newest, to a folder; gives the checkpoint.

    What is written is proved to be what was trained: the processor's token ids and pixels are the trainer's. The folder
    appears complete or not at all; one that holds this very model already is left as it is.

    Raises:
        TrainingError: when there is no complete checkpoint, it is damaged, or the folder holds something else.
        ModelError: when the model that the run started from cannot be loaded, cannot be written in this form, or is
            asked otherwise than it was trained.
        OSError: when the folder cannot be written.
    """
    checkpoint, done = find_checkpoint(path)
    job = job_of(checkpoint)
    card = model_card(job, done, form=form)
    if out.exists() and any(out.iterdir()):
        if (out / CARD).is_file() and (out / CARD).read_text(encoding="utf-8") == card:
            return checkpoint
        raise TrainingError(f"{out}: not empty; name another --out")
    part, lock = (out.absolute().with_name(f".{out.absolute().name}.{kind}") for kind in ("part", "lock"))
    with held(lock, busy=TrainingError(f"{out}: another export is writing this folder; wait for it, or name another")):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            _write(job, checkpoint, part, form=form)
            write_whole(part / CARD, card)
            part.replace(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            lock.unlink(missing_ok=True)
    return checkpoint


def _write(job: Job, checkpoint: Path, out: Path, *, form: Form) -> None:
    """Everything but the card; what a processor makes of conversations and pictures is proved."""
    import torch

    model = load_trained(checkpoint)
    model.to(torch.bfloat16 if job.stage.bf16 else torch.float32)
    model.config.use_cache = model.config.text_config.use_cache = True
    for part in (model.config.text_config, model.config.vision_config):
        if Path(part._name_or_path).is_absolute():  # a folder of this machine, of no use elsewhere
            part._name_or_path = ""
    processor = load_run_processor(job)
    encoder = make_encoder(processor.tokenizer, model.config, job)
    settings = model.generation_config
    settings.eos_token_id = end_tokens(settings.eos_token_id, encoder, tokenizer=processor.tokenizer)
    if form == "llava":
        if not job.vision:
            raise ModelError(f"{job.model}: names no vision tower, which LLaVA's own code loads; export it as hf")
        trained = "vision_tower" in job.stage.trains
        write_llava(model, out, tower=job.vision, padded=job.stage.image == "pad", tower_trained=trained)
        write_llava_tokenizer(processor.tokenizer, out, llm=job.llm)
        return
    write_model(model, out)
    write_processor(processor, out)
    if job.stage.background is not None:
        say(f"export of {job.folder}: its processor {_DROPS.format(job.stage.background)}", err=True)
    _prove(model, out, job=job, encoder=encoder)
    if fault := mask_fault(processor, encoder):
        say(f"export of {job.folder}: its chat template has no {{% generation %}}: {fault}", err=True)
        processor.chat_template = without_marks(processor.chat_template)
        write_processor(processor, out)


def export_adapters(path: Path, out: Path) -> Path:
    """Write the adapters and the projector of a checkpoint, apart from the model they belong to; gives the checkpoint.

    Raises:
        TrainingError: when there is no complete checkpoint, it is damaged or has no adapters, or the folder is not
            empty.
        OSError: when the folder cannot be written.
    """
    checkpoint, _ = find_checkpoint(path)
    job = job_of(checkpoint)
    if job.stage.lora is None:
        raise TrainingError(f"{checkpoint}: was trained without adapters; export it without --adapters")
    if out.exists() and any(out.iterdir()):
        raise TrainingError(f"{out}: not empty; name another --out")
    write_adapters(trained_weights(checkpoint, job), out, stage=job.stage, start=str(job.start))
    return checkpoint


def load_run_processor(job: Job) -> Any:
    """The processor of the model that a run started from, with the image processor of its stage; pads on the left."""
    from transformers import AutoProcessor

    processor = load(AutoProcessor.from_pretrained, str(job.start), "a processor")
    processor.tokenizer = load_tokenizer(str(job.start))
    processor.tokenizer.padding_side = "left"  # an answer begins at the right edge of a batch of questions
    processor.image_processor = exported_image_processor(load_image_processor(str(job.start)), job.stage.image)
    return processor


def _prove(model: Any, out: Path, *, job: Job, encoder: "Encoder") -> None:
    """Refuse a folder whose processor asks otherwise than training did.

    Raises:
        ModelError: with the first difference.
    """
    import torch
    from transformers import AutoProcessor

    processor = load(AutoProcessor.from_pretrained, str(out), "a processor")
    where = f"export of {job.folder}"
    require_same_prompts(processor, encoder, where=where)
    pixels = Pixels(load_image_processor(str(job.start)), speed="exact")
    prepare = pixels.padded if job.stage.image == "pad" else pixels.cropped
    require_same_pixels(processor.image_processor, prepare, where=where)
    with torch.no_grad():
        given = pixels.blank()[None].to(model.dtype)
        features = torch.cat(list(model.model.get_image_features(pixel_values=given, return_dict=True).pooler_output))
    if len(features) != model.config.image_seq_length:
        told = f"{model.config.image_seq_length} placeholders"
        raise ModelError(f"{where}: its tower gives {len(features)} features of a picture, its processor {told}")


def model_card(job: Job, done: Complete, *, form: Form = "hf") -> str:
    """What the model is and what it was trained on, in Markdown with the Hub's front matter."""
    stage = job.stage
    # the parts of a model that is continued may be unknown
    origins = (job.llm, job.vision) if job.llm else (str(job.model),)
    names = " and ".join(f"`{Path(one).name if Path(one).is_absolute() else one}`" for one in origins)
    bases = [one for one in origins if not Path(one).is_absolute()]
    front = {"library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": ["llava"]}
    front |= {"base_model": bases} if bases else {}
    is_named = isinstance(stage.template, str) and not is_jinja(stage.template)
    shown = {name: getattr(stage, name) for name in stage.__struct_fields__ if name != "name"}
    shown["template"] = stage.template if is_named else "its own, as Jinja in `chat_template.jinja`"  # has | and lines
    rows = "\n".join(f"| {name} | {value} |" for name, value in shown.items())
    return f"""---
{yaml.safe_dump(front, sort_keys=False)}---

# LLaVA-1.5, stage {stage.name}, step {done.step:,}

Made of {names}, trained for {done.step:,} steps on {done.ranks} rank(s).

Mixture: `{Path(job.mixture).name}`, row hash `{done.mixture}`.

| hyper-parameter | value |
|---|---|
{rows}

{_HOW_TO_ASK[form]}{f"The processor {_DROPS.format(stage.background)}.{chr(10)}" if stage.background else ""}"""


_DROPS = "drops transparency, which training put on the colour {}: put such pictures on it yourself"
"""No image processor of transformers does it; black is a colour, too."""
_HOW_TO_ASK = {
    "hf": f"""```python
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("{NO_REPOSITORY}")
processor = AutoProcessor.from_pretrained("{NO_REPOSITORY}")
picture, question = Image.open("picture.jpg"), "What is this?"
content = [{{"type": "image", "image": picture}}, {{"type": "text", "text": question}}]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": content}}],
    add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
).to(model.device, model.dtype)
answer = model.generate(**inputs, max_new_tokens=128, do_sample=False)[0, inputs["input_ids"].shape[1] :]
print(processor.decode(answer, skip_special_tokens=True))
```

The processor prepares pictures as in training, padding included: give it the picture as it is.
""",
    "llava": """The files have the names of LLaVA's own code, for its scripts and for llama.cpp's tools. LLaVA's code
knows its models by `llava` in the folder's name.
""",
}
