"""The template of a run: what `auto` means for its language model, and that the model learns to stop with it."""

import msgspec

from mix665k.schemas.errors import StageError
from mix665k.schemas.template import Template
from mix665k.trainer.run.job import JOB, Job, read_job


def settle_template(job: Job) -> Job:
    """The job with the template that its stage's `auto` means for its language model.

    A template that a language model would learn without learning to stop is refused. Where only the projector learns,
    any template goes: LLaVA's `plain` ends captions with a newline, and no answer is generated before stage 2.

    Raises:
        ModelError: when LLaVA cannot hold the language model.
        StageError: when an answer's end is not one special token of the language model's tokenizer.
        TokenizerError: when the tokenizer cannot be loaded, or its chat template not be used.
    """
    from mix665k.schemas.tokenizer.load import load_tokenizer
    from mix665k.trainer.data.chat import resolve_template
    from mix665k.trainer.data.encode import Encoder
    from mix665k.trainer.model.language import language_config
    from mix665k.trainer.run.start_model import tokenizer_of

    tokenizer = load_tokenizer(tokenizer_of(job))
    template = resolve_template(job.stage.template, tokenizer)
    encoder = Encoder(tokenizer, template, image_token_id=len(tokenizer), tokens_per_image=1, max_tokens=1)
    if "language_model" in job.stage.trains:
        try:
            encoder.require_end_tokens()
        except StageError:
            if job.model is None:
                language_config(job.llm)  # one that LLaVA cannot hold is refused as that: no template would help
            raise
    return _with_template(job, template)


def settled_before(job: Job) -> Job | None:
    """The job as this run settled it when it began, so that it goes on without the language model's tokenizer."""
    if not (job.folder / JOB).is_file():
        return None
    before = read_job(job.folder / JOB)
    same = (before.llm, before.model, before.asked_template) == (job.llm, job.model, job.stage.template)
    return _with_template(job, before.stage.template) if same else None


def _with_template(job: Job, template: str | Template) -> Job:
    stage = msgspec.structs.replace(job.stage, template=template)
    return msgspec.structs.replace(job, stage=stage, asked_template=job.stage.template)
