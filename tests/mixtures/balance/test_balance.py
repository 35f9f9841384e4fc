"""Drawing from all sources together: sums close, and neither order nor processes change what is drawn."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mix665k.mixtures.balance.near_duplicates import near_duplicates
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.terminal import no_bar
from mix665k.mixtures.verify.raw import RawRequest, verify_all
from mix665k.schemas.errors import MixtureError, RecipeError, UserError
from mix665k.schemas.manifest import Manifest, funnel_fault
from mix665k.schemas.recipe import Deduplicate
from tests.mixtures.balance.test_near_duplicates import picture
from tests.mixtures.build.test_build import run, written

BASE = """
name: some
seed: 1
tokenizer: tiny
sources:
  - {source: vqav2, steps: [merge_by_image]}
  - {source: aokvqa}
  - {source: llava_json, files: {records: mine.json}}
"""
SAME = [f"word{i}" for i in range(40)]


def records(order: int = 1) -> list[dict[str, Any]]:
    """Ten of one's own: texts that are nearly the same, with no picture, one and the same, or others."""

    def record(name: str, last: str, image: str | None) -> dict[str, Any]:
        token = "<image>\n" if image else ""
        turns = [{"from": "human", "value": f"{token}{' '.join(SAME)}"}, {"from": "gpt", "value": last}]
        return {"id": name, **({"image": image} if image else {}), "conversations": turns}

    texts = [record(f"t{i}", f"end{i}", None) for i in range(3)]
    one = [record(f"p{i}", f"end{i}", "own/1.jpg") for i in range(2)]
    others = [record(f"o{i}", f"end{i}", f"own/{i}.jpg") for i in range(2, 6)]
    other = {"from": "gpt", "value": " ".join(reversed(SAME))}
    unlike = {"id": "u", "conversations": [{"from": "human", "value": "why?"}, other]}
    return [*texts, *one, *others, unlike][::order]


@pytest.fixture
def raw(made_up_raw: Path, tmp_path: Path) -> Path:
    for path in (made_up_raw / "vqav2", made_up_raw / "aokvqa"):
        (tmp_path / "raw" / path.name).parent.mkdir(exist_ok=True)
        (tmp_path / "raw" / path.name).symlink_to(path)
    (tmp_path / "raw" / "mine.json").write_text(json.dumps(records()))
    return tmp_path / "raw"


def build(raw: Path, name: str, *, jobs: int = 1, **parts: Any) -> Manifest:
    recipe = written(
        raw.parent,
        "\n".join([BASE, *(f"{part}: {json.dumps(asked)}" for part, asked in parts.items())]),
        f"{name}.yaml",
    )
    manifest, _ = run(recipe, Options(raw, raw.parent / name), jobs=jobs)
    assert [why for entry in manifest.sources if (why := funnel_fault(entry))] == []
    return manifest


def ids(folder: Path) -> set[str]:
    return {record.id for record in Mixture.open(folder).records()}


def test_equal_sources_are_as_large_as_the_smallest_and_verified(raw: Path) -> None:
    manifest = build(raw, "equal", balance={"equal": True})
    assert [entry.conversations for entry in manifest.sources] == [10, 10, 10]
    assert manifest.balanced is not None
    assert [(one.asked, one.taken) for one in manifest.balanced.sources] == [(10, 10)] * 3
    assert manifest.sources[0].funnel[-1].conversations.changes == {"not drawn": 10 - manifest.balanced.sources[0].of}
    assert verify_all(raw.parent / "equal", RawRequest(raw, sample=5), jobs=1, bar=no_bar).ok


@pytest.mark.parametrize("unit", ["records", "pairs", "characters", "tokens"])
def test_a_budget_is_nearly_reached_and_never_passed(raw: Path, unit: str) -> None:
    asked = {"records": 25, "pairs": 60, "characters": 6000, "tokens": 9000}[unit]
    drawn = build(raw, unit, balance={"budget": {unit: asked}, "temperature": 2}).balanced
    assert drawn is not None
    assert all(one.taken <= (one.asked or 0) <= one.of for one in drawn.sources)
    assert sum(one.asked or 0 for one in drawn.sources) == asked
    assert 0.5 * asked < sum(one.taken for one in drawn.sources) <= asked


def test_a_draw_depends_on_neither_order_nor_processes_and_grows(raw: Path) -> None:
    parts: dict[str, Any] = {"balance": {"budget": {"records": 20}, "equal": True}, "deduplicate": {}}
    one = build(raw, "one", **parts)
    assert build(raw, "four", jobs=4, **parts).row_hash == one.row_hash
    parts["balance"]["budget"]["records"] = 24
    build(raw, "more", **parts)
    assert ids(raw.parent / "one") < ids(raw.parent / "more")
    (raw / "mine.json").write_text(json.dumps(records(-1)))
    build(raw, "turned", **parts)
    assert ids(raw.parent / "turned") == ids(raw.parent / "more")


def test_near_duplicates_go_where_texts_and_pictures_agree_and_are_listed(raw: Path) -> None:
    manifest = build(raw, "unique", deduplicate={})
    mine = manifest.sources[2]
    assert mine.funnel[-1].conversations.changes == {
        "near-duplicate, no picture": -2,
        "near-duplicate, same picture": -1,
    }
    left = {name for name in ids(raw.parent / "unique") if name.startswith("llava_json/")}
    assert {name[:12] for name in left} == {f"llava_json/{kind}" for kind in "tpou"}
    assert len(left) == 7
    lines = (raw.parent / "unique" / "near_duplicates.jsonl").read_text().splitlines()
    listed = [json.loads(line) for line in lines]
    assert len(listed) == sum(
        -change for e in manifest.sources for change in e.funnel[-1].conversations.changes.values()
    )
    assert all(one["kept"] in ids(raw.parent / "unique") and one["share"] >= 0.8 for one in listed)
    assert verify_all(raw.parent / "unique", RawRequest(raw, sample=5), jobs=1, bar=no_bar).ok


def test_pictures_that_look_the_same_agree_and_others_do_not(raw: Path, tmp_path: Path) -> None:
    build(raw, "all", balance={"budget": {"records": 83}})
    for i in range(1, 6):
        (tmp_path / "images" / "own").mkdir(parents=True, exist_ok=True)
        pixels = picture(1 if i in (2, 3, 5) else 10 + i)
        if i == 3:  # half of the hash is the same
            pixels[32:] = picture(13)[32:]
        image = Image.fromarray(pixels).resize((90 * i, 64 * i))
        image.save(tmp_path / "images" / "own" / f"{i}.jpg", quality=60)
    asked = Deduplicate(pictures="content")
    mixture = Mixture.open(raw.parent / "all")
    for jobs in (1, 2):
        found, gone = near_duplicates(mixture, asked, seed=1, images=tmp_path / "images", jobs=jobs)
        looks = [{one.dropped[-4:-2], one.kept[-4:-2]} for one in found if one.picture == "picture looks the same"]
        assert looks == [{"o2", "o5"}]
        assert len(found) == gone.why.height == 4


def test_lengths_are_matched_to_another_mixture(raw: Path) -> None:
    long = [record for record in records() if record["id"][0] in "to"]
    (raw / "wanted.json").write_text(json.dumps(long))
    manifest = build(raw, "matched", balance={"match": {"mixture": "wanted.json"}})
    assert manifest.conversations == 7
    assert manifest.balanced is not None
    assert manifest.balanced.matched


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"balance": {"budget": {"records": 10**6}}}, "budget of 1,000,000, the sources have"),
        ({"balance": {"weights": {"vqa2": 1}}}, "balance: weights: no source 'vqa2'; did you mean 'vqav2'"),
        ({"balance": {"weights": {"vqav2": 1}}}, "balance: weights: none for 'aokvqa'"),
        ({"balance": {"match": {"mixture": "gone"}}}, "gone: no such file or folder"),
        ({"balance": {"budget": {"tokens": 1}}}, "no record is left"),
        ({"deduplicate": {"pictures": "content"}}, "pass --images"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(raw: Path, parts: dict[str, Any], why: str) -> None:
    with pytest.raises((RecipeError, MixtureError), match=why):
        build(raw, "bad", **parts)


def test_set_changes_a_budget_and_a_build_in_part_takes_what_there_is(raw: Path) -> None:
    recipe = written(raw.parent, f"{BASE}balance: {{budget: {{records: 20}}, equal: true}}\n", "set.yaml")
    settings = ("balance.budget.records=60",)
    manifest, _ = run(recipe, Options(raw, raw.parent / "set", settings=settings))
    assert [entry.conversations for entry in manifest.sources] == [25, 25, 10]
    manifest, _ = run(recipe, Options(raw, raw.parent / "part", settings=settings, sources=("llava_json",)))
    assert manifest.conversations == 10


def test_a_draw_needs_a_seed(raw: Path) -> None:
    recipe = written(raw.parent, f"{BASE.replace('seed: 1', '')}balance: {{equal: true}}\n", "seedless.yaml")
    with pytest.raises(UserError, match="balance: no seed is given"):
        make_plan(recipe, Options(raw, raw.parent / "out"))
