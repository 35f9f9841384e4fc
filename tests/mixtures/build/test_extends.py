"""Recipes that extend another one, `--set` and `--fraction`: what they come to, and how mistakes in them are said."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from mix665k.mixtures.build.plan import Options, Plan, make_plan
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.mixtures.terminal import no_bar
from mix665k.mixtures.verify.raw import RawRequest, verify_all
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.build.test_build import run, written

BASE = """\
name: base
seed: 1
tokenizer: tiny
integer_ids: [okvqa]
sources:
  - {source: okvqa, steps: [merge_by_image], expect: {count: 4, because: a test, strict: true, last_position: 3}}
  - {source: aokvqa, expect: {count: 32, because: a test, strict: true}}
  - {source: ocrvqa, params: {}, steps: [sample: {count: 10}, add_prompt: short_answer]}
"""


@pytest.fixture
def plan(made_up_raw: Path, tmp_path: Path) -> Any:
    """Plans a recipe that extends `BASE`, given without its first two lines."""
    written(tmp_path, BASE, "base.yaml")

    def planned(text: str, *settings: str, name: str = "mine.yaml", **options: Any) -> Plan:
        recipe = written(tmp_path, f"name: mine\nextends: base.yaml\n{text}", name)
        return make_plan(recipe, Options(made_up_raw, tmp_path / "out", settings=settings, **options))

    return planned


def labels(plan: Plan) -> list[str]:
    return [bound.block.label for bound in plan.sources]


def steps(plan: Plan, label: str) -> list[str]:
    [bound] = [bound for bound in plan.sources if bound.block.label == label]
    return [step.step.name for step in bound.steps]


def test_sources_are_changed_added_removed_and_ordered(plan: Any) -> None:
    found = plan(
        "remove: [okvqa]\norder: [mine, ocrvqa]\nseed: 2\nfor_all: [drop_by_pattern: {pattern: x}]\n"
        "sources:\n  mine: {source: aokvqa, steps: [add_prompt: option_letter]}\n  ocrvqa: {steps: []}\n"
    )
    assert labels(found) == ["mine", "ocrvqa", "aokvqa"]
    assert [steps(found, label) for label in labels(found)] == [
        ["add_prompt", "drop_by_pattern"],
        ["drop_by_pattern"],
        ["drop_by_pattern"],
    ]
    assert (found.recipe.name, found.recipe.seed, found.recipe.integer_ids) == ("mine", 2, [])
    assert found.changes == (
        "seed: 1 → 2",
        "integer_ids: [okvqa] → none",
        "for_all: none → [{drop_by_pattern: {pattern: x}}]",
        "okvqa: removed",
        "mine: added, {source: aokvqa, steps: [{add_prompt: option_letter}]}",
        "ocrvqa: steps: [{sample: {count: 10}}, {add_prompt: short_answer}] → none",
        "aokvqa: expect: strict: true → none",
        "order: mine, ocrvqa, aokvqa",
    )


def test_what_changes_is_not_held_to_the_bases_expectation_unless_it_gives_its_own(plan: Any) -> None:
    changed = plan("sources: {okvqa: {steps: []}, aokvqa: {params: {}}}").recipe.sources
    assert [one.expect and one.expect.strict for one in changed] == [False, True, None]
    assert changed[0].expect is not None
    assert changed[0].expect.last_position == 3
    given = plan("sources: {okvqa: {steps: [], expect: {count: 5, because: x, strict: true}}, aokvqa: {expect: null}}")
    assert [one.expect and (one.expect.count, one.expect.strict) for one in given.recipe.sources][:2] == [
        (5, True),
        None,
    ]
    moved = plan("order: [aokvqa]").recipe.sources
    assert [one.expect and one.expect.last_position for one in moved] == [None, None, None]


def test_a_parameter_goes_back_to_its_default_and_files_of_other_roles_stay(plan: Any, tmp_path: Path) -> None:
    base = BASE.replace("{source: aokvqa,", "{source: aokvqa, params: {rotations: 2}, files: {questions: a.json},")
    written(tmp_path, base, "base.yaml")
    from mix665k.mixtures.storage.extending import resolve

    path = written(
        tmp_path, "name: m\nextends: base.yaml\nsources: {aokvqa: {params: {rotations: null, x: 1}}}", "m.yaml"
    )
    block = resolve(path).recipe.sources[1]
    assert (block.params, block.files) == ({"x": 1}, {"questions": "a.json"})


def test_recipes_extend_each_other_and_steps_for_all_add_up(plan: Any, tmp_path: Path) -> None:
    written(tmp_path, "name: middle\nextends: base.yaml\nremove: [okvqa]\nfor_all: [merge_by_image]", "middle.yaml")
    recipe = written(tmp_path, "name: top\nextends: middle.yaml\nfor_all: [split: {max_pairs: 9}]", "top.yaml")
    found = make_plan(recipe, plan("").options)
    assert labels(found) == ["aokvqa", "ocrvqa"]
    assert steps(found, "aokvqa") == ["merge_by_image", "split"]
    assert [(one.recipe, one.sha256) for one in found.extends] == [
        ("middle.yaml", sha256_of(tmp_path / "middle.yaml")),
        ("base.yaml", sha256_of(tmp_path / "base.yaml")),
    ]


def test_the_manifest_holds_all_that_the_recipe_came_to(plan: Any, made_up_raw: Path, tmp_path: Path) -> None:
    settings = ("sources.ocrvqa.steps.sample.count=7",)
    plan("remove: [okvqa]")
    manifest, _ = run(tmp_path / "mine.yaml", Options(made_up_raw, tmp_path / "out", settings=settings))
    (tmp_path / "base.yaml").unlink()
    assert [one.recipe for one in load_manifest(tmp_path / "out").extends] == ["base.yaml"]
    assert manifest.overrides == {"set": list(settings)}
    assert [block.label for block in load_recipe(manifest.recipe, where="x").sources] == ["aokvqa", "ocrvqa"]
    assert manifest.sources[1].conversations == 7
    assert verify_all(tmp_path / "out", RawRequest(made_up_raw, sample=5), jobs=1, bar=no_bar).ok


def test_a_recipe_that_extends_nothing_is_kept_as_it_was_written(plan: Any, tmp_path: Path) -> None:
    assert make_plan(tmp_path / "base.yaml", plan("").options).text == BASE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: {okvq: {steps: []}}", r"mine\.yaml, line 3, column 11: .*'okvq' in what.*did you mean 'okvqa'\?"),
        ("remove: [okvqa, gqa]", r"mine\.yaml, line 3, column 17: \$\.remove\[1\]: no source 'gqa'.*expected one of"),
        ("order: [aokvq]", r"mine\.yaml, line 3, column 9: \$\.order\[0\]: .*did you mean 'aokvqa'\?"),
        ("remove: [okvqa, aokvqa, ocrvqa]", r"mine\.yaml, line 3, column 9: \$\.remove: no source is left"),
        ("remove: [okvqa]\nsources: {okvqa: {}}", r"line 3, column 10: \$\.remove\[0\]: 'okvqa' is changed under"),
        (
            "sources: {okvqa: {stesp: []}}",
            r"line 3, column 19: \$\.sources\.okvqa: .* unknown field stesp; did you mean 'steps'",
        ),
        ("sources: [{source: gqa}]", r"mine\.yaml, line 3, column 10: \$\.sources: expected object, got array"),
        ("sed: 1", r"mine\.yaml, line 3, column 1: \$: .* unknown field sed; did you mean 'seed'\?"),
        ("sources:\n  okvqa:\n    steps: [splitt]", r"mine\.yaml, line 4, column 3: okvqa: no step 'splitt'"),
        ("for_all: [splitt]", r"mine\.yaml, line 3, column 11: for_all: okvqa: no step 'splitt'; did you mean 'split'"),
    ],
)
def test_a_mistake_is_said_with_its_place_in_the_file_that_it_is_in(plan: Any, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        plan(text)


def test_a_mistake_in_what_is_extended_is_said_of_that_file(plan: Any, tmp_path: Path) -> None:
    written(tmp_path, "name: mine\nextends: base.yaml\nremove: [gqq]", "middle.yaml")
    recipe = written(tmp_path, "name: top\nextends: middle.yaml", "top.yaml")
    with pytest.raises(RecipeError, match=r"middle\.yaml, line 3, column 10: \$\.remove\[0\]"):
        make_plan(recipe, plan("").options)
    written(tmp_path, "name: mine\nextends: base.yaml\nfor_all: [splitt]", "middle.yaml")
    adding = written(tmp_path, "name: top\nextends: middle.yaml\nfor_all: [merge_by_image]", "adding.yaml")
    with pytest.raises(RecipeError, match=r"middle\.yaml, line 3, column 11: for_all: okvqa: no step 'splitt'"):
        make_plan(adding, plan("").options)
    written(tmp_path, "name: base\nsources: [{source: gqa, stesp: 1}]", "base.yaml")
    with pytest.raises(RecipeError, match=r"base\.yaml, line 2, column 25: \$\.sources\[0\]: .* unknown field stesp"):
        make_plan(recipe, plan("").options)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("one.yaml", "one.yaml", r"one\.yaml, line 2, column 10: \$\.extends: a loop, one\.yaml extends one\.yaml"),
        ("two.yaml", "one.yaml", r"two\.yaml, line 2, column 10: .*one\.yaml extends two\.yaml extends one\.yaml"),
        ("tinny", "tiny", r"one\.yaml, line 2, column 10: \$\.extends: tinny: neither .*; did you mean 'tiny'\?"),
    ],
)
def test_a_recipe_extends_another_one_that_is_there(
    first: str, second: str, message: str, plan: Any, tmp_path: Path
) -> None:
    one = written(tmp_path, f"name: one\nextends: {first}", "one.yaml")
    written(tmp_path, f"name: two\nextends: {second}", "two.yaml")
    with pytest.raises(RecipeError, match=message):
        make_plan(one, plan("").options)


@pytest.mark.parametrize(
    ("setting", "at", "value"),
    [
        ("seed=7", ["seed"], 7),
        ("sources.ocrvqa.steps.sample.count=1e3", ["sources", 2, "steps", 0, "sample", "count"], 1000),
        ('tokenizer="007"', ["tokenizer"], "007"),
        ("sources.aokvqa.expect={count: 4, because: x}", ["sources", 1, "expect", "count"], 4),
        ("sources.ocrvqa.steps.sample.fraction=1e-1", ["sources", 2, "steps", 0, "sample", "fraction"], 0.1),
        ("sources.ocrvqa.steps.add_prompt.prompt=Hm?", ["sources", 2, "steps", 1, "add_prompt", "prompt"], "Hm?"),
        ("sources.okvqa.steps=[]", ["sources", 0, "steps"], None),
        ("sources.okvqa.expect.count=3", ["sources", 0, "expect", "count"], 3),
        ("sources.okvqa.files.questions=a.json", ["sources", 0, "files", "questions"], "a.json"),
        ("sources.aokvqa.params.splits=[train]", ["sources", 1, "params", "splits"], ["train"]),
    ],
)
def test_a_setting_replaces_one_value(setting: str, at: list[str | int], value: Any) -> None:
    from mix665k.mixtures.build.settings import with_settings

    found = msgspec.to_builtins(with_settings(load_recipe(BASE, where="x"), [setting]))
    for key in at[:-1]:
        found = found[key]
    assert found.get(at[-1]) == value


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("sed=7", "^--set sed=7: no field 'sed'; did you mean 'seed'"),
        ("seed", "^--set seed: expected NAME=VALUE"),
        ("seed=seven", r"^--set seed=seven: expected int \| null, got str$"),
        ("sources.okvq.steps=[]", r"no source 'okvq'; did you mean 'okvqa'\?"),
        ("sources.aokvqa.params.split=[train]", r"no parameter 'split'; did you mean 'splits'\?"),
        ("sources.ocrvqa.steps.sampel.count=1", r"no step 'sampel'; did you mean 'sample'\?"),
        ("sources.ocrvqa.steps.sample.cuont=1", r"no parameter 'cuont'; did you mean 'count'\?"),
        ("sources.ocrvqa.steps.sample.count=0", "got 0, expected whole number ≥ 1"),
        ("sources.ocrvqa.steps.sample=5", "no parameter of sample, expected one"),
        ("seed.x=5", "seed has no 'x' in it"),
        ("sources=[]", "--set sources=.*: expected NAME=VALUE"),
    ],
)
def test_a_setting_is_checked_with_the_nearest_name(plan: Any, setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        plan("", setting)


def ids(folder: Path) -> set[str]:
    return {record.id for record in Mixture.open(folder).records()}


def test_a_fraction_is_drawn_of_every_source_and_is_part_of_the_whole(
    plan: Any, made_up_raw: Path, tmp_path: Path
) -> None:
    recipe = plan("").options and tmp_path / "mine.yaml"
    whole, _ = run(recipe, Options(made_up_raw, tmp_path / "whole"))
    half, _ = run(recipe, Options(made_up_raw, tmp_path / "half", fraction=0.5), jobs=1)
    assert [entry.conversations for entry in whole.sources] == [4, 32, 10]
    assert [entry.conversations for entry in half.sources] == [2, 16, 5]
    assert ids(tmp_path / "half") < ids(tmp_path / "whole")
    assert half.overrides == {"fraction": 0.5}
    assert verify_all(tmp_path / "half", RawRequest(made_up_raw, sample=5), jobs=1, bar=no_bar).ok


@pytest.mark.parametrize(
    ("fraction", "text", "message"),
    [
        (0.0, "", r"^--fraction 0: expected more than 0 and at most 1"),
        (0.1, "draws_from: a.json", r"^--fraction 0.1: draws take the ids of a.json; give one"),
        (0.1, "seed: null", "parameter 'seed' is not given"),
    ],
)
def test_a_fraction_that_cannot_be_drawn_is_an_error(plan: Any, fraction: float, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        plan(text, fraction=fraction)


def test_a_fraction_of_at_most_so_many_is_of_those_there_are(plan: Any) -> None:
    bound = plan("sources: {aokvqa: {steps: [sample: {count: 999, at_most: true}]}}", fraction=0.5).sources[1]
    assert [(step.params["count"], step.params["fraction"]) for step in bound.steps] == [(999, None), (None, 0.5)]


def test_the_fraction_of_a_draw_for_all_is_scaled_too(plan: Any) -> None:
    bound = plan("for_all: [sample: {fraction: 0.5}]", fraction=0.5).sources
    assert [yaml.safe_load(str(one.steps[-1].params["fraction"])) for one in bound] == [0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("recipe", "step"),
    [("llava-v1.5-mix665k-no-prompt", []), ("llava-v1.5-mix665k-instructblip-prompt", ["format_question"])],
)
def test_the_shipped_ablations_change_the_prompts_and_nothing_else(
    recipe: str, step: list[str], made_up_raw: Path, tmp_path: Path
) -> None:
    base, found = (
        make_plan(name, Options(made_up_raw, tmp_path, tokenizer="tiny")) for name in ("llava-v1.5-mix665k", recipe)
    )
    assert labels(found) == labels(base)
    prompted = [label for label in labels(base) if "add_prompt" in steps(base, label)]
    for label in labels(base):
        expected = [name for name in steps(base, label) if name != "add_prompt"]
        assert steps(found, label) == expected + (step if label in prompted else [])
