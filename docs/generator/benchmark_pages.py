"""What the code knows of each benchmark, as a table and as a section per benchmark."""

from docs.generator.tables import table
from mix665k.trainer.evaluation.registry import Benchmark, all_benchmarks


def benchmark_table() -> str:
    """All benchmarks, with the published figures of LLaVA-1.5."""
    rows = [
        [f"[{one.name}](#{one.name})", one.title, one.num_questions, one.metric, *_published(one)]
        for one in all_benchmarks()
    ]
    return table(["name", "benchmark", "questions", "metric", "7B", "13B"], rows)


def benchmark_sections() -> str:
    """Each benchmark: its files, prompts, rule and evidence."""
    return "\n\n".join(_section(one) for one in all_benchmarks())


def _section(benchmark: Benchmark) -> str:
    files = [[f"`{file.path}`", file.place, "optional" if file.optional else ""] for file in benchmark.files]
    prompts = [f"- `{name}`: {_shown(text)}" for name, text in benchmark.prompts.items()]
    return "\n\n".join(
        [
            f"### {benchmark.name}",
            f"**{benchmark.title}.** {benchmark.num_questions} questions. Licence: {benchmark.licence}.",
            table(["file", "from", ""], files),
            f"What is added to a question:\n\n{chr(10).join(prompts)}",
            f"Rule: {benchmark.rule}",
            f"Evidence: {benchmark.evidence}",
        ]
    )


def _shown(text: str) -> str:
    return ", then ".join(f"`{line}`" for line in text.strip().splitlines()) or "nothing"


def _published(benchmark: Benchmark) -> list[str]:
    pairs = benchmark.published.values()
    return [" / ".join(f"{pair[place]:g}" for pair in pairs) for place in (0, 1)]
