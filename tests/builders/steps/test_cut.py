"""Cutting by characters and pairs, and keeping what a list names."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.build.plan import Options, make_plan, params_of
from mix665k.mixtures.build.reuse_key import hash_inputs
from mix665k.schemas.errors import RawDataError, RecipeError, UserError
from mix665k.schemas.recipe import Block, Recipe
from tests.builders.building import bound_step, build, run_step, talk

LONG = talk("a", ("qq", "aa"), ("qqqq", "aaaa"), ("q", "a"))


def _kept(**params: Any) -> list[tuple[str, str]]:
    return [(question, answer) for question, answer, _ in run_step("cut", [LONG], **params).pairs]


def test_pairs_are_kept_from_the_front_as_long_as_they_fit() -> None:
    assert _kept(max_chars=14) == [("qq", "aa"), ("qqqq", "aaaa"), ("q", "a")]
    assert _kept(max_chars=13) == [("qq", "aa"), ("qqqq", "aaaa")]
    assert _kept(max_chars=11) == [("qq", "aa")]  # no gap: the third would fit
    assert _kept(max_pairs=2) == [("qq", "aa"), ("qqqq", "aaaa")]
    assert _kept(max_pairs=2, max_chars=4) == [("qq", "aa")]


def test_what_a_cut_takes_is_counted() -> None:
    result = run_step("cut", [LONG, talk("b", ("q" * 9, "a")), talk("c", ("q", "a"))], max_chars=5)
    step = result.funnel[0]
    assert step.conversations.changes == {"first pair over 5 characters": -1}
    assert step.pairs.changes == {"first pair over 5 characters": -1, "cut off": -2}
    assert step.examples == {"conversation cut": ["a"], "first pair over 5 characters": ["b"]}
    assert result.conversations[0].history == ("cut after 1 of 3 pairs",)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), most=st.integers(2, 30), pairs=st.integers(1, 6))
def test_the_longest_beginning_that_fits_is_kept(lengths: list[int], most: int, pairs: int) -> None:
    talked = talk("x", *(("q" * n, "a") for n in lengths))
    fitting = [n for n in range(1, min(pairs, len(lengths)) + 1) if sum(lengths[:n]) + n <= most]
    assert len(run_step("cut", [talked], max_chars=most, max_pairs=pairs).pairs) == max(fitting, default=0)


def test_a_cut_of_nothing_is_an_error() -> None:
    with pytest.raises(RecipeError, match="give max_chars, max_pairs or both"):
        run_step("cut", [LONG])


def test_a_draw_may_prefer_the_first_the_shortest_or_the_longest() -> None:
    talks = [talk(name, ("q", "a" * size)) for name, size in zip("abcd", (3, 1, 4, 1), strict=True)]
    drawn = {
        prefer: [c.id for c in run_step("sample", talks, seed=1, count=2, prefer=prefer).conversations]
        for prefer in ("first", "shortest", "longest")
    }
    assert drawn == {"first": ["a", "b"], "shortest": ["b", "d"], "longest": ["a", "c"]}
    backwards = run_step("sample", talks[::-1], seed=1, count=1, prefer="shortest").conversations
    assert backwards == run_step("sample", talks, seed=1, count=1, prefer="shortest").conversations


def test_what_is_preferred_and_dropped_is_made_up_for() -> None:
    talks = [talk(name, ("q", "a" * size)) for name, size in (("a", 9), ("b", 5), ("c", 2))]
    drawn = run_step("sample", talks, seed=1, count=1, prefer="longest", surviving=[bound_step("cut", max_chars=7)])
    assert [c.id for c in drawn.conversations] == ["b"]


@pytest.mark.parametrize(
    "listed",
    [
        "1\n\n3\nnine\n",
        "\ufeff1\r\n3\r\nnine",
        '[1, "3", "nine"]',
        '["vg/VG/1.jpg", "VG/3", "nine"]',
        "vg/VG/3.JPG\nVG/1\nnine",
    ],
)
def test_a_list_names_images_in_any_of_their_ways(listed: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(listed, encoding="utf-8")
    talks = [talk(f"VG/{i}", ("q", "a"), image=f"vg/VG/{i}.jpg") for i in (1, 2, 3)]
    result = run_step("keep_listed", talks, listed_in=str(tmp_path / "list"))
    assert [c.id for c in result.conversations] == ["VG/1", "VG/3"]
    assert result.funnel[0].conversations.changes == {"not in list": -1}
    assert result.funnel[0].examples["not found"] == ["nine"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b" \n", "names nothing"),
        (b"[]", "names nothing"),
        (b"[1, [2]]", r"entry 2: got \[2\]"),
        (b"[true]", "entry 1: got True"),
        (b"[1", "truncated"),
        (b"a\xff", "not UTF-8"),
    ],
)
def test_a_list_that_is_none_is_one_line(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(RawDataError, match=why):
        run_step("keep_listed", [LONG], listed_in=str(tmp_path / "list"))


def test_a_list_is_an_input_of_the_source_and_missing_ones_are_named(made_up_raw: Path, tmp_path: Path) -> None:
    first = json.loads((made_up_raw / "vg" / "image_data.json").read_text(encoding="utf-8"))[0]["image_id"]
    (tmp_path / "images.txt").write_text(f"{first}\n", encoding="utf-8")
    listed = Block("vg", steps=[{"keep_listed": str(tmp_path / "images.txt")}])
    plan = make_plan(Recipe("test", [listed], seed=1), Options(made_up_raw, tmp_path / "out"))
    [bound] = plan.sources
    assert params_of(bound.steps[0]) == {"keep_listed": {"listed_in": "images.txt"}}
    assert [file.path for file in hash_inputs(bound, made_up_raw) if file.role == "listed_in"] == ["images.txt"]
    assert len(build("vg", raw=made_up_raw, steps=listed.steps).conversations) == 1
    with pytest.raises(UserError, match=r"vg: keep_listed: listed_in: .*none\.txt: no such file"):
        build("vg", raw=made_up_raw, steps=[{"keep_listed": "none.txt"}])


def test_the_fitted_recipe_builds_other_records_of_two_sources(made_up_raw: Path, tmp_path: Path) -> None:
    options = Options(made_up_raw, tmp_path, tokenizer="tiny")
    paper, fitted = (make_plan(f"llava-v1.5-mix665k{name}", options).sources for name in ("", "-fitted"))
    assert [
        a.block.label for a, b in zip(paper, fitted, strict=True) if (a.params, a.steps) != (b.params, b.steps)
    ] == [
        "refcoco",
        "sharegpt",
    ]
    blocks = {bound.block.label: bound.block for bound in fitted}
    refcoco, sharegpt = blocks["refcoco"], blocks["sharegpt"]
    made = build("refcoco", raw=made_up_raw, params=refcoco.params, steps=refcoco.steps)
    assert max(len(c.pairs) for c in made.conversations) == 8
    assert made.funnel[0].conversations.changes["image of an excluded split"] < 0
    steps = json.loads(json.dumps(sharegpt.steps).replace("40688", "5"))
    for one in build("sharegpt", raw=made_up_raw, steps=steps).conversations:
        assert len(one.pairs) <= 2
