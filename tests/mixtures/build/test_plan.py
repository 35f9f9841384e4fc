"""Plans: everything that can be wrong is found before a raw byte is read."""

from pathlib import Path

import pytest

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.storage.published_counts import IN_MIX665K
from mix665k.mixtures.storage.recipes import load_recipe, shipped
from mix665k.schemas.errors import RawDataError, RecipeError, TokenizerError, brief_line
from tests.mixtures.build.test_build import written


def test_every_shipped_recipe_plans_over_made_up_files(made_up_raw: Path, tmp_path: Path) -> None:
    ablations = ["llava-v1.5-mix665k-fitted", "llava-v1.5-mix665k-instructblip-prompt", "llava-v1.5-mix665k-no-prompt"]
    assert shipped() == ["llava-v1.5-mix665k", *ablations, "llava-v1.5-pretrain558k", "tiny"]
    for name in shipped():
        plan = make_plan(name, Options(made_up_raw, tmp_path, tokenizer="tiny"))
        assert plan.recipe.name == name


def test_the_shipped_mixture_expects_the_papers_counts(made_up_raw: Path, tmp_path: Path) -> None:
    plan = make_plan("llava-v1.5-mix665k", Options(made_up_raw, tmp_path, tokenizer="tiny"))
    expects = [bound.block.expect for bound in plan.sources]
    assert sum(expect.count for expect in expects if expect) == 665_298
    assert [bound.block.label for bound in plan.sources if bound.block.expect and not bound.block.expect.strict] == [
        "refcoco"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "x.yaml: not YAML: "),
        ("- 1", r"x.yaml, line 1, column 1: \$: expected object, got array"),
        ("name: x", r"x.yaml, line 1, column 1: \$: object missing required field sources"),
        ("{name: x, sources: []}", r"x.yaml, line 1, column 20: \$.sources: expected array of length >= 1"),
        (
            "{name: x, sources: [{source: gqa}], sed: 1}",
            r"x.yaml, line 1, column 37: \$: object contains unknown field sed; did you mean 'seed'\?",
        ),
        (
            "{name: x, seed: one, sources: [{source: gqa}]}",
            r"x.yaml, line 1, column 17: \$.seed: expected int \| null, got str",
        ),
        (
            "{name: x, sources: [{source: gqa, expect: {count: -1, because: y}}]}",
            r"x.yaml, line 1, column 51: \$.sources\[0\].expect.count: expected int >= 0",
        ),
    ],
)
def test_a_broken_recipe_says_where(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(text, where="x.yaml")


def test_an_unknown_recipe_names_the_nearest(made_up_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="recipe tinny: neither a file nor a shipped recipe; did you mean 'tiny'"):
        make_plan("tinny", Options(made_up_raw, tmp_path))


def test_a_missing_raw_file_says_where_to_get_it(tmp_path: Path) -> None:
    recipe = written(tmp_path, "{name: x, sources: [{source: gqa}]}")
    with pytest.raises(
        RawDataError,
        match=r"^no such file: .*/train_balanced_questions.json \(gqa, questions\); `mix fetch --source gqa --raw",
    ):
        make_plan(str(recipe), Options(tmp_path, tmp_path / "out"))


def test_all_missing_raw_files_are_named_at_once(tmp_path: Path) -> None:
    recipe = written(tmp_path, "{name: x, sources: [{source: gqa}, {source: vqav2}, {source: llava_json}]}")
    with pytest.raises(RawDataError) as caught:
        make_plan(str(recipe), Options(tmp_path, tmp_path / "out"))
    line = str(caught.value)
    assert line.startswith("4 raw files are not there: ")
    for name in ("(gqa, questions)", "(vqav2, questions)", "(vqav2, annotations)", "(llava_json, records)"):
        assert name in line
    assert line.endswith(f"; `mix fetch --source gqa --source vqav2 --raw {tmp_path}` gets them")


def test_the_missing_files_of_a_whole_recipe_fit_into_one_line(tmp_path: Path) -> None:
    raw = tmp_path / ("data-" * 20) / ("of-everybody-" * 10)
    raw.mkdir(parents=True)
    with pytest.raises(RawDataError) as caught:
        make_plan("llava-v1.5-mix665k", Options(raw, tmp_path / "out"))
    line = brief_line(str(caught.value))
    assert line.startswith("19 raw files are not there: ")  # RefCOCO's annotations and images are one file
    for name in IN_MIX665K:
        assert all(file.path in line for file in SOURCES[name].about.files)


def test_a_folder_without_files_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    recipe = written(tmp_path, "{name: x, sources: [{source: gqa, files: {questions: parts}}]}")
    with pytest.raises(RawDataError, match=r"/parts: an empty folder, expected the parts of a raw file in it \(gqa, q"):
        make_plan(str(recipe), Options(tmp_path, tmp_path / "out"))


def test_missing_files_of_ones_own_are_not_fetched(tmp_path: Path) -> None:
    recipe = written(tmp_path, "{name: x, sources: [{source: llava_json, files: {records: my.json}}]}")
    with pytest.raises(RawDataError, match=r"my\.json \(llava_json, records\); they are your own, see `files`"):
        make_plan(str(recipe), Options(tmp_path, tmp_path / "out"))


def test_a_missing_raw_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"--raw .*none: no such folder"):
        make_plan("tiny", Options(tmp_path / "none", tmp_path / "out"))


def test_only_names_a_source_of_the_recipe(made_up_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--source: no source 'vqa2'; did you mean 'vqav2'"):
        make_plan("tiny", Options(made_up_raw, tmp_path, sources=("vqa2",)))


def test_integer_ids_name_a_source_of_the_recipe(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, "{name: x, integer_ids: [gqq], sources: [{source: gqa}]}")
    with pytest.raises(RecipeError, match="integer_ids: no source 'gqq'; did you mean 'gqa'"):
        make_plan(str(recipe), Options(made_up_raw, tmp_path))


def test_a_folder_without_a_tokenizer_is_an_error(made_up_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(
        TokenizerError, match=r"no tokenizer.json or tokenizer.model in .*; give a folder that holds one"
    ):
        make_plan("tiny", Options(made_up_raw, tmp_path / "out", tokenizer=str(tmp_path)))


def test_a_tokenizer_that_no_source_needs_is_not_looked_for(made_up_raw: Path, tmp_path: Path) -> None:
    plan = make_plan("tiny", Options(made_up_raw, tmp_path, sources=("gqa",), tokenizer="no/such"))
    assert [bound.block.label for bound in plan.sources] == ["gqa"]


def test_ids_that_are_not_there_are_an_error(made_up_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"sample: draws_from: .*none.json: no such file"):
        make_plan("tiny", Options(made_up_raw, tmp_path, draws_from=tmp_path / "none.json"))
