"""What `train eval` is given as a model: an exported folder, a Hub name, or a run or checkpoint of ours."""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from mix665k.schemas.errors import ModelError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.pictures import Colour
from mix665k.schemas.template import AUTO
from mix665k.trainer.data.chat import resolve_template
from mix665k.trainer.data.encode import Encoder, end_tokens
from mix665k.trainer.data.images import ImageLoader, Mode, load_processor
from mix665k.trainer.evaluation.subject import Subject
from mix665k.trainer.export import load_run_processor
from mix665k.trainer.model.finished import Finished, holds_tower, load_finished, look_at_finished
from mix665k.trainer.model.loading import load
from mix665k.trainer.model.shards import model_folder, read_weights, weight_files
from mix665k.trainer.run.checkpoint import find_checkpoint, read_complete
from mix665k.trainer.run.job import JOB, job_of
from mix665k.trainer.run.training_data import make_encoder
from mix665k.trainer.run.weights import WEIGHTS, load_trained

_LONGEST = 1 << 20
"""Prompts are never cut."""


def open_subject(name: str, *, exact: bool) -> Subject:
    """A model to ask, known from its files; its weights are read when it is loaded.

    With `exact` it computes in float32, whatever its weights were saved in.

    Raises:
        UserError: when there is no such model, or it cannot be asked about pictures.
    """
    path = Path(name)
    if (path / JOB).is_file() or read_complete(path):
        return _of_run(path, exact=exact)
    return _of_finished(name, exact=exact)


def _of_finished(name: str, *, exact: bool) -> Subject:
    import torch
    from transformers import GenerationConfig

    found = look_at_finished(name, AUTO)
    tokenizer, config = found.processor.tokenizer, found.config
    encoder = Encoder(
        tokenizer,
        resolve_template(AUTO, tokenizer),
        image_token_id=config.image_token_id,
        tokens_per_image=config.image_seq_length,
        max_tokens=_LONGEST,
    )
    tower = found.tower or name
    saved = load_finished(found, seed=0, on_meta=True).dtype
    folder = model_folder(name)
    if found.tower is not None:  # the outline of one of LLaVA's own has no weight's dtype
        saved = next(iter(read_weights(folder).values())).dtype
    dtype = torch.float32 if exact else saved
    generation: Any = GenerationConfig
    try:
        own = generation.from_pretrained(name).eos_token_id
    except (OSError, ValueError):
        own = config.text_config.eos_token_id
    padded = found.tower is not None or _pads(name)  # LLaVA's own code pads whatever its tower's processor does
    notes = () if padded else (f"the image processor of {tower} does not pad; pictures were padded as in stage 2",)
    return _subject(
        name,
        load=partial(_load_finished, found, dtype),
        tokenizer=tokenizer,
        encoder=encoder,
        processor=load_processor(tower),
        mode="pad",
        own_ends=own,
        dtype=dtype,
        weights=[*weight_files(folder), *(() if holds_tower(found) else weight_files(model_folder(tower)))],
        notes=notes,
    )


def _of_run(path: Path, *, exact: bool) -> Subject:
    import torch
    from transformers import AutoConfig, GenerationConfig

    checkpoint, _ = find_checkpoint(path)
    job = job_of(checkpoint)
    tokenizer = load_run_processor(job).tokenizer
    config = AutoConfig.from_pretrained(job.start, trust_remote_code=False)
    encoder = make_encoder(tokenizer, config, job)
    stored = torch.bfloat16 if job.stage.bf16 else torch.float32
    generation: Any = GenerationConfig
    return _subject(
        str(path),
        load=partial(_load_run, checkpoint, stored=stored, exact=exact),
        tokenizer=tokenizer,
        encoder=encoder,
        processor=load_processor(str(job.start)),
        mode=job.stage.image,
        own_ends=generation.from_pretrained(job.start).eos_token_id,
        dtype=torch.float32 if exact else stored,
        weights=[*weight_files(job.start), *_weights_of(checkpoint)],
        background=job.stage.background,
        notes=() if job.stage.image == "pad" else ("pictures were cropped, as this stage was trained",),
    )


def _subject(
    name: str,
    *,
    load: Any,
    tokenizer: Any,
    encoder: Encoder,
    processor: Any,
    mode: Mode,
    own_ends: int | list[int] | None,
    dtype: Any,
    weights: Iterable[Path],
    notes: tuple[str, ...],
    background: Colour | None = None,
) -> Subject:
    if not encoder.keeps_questions:
        raise ModelError(
            f"{name}: was trained with template {encoder.template_name}, which asks nothing; train stage 2"
        )
    ends = end_tokens(own_ends, encoder, tokenizer=tokenizer)
    if ends is None:
        raise ModelError(f"{name}: has no end token, expected one in generation_config.json or its tokenizer")
    settings = json.dumps(processor.to_dict(), sort_keys=True, default=str)
    facts = {
        "tokenizer and template": encoder.fingerprint,
        "image processor": hashlib.sha256(f"{settings}{mode}{background}".encode()).hexdigest(),
        "template": encoder.template_name,
        "pictures": {"pad": "padded", "crop": "cropped"}[mode],
        "dtype": str(dtype).removeprefix("torch."),
    }
    return Subject(
        name,
        load=load,
        tokenizer=tokenizer,
        encoder=encoder,
        loader=partial(ImageLoader, processor=processor, mode=mode, on_bad="blank", background=background),
        ends=frozenset([ends] if isinstance(ends, int) else ends),
        pad_id=tokenizer.pad_token_id,
        weights=partial(_hash_of_all, weights),
        facts=facts,
        notes=notes,
    )


def _load_finished(found: Finished, dtype: Any, rank: int) -> Any:
    return _on_device(load_finished(found, seed=0), dtype, rank=rank)


def _load_run(checkpoint: Path, rank: int, *, stored: Any, exact: bool) -> Any:
    """As its export would be loaded: rounded to what an export is saved in."""
    import torch

    return _on_device(load_trained(checkpoint).to(stored), torch.float32 if exact else stored, rank=rank)


def _on_device(model: Any, dtype: Any, *, rank: int) -> Any:
    import torch

    device = f"cuda:{rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    return model.to(device=device, dtype=dtype).eval()


def _pads(name: str) -> bool:
    """Whether a model's own image processor pads to a square."""
    import transformers

    mixin: Any = transformers.ImageProcessingMixin
    return bool(load(mixin.get_image_processor_dict, name, "an image processor")[0].get("do_pad"))


def _hash_of_all(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    with ThreadPoolExecutor() as threads:  # a 13B model has 26 GB
        for found in threads.map(sha256_of, files):
            digest.update(found.encode())
    return digest.hexdigest()


def _weights_of(checkpoint: Path) -> list[Path]:
    """The files of a checkpoint that hold weights: one, or DeepSpeed's of all ranks."""
    plain = checkpoint / WEIGHTS
    return [plain] if plain.is_file() else sorted(checkpoint.rglob("*_states.pt"))
