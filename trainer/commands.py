"""The commands of `train`: each parses and calls one function. Heavy libraries are imported inside."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

if TYPE_CHECKING:
    from mix665k.schemas.stage import Stage
    from mix665k.trainer.run.job import Job

VICUNA, CLIP = "lmsys/vicuna-7b-v1.5", "openai/clip-vit-large-patch14-336"
Out = Annotated[Path, typer.Option(help="Folder to write.", file_okay=False)]
Mixture = Annotated[Path, typer.Option(help="The mixture to train on: a folder that `mix build` wrote.")]
Images = Annotated[Path, typer.Option(help="Folder with the images that the mixture names.")]
Llm = Annotated[str, typer.Option(help="Bare language model: hub name or folder.")]
Vision = Annotated[str, typer.Option(help="CLIP vision tower: hub name or folder.")]
OtherLlm = Annotated[
    str | None, typer.Option(help="With --projector, the language model: hub name or folder.", show_default=VICUNA)
]
OtherVision = Annotated[
    str | None, typer.Option(help="With --projector, the vision tower: hub name or folder.", show_default=CLIP)
]
StageFile = Annotated[str | None, typer.Option("--stage", help="A stage of your own (YAML) instead of the paper's.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value, such as lr=1e-3 or lora.r=64; repeat.")
]
Nproc = Annotated[int, typer.Option(min=1, help="Ranks to start on this machine.")]
Resume = Annotated[str, typer.Option(help="auto: from the newest complete checkpoint; no; or a checkpoint's path.")]
Report = Annotated[
    Literal["none", "tensorboard", "wandb", "trackio"], typer.Option(help="Where numbers go besides log.jsonl.")
]
Seed = Annotated[int | None, typer.Option(help="Instead of the stage's.")]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="Stop after so many optimizer steps.")]
BadImage = Annotated[
    Literal["fail", "blank", "drop"],
    typer.Option(help="A missing or broken image: stop, a blank one, or leave the record out."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything as `train check` does, train nothing.")]


def pretrain(
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
    dry_run: DryRun = False,
) -> None:
    """Stage 1: align the projector of a new model, everything else frozen."""
    chosen = _stage(stage or "pretrain", sets, seed, max_steps)
    _train(_job(chosen, mixture, images, out, llm, vision, None, resume, report_to, on_bad_image), nproc, dry_run)


def finetune(
    mixture: Mixture,
    images: Images,
    out: Out,
    from_: Annotated[Path | None, typer.Option("--from", help="The folder of stage 1's run.")] = None,
    projector: Annotated[
        Path | None, typer.Option(help="A projector file instead; LLaVA's mm_projector.bin too.", dir_okay=False)
    ] = None,
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
    dry_run: DryRun = False,
) -> None:
    """Stage 2: train projector and language model on instructions, from stage 1's projector."""
    if (from_ is None) == (projector is None):
        raise typer.BadParameter("give either --from, the folder of stage 1's run, or --projector, a file")
    if from_ is not None and (llm or vision):
        raise typer.BadParameter("go with --projector; --from goes on with stage 1's", param_hint="--llm, --vision")
    chosen = _stage(stage or "finetune", sets, seed, max_steps)
    models = (llm or VICUNA, vision or CLIP) if from_ is None else _models_of(from_)
    start = projector or from_
    _train(_job(chosen, mixture, images, out, *models, start, resume, report_to, on_bad_image), nproc, dry_run)


def check_run(
    mixture: Mixture,
    images: Images,
    stage: Annotated[str, typer.Option(help="pretrain, finetune, or a YAML file.")] = "finetune",
    llm: Llm = VICUNA,
    vision: Vision = CLIP,
    sets: Sets = None,
    nproc: Annotated[int, typer.Option(min=1, help="Ranks to plan for, on all machines.")] = 1,
) -> None:
    """Tell what can be known of a run without a GPU: labels, lengths, images, batches, memory."""
    _check(
        _job(_stage(stage, sets, None, None), mixture, images, Path(), llm, vision, None, "no", "none", "fail"), nproc
    )


def plan(
    mixture: Mixture,
    tokenizer: Annotated[str, typer.Option(help="Hub name, folder or `tiny`: counts the tokens.")],
    ranks: Annotated[int, typer.Option(min=1, help="Ranks on all machines.")],
    batch: Annotated[int, typer.Option(min=1, help="Global batch, over all ranks.")] = 128,
    per_device_batch: Annotated[int, typer.Option(min=1, help="Examples of a micro-batch.")] = 16,
    template: Annotated[str, typer.Option(help="As a stage names it.")] = "v1",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer examples are cut.")] = 2048,
    window: Annotated[int, typer.Option(min=1, help="Global batches among which `grouped` sorts.")] = 50,
    seed: Annotated[int, typer.Option(help="Draws the orders.")] = 42,
    png: Annotated[Path | None, typer.Option(help="Draw it into this file too.", dir_okay=False)] = None,
    output: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or JSON.")] = "table",
) -> None:
    """Simulate an epoch in random order, in LLaVA's, and in both of ours: padding, balance, cost; needs no GPU."""
    from mix665k.trainer.run.ranks import quieten

    quieten()
    from transformers import AutoTokenizer

    from mix665k.trainer.batching import simulate
    from mix665k.trainer.data.encode import Encoder
    from mix665k.trainer.data.mixture import Mixture as Rows
    from mix665k.trainer.model.compose import load_tokenizer

    if png is not None:
        simulate.require_drawable(png)
    layout = simulate.layout_of(batch, ranks=ranks, per_device_batch=per_device_batch)
    counting = load_tokenizer(AutoTokenizer, tokenizer)
    encoder = Encoder(counting, template, image_token_id=len(counting), max_tokens=max_tokens)
    jobs = os.cpu_count() or 1
    found = simulate.outlooks(
        simulate.setting_of(Rows(mixture), encoder, layout=layout, seed=seed, window=window, jobs=jobs)
    )
    if output == "json":
        typer.echo(simulate.to_json(found))
    else:
        simulate.print_outlooks(Console(), found)
    if png is not None:
        simulate.draw_outlooks(found, png)


def export_run(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or a run: its newest complete checkpoint.")],
    out: Out,
    push: Annotated[
        str | None, typer.Option(metavar="REPO", help="Publish the model there too, on the Hub: OWNER/NAME.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="With --push: nobody else may see it.")] = False,
    revision: Annotated[str, typer.Option(help="With --push: branch to publish to; made if need be.")] = "main",
) -> None:
    """Write a checkpoint as a model that `AutoModelForImageTextToText` loads, and publish it if asked.

    The token is HF_TOKEN or that of `hf auth login`. The same command goes on after a push that failed.
    """
    if push is None and (private or revision != "main"):
        raise typer.BadParameter("go with --push", param_hint="--private, --revision")
    from mix665k.schemas.hub import Target, require_access
    from mix665k.trainer.export import export as export_checkpoint
    from mix665k.trainer.export import push_model
    from mix665k.trainer.run.ranks import quieten

    quieten()
    target = Target(push, "model", private, revision) if push is not None else None
    if target is not None:
        require_access(target)
    typer.echo(f"wrote {out} from {export_checkpoint(checkpoint, out)}")
    if target is not None:
        done = push_model(out, target)
        typer.echo(f"{'published' if done.changed else 'nothing new'}: {done.url} (commit {done.commit[:12]})")


def generate_answer(
    model: Annotated[str, typer.Argument(help="An exported model: folder or hub name.")],
    prompt: Annotated[str, typer.Option(help="The question.")],
    image: Annotated[Path | None, typer.Option(help="The picture asked about.", dir_okay=False)] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Stop after so many tokens.")] = 128,
) -> None:
    """Ask a model one question."""
    from mix665k.trainer.generate import generate
    from mix665k.trainer.run.ranks import quieten

    quieten()
    typer.echo(generate(model, prompt=prompt, image=image, max_new_tokens=max_new_tokens))


def _models_of(run: Path) -> tuple[str, str]:
    """The language model and the vision tower of stage 1."""
    from mix665k.trainer.run.ranks import quieten

    quieten()
    from mix665k.trainer.export import find_checkpoint, job_of

    job = job_of(find_checkpoint(run)[0])
    return job.llm, job.vision


def _stage(name: str, sets: list[str] | None, seed: int | None, max_steps: int | None) -> "Stage":
    from mix665k.trainer.run.stage_files import load_stage

    given = {"seed": seed, "max_steps": max_steps}
    return load_stage(name, [*(sets or ()), *(f"{key}={value}" for key, value in given.items() if value is not None)])


def _job(
    stage: "Stage",
    mixture: Path,
    images: Path,
    out: Path,
    llm: str,
    vision: str,
    projector: Path | None,
    resume: str,
    report_to: Literal["none", "tensorboard", "wandb", "trackio"],
    on_bad_image: Literal["fail", "blank", "drop"],
) -> "Job":
    from mix665k.trainer.run.job import Job

    mixture, images, out = (path.resolve() for path in (mixture, images, out))
    llm, vision = (str(Path(name).resolve()) if Path(name).is_dir() else name for name in (llm, vision))
    return Job(
        stage=stage,
        mixture=str(mixture),
        images=str(images),
        llm=llm,
        vision=vision,
        out=str(out),
        projector=str(projector.resolve()) if projector else None,
        resume=resume,
        report_to=report_to,
        on_bad_image=on_bad_image,
    )


def _train(job: "Job", nproc: int, dry_run: bool) -> None:
    if dry_run:
        _check(job, nproc)
        return
    from mix665k.trainer.run.launch import launch
    from mix665k.trainer.run.ranks import quieten

    quieten()

    if code := launch(job, nproc=nproc):
        raise typer.Exit(code)
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"wrote {job.out}; `train export {job.out} --out DIR` makes a model of it")


def _check(job: "Job", nproc: int) -> None:
    from mix665k.trainer.check import check
    from mix665k.trainer.run.ranks import quieten

    quieten()
    if check(job, ranks=nproc, console=Console()):
        raise typer.Exit(1)
