"""`train compare`: runs and results side by side, which is what an ablation ends with; needs no torch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mix665k.schemas.errors import EvaluationError, MixtureError
from mix665k.schemas.files import decode_json, os_errors
from mix665k.schemas.manifest import Manifest, load_manifest
from mix665k.schemas.terminal import LiteralConsole, say
from mix665k.trainer.run.checkpoint import checkpoints
from mix665k.trainer.run.job import JOB, Job, read_job
from mix665k.trainer.run.log import LOG, read_log

_RESULTS = "results.json"
_LAST = 0.1
"""The share of a run's steps whose losses are shown: one step's are those of a few conversations."""
_LOSS, _LABELS = "loss/", "labels/"
_HELD_OUT, _BENCHMARK = "eval_loss", "benchmark/"
_NONE = "-"

Values = Sequence[Any]
"""One value a column, None where it has none."""


class Result(msgspec.Struct):
    """`results.json` of `train eval` and `train score`, as far as it is compared."""

    benchmark: str
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float] | None] = {}
    split: str | None = None
    rule: str | None = None
    judge: str | None = None
    counts: dict[str, int] = {}
    asked: dict[str, Any] = {}

    def conditions(self) -> dict[str, Any]:
        """What must agree where two scores are to be compared."""
        counts = {name: self.counts.get(name) for name in ("asked", "reviews", "missing", "blank")}
        asked = {name: self.asked.get(name) for name in ("prompt", "data")} if self.asked else {}
        return {"split": self.split, "rule": self.rule, "judge": self.judge, **counts, **asked}


class Run(NamedTuple):
    """A run: its job, its log, the hash of the mixture it trained on, and that mixture's manifest where it is there."""

    job: Job
    log: list[dict[str, Any]]
    row_hash: str | None
    manifest: Manifest | None


class Column(NamedTuple):
    """What is put side by side: a run, the results found with it, or results alone."""

    name: str
    run: Run | None
    results: Mapping[str, Result]


class Comparison(msgspec.Struct, kw_only=True):
    """Facts by name, each with one value a column; only what differs in `recipe`, `stage` and `start`.

    `losses` are means over the last tenth of a run's steps, weighted by labels; `held_out` and `while_training` are the
    last that were logged. `scores` are by benchmark and figure: the value with its interval. `notes` say what stands in
    the way of comparing.
    """

    columns: list[str]
    mixture: dict[str, Values]
    recipe: dict[str, Values]
    stage: dict[str, Values]
    start: dict[str, Values]
    losses: dict[str, Values]
    held_out: dict[str, Values]
    while_training: dict[str, Values]
    scores: dict[str, dict[str, Values]]
    notes: list[str]


def read_columns(paths: Sequence[Path]) -> tuple[list[Column], list[str]]:
    """What each path holds, and what is worth a note; results of a run that is given too join its column.

    Raises:
        UserError: for a path that is neither a run nor results, is given twice, or is damaged.
    """
    notes: list[str] = []
    if len(paths) < 2:
        raise EvaluationError("expected two or more runs or results to compare")
    found: list[tuple[Path, Column]] = []
    for path in paths:
        if path.resolve() in (known for known, _ in found):
            raise EvaluationError(f"{path}: is given twice; name another run or result")
        found.append((path.resolve(), _column(path, notes)))
    runs = {path for path, column in found if column.run is not None}
    columns = dict(found)
    for path, column in found:
        if column.run is None and (owner := _owner(column, runs)):
            into = columns[owner]
            columns[owner] = into._replace(results=_merged(into.results, column.results, where=path))
            del columns[path]
    return list(columns.values()), notes


def _owner(column: Column, runs: set[Path]) -> Path | None:
    """The run whose checkpoint was asked, where all results say the same one."""
    names = {str(result.asked.get("name", "")) for result in column.results.values()}
    name = names.pop() if len(names) == 1 else ""
    return next((run for run in runs if name and run in (Path(name).resolve(), *Path(name).resolve().parents)), None)


def _merged(a: Mapping[str, Result], b: Mapping[str, Result], *, where: Path) -> dict[str, Result]:
    if both := sorted(a.keys() & b.keys()):
        raise EvaluationError(f"{where}: another result of {both[0]} for the same run; give one of them")
    return {**a, **b}


def _column(path: Path, notes: list[str]) -> Column:
    name = str(path)
    if not path.exists():
        raise EvaluationError(f"{path}: no such file or folder")
    if path.is_file():
        return Column(name, run=None, results=_results([path]))
    if (path / JOB).is_file():
        return Column(name, run=_run(path, notes), results=_results_in(path, notes))
    own = path / _RESULTS
    files = [own] if own.is_file() else sorted(path.glob(f"*/{_RESULTS}"))
    if not files:
        raise EvaluationError(
            f"{path}: neither a run ({JOB}) nor results ({_RESULTS}) of `train eval` or `train score`"
        )
    return Column(name, run=None, results=_results(files))


def _results_in(run: Path, notes: list[str]) -> dict[str, Result]:
    """The results that were written into a run's folder; those of a benchmark that was asked twice are left out."""
    found: dict[str, list[Result]] = {}
    for path in sorted(one for pattern in ("*", "*/*") for one in run.glob(f"{pattern}/{_RESULTS}")):
        for name, result in _results([path]).items():
            found.setdefault(name, []).append(result)
    for name, results in found.items():
        if len(results) > 1:
            notes.append(
                f"{run}: {len(results)} results of {name} are in it, so none is shown; name the one to compare"
            )
    return {name: results[0] for name, results in found.items() if len(results) == 1}


def _results(files: Sequence[Path]) -> dict[str, Result]:
    found: dict[str, Result] = {}
    for path in files:
        with os_errors(EvaluationError, path):
            content = path.read_bytes()
        fix = "expected results of `train eval` or `train score`"
        result = decode_json(content, Result, kind=EvaluationError, where=path, fix=fix)
        found = _merged(found, {result.benchmark: result}, where=path)
    return found


def _run(path: Path, notes: list[str]) -> Run:
    job, log = read_job(path / JOB), read_log(path)
    if not log:
        notes.append(f"{path}: {LOG} holds no steps, so there are no losses")
    trained_on = next((complete.mixture for _, complete in reversed(checkpoints(path))), None)
    try:
        manifest: Manifest | None = load_manifest(job.mixture_folder)
    except MixtureError:
        manifest = None
        notes.append(f"{path}: its mixture {job.mixture} is not there any more, so its recipe is not compared")
    if manifest is not None and trained_on not in (None, manifest.row_hash):
        notes.append(f"{path}: its mixture {job.mixture} was built again since, so its recipe is not compared")
        manifest = None
    return Run(job, log=log, row_hash=trained_on or (manifest.row_hash if manifest else None), manifest=manifest)


def compare(columns: Sequence[Column], notes: Sequence[str]) -> Comparison:
    """The columns side by side."""
    runs = [column.run for column in columns]
    found = list(notes)
    mixture: dict[str, Values] = {
        "row hash": [run and run.row_hash for run in runs],
        "conversations": [run and run.manifest and run.manifest.conversations for run in runs],
        "pairs": [run and run.manifest and run.manifest.pairs for run in runs],
        "steps": [run and max((line["step"] for line in run.log), default=None) for run in runs],
    }
    names = sorted({name for column in columns for name in column.results})
    return Comparison(
        columns=[column.name for column in columns],
        mixture=_known(mixture) if any(runs) else {},
        recipe=_differing([_recipe(run.manifest) if run and run.manifest else None for run in runs]),
        stage=_differing([run and _flat(msgspec.to_builtins(run.job.stage)) for run in runs]),
        start=_differing([run and _start(run.job) for run in runs]),
        losses=_table([_losses(run.log) if run else {} for run in runs]),
        held_out=_table([_last(run.log, _HELD_OUT) if run else {} for run in runs]),
        while_training=_table([_last(run.log, _BENCHMARK) if run else {} for run in runs]),
        scores={name: _scores(name, columns, found) for name in names},
        notes=found,
    )


def _known(facts: Mapping[str, Values]) -> dict[str, Values]:
    return {name: values for name, values in facts.items() if any(value is not None for value in values)}


def _differing(columns: Sequence[Mapping[str, Any] | None]) -> dict[str, Values]:
    """The facts whose values are not the same in all columns that have facts at all."""
    present = [facts for facts in columns if facts is not None]
    names = dict.fromkeys(name for facts in present for name in facts)
    kept = [name for name in names if any(facts.get(name) != present[0].get(name) for facts in present)]
    return {name: [None if facts is None else facts.get(name) for facts in columns] for name in kept}


def _table(columns: Sequence[Mapping[str, float]]) -> dict[str, Values]:
    names = dict.fromkeys(name for facts in columns for name in facts)
    return {name: [facts.get(name) for facts in columns] for name in names}


def _recipe(manifest: Manifest) -> dict[str, Any]:
    """What a mixture was made of: each source's size, parameters, steps and raw files, and how it was drawn from."""
    facts: dict[str, Any] = {"order": ", ".join(entry.name for entry in manifest.sources)}
    for entry in manifest.sources:
        facts[entry.name] = f"{entry.conversations:,} conversations, {entry.pairs:,} pairs"
        for number, step in enumerate(entry.steps, start=1):
            for kind, params in step.items():
                facts |= _flat(params or "as it is", f"{entry.name}.step {number} {kind}")
        facts |= _flat(entry.params, entry.name) if entry.params else {}
        facts |= {f"{entry.name}.raw {one.role}": one.sha256[:16] for one in entry.inputs}
    for name in ("overrides", "selections", "held_out", "balanced"):
        facts |= _flat(msgspec.to_builtins(getattr(manifest, name)), name)
    return facts


def _start(job: Job) -> dict[str, Any]:
    """What a run starts from and is measured on."""
    names = ("llm", "vision", "projector", "model", "images", "eval_mixture", "on_bad_image")
    return {name: getattr(job, name) for name in names}


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """A nested value as plain ones by dotted names; a list of plain values is one value."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        inner = list(enumerate(value, start=1))
    if not inner:
        return {prefix: value} if prefix else {}
    return {name: one for key, of in inner for name, one in _flat(of, f"{prefix}.{key}".lstrip(".")).items()}


def _losses(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean loss of all and of each source over the last tenth of the steps, by label."""
    lines = [line for line in log if "loss" in line]
    first = max((line["step"] for line in lines), default=0) * (1 - _LAST)
    lines = [line for line in lines if line["step"] > first]
    sources = list(dict.fromkeys(key.removeprefix(_LOSS) for line in log for key in line if key.startswith(_LOSS)))
    found = {"all": sum(line["loss"] for line in lines) / len(lines)} if lines else {}
    for name in sources:
        of = [line for line in lines if _LABELS + name in line]
        if labels := sum(line[_LABELS + name] for line in of):
            found[name] = sum(line[_LOSS + name] * line[_LABELS + name] for line in of) / labels
    return found


def _last(log: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, float]:
    """The last logged value of each name that begins so."""
    found: dict[str, float] = {}
    for line in log:
        found |= {
            key.removeprefix(prefix).strip("/") or "all": value
            for key, value in line.items()
            if key.startswith(prefix) and isinstance(value, int | float)
        }
    return found


def _scores(benchmark: str, columns: Sequence[Column], notes: list[str]) -> dict[str, Values]:
    """A benchmark's figures; a note where columns were not asked or scored the same."""
    results = [column.results.get(benchmark) for column in columns]
    first = next(result for result in results if result is not None)
    for column, result in zip(columns, results, strict=True):
        if result is None:
            continue
        theirs, ours = first.conditions(), result.conditions()
        if unlike := [name for name in theirs if name in ours and theirs[name] != ours[name]]:
            shown = "" if unlike[0] == "data" else f", {theirs[unlike[0]]} and {ours[unlike[0]]}"
            notes.append(f"{benchmark}: does not compare with the first: {column.name} has another {unlike[0]}{shown}")
    figures = dict.fromkeys(name for result in results if result for name in result.figures)
    return {
        name: [
            {"value": result.figures[name], "interval": result.intervals.get(name)}
            if result and name in result.figures
            else None
            for result in results
        ]
        for name in figures
    }


def show(console: LiteralConsole, found: Comparison) -> None:
    """The comparison as tables, one for each kind of fact."""
    for number, name in enumerate(found.columns, start=1):
        say(f"{number}: {name}")
    numbers: Callable[[Any], str] = lambda value: f"{value:.4f}"  # noqa: E731
    parts: list[tuple[str, Mapping[str, Values], Callable[[Any], str]]] = [
        ("mixture", found.mixture, _short),
        ("recipe, where it differs", found.recipe, _short),
        ("stage, where it differs", found.stage, _short),
        ("start, where it differs", found.start, _short),
        ("training loss, last tenth", found.losses, numbers),
        ("held-out loss", found.held_out, numbers),
        ("score while training", found.while_training, lambda value: f"{value:.2f}"),
        *((name, figures, _scored) for name, figures in found.scores.items()),
    ]
    for title, facts, shown in parts:
        if facts:
            table = Table(title, *(str(number + 1) for number in range(len(found.columns))), box=SIMPLE_HEAD)
            for name, values in facts.items():
                table.add_row(name, *(_NONE if value is None else shown(value) for value in values))
            console.print(table)
    for note in found.notes:
        say(f"note: {note}")


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return text[:16] if len(text) == 64 and text.isalnum() else text


def _scored(value: Mapping[str, Any]) -> str:
    interval = value["interval"]
    return f"{value['value']:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def require_drawable(path: Path) -> None:
    """Refuse a path that no plot can be written to.

    Raises:
        EvaluationError: with what was expected.
    """
    if path.suffix != ".png" or not path.parent.is_dir():
        raise EvaluationError(f"--png {path}: expected a name that ends in .png, in an existing folder")


def draw(columns: Sequence[Column], found: Comparison, path: Path) -> None:
    """Draw training loss over steps, the last losses by source, and each benchmark's first figure with its interval."""
    from matplotlib.figure import Figure

    scores = {name: next(iter(figures.items())) for name, figures in found.scores.items() if figures}
    logs = [column.run.log if column.run else [] for column in columns]
    panels = [kind for kind, has in (("curve", any(logs)), ("source", found.losses), ("score", scores)) if has]
    figure = Figure(figsize=(5 * max(1, len(panels)), 4.5), layout="constrained")
    for place, kind in enumerate(panels, start=1):
        axes: Any = figure.add_subplot(1, len(panels), place)
        if kind == "curve":
            axes.set(xlabel="step", ylabel="training loss")
            for log, name in zip(logs, found.columns, strict=True):
                points = [(line["step"], line["loss"]) for line in log if "loss" in line]
                axes.plot([step for step, _ in points], [loss for _, loss in points], label=name)
        elif kind == "source":
            axes.set(ylabel="training loss, last tenth")
            _dots(axes, found.losses, found.columns)
        else:
            axes.set(ylabel="score, 95 % interval")
            named = {f"{name}\n{figure_name}": values for name, (figure_name, values) in scores.items()}
            values = {name: [one and one["value"] for one in of] for name, of in named.items()}
            intervals = {name: [one and one["interval"] for one in of] for name, of in named.items()}
            _dots(axes, values, found.columns, intervals=intervals)
        if place == 1:
            axes.legend(fontsize="x-small")
    with os_errors(EvaluationError, path):
        figure.savefig(path, dpi=120)


def _dots(
    axes: Any, facts: Mapping[str, Values], columns: Sequence[str], *, intervals: Mapping[str, Values] | None = None
) -> None:
    """A group of dots for each fact, one a column beside another, with a bar where there is an interval."""
    for number, name in enumerate(columns):
        places, heights, bars = [], [], []
        for place, (fact, values) in enumerate(facts.items()):
            value = values[number]
            if value is not None:
                low, high = (intervals[fact][number] if intervals else None) or (value, value)
                places.append(place + 0.6 * (number + 0.5) / len(columns) - 0.3)
                heights.append(value)
                bars.append((max(value - low, 0.0), max(high - value, 0.0)))
        if places:
            axes.errorbar(places, heights, yerr=list(zip(*bars, strict=True)), fmt="o", markersize=4, label=name)
    axes.set_xticks(range(len(facts)), list(facts), rotation=60, ha="right", fontsize="x-small")
