"""What the code knows of each benchmark, as a table and as a page per benchmark."""

from docs.generator.tables import table
from mix665k.trainer.evaluation.registry import Benchmark, all_benchmarks, by_name

BENCHMARK_PAGES = [one.name for one in all_benchmarks()]


def benchmark_table() -> str:
    """All benchmarks, with the published figures of LLaVA-1.5."""
    rows = [
        [f"[{one.name}]({one.name}.md)", one.title, one.num_questions, one.metric, *_published(one)]
        for one in all_benchmarks()
    ]
    return table(["name", "benchmark", "questions", "metric", "7B", "13B"], rows)


def benchmark_facts(name: str) -> str:
    """A benchmark: its files, form, prompts, rule, evidence and traps."""
    benchmark = by_name(name)
    files = [[f"`{file.path}`", file.place, "optional" if file.optional else ""] for file in benchmark.files]
    facts = [["questions", benchmark.num_questions], ["score", benchmark.metric], ["licence", benchmark.licence]]
    facts += [["splits", ", ".join(f"`{one}`" for one in benchmark.splits)]] if benchmark.splits else []
    facts += [["rules", ", ".join(f"`{one}`" for one in benchmark.rules)]] if len(benchmark.rules) > 1 else []
    facts += [["longest answer", f"{benchmark.max_new_tokens:,} tokens"]]
    for figure, (small, large) in benchmark.published.items():
        facts.append([f"published {figure}", f"7B {small:g}, 13B {large:g}"])
    if judging := benchmark.judging:
        facts.append(["judge", f"the paper's is {judging.model}; its instructions are given as `{judging.option}`"])
    prompts = [f"- `{name}`: {_shown(text)}" for name, text in benchmark.prompts.items()]
    parts = [
        f"**{benchmark.title}.**",
        table(["file", "from", ""], files),
        table(["", ""], facts),
        f"A record: {' '.join(benchmark.form.split())}",
        f"What is added to a question:\n\n{chr(10).join(prompts)}",
        f"## Rule\n\n{benchmark.rule}",
        f"## Evidence\n\n{benchmark.evidence}",
    ]
    if benchmark.traps:
        parts.append(
            "## Traps\n\nWhat others' scorers got wrong:\n\n" + "\n".join(f"- {one}" for one in benchmark.traps)
        )
    return "\n\n".join(parts)


def _shown(text: str) -> str:
    return ", then ".join(f"`{line}`" for line in text.strip().splitlines()) or "nothing"


def _published(benchmark: Benchmark) -> list[str]:
    pairs = benchmark.published.values()
    return [" / ".join(f"{pair[place]:g}" for pair in pairs) for place in (0, 1)]
