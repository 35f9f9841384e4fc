"""The commands of `train`: each parses and calls one function. Heavy libraries are imported inside."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mix665k.schemas.addresses import resolved
from mix665k.schemas.terminal import open_console, say, say_json, say_text
from mix665k.schemas.tokens import TOKENS_PER_IMAGE
from mix665k.trainer.run.start_from import CLIP, VICUNA, StartFrom, of_parts, of_projector, start_from

if TYPE_CHECKING:
    from mix665k.schemas.stage import Stage
    from mix665k.trainer.run.job import Job

Out = Annotated[Path, typer.Option(help="Where to write: a folder.", file_okay=False)]
Mixture = Annotated[Path, typer.Option(help="A mixture's folder: train on it, as `mix build` wrote it.")]
Images = Annotated[
    Path, typer.Option(help="Folder with the images: those that the mixture names; or shards of them, or an address.")
]
Llm = Annotated[str, typer.Option(help="Language model, by Hub name or folder: a bare one.")]
Vision = Annotated[str, typer.Option(help="Vision tower, by Hub name or folder: one with a token for each patch.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from", help="What to start from: a run, a checkpoint, a model's folder or Hub name, a projector file."
    ),
]
Projector = Annotated[
    Path | None, typer.Option(help="A projector file to start from; LLaVA's mm_projector.bin too.", dir_okay=False)
]
OtherLlm = Annotated[str | None, typer.Option(help="Language model, by Hub name or folder.", show_default=VICUNA)]
OtherVision = Annotated[str | None, typer.Option(help="Vision tower, by Hub name or folder.", show_default=CLIP)]
StageFile = Annotated[
    str | None, typer.Option("--stage", help="Stage, a YAML file: your own, or what differs from the paper's.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value, such as lr=1e-3 or lora.r=64; repeat.")
]
EvalMixture = Annotated[
    Path | None,
    typer.Option(
        help="Another mixture's folder: measure its loss every `eval_steps`, by source; by default that of what the "
        "mixture's recipe holds out."
    ),
]
Nproc = Annotated[int, typer.Option(min=1, help="Ranks to start on this machine.")]
Resume = Annotated[str, typer.Option(help="auto: from the newest complete checkpoint; no; or a checkpoint's path.")]
Report = Annotated[
    Literal["none", "tensorboard", "wandb", "trackio"], typer.Option(help="Where numbers go besides log.jsonl.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of the draws: instead of the stage's.")]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="Stop after so many optimizer steps.")]
BadImage = Annotated[
    Literal["fail", "blank", "drop"],
    typer.Option(help="A missing or broken image: stop, a blank one, or leave the record out."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Dry run: check everything as `train check` does, train nothing.")
]
OutputFormat = Annotated[
    Literal["table", "json"],
    typer.Option("--format", help="Format of the output: tables to read, or one JSON document."),
]


def pretrain(
    *,
    mixture: Mixture,
    images: Images,
    out: Out,
    llm: Llm = VICUNA,
    vision: Vision = CLIP,
    stage: StageFile = None,
    sets: Sets = None,
    nproc: Nproc = 1,
    resume: Resume = "auto",
    report_to: Report = "tensorboard",
    seed: Seed = None,
    max_steps: MaxSteps = None,
    on_bad_image: BadImage = "fail",
    eval_mixture: EvalMixture = None,
    dry_run: DryRun = False,
) -> None:
    """Stage 1: align the projector of a new model, everything else frozen."""
    job = _job(
        _stage(stage, base="pretrain", sets=sets, seed=seed, max_steps=max_steps),
        mixture=mixture,
        images=images,
        out=out,
        start=of_parts(llm, vision),
        eval_mixture=eval_mixture,
        resume=resume,
        report_to=report_to,
        on_bad_image=on_bad_image,
    )
    _train(job, nproc=nproc, dry_run=dry_run)


def finetune(
    *,
    mixture: Mixture,
    images: Images,
    out: Out,
    from_: From = None,
    projector: Projector = None,
    llm: OtherLlm = None,
    vision: OtherVision = None,
    stage: StageFile = None,
    sets: Sets = None,
    nproc: Nproc = 1,
    resume: Resume = "auto",
    report_to: Report = "tensorboard",
    seed: Seed = None,
    max_steps: MaxSteps = None,
    on_bad_image: BadImage = "fail",
    eval_mixture: EvalMixture = None,
    dry_run: DryRun = False,
) -> None:
    """Stage 2: train projector and language model on instructions, from stage 1's projector or a finished model."""
    if (from_ is None) == (projector is None):
        raise typer.BadParameter("give either --from, a run or a model, or --projector, a file")
    chosen = _stage(stage, base="finetune", sets=sets, seed=seed, max_steps=max_steps)
    job = _job(
        chosen,
        mixture=mixture,
        images=images,
        out=out,
        start=_start(from_, projector=projector, llm=llm, vision=vision),
        eval_mixture=eval_mixture,
        resume=resume,
        report_to=report_to,
        on_bad_image=on_bad_image,
    )
    _train(job, nproc=nproc, dry_run=dry_run)


def check_run(
    *,
    mixture: Mixture,
    images: Images,
    stage: Annotated[str, typer.Option(help="Stage, a YAML file: or pretrain or finetune, the paper's.")] = "finetune",
    from_: From = None,
    projector: Projector = None,
    llm: OtherLlm = None,
    vision: OtherVision = None,
    sets: Sets = None,
    eval_mixture: EvalMixture = None,
    ranks: Annotated[int, typer.Option(min=1, help="Ranks on all machines.")] = 1,
    without_weights: Annotated[
        bool,
        typer.Option("--without-weights", help="Take folders of configurations alone, which no run would start from."),
    ] = False,
    output: OutputFormat = "table",
) -> None:
    """Say what can be known about a run without a GPU: labels, lengths, images, batches, memory."""
    chosen = _stage(stage, base="finetune", sets=sets)
    start = _start(from_, projector=projector, llm=llm, vision=vision)
    job = _job(chosen, mixture=mixture, images=images, out=Path(), start=start, eval_mixture=eval_mixture)
    _check(job, ranks=ranks, has_weights=not without_weights, output=output)


def stages(
    name: Annotated[str | None, typer.Argument(help="One shipped stage: its values.")] = None,
    *,
    output: OutputFormat = "table",
) -> None:
    """List the shipped stages and the fields of a stage, with their defaults."""
    from mix665k.trainer.run.stage_fields import describe_stages, list_stages

    if output == "json":
        import msgspec

        say_json(msgspec.json.format(msgspec.json.encode(list_stages(name)), indent=2))
    else:
        describe_stages(open_console(), name)


def plan(
    *,
    mixture: Mixture,
    tokenizer: Annotated[
        str, typer.Option(help="Tokenizer, by Hub name or folder: counts the tokens; `tiny` is one for demos.")
    ],
    ranks: Annotated[int, typer.Option(min=1, help="Ranks on all machines.")],
    global_batch: Annotated[int, typer.Option(min=1, help="Examples of a step, over all ranks.")] = 128,
    per_device_batch: Annotated[int, typer.Option(min=1, help="Examples of a micro-batch.")] = 16,
    template: Annotated[str, typer.Option(help="Template, as a stage names it.")] = "auto",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer examples are cut.")] = 2048,
    window: Annotated[int, typer.Option(min=1, help="Global batches among which `grouped` sorts.")] = 50,
    tokens_per_image: Annotated[
        int, typer.Option(min=1, help="Tokens of an image: as `train check` says of a vision tower.")
    ] = TOKENS_PER_IMAGE,
    share: Annotated[
        Literal["path", "content"], typer.Option(help="What is one picture to `shared_images`: a path, or equal files.")
    ] = "path",
    images: Annotated[Path | None, typer.Option(help="Folder with the images: for `--share content` alone.")] = None,
    max_branches: Annotated[
        int | None, typer.Option(min=1, help="Records of a picture that `shared_images` takes in a row.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws: it gives the orders.")] = 42,
    png: Annotated[Path | None, typer.Option(help="Draw it into this file too.", dir_okay=False)] = None,
    output: OutputFormat = "table",
) -> None:
    """Simulate an epoch in random order, in LLaVA's, and in ours: tokens, padding, balance, cost; needs no GPU."""
    quieten()
    from mix665k.schemas.tokenizer.load import load_tokenizer
    from mix665k.trainer import plan as planning
    from mix665k.trainer.batching.simulate import epoch_costs
    from mix665k.trainer.data.chat import resolve_template
    from mix665k.trainer.data.encode import Encoder
    from mix665k.trainer.data.mixture import Mixture as Rows

    if png is not None:
        planning.require_drawable(png)
    layout = planning.split_batch(global_batch, ranks=ranks, per_device_batch=per_device_batch)
    counting = load_tokenizer(tokenizer)
    encoder = Encoder(
        counting,
        resolve_template(template, counting),
        image_token_id=len(counting),
        tokens_per_image=tokens_per_image,
        max_tokens=max_tokens,
    )
    sharing = planning.Sharing(share=share, images=images, max_branches=max_branches)
    setting = planning.setting_of(Rows(mixture), encoder, layout=layout, seed=seed, window=window, sharing=sharing)
    found = epoch_costs(setting)
    if output == "json":
        say_json(planning.to_json(found))
    else:
        planning.print_costs(open_console(), found)
    if png is not None:
        planning.draw_costs(found, png)


def export_run(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or a run: its newest complete checkpoint.")],
    *,
    out: Out,
    adapters: Annotated[
        bool, typer.Option("--adapters", help="Adapters and projector alone, as peft loads them; not merged.")
    ] = False,
    form: Annotated[
        Literal["hf", "llava"],
        typer.Option(
            "--format", help="Format of the output: llava-hf's, or LLaVA's own, for its scripts and llama.cpp."
        ),
    ] = "hf",
) -> None:
    """Write a checkpoint as a model that `AutoModelForImageTextToText` loads, with a card."""
    from mix665k.trainer.export import export, export_adapters

    quieten()
    if adapters and form != "hf":
        raise typer.BadParameter("adapters go into a folder of their own; leave --format out", param_hint="--adapters")
    done = export_adapters(checkpoint, out) if adapters else export(checkpoint, out, form=form)
    say(f"wrote {out} from {done}")


def publish(
    model: Annotated[Path, typer.Argument(help="An exported model's folder.")],
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help="Where on the Hub: OWNER/NAME; created if it does not exist.")
    ],
    *,
    private: Annotated[bool, typer.Option("--private", help="Only you can see it.")] = False,
    revision: Annotated[str, typer.Option(help="Branch to publish to; created if it does not exist.")] = "main",
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request, commit nothing.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Dry run: check the model, publish nothing; no Hub, no token."),
    ] = False,
    output: OutputFormat = "table",
) -> None:
    """Publish an exported model on the Hugging Face Hub, in one commit. Re-running is a no-op.

    The token is HF_TOKEN or that of `hf auth login`. After an upload that failed, rerun the same command.
    """
    from mix665k.schemas.hub import Target
    from mix665k.trainer.publish import publish as publish_model
    from mix665k.trainer.publish import summary, to_json

    target = Target(repository=repository, kind="model", private=private, revision=revision, create_pr=create_pr)
    done = publish_model(model, target, dry_run=dry_run)
    if output == "json":
        say_json(to_json(done))
    else:
        say(summary(done))


def generate_answer(
    model: Annotated[str, typer.Argument(help="An exported model: folder or Hub name.")],
    *,
    prompt: Annotated[str, typer.Option(help="Prompt: the question.")],
    image: Annotated[
        list[Path] | None,
        typer.Option(help="The image asked about; repeatable, in their order before the question.", dir_okay=False),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Stop after so many tokens.")] = 128,
) -> None:
    """Ask a model one question."""
    from mix665k.trainer.generate import generate

    quieten()
    say_text(generate(model, prompt=prompt, images=image or [], max_new_tokens=max_new_tokens))


def quieten() -> None:
    """See `ranks.quieten`, which imports torch."""
    from mix665k.trainer.run.ranks import quieten

    quieten()


def _start(from_: str | None, *, projector: Path | None, llm: str | None, vision: str | None) -> StartFrom:
    """What the options say a run starts from."""
    if from_ is not None and projector is not None:
        raise typer.BadParameter("--from and --projector both say what to start from; give one")
    if from_ is not None:
        start = start_from(from_, llm=llm, vision=vision)
        has_models = start.model or (start.projector and Path(start.projector).is_dir())
        if has_models and (llm or (vision and start.llm)):  # LLaVA's own checkpoints name a tower that may be elsewhere
            raise typer.BadParameter(f"go with a projector file; {from_} has its own", param_hint="--llm, --vision")
        return start
    return of_parts(llm, vision) if projector is None else of_projector(projector, llm=llm, vision=vision)


def _stage(
    name: str | None, *, base: str, sets: list[str] | None, seed: int | None = None, max_steps: int | None = None
) -> "Stage":
    """A stage with --set, then --seed and --max-steps, which are short for it; a file's values go before its base's."""
    from mix665k.trainer.run.stage_files import load_stage

    given = {"seed": seed, "max_steps": max_steps}
    overrides = [*(sets or ()), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    return load_stage(name or base, overrides, base=base)


def _job(
    stage: "Stage",
    *,
    mixture: Path,
    images: Path,
    out: Path,
    start: StartFrom,
    eval_mixture: Path | None = None,
    resume: str = "no",
    report_to: Literal["none", "tensorboard", "wandb", "trackio"] = "none",
    on_bad_image: Literal["fail", "blank", "drop"] = "fail",
) -> "Job":
    """A job whose paths do not depend on the working folder."""
    from mix665k.trainer.run.job import Job, held_out_of

    mixture, images, out = (resolved(path) for path in (mixture, images, out))
    if eval_mixture is None and not stage.eval_fraction:
        eval_mixture = held_out_of(mixture)
    return Job(
        stage=stage,
        mixture=str(mixture),
        images=str(images),
        out=str(out),
        **start._asdict(),
        eval_mixture=None if eval_mixture is None else str(eval_mixture.resolve()),
        resume=resume,
        report_to=report_to,
        on_bad_image=on_bad_image,
    )


def _train(job: "Job", *, nproc: int, dry_run: bool) -> None:
    if dry_run:
        _check(job, ranks=nproc)
        return
    from mix665k.trainer.run.launch import launch

    quieten()
    if code := launch(job, nproc=nproc):
        raise typer.Exit(code)
    if os.environ.get("RANK", "0") == "0":
        say(f"wrote {job.out}; `train export {job.out} --out DIR` makes a model of it")


def _check(job: "Job", *, ranks: int, has_weights: bool = True, output: str = "table") -> None:
    from mix665k.trainer.model.loading import require_model

    if find_spec("torch") is None:  # said before anything is asked of the Hub
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    for name in filter(None, (job.llm, job.vision, job.model)):
        require_model(name)  # before the libraries are imported that take longer than this answer
    from mix665k.trainer.check import check, print_audit, to_json

    quieten()
    found = check(job, ranks=ranks, has_weights=has_weights)
    if output == "json":
        say_json(to_json(found))
    else:
        print_audit(open_console(), found)
    if found.stops:
        raise typer.Exit(1)
