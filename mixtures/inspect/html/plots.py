"""The plots of a page, as Plotly has them.

Text, grid and background get their colours from the page's script, in the browser, so that one file serves light and
dark themes and print.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

import plotly.graph_objects as go

from mix665k.mixtures.inspect.answers import LETTERS
from mix665k.mixtures.inspect.findings import MAX_TOKENS, Histograms, Inspection, Numbers, Spread
from mix665k.mixtures.inspect.html.axes import Axis, Bin, pairs_axis, tokens_axis, words_axis
from mix665k.mixtures.storage.prompt_kinds import FORMS

PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#d4a514", "#b07aa1", "#ff7f9c", "#9c755f", "#7d8ca3",
    "#2f8f9d", "#a3b545",
)  # fmt: skip
"""For sources and prompt forms in their order; they show on white and on near-black."""
_REST = "#9aa0a6"
_ROW_PX = 36
_RIDGE = 0.86
_MIN_LABELLED = 0.06


class Key(NamedTuple):
    """What a colour stands for."""

    name: str
    colour: str
    hatched: bool


class Plot(NamedTuple):
    """A figure as JSON; `label` says what it shows to those who cannot see it."""

    name: str
    figure: str
    height_px: int
    label: str
    keys: list[Key]


def colour_of(index: int) -> str:
    """The colour of the source at this place."""
    return PALETTE[index % len(PALETTE)]


def shares(found: Inspection) -> Plot:
    """How records, pairs and tokens (or words) divide among the sources; text-only sources are hatched."""
    unit = "tokens" if found.total.tokens else "words"
    rows = ["records", "pairs", unit]
    bars = []
    counts = [[one.records, one.pairs, amount(one)] for one in found.sources]
    wholes = [sum(column) for column in zip(*counts, strict=True)]
    for i, (one, mine) in enumerate(zip(found.sources, counts, strict=True)):
        hatch = "/" if one.text_only == one.records else ""
        bars.append(_stacked(one.name, rows=rows, counts=mine, wholes=wholes, colour=colour_of(i), hatch=hatch))
    return _bars("shares", bars, num_rows=3, label=f"shares of the sources in records, pairs and {unit}")


def amount(one: Numbers) -> int:
    """All tokens of a source, or all its words where tokens are not counted."""
    spread = one.tokens.per_record if one.tokens else one.words_per_record
    return round(spread.mean * one.records) if spread else 0


def prompt_forms(found: Inspection) -> Plot:
    """Which prompt forms each source has."""
    rows, wholes = [one.name for one in found.sources], [one.records for one in found.sources]
    bars = []
    own = [form for one in found.sources for form in one.prompt_forms if form not in FORMS]
    for i, form in enumerate([*FORMS, *dict.fromkeys(own)]):
        counts = [one.prompt_forms.get(form, 0) for one in found.sources]
        if any(counts):
            colour = _REST if form == "none" else colour_of(i - 1)
            bars.append(_stacked(form, rows=rows, counts=counts, wholes=wholes, colour=colour))
    return _bars("forms", bars, num_rows=len(rows), label="prompt forms of each source")


def yes_and_no(found: Inspection) -> Plot | None:
    """The share of yes and no, in sources where it is at least a hundredth."""
    some = [one for one in found.sources if one.answers and 100 * (one.answers.yes + one.answers.no) >= one.pairs]
    if not some:
        return None
    rows, wholes = [one.name for one in some], [one.pairs for one in some]
    counts = [(one.answers.yes, one.answers.no) for one in some if one.answers]
    parts = {
        "yes": ([yes for yes, _ in counts], "#59a14f"),
        "no": ([no for _, no in counts], "#e15759"),
        "other": ([whole - yes - no for (yes, no), whole in zip(counts, wholes, strict=True)], _REST),
    }
    bars = [
        _stacked(name, rows=rows, counts=values, wholes=wholes, colour=colour)
        for name, (values, colour) in parts.items()
    ]
    return _bars("yes-no", bars, num_rows=len(rows), label="share of yes and no in the answers of each source")


def letters(found: Inspection) -> Plot | None:
    """How the options A to D balance, in sources that answer with letters."""
    some = [one for one in found.sources if one.answers and 2 * sum(one.answers.letters.values()) > one.pairs]
    if not some:
        return None
    rows = [one.name for one in some]
    wholes = [sum(one.answers.letters.values()) for one in some if one.answers]
    bars = []
    for i, letter in enumerate(LETTERS):
        counts = [one.answers.letters[letter] for one in some if one.answers]
        bars.append(_stacked(letter, rows=rows, counts=counts, wholes=wholes, colour=colour_of(i)))
    return _bars("letters", bars, num_rows=len(rows), label="balance of the options' letters")


def lengths(found: Inspection) -> list[Plot]:
    """How long the records of each source are: in pairs, and in tokens or else words."""
    sources = found.sources
    pairs = [one.pairs_per_record for one in sources]
    plots = [_ridges(sources, pairs_axis(_longest(pairs)), spreads=pairs, bins=lambda bins: bins.pairs)]
    if found.total.tokens:
        tokens = [one.tokens.per_record if one.tokens else None for one in sources]
        axis = tokens_axis(_longest(tokens))
        return [*plots, _ridges(sources, axis, spreads=tokens, bins=lambda bins: bins.tokens or {})]
    words = [one.words_per_record for one in sources]
    return [*plots, _ridges(sources, words_axis(_longest(words)), spreads=words, bins=lambda bins: bins.words)]


def funnel(one: Numbers, *, colour: str) -> Plot:
    """What was read of a source, and what was left after each step that changed a number."""
    stages = _stages(one)
    places = list(range(len(stages)))
    keys = [Key("pairs", colour, hatched=False), Key("conversations", f"{colour}80", hatched=False)]
    bars = []
    for unit, key in enumerate(keys):
        counts = [left[unit] for _, left in stages]
        bars.append(
            go.Bar(
                orientation="h",
                y=places,
                x=counts,
                text=[f"{count:,}" for count in counts],
                marker={"color": key.colour},
                hovertemplate=f"%{{text}} {key.name}<extra></extra>",
                textposition="outside",
                cliponaxis=False,
            )
        )
    layout = {
        "barmode": "group",
        "bargap": 0.25,
        "xaxis": {"visible": False, "range": [0, 1.3 * max(1, *(max(left) for _, left in stages))]},
        "yaxis": {"autorange": "reversed", "tickvals": places, "ticktext": [escape(name) for name, _ in stages]},
        "margin": {"t": 0},
    }
    height_px = 10 + 48 * len(stages)
    return _plot(f"funnel-{one.name}", bars, layout, height_px=height_px, label=f"funnel of {one.name}", keys=keys)


def _stages(one: Numbers) -> list[tuple[str, tuple[int, int]]]:
    """The pairs and conversations of the raw files, and those left by each step that changed a number."""
    first = one.funnel[0]
    stages = [("raw", (first.pairs.entered, first.conversations.entered))]
    for step in one.funnel:
        if step.pairs.changes or step.conversations.changes:
            stages.append((step.step, (step.pairs.left, step.conversations.left)))
    return stages if len(stages) > 1 else [*stages, ("kept", (one.pairs, one.records))]


def _longest(spreads: Sequence[Spread | None]) -> int:
    return max((spread.max for spread in spreads if spread), default=1)


def _stacked(
    name: str, *, rows: Sequence[str], counts: Sequence[int], wholes: Sequence[int], colour: str, hatch: str = ""
) -> Any:
    """One part of stacked bars that each make up a whole."""
    parts = [count / max(whole, 1) for count, whole in zip(counts, wholes, strict=True)]
    told = [f"{escape(name)}: {count:,}, {part:.1%}" for count, part in zip(counts, parts, strict=True)]
    return go.Bar(
        name=name,
        orientation="h",
        y=list(rows),
        x=parts,
        text=[f"{part:.0%}" if part >= _MIN_LABELLED else "" for part in parts],
        customdata=told,
        hovertemplate="%{y}<br>%{customdata}<extra></extra>",
        marker={"color": colour, "pattern": {"shape": hatch, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 7}},
        insidetextanchor="middle",
        textangle=0,
    )


def _bars(name: str, bars: list[Any], *, num_rows: int, label: str) -> Plot:
    layout = {
        "barmode": "stack",
        "bargap": 0.3,
        "margin": {"t": 4, "b": 34},
        "xaxis": {"tickformat": ".0%", "range": [0, 1], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickangle": 0},
        "yaxis": {"autorange": "reversed"},
    }
    keys = [Key(bar.name, bar.marker.color, bool(bar.marker.pattern.shape)) for bar in bars]
    return _plot(name, bars, layout, height_px=38 + _ROW_PX * num_rows, label=label, keys=keys)


def _ridges(
    sources: Sequence[Numbers],
    axis: Axis,
    *,
    spreads: Sequence[Spread | None],
    bins: Callable[[Histograms], dict[int, int]],
) -> Plot:
    """One histogram above the other, each as high as its fullest bin, with a diamond at the median."""
    traces = []
    for i, one in enumerate(sources):
        traces.append(_ridge(one, axis, bins(one.histograms), base=len(sources) - 1 - i, colour=colour_of(i)))
    medians = [(axis.at(spread.p50), len(sources) - 1 - i, spread.p50) for i, spread in enumerate(spreads) if spread]
    xs, ys, values = zip(*medians, strict=True) if medians else ((), (), ())
    traces.append(
        go.Scatter(
            x=xs, y=ys, mode="markers", customdata=[f"{value:,}" for value in values],
            marker={"symbol": "diamond", "size": 8, "color": "#ffffff", "line": {"color": "#202124", "width": 1.5}},
            hovertemplate=f"median: %{{customdata}} {axis.name}<extra></extra>",
        )
    )  # fmt: skip
    names = [escape(one.name) for one in reversed(sources)]
    layout: dict[str, Any] = {
        "barmode": "overlay",
        "xaxis": {"tickvals": list(axis.ticks), "ticktext": list(axis.ticks.values()), "tickangle": 0},
        "yaxis": {"tickvals": [i + 0.3 for i in range(len(names))], "ticktext": names, "range": [-0.15, len(names)]},
    }
    if axis.mark is not None:
        layout["shapes"] = [{"type": "line", "x0": axis.mark, "x1": axis.mark, "y0": 0, "y1": 1, "yref": "paper"}]
        layout["annotations"] = [{"x": axis.mark, "y": 1, "yref": "paper", "text": f"{MAX_TOKENS:,}"}]
    label = f"{axis.name} per record of each source"
    return _plot(f"{axis.name}-per-record", traces, layout, height_px=80 + 46 * len(names), label=label)


def _ridge(one: Numbers, axis: Axis, counts: dict[int, int], *, base: int, colour: str) -> Any:
    pooled: dict[Bin, int] = {}
    for end, count in counts.items():
        pooled[axis.bin(end)] = pooled.get(axis.bin(end), 0) + count
    most = max(pooled.values(), default=1)
    told = [f"{bin_.values}: {count:,} records, {count / max(one.records, 1):.1%}" for bin_, count in pooled.items()]
    return go.Bar(
        name=escape(one.name),
        x=[bin_.middle for bin_ in pooled],
        width=[bin_.width for bin_ in pooled],
        y=[_RIDGE * count / most for count in pooled.values()],
        base=base,
        customdata=told,
        hovertemplate="%{customdata}<extra>%{fullData.name}</extra>",
        marker={"color": colour, "line": {"width": 0}},
    )


def _plot(
    name: str, traces: list[Any], layout: dict[str, Any], *, height_px: int, label: str, keys: Sequence[Key] = ()
) -> Plot:
    figure = go.Figure(traces, {"template": "none", "height": height_px, "showlegend": False, **layout})
    return Plot(name=name, figure=figure.to_json(), height_px=height_px, label=label, keys=list(keys))
