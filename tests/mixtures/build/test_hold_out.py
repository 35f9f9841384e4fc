"""Holding images out: two mixtures that have none in common, always the same ones, whatever else a recipe changes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.build.display import show_result
from mix665k.mixtures.build.hold_out import keys_of, split, write_held_out
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.image_keys import Aliases
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.parquet import from_dicts
from mix665k.mixtures.terminal import no_bar
from mix665k.mixtures.verify.raw import RawRequest, verify_all
from mix665k.schemas.errors import MixtureError, RecipeError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import load_manifest
from mix665k.schemas.recipe import HoldOut, Recipe
from mix665k.schemas.terminal import open_console
from tests.mixtures.build.test_build import run, written

BASE = """\
name: base
seed: 1
tokenizer: tiny
sources:
  - {source: aokvqa}
  - {source: vqav2, steps: [merge_by_image], expect: {count: 41, because: a test, strict: true}}
  - {source: vg}
  - {source: gqa, steps: [merge_by_image]}
  - {source: sharegpt, steps: [split: {max_pairs: 1}]}
hold_out: {fraction: 0.3}
"""
BLANK: dict[str, Any] = {"source": "m", "conversations": [], "origins": [], "steps": [], "reference_id": ""}


@pytest.fixture(scope="module")
def mixture(made_up_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `BASE` gives; read only."""
    folder = tmp_path_factory.mktemp("held")
    run(written(folder, BASE), Options(made_up_raw, folder / "mixture"))
    return folder / "mixture"


def built(folder: Path, raw: Path, text: str, **options: Any) -> Path:
    written(folder, BASE, "base.yaml")
    recipe = written(folder, f"name: other\nextends: base.yaml\n{text}", "other.yaml")
    run(recipe, Options(raw, folder / "out", **options), jobs=1)
    return folder / "out"


def ids(folder: Path) -> set[str]:
    return {record.id for record in Mixture.open(folder).records()}


def keys(folder: Path, raw: Path) -> set[str]:
    rows = (batch.rows for batch in Mixture.open(folder).batches())
    return set(keys_of(rows, Aliases(raw / "vg" / "image_data.json")))


def test_no_image_is_held_out_and_trained_on_even_under_another_name(mixture: Path, made_up_raw: Path) -> None:
    held, rest = keys(mixture / "held_out", made_up_raw), keys(mixture, made_up_raw)
    assert not held & rest
    about = load_manifest(mixture).held_out
    assert about is not None
    assert (about.drawn, about.of, about.seed) == (len(held), len(held | rest), 1)
    assert 0.15 < about.drawn / about.of < 0.45
    assert about.image_data == sha256_of(made_up_raw / "vg" / "image_data.json")
    assert about.row_hash == load_manifest(mixture / "held_out").row_hash
    assert {key.split("/")[0] for key in held} == {"coco", "vg", "text"}


def test_all_parts_of_a_text_are_on_one_side(mixture: Path) -> None:
    texts = {name.partition("#")[0] for name in ids(mixture / "held_out") if name.startswith("sharegpt")}
    assert texts
    assert not texts & {name.partition("#")[0] for name in ids(mixture)}


def test_both_are_mixtures_that_their_raw_files_prove(mixture: Path, made_up_raw: Path) -> None:
    for folder in (mixture, mixture / "held_out"):
        request = RawRequest(made_up_raw, sample=5, sources=("vqav2",))
        found = verify_all(folder, request, jobs=1, bar=no_bar)
        assert found.ok, [check for check in found.checks if not check.passed]
    funnel = load_manifest(mixture).sources[1].funnel[-1]
    assert (funnel.step, funnel.conversations.entered) == ("held_out", 41)


def test_other_sources_prompts_and_order_hold_out_the_same_images(
    mixture: Path, made_up_raw: Path, tmp_path: Path
) -> None:
    text = "remove: [vg]\norder: [gqa]\nsources: {vqav2: {steps: [merge_by_image, add_prompt: short_answer]}}"
    other = built(tmp_path, made_up_raw, text)
    held = {name for name in ids(mixture / "held_out") if not name.startswith("vg/")}
    assert ids(other / "held_out") == held
    trained = {name for name in ids(mixture) if not name.startswith("vg/")}
    assert ids(other) == trained


def held(mixture: Path, asked: HoldOut, *, seed: int = 1) -> set[str]:
    opened = Mixture.open(mixture)
    keys = keys_of((batch.rows for batch in opened.batches()), Aliases(None))
    return set(keys.filter(split(opened, asked, seed=seed, image_data=[]).is_held))


def test_records_that_share_any_of_their_images_are_on_one_side() -> None:
    images = [("a.jpg", ["b.jpg"]), ("x.jpg", None), ("c.jpg", ["d.jpg", "b.jpg"]), ("d.jpg", None), (None, None)]
    rows = [BLANK | {"id": f"m/{i}", "image": one, "more_images": more} for i, (one, more) in enumerate(images)]
    found = keys_of([from_dicts(rows[:2]), from_dicts(rows[2:])], Aliases(None)).to_list()
    assert found[0] == found[2] == found[3]
    assert len(set(found)) == 3


def test_a_smaller_part_is_some_of_a_larger_one_and_another_seed_takes_others(tiny_mixture: Path) -> None:
    tenth, third = (held(tiny_mixture, HoldOut(fraction=share)) for share in (0.1, 0.33))
    assert 0 < len(tenth) < len(third)
    assert tenth < third
    four, nine = (held(tiny_mixture, HoldOut(count=count)) for count in (4, 9))
    assert (len(four), len(nine)) == (4, 9)
    assert four < nine
    assert held(tiny_mixture, HoldOut(count=9), seed=2) != nine


def test_a_recipe_selects_before_it_holds_out_and_a_later_one_may_hold_nothing_out(
    mixture: Path, made_up_raw: Path, tmp_path: Path
) -> None:
    every = sorted(name for name in ids(mixture) | ids(mixture / "held_out") if name.startswith("aokvqa/"))
    by = tmp_path / "ids.txt"
    by.write_text("\n".join(every[::2]))
    few = f"remove: [vg, gqa, sharegpt, vqav2]\nselect: {{by: {json.dumps(str(by))}}}"
    other = built(tmp_path, made_up_raw, f"{few}\nhold_out: {{fraction: 0.3, seed: 1}}\nseed: 2")
    assert ids(other / "held_out") == ids(mixture / "held_out") & set(every[::2])
    assert ids(other) == ids(mixture) & set(every[::2])
    assert [step.step for step in load_manifest(other).sources[0].funnel[-2:]] == ["selection", "held_out"]
    other = built(tmp_path, made_up_raw, f"{few}\nhold_out: null")
    assert not (other / "held_out").exists()
    assert load_manifest(other).held_out is None
    (other / "held_out").mkdir()
    (other / "held_out" / "mine.txt").touch()
    with pytest.raises(MixtureError, match=r"held_out: in the way of what the recipe holds out"):
        built(tmp_path, made_up_raw, few)


def test_an_image_that_two_collections_have_is_one(tiny_mixture: Path, made_up_raw: Path, tmp_path: Path) -> None:
    mixture = Mixture.open(tiny_mixture)
    images = {record.source: str(record.image) for record in mixture.records(sources=["vqav2", "vg"])}
    ids = {source: int(Path(image).stem) for source, image in images.items()}
    table = json.loads((made_up_raw / "vg" / "image_data.json").read_text())
    for row in table:
        row["coco_id"] = ids["vqav2"] if row["image_id"] == ids["vg"] else None
    (tmp_path / "image_data.json").write_text(json.dumps(table))
    apart, one = (
        split(mixture, HoldOut(fraction=0.5), seed=1, image_data=data) for data in ([], [tmp_path / "image_data.json"])
    )
    assert one.of == apart.of - 1
    sides = {
        held
        for record, held in zip(mixture.records(), one.is_held, strict=True)
        if record.image in (images["vqav2"], images["vg"])
    }
    assert len(sides) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hold_out: {fraction: 0.1, count: 3}", r"line 3, column 11: \$\.hold_out: expected either fraction or co"),
        ("hold_out: {}", r"\$\.hold_out: expected either fraction or count"),
        ("hold_out: {fraction: 1.5}", r"line 3, column 22: \$\.hold_out\.fraction: expected float < 1"),
        ("seed: null\nremove: [vg]", "hold_out: no seed is given; set it here or for the whole recipe"),
    ],
)
def test_a_split_that_is_none_is_an_error(text: str, message: str, made_up_raw: Path, tmp_path: Path) -> None:
    written(tmp_path, BASE, "base.yaml")
    recipe = written(tmp_path, f"name: other\nextends: base.yaml\n{text}")
    with pytest.raises(RecipeError, match=message):
        make_plan(recipe, Options(made_up_raw, tmp_path / "out"))


@pytest.mark.parametrize(("asked", "part"), [(HoldOut(fraction=1e-9), "held out"), (HoldOut(count=9999), "trained on")])
def test_neither_part_may_be_empty(asked: HoldOut, part: str, tiny_mixture: Path, tmp_path: Path) -> None:
    mixture = Mixture.open(tiny_mixture)
    recipe = Recipe(name="x", sources=[], seed=1, hold_out=asked)
    with pytest.raises(MixtureError, match=rf"none of \d+ images is {part}; choose another fraction or count"):
        write_held_out(mixture, recipe, tmp_path, image_data=[], about=mixture.require_manifest())


def test_verifying_finds_an_image_on_both_sides_and_another_mixture_in_its_place(mixture: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(mixture, tmp_path / "copy")
    shutil.rmtree(copy / "held_out")
    shutil.copytree(mixture, copy / "held_out")
    found = {check.name: check for check in verify_all(copy, None, jobs=1, bar=no_bar).checks}
    assert found["held out"].outcome == "failed"
    assert "held_out: row hash" in found["held out"].lines.first[0]
    assert found["held out"].lines.first[1].endswith(": held out and trained on")
    shutil.rmtree(copy / "held_out")
    assert verify_all(copy, None, jobs=1, bar=no_bar).ok


def test_what_two_collections_share_is_said_not_to_be_known_without_its_file(
    made_up_raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(made_up_raw / "gqa", raw / "gqa")
    written(tmp_path, BASE, "base.yaml")
    text = "name: other\nextends: base.yaml\nremove: [vg, aokvqa, vqav2, sharegpt]"
    manifest, _ = run(written(tmp_path, text), Options(raw, tmp_path / "out"), jobs=1)
    show_result(open_console(), manifest, [])
    shown = " ".join(capsys.readouterr().out.split())
    assert "an image of both Visual Genome and COCO counts as two without vg/image_data.json" in shown
