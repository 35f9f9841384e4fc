"""What `train benchmarks` and `train score` print."""

from pathlib import Path
from typing import Any

from rich.table import Table

from mix665k.schemas.terminal import LiteralConsole, say
from mix665k.trainer.evaluation.data_files import data_of
from mix665k.trainer.evaluation.registry import Benchmark
from mix665k.trainer.evaluation.score import Scored, incomparable, intervals_of, prompt_of


def describe(benchmark: Benchmark, data: Path | None) -> dict[str, Any]:
    """A benchmark as data: its files, with `found` where `data` is given."""
    found = data_of(data, benchmark.files) if data else None
    files = [
        {
            "path": file.path,
            "place": file.place,
            "optional": file.optional,
            **({"found": found.find(Path(file.path).name) is not None} if found else {}),
        }
        for file in benchmark.files
    ]
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "questions": benchmark.num_questions,
        "metric": benchmark.metric,
        "licence": benchmark.licence,
        "files": files,
        "prompts": dict(benchmark.prompts),
        "splits": list(benchmark.splits),
        "rules": list(benchmark.rules),
        "rule": benchmark.rule,
        "form": benchmark.form,
        "evidence": benchmark.evidence,
        "traps": list(benchmark.traps),
        "published": {name: list(pair) for name, pair in benchmark.published.items()},
    }


def show_benchmarks(console: LiteralConsole, described: list[dict[str, Any]]) -> None:
    """All benchmarks: their size, licence, and how much of them is there."""
    table = Table("benchmark", "questions", "licence", *(["files here"] if "found" in described[0]["files"][0] else []))
    for one in described:
        here = [sum(file["found"] for file in one["files"])] if "found" in one["files"][0] else []
        table.add_row(
            one["name"], one["questions"], one["licence"], *(f"{count} of {len(one['files'])}" for count in here)
        )
    console.print(table)


def show_benchmark(one: dict[str, Any]) -> None:
    """One benchmark: its files, where to get them, and its rule."""
    say(f"{one['title']}: {one['questions']} questions; {one['metric']}")
    say(f"licence: {one['licence']}")
    for file in one["files"]:
        here = {True: " (here)", False: " (not here)", None: ""}[file.get("found")]
        say(f"{file['path']}{here}{', optional' if file['optional'] else ''}: {file['place']}")
    for name, text in one["prompts"].items():
        say(f"prompt {name}: {' / '.join(text.strip().splitlines()) or 'nothing is added'}")
    say(f"rule: {one['rule']}")
    say(f"evidence: {one['evidence']}")
    for trap in one["traps"]:
        say(f"trap: {trap}")


def show_score(console: LiteralConsole, scored: Scored) -> None:
    """The figures beside the published ones, the counts, and lines in the form of a benchmark's own program."""
    score = scored.score
    counts = ", ".join(f"{number:,} {name}" for name, number in scored.counts.items())
    say(
        f"{scored.benchmark.title}: {counts}{f', {score.unread:,} without a reading' if score and score.unread else ''}"
    )
    if score is None:
        if scored.benchmark.score is not None:
            say("the data has no labels, so nothing is scored; --out writes the file for the server")
        for note in scored.notes:
            say(note)
        return
    table = Table(*("figure", "score", "95 % interval", "LLaVA-1.5 7B", "13B", "difference to 13B"))
    ranges = intervals_of(scored)
    for name, value in score.figures.items():
        interval = ranges[name]
        shown = f"{interval.low:.{score.decimals}f} to {interval.high:.{score.decimals}f}" if interval else ""
        row = [name, f"{value:.{score.decimals}f}", shown]
        if (pair := scored.benchmark.published.get(name)) is not None:
            row += [f"{pair[0]:.1f}", f"{pair[1]:.1f}", f"{value - pair[1]:+.1f}"]
        table.add_row(*row)
    console.print(table)
    if len(scored.benchmark.prompts) > 1:
        say(f"prompt: {prompt_of(scored) or 'not known, the answers do not say it'}")
    for line in (*score.lines, *score.notes, *scored.notes):
        say(line)
    if scored.judge:
        say(f"judge: {scored.judge}")
    if scored.benchmark.published and (why := incomparable(scored)):
        say(f"not comparable with the published figures: {why}")
