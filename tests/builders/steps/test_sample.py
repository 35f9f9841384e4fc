"""Sampling: drawn by (seed, id), or named by a file in LLaVA's form."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.schemas.errors import RawDataError, RecipeError
from tests.builders.building import bound_step, build, flow, run_step, talk

IDS = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=30, unique=True)
PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)


def _drawn(ids: list[str], **params: Any) -> list[str]:
    talks = [talk(name, ("q", "a")) for name in ids]
    return [c.id for c in run_step("sample", talks, **params).conversations]


def test_a_seed_draws_these_ids() -> None:
    assert _drawn(list("abcdefghij"), seed=665, count=4) == ["c", "d", "f", "h"]
    assert _drawn(list("abcdefghij"), seed=666, count=4) == ["c", "e", "f", "i"]


@pytest.mark.parametrize(("fraction", "number"), [(1.0, 10), (0.5, 5), (0.25, 2), (0.01, 0)])
def test_a_fraction_is_of_what_comes_in(fraction: float, number: int) -> None:
    assert len(_drawn(list("abcdefghij"), seed=1, fraction=fraction)) == number


def test_more_than_there_is_gives_all() -> None:
    result = run_step("sample", [talk("a", ("q", "a")), talk("b", ("q", "a"))], seed=1, count=5)

    assert [c.id for c in result.conversations] == ["a", "b"]
    assert result.funnel[0].conversations == flow(2, 2)


def test_what_is_not_drawn_is_counted_with_its_pairs() -> None:
    result = run_step("sample", [talk(name, ("q", "a"), ("q", "a")) for name in "abc"], seed=1, count=1)

    assert result.funnel[0].conversations == flow(3, 1, not_drawn=-2)
    assert result.funnel[0].pairs == flow(6, 2, not_drawn=-4)


@PROPERTY
@given(ids=IDS, count=st.integers(1, 35), seed=st.integers(), shuffle=st.randoms(use_true_random=False))
def test_a_sample_is_exact_keeps_the_order_and_does_not_depend_on_it(
    ids: list[str], count: int, seed: int, shuffle: Any
) -> None:
    drawn = _drawn(ids, seed=seed, count=count)
    other = list(ids)
    shuffle.shuffle(other)

    assert len(drawn) == min(count, len(ids))
    assert drawn == [name for name in ids if name in set(drawn)]
    assert set(_drawn(other, seed=seed, count=count)) == set(drawn)


@PROPERTY
@given(ids=IDS, count=st.integers(1, 30), split=st.integers(0, 30))
def test_what_a_large_pool_gives_of_a_small_one_the_small_one_gives_too(ids: list[str], count: int, split: int) -> None:
    small = ids[:split]

    assert set(_drawn(ids, seed=3, count=count)) & set(small) <= set(_drawn(small, seed=3, count=count))


@PROPERTY
@given(ids=IDS, count=st.integers(1, 30))
def test_a_larger_sample_holds_the_smaller(ids: list[str], count: int) -> None:
    assert set(_drawn(ids, seed=3, count=count)) <= set(_drawn(ids, seed=3, count=count + 1))


def test_questions_of_one_raw_id_are_drawn_apart_whatever_their_order() -> None:
    talks = [talk("7", ("q", "a"), several=True) for _ in range(20)]
    for i, one in enumerate(talks):
        one.pairs[0].origin = f"7/{i}"

    there = run_step("sample", talks, seed=1, count=5).pairs
    back = run_step("sample", talks[::-1], seed=1, count=5).pairs

    assert there == back[::-1]
    assert there != [("q", "a", f"7/{i}") for i in range(5)]


@PROPERTY
@given(ids=IDS, count=st.integers(1, 30), lost=st.sets(st.integers(0, 29)))
def test_as_many_survive_as_are_asked_for_where_there_are_enough(ids: list[str], count: int, lost: set[int]) -> None:
    talks = [talk(name, ("q", "lost" if i in lost else "kept")) for i, name in enumerate(ids)]
    sound = [name for i, name in enumerate(ids) if i not in lost]
    drop = bound_step("drop_by_pattern", pattern="lost", field="answer")

    drawn = run_step("sample", talks, seed=5, count=count, surviving=[drop]).conversations

    assert len(drawn) == min(count, len(sound))
    if sound:
        assert [c.id for c in drawn] == _drawn(sound, seed=5, count=count)


def test_no_more_is_visited_than_is_needed() -> None:
    talks = [talk(name, ("q", "a")) for name in "abcdefghij"]

    result = run_step("sample", talks, seed=1, count=3, surviving=[bound_step("drop_by_pattern", pattern="z")])

    assert result.funnel[0].conversations == flow(10, 3, not_drawn=-7)


def _reference(folder: Path, records: list[dict[str, Any]]) -> str:
    path = folder / "mix.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return str(path)


def test_draws_from_takes_what_the_file_names_and_lists_what_is_not_there(tmp_path: Path) -> None:
    names = ["761183", "9999999", "158234"]
    records: list[dict[str, Any]] = [{"id": name, "image": f"ocr_vqa/images/{name}.jpg"} for name in names]
    records += [{"id": 42, "image": "gqa/images/42.jpg"}, {"id": "wgMill_0", "model": ""}]

    result = build("ocrvqa", steps=[{"sample": {"count": 80000}}], draws_from=_reference(tmp_path, records))

    assert [c.id for c in result.conversations] == ["761183"]
    assert result.funnel[1].conversations == flow(2, 1, **{"not_in_mix.json": -1})
    assert result.funnel[1].noted == {"not found": 2}
    assert result.funnel[1].examples["not found"] == ["ocr_vqa/images/158234.jpg", "ocr_vqa/images/9999999.jpg"]


def test_draws_from_takes_text_only_conversations_by_id_and_lists_those_that_do_not_survive(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [
        {"id": "mIll01a_7"},
        {"id": "kItE22b_0", "image": None},
        {"id": "gone_0"},
        {"id": "x", "image": "a/x.jpg"},
    ]
    inner = [{"drop_by_pattern": {"pattern": "link"}}]
    steps: list[Any] = [{"sample": {"fraction": 0.1, "surviving": inner, "draws_from": _reference(tmp_path, records)}}]

    result = build("sharegpt", steps=steps)

    assert [c.id for c in result.conversations] == ["mIll01a_7"]
    assert result.funnel[1].examples["not found"] == ["gone_0", "kItE22b_0"]


def test_draws_from_lists_all_that_is_not_found(tmp_path: Path) -> None:
    records = [{"id": i, "image": f"ocr_vqa/images/{i}.jpg"} for i in range(50)]

    result = build("ocrvqa", steps=[{"sample": {"count": 1}}], draws_from=_reference(tmp_path, records))

    assert result.conversations == []
    assert len(result.funnel[1].examples["not found"]) == 50


def test_draws_from_cannot_guess_sources_apart_that_share_a_folder(tmp_path: Path) -> None:
    records = [{"id": "1", "image": "coco/train2017/000000000581.jpg"}]

    with pytest.raises(RecipeError, match=r"draws_from: images under coco/ belong to several sources of .*; draw"):
        build("vqav2", steps=[{"sample": {"count": 1}}], draws_from=_reference(tmp_path, records))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"data": []}', r"mix\.json: \$: expected array, got object; is this the expected file\?"),
        ("[", r"mix\.json: not a complete JSON file"),
        ('[{"image": "a.jpg"}]', r"\$\[0\]: object missing required field id \(id .*\), expected LLaVA's own form"),
        ('[{"id": "x", "image": 5}]', r"\$\[0\]\.image: expected str \| null, got int \(id 'x'\), expected LLaVA's"),
    ],
)
def test_draws_from_a_file_of_another_form_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mix.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(RawDataError, match=message):
        build("ocrvqa", steps=[{"sample": {"count": 1}}], draws_from=str(path))
