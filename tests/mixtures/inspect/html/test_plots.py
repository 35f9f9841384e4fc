"""Plots: what they show is what was found."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.inspect.findings import Inspection
from mix665k.mixtures.inspect.html import plots
from mix665k.mixtures.inspect.html.axes import pairs_axis, tokens_axis, words_axis
from mix665k.mixtures.inspect.html.plots import Plot
from mix665k.mixtures.inspect.measure import WORD_BINS
from mix665k.schemas.manifest import Flow, FunnelStep
from tests.mixtures.inspect.html.pages import RECORDS, found_in
from tests.mixtures.small import look, record, written


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    """What is found in the records."""
    return found_in(tmp_path_factory.mktemp("found"), RECORDS)


def traces(plot: Plot | None) -> dict[str, dict[str, Any]]:
    assert plot
    return {trace.get("name", "medians"): trace for trace in json.loads(plot.figure)["data"]}


def test_shares_add_up_and_text_is_hatched(found: Inspection) -> None:
    bars = traces(plots.shares(found))
    assert list(bars) == ["aokvqa", "vg", "gqa", "sharegpt"]
    for place in range(3):
        assert sum(bar["x"][place] for bar in bars.values()) == pytest.approx(1)
    assert bars["gqa"]["customdata"][:2] == ["gqa: 2, 20.0%", "gqa: 3, 9.4%"]
    assert [bar["marker"]["pattern"]["shape"] for bar in bars.values()] == ["", "", "", "/"]
    assert [key.hatched for key in plots.shares(found).keys] == [False, False, False, True]


def test_prompt_forms_yes_no_and_letters(found: Inspection) -> None:
    forms = traces(plots.prompt_forms(found))
    assert {name: bar["x"] for name, bar in forms.items()} == {
        "none": [0, 0, 0, 1],
        "short answer": [0, 0, 1, 0],
        "option letter": [1, 0, 0, 0],
        "describe region": [0, 1, 0, 0],
    }
    yes_no = traces(plots.yes_and_no(found))
    assert {name: (bar["y"], bar["x"]) for name, bar in yes_no.items()} == {
        "yes": (["gqa"], [2 / 3]),
        "no": (["gqa"], [1 / 3]),
        "other": (["gqa"], [0]),
    }
    letters = traces(plots.letters(found))
    assert {name: (bar["y"], bar["x"]) for name, bar in letters.items()} == dict.fromkeys("ABCD", (["aokvqa"], [0.25]))


def test_there_is_no_plot_of_what_is_not_there(tmp_path: Path) -> None:
    none = found_in(tmp_path, [record("1", None, "Hello?", "Hello.")])
    assert plots.yes_and_no(none) is None
    assert plots.letters(none) is None


def test_lengths_are_words_without_a_tokenizer_and_tokens_with_one(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS)
    assert [plot.name for plot in plots.lengths(look(path))] == ["pairs-per-record", "words-per-record"]
    counted = plots.lengths(look(path, tokenizer="tiny"))
    assert [plot.name for plot in counted] == ["pairs-per-record", "tokens-per-record"]
    layout = json.loads(counted[1].figure)["layout"]
    assert (layout["shapes"][0]["x0"], layout["annotations"][0]["text"]) == (2048, "2,048")
    assert "shapes" not in json.loads(counted[0].figure)["layout"]


def test_every_record_stands_in_a_bin_and_the_fullest_is_highest(found: Inspection) -> None:
    bars = traces(plots.lengths(found)[0])
    assert bars["sharegpt"]["customdata"] == [
        "1 pair: 1 records, 33.3%",
        "2 pairs: 1 records, 33.3%",
        "20 pairs: 1 records, 33.3%",
    ]
    assert set(bars["sharegpt"]["y"]) == {0.86}
    assert bars["medians"]["customdata"] == ["1", "2", "2", "2"]


def test_bins_stand_side_by_side_on_every_axis() -> None:
    for axis, ends in (
        (pairs_axis(99), list(range(1, 42))),
        (tokens_axis(9_999), list(range(32, 2_593, 32))),
        (words_axis(9_999), WORD_BINS[:60].tolist()),
    ):
        bins = [axis.bin(end) for end in ends]
        for one, following in pairwise(bins):
            assert one.middle + one.width / 2 == pytest.approx(following.middle - following.width / 2)
    assert pairs_axis(99).bin(50) == pairs_axis(99).bin(41)
    assert tokens_axis(9_999).bin(9_984) == tokens_axis(9_999).bin(2_592)
    assert tokens_axis(9_999).bin(2_048).values == "2,017 to 2,048 tokens"
    assert words_axis(9_999).bin(13).values == "12 to 13 words"


def test_more_is_named_only_where_there_is_more() -> None:
    assert "more" in pairs_axis(42).ticks.values()
    assert "more" not in pairs_axis(41).ticks.values()
    assert list(tokens_axis(700).ticks.values()) == ["0", "512", "1,024", "1,536", "2,048"]


def test_a_funnel_shows_the_steps_that_changed_a_number(found: Inspection) -> None:
    [gqa] = [one for one in found.sources if one.name == "gqa"]
    gqa.funnel = [
        FunnelStep("read", Flow(9, 9), Flow(9, 9)),
        FunnelStep("merge_by_image", Flow(9, 3, {"merged": -6}), Flow(9, 9)),
        FunnelStep("drop_by_length", Flow(3, 2, {"over 2 pairs": -1}), Flow(9, 3, {"over 2 pairs": -6})),
    ]
    figure = json.loads(plots.funnel(gqa, colour="#000000").figure)
    assert figure["layout"]["yaxis"]["ticktext"] == ["raw", "merge_by_image", "drop_by_length"]
    assert [bar["text"] for bar in figure["data"]] == [["9", "9", "3"], ["9", "3", "2"]]
    gqa.funnel = gqa.funnel[:1]
    assert json.loads(plots.funnel(gqa, colour="#000000").figure)["layout"]["yaxis"]["ticktext"] == ["raw", "kept"]
