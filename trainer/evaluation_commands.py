"""The commands of `train` that evaluate: each parses and calls one function. Heavy libraries are imported inside."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from mix665k.schemas.terminal import open_console, say, say_json
from mix665k.trainer.commands import Nproc, Out, OutputFormat


def benchmarks(
    name: Annotated[str | None, typer.Argument(help="One benchmark: its files, prompts, rule and evidence.")] = None,
    *,
    data: Annotated[
        Path | None, typer.Option(help="Folder with the benchmarks' files: say which of them are there.")
    ] = None,
    output: OutputFormat = "table",
) -> None:
    """List the benchmarks that can be scored: files, where to get them, licence, number of questions."""
    from mix665k.trainer.evaluation.registry import all_benchmarks, by_name
    from mix665k.trainer.evaluation.show import describe, show_benchmark, show_benchmarks

    described = [describe(one, data) for one in ([by_name(name)] if name else all_benchmarks())]
    if output == "json":
        say_json(json.dumps(described[0] if name else described, indent=2, ensure_ascii=False))
    elif name:
        show_benchmark(described[0])
    else:
        show_benchmarks(open_console(), described)


def score(
    benchmark: Annotated[
        str, typer.Argument(help="A benchmark, as `train benchmarks` lists them, or a YAML file: one of your own.")
    ],
    *,
    data: Annotated[Path, typer.Option(help="Folder with the benchmarks' files, or the one file that is needed.")],
    answers: Annotated[
        list[Path],
        typer.Option(
            help="Answers of any model, a file: JSON lines, lmms-eval's samples, an xlsx; a judge's reviews, repeat."
        ),
    ],
    split: Annotated[str | None, typer.Option(help="Split: which one was asked, where there are several.")] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="Rule of another program, where there is one: lmms-eval; LLaVA-Bench's rule.json."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this OpenAI-compatible judge; key: OPENAI_API_KEY.")
    ] = None,
    judge_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The judge's model; without --judge requests are only written."),
    ] = None,
    judge_prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="MM-Vet's prompt for its judge, a text file.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Count questions without an answer as wrong.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where to write: a folder.", file_okay=False)] = None,
    output: OutputFormat = "table",
) -> None:
    """Score any model's answers to a benchmark by its official rule; needs neither the model nor torch."""
    from mix665k.trainer.evaluation.judge import REQUESTS, Judge, judge_answers
    from mix665k.trainer.evaluation.own import read_own
    from mix665k.trainer.evaluation.registry import Request, by_name
    from mix665k.trainer.evaluation.score import document, score_answers, write_results
    from mix665k.trainer.evaluation.show import show_score

    of = read_own(Path(benchmark)) if benchmark.endswith((".yaml", ".yml")) else by_name(benchmark)
    if judge or judge_model:
        if not (judge_model and out and len(answers) == 1):
            raise typer.BadParameter("needs --judge-model, --out and one --answers", param_hint="--judge")
        given = {"--rule": Path(rule) if rule else None, "--judge-prompt": judge_prompt}
        asked = Judge(judge, judge_model, {name: path for name, path in given.items() if path})
        reviews = judge_answers(of, data=data, answers=answers[0], judge=asked, out=out, allow_missing=allow_missing)
        if reviews is None:
            say(f"wrote {out / REQUESTS}; --judge asks them, or give what a batch of them gave as --answers")
            return
        answers = [reviews]
    scored = score_answers(
        of, data=data, answers=answers, request=Request(split=split, rule=rule), allow_missing=allow_missing
    )
    if out is not None:
        write_results(scored, out)
    if output == "json":
        say_json(json.dumps(document(scored), indent=2, ensure_ascii=False))
    else:
        show_score(open_console(), scored)


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_OR_RESULT...", help="Runs; results.json of `train eval` or `train score`, or its folder."
        ),
    ],
    *,
    png: Annotated[Path | None, typer.Option(help="Draw it into this file too.", dir_okay=False)] = None,
    output: OutputFormat = "table",
) -> None:
    """Compare runs: mixtures, what differs in recipe and stage, losses per source, benchmark scores."""
    import msgspec

    from mix665k.trainer import compare as comparing

    if png is not None:
        comparing.require_drawable(png)
    columns, notes = comparing.read_columns(paths)
    found = comparing.compare(columns, notes)
    if png is not None:
        comparing.draw(columns, found, png)
    if output == "json":
        say_json(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        comparing.show(open_console(), found)


def evaluate_model(
    model: Annotated[str, typer.Argument(help="An exported model, folder or Hub name; or a run or checkpoint.")],
    benchmarks: Annotated[
        list[str],
        typer.Argument(
            metavar="BENCHMARK...", help="What is asked, as `train benchmarks` lists them; or a YAML file: your own."
        ),
    ],
    *,
    data: Annotated[Path, typer.Option(help="Folder with the benchmarks' files.", file_okay=True)],
    images: Annotated[Path, typer.Option(help="Folder with the images: those of the benchmarks.")],
    out: Out,
    limit: Annotated[int | None, typer.Option(min=0, help="Take the first N: questions of each benchmark.")] = None,
    split: Annotated[str | None, typer.Option(help="Split: which one to ask, where there are several.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Prompt: its name, where there are several.")] = None,
    batch: Annotated[str, typer.Option(metavar="auto|N", help="Most questions at once: auto, or a number.")] = "auto",
    exact: Annotated[bool, typer.Option("--exact", help="Compute in float32: no answer depends on the batch.")] = False,
    nproc: Nproc = 1,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Count questions without an answer as wrong: those without an image."),
    ] = False,
    on_bad_image: Annotated[
        Literal["fail", "blank"],
        typer.Option(help="A missing or broken image: stop, or a blank one, which is counted."),
    ] = "fail",
    output: OutputFormat = "table",
) -> None:
    """Ask a model a benchmark's questions, greedily, and score its answers. The same command resumes."""
    from mix665k.trainer.evaluate import Settings, evaluate
    from mix665k.trainer.evaluation.registry import Request
    from mix665k.trainer.evaluation.score import document
    from mix665k.trainer.evaluation.show import show_score

    if batch != "auto" and not (batch.isdecimal() and int(batch)):
        raise typer.BadParameter(f"{batch!r}, expected auto or a number from 1", param_hint="--batch")
    settings = Settings(
        data=data,
        images=images,
        out=out,
        request=Request(split=split, prompt=prompt),
        limit=limit,
        rows=None if batch == "auto" else int(batch),
        nproc=nproc,
        exact=exact,
        blank=on_bad_image == "blank",
        allow_missing=allow_missing,
    )
    found = []
    for scored in evaluate(model, benchmarks, settings):
        found.append(document(scored))
        if output == "table":
            show_score(open_console(), scored)
    if output == "json":
        say_json(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        say(f"wrote {out}")
