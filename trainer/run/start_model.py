"""The model that a run starts from, and what it was made of."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from mix665k.schemas.errors import StageError, TrainingError, os_reason
from mix665k.schemas.files import UNREADABLE, sha256_of, write_whole
from mix665k.schemas.template import Template
from mix665k.schemas.terminal import say
from mix665k.trainer.model.attention_needs import require_fit
from mix665k.trainer.model.compose import PROJECTORS, compose, describe, read_projector
from mix665k.trainer.model.files import write_model, write_processor
from mix665k.trainer.model.finished import Finished, holds_tower, load_finished, look_at_finished
from mix665k.trainer.model.language import load_language
from mix665k.trainer.model.loading import load
from mix665k.trainer.model.shards import weight_files
from mix665k.trainer.model.tower import FEATURE_LAYER, load_tower
from mix665k.trainer.model.trainable import outline
from mix665k.trainer.run.checkpoint import Complete, checkpoints, find_checkpoint, read_complete
from mix665k.trainer.run.job import JOB, Job, job_of
from mix665k.trainer.run.training_data import make_encoder
from mix665k.trainer.run.weights import load_trained, write_projector

_ORIGIN = "start.json"
_PROJECTOR = "projector.safetensors"


class Origin(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a start model was made of; written when it is complete."""

    llm: str
    vision: str
    template: str | Template
    seed: int
    projector: str | None
    """A checkpoint of stage 1, or the SHA-256 of a file."""
    vision_layer: int = FEATURE_LAYER
    projector_type: str = "mlp2x_gelu"
    model: str | None = None
    """A checkpoint of a run, a folder with a SHA-256 of its weights, or a Hub name."""


def make_start(job: Job) -> None:
    """Make the start model of a run in `OUT/start`, unless it is already there; say on stderr what it is made of.

    Raises:
        ModelError: when a part cannot be loaded, or parts do not fit together.
        StageError: when its `vision_layer` is not that of the model it continues.
        TrainingError: when the run has checkpoints that started from another model.
    """
    # A folder on disk, not a model in memory: every rank, and ZeRO-3 while it partitions, loads it like any other
    # model, and an export knows what the run started from.
    # start.json: without it the start of a run that was killed early was taken for that of other models, seed or
    # projector, and another --from beside a checkpoint was ignored.
    from transformers import AutoConfig

    wanted, existing = _origin(job), _read_origin(job.folder / _ORIGIN)
    if wanted == existing:
        require_fit(job.stage, load(AutoConfig.from_pretrained, str(job.start), "a LLaVA model").text_config)
        return
    if existing and (known := checkpoints(job.folder)):
        pairs = [(name, getattr(existing, name), getattr(wanted, name)) for name in Origin.__struct_fields__]
        changed = "; ".join(f"{name} changed from {was} to {now}" for name, was, now in pairs if was != now)
        raise TrainingError(f"{known[-1][0]}: {changed}; use the original value or a new --out")
    require_trainable(job)
    (job.folder / _ORIGIN).unlink(missing_ok=True)
    shutil.rmtree(job.start, ignore_errors=True)
    if job.model is not None:
        _continue(job)
    else:
        projector = Path(job.projector) if job.projector else None
        if projector and projector.is_dir():
            projector = write_projector(projector, job.folder / _PROJECTOR)
        stage = job.stage
        compose(
            job.llm,
            job.vision,
            job.start,
            projector=projector,
            template=stage.template,
            seed=stage.seed,
            vision_layer=_vision_layer(job),
            projector_type=_projector_type(job),
        )
    say(f"starting from {parts_of(job)}", err=True)
    write_whole(job.folder / _ORIGIN, msgspec.json.encode(wanted))


def require_trainable(job: Job, *, has_weights: bool = True) -> tuple[Any, Any]:
    """The processor and the outline of the model that a job trains; no weight is read.

    Without `has_weights` folders need not hold any.

    Raises:
        UserError: when the parts, their template or the stage's adapters do not fit together.
    """
    processor, config = describe_start(job, has_weights=has_weights)
    require_fit(job.stage, config.text_config)
    make_encoder(processor.tokenizer, config, job)
    return processor, outline(config, job.stage)


def describe_start(job: Job, *, has_weights: bool = True) -> tuple[Any, Any]:
    """The processor and the configuration of the model that a job would start from; no weight is read.

    Names and shapes are checked of a projector's file, and with `has_weights` of all weights that are in a folder.

    Raises:
        ModelError: when it cannot be loaded, or parts do not fit together.
        TrainingError: when a run that it is to continue has no complete checkpoint.
    """
    if job.model is None:
        layer, kind = _vision_layer(job), _projector_type(job)
        processor, config = describe(job.llm, job.vision, job.stage.template, vision_layer=layer, projector_type=kind)
        if has_weights and Path(job.llm).is_dir():  # one on the Hub would be downloaded
            load_language(job.llm, on_meta=True)
        if has_weights and Path(job.vision).is_dir():
            load_tower(job.vision, config.vision_config, on_meta=True)
        if job.projector and not Path(job.projector).is_dir():
            read_projector(Path(job.projector), config)
        return processor, config
    found = _look_at(job)
    if has_weights and Path(found.name).is_dir():
        load_finished(found, seed=job.stage.seed, on_meta=True)
    return found.processor, found.config


def tokenizer_of(job: Job) -> str:
    """The folder or Hub name of the tokenizer that a job's start model would have.

    Raises:
        TrainingError: when a run that it is to continue has no complete checkpoint.
    """
    if job.model is None:
        return job.llm
    checkpoint = _checkpoint_of(job.model)
    return str(job_of(checkpoint[0]).start) if checkpoint else job.model


def parts_of(job: Job) -> str:
    """What a job takes from where, in words."""
    if job.model is None:
        composed = f"language model {job.llm}, vision tower {job.vision}"
        return f"{job.projector}: projector; {composed}" if job.projector else f"{composed}; a new projector"
    if checkpoint := _checkpoint_of(job.model):
        return f"{checkpoint[0]}: language model, projector, vision tower"
    tower = None
    if job.start.is_dir() or Path(job.model).is_dir():  # or it would have to be downloaded
        found = _look_at(job)
        is_bare = Path(job.model).is_dir() and not weight_files(
            Path(job.model)
        )  # only its configuration is asked about
        tower = found.tower if is_bare or not holds_tower(found) else None
    return f"{job.model}: language model, projector{f'; vision tower {tower}' if tower else ', vision tower'}"


def _continue(job: Job) -> None:
    """Write a finished model as the start of a run."""
    import torch

    found = _look_at(job)
    if checkpoint := _checkpoint_of(job.model or ""):
        model = load_trained(checkpoint[0])
        # As its export has them: a continued run and a continued export are the same.
        model.to(torch.bfloat16 if job_of(checkpoint[0]).stage.bf16 else torch.float32)
    else:
        model = load_finished(found, seed=job.stage.seed)
    write_model(model, job.start)
    write_processor(found.processor, job.start)


def _look_at(job: Job) -> Finished:
    assert job.model is not None, job
    checkpoint = _checkpoint_of(job.model)
    if checkpoint is None:
        found = look_at_finished(job.model, job.stage.template, vision=job.vision)
    else:
        found = look_at_finished(str(job_of(checkpoint[0]).start), job.stage.template)
    layer = found.config.vision_feature_layer
    if job.stage.vision_layer not in (None, layer):
        raise StageError(
            f"vision_layer {job.stage.vision_layer}: {job.model} learned from the output of layer {layer}; leave it out"
        )
    if job.stage.projector_type not in (None, _type_of(found.config)):
        raise StageError(
            f"projector_type {job.stage.projector_type}: that of {job.model} is {_type_of(found.config)}; leave it out"
        )
    return found


def _type_of(config: Any) -> str:
    """LLaVA's name of a model's kind of projector."""
    act = config.projector_hidden_act
    return next((name for name, between in PROJECTORS.items() if between == act), f"mlp2x_{act}")


def _projector_type(job: Job) -> str:
    """The kind of projector of a model that is composed: the stage's, or that of the run it comes from."""
    if job.stage.projector_type is not None:
        return job.stage.projector_type
    if job.projector and Path(job.projector).is_dir():
        return _projector_type(job_of(find_checkpoint(Path(job.projector))[0]))
    return "mlp2x_gelu"


def _vision_layer(job: Job) -> int:
    """The feature layer of a model that is composed: the stage's, or the one that a run's projector learned from."""
    if job.stage.vision_layer is not None:
        return job.stage.vision_layer
    if job.projector and Path(job.projector).is_dir():
        return _vision_layer(job_of(find_checkpoint(Path(job.projector))[0]))
    return FEATURE_LAYER


def _checkpoint_of(model: str) -> tuple[Path, Complete] | None:
    """The checkpoint of a run of ours; none where it is a model's folder or a name on the Hub."""
    path = Path(model)
    return find_checkpoint(path) if (path / JOB).is_file() or read_complete(path) else None


def _origin(job: Job) -> Origin:
    projector = model = None
    if job.projector and Path(job.projector).is_dir():
        projector = _named(*find_checkpoint(Path(job.projector)))
    elif job.projector:
        try:
            projector = f"sha256 {sha256_of(Path(job.projector))}"
        except OSError as error:
            raise TrainingError(f"--projector {job.projector}: {os_reason(error)}") from None
    if job.model is not None:
        checkpoint = _checkpoint_of(job.model)
        model = _named(*checkpoint) if checkpoint else _fingerprinted(job.model)
    stage = job.stage
    return Origin(
        llm=job.llm,
        vision=job.vision,
        template=stage.template,
        seed=stage.seed,
        projector=projector,
        vision_layer=FEATURE_LAYER if job.model else _vision_layer(job),
        projector_type="mlp2x_gelu" if job.model else _projector_type(job),
        model=model,
    )


def _named(checkpoint: Path, done: Complete) -> str:
    return f"{checkpoint} of mixture {done.mixture[:16]}"


def _fingerprinted(model: str) -> str:
    """A folder's name with a digest of its weights; a Hub name as it is, like that of a part."""
    if not Path(model).is_dir():
        return model
    digest = sha256()
    with ThreadPoolExecutor() as pool:  # a 13B model has 26 GB
        for file in pool.map(sha256_of, weight_files(Path(model))):
            digest.update(file.encode())
    return f"{model} of weights {digest.hexdigest()[:16]}"


def _read_origin(path: Path) -> Origin | None:
    """What the start in this folder was made of; None when there is none, or it is not complete."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Origin)
    except (OSError, *UNREADABLE):
        return None
