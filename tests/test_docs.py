"""Everything there is to use is in the documentation, and nothing of the site comes from elsewhere."""

import json
import re
from html import escape
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.results import RESULTS, SECTIONS, read_sections
from docs.generator.commands import APPS, Command, command_page, commands
from docs.generator.directives import DIRECTIVES, asked_for, fill
from docs.generator.errors import error_table
from docs.generator.examples import examples
from docs.generator.forms import form_table
from docs.generator.hooks import loaded_from_elsewhere
from docs.generator.recipes import ABLATIONS, source_parameters, step_reference
from docs.generator.record import COMMANDS
from docs.generator.recordings import RECORDED, typed
from docs.generator.screenshots import PAGES as PICTURES
from docs.generator.screenshots import SESSIONS
from docs.generator.source_pages import image_table, raw_file_list
from docs.generator.stages import SHIPPED
from docs.generator.tables import readable_json
from mix665k.builders.bind import parameters
from mix665k.builders.registry import SOURCES, STEPS
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.storage.recipes import shipped
from mix665k.schemas import errors
from mix665k.schemas.conversation import Record
from mix665k.schemas.manifest import Manifest
from mix665k.schemas.recipe import Extension, HoldOut, Recipe
from mix665k.trainer.run.stage_fields import field_meanings, fields
from mix665k.trainer.run.stage_files import FOLDER as STAGES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
README = (ROOT / "README.md").read_text(encoding="utf-8")
ASKED = [asked for page in PAGES.values() for asked in asked_for(page)]
EVERY_COMMAND = [command for app in APPS for command in commands(app)]


def test_every_source_is_in_the_reference_with_its_parameters() -> None:
    sections = dict(re.findall(r"### \[(\w+)\].*?\n(.*?)(?=\n### |\Z)", source_parameters(), re.DOTALL))
    assert sections.keys() == SOURCES.keys()
    for name, source in SOURCES.items():
        assert all(f"| `{parameter}` |" in sections[name] for parameter in parameters(source.function)), name


def test_every_step_is_in_the_reference_with_its_parameters() -> None:
    sections = dict(re.findall(r"### (\w+)\n(.*?)(?=\n### |\Z)", step_reference(), re.DOTALL))
    assert sections.keys() == STEPS.keys()
    for name, step in STEPS.items():
        assert all(f"| `{parameter}` |" in sections[name] for parameter in parameters(step.function)), name


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_has_a_page_with_rules_oddities_files_licences_and_an_example(name: str) -> None:
    page = PAGES[f"sources/{name}.md"]
    asked = [text.partition(" ")[0] for directive, text in asked_for(page) if directive.startswith("source_")]
    assert asked == [name] * 3
    about = SOURCES[name].about
    for heading in ("## Rules", "## Oddities", "## A raw record, and what it becomes", "## Parameters"):
        assert page.count(f"{heading}\n") == 1, heading
    assert all(f"`{file.path}`" in page for file in about.files)
    assert about.licence.name in page
    assert about.image_licence.name in page


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_what_a_raw_record_becomes_comes_from_that_record(name: str) -> None:
    found = examples()[name]
    raw = json.dumps([one.records for one in found.raw])
    assert found.rows
    for row in found.rows:
        assert row["source"] == name
        assert all(any(part in raw for part in re.split("[#/]", origin)) for origin in row["origins"])


def test_every_raw_file_and_image_archive_is_listed() -> None:
    listed, images = raw_file_list(), image_table()
    for source in SOURCES.values():
        assert all(f"`raw/{file.path}`" in listed for file in source.about.files)
        assert all(download.place in images for _, download in source.about.archives)


@pytest.mark.parametrize("app", sorted(APPS))
def test_every_command_and_option_is_in_the_reference(app: str) -> None:
    page = command_page(app)
    sections = dict(re.findall(r"## \w+ ([\w-]+)\n(.*?)(?=\n## |\Z)", page, re.DOTALL))
    shown = CliRunner().invoke(APPS[app], ["--help"], env={"COLUMNS": "200"}).output
    assert sections.keys() == set(re.findall(r"^│ ([a-z][\w-]+) ", shown, re.MULTILINE))
    for name, section in sections.items():
        help_text = CliRunner().invoke(APPS[app], [name, "--help"], env={"COLUMNS": "200"}).output
        flags = set(re.findall(r"^│ [* ]*(--[\w-]+)", help_text, re.MULTILINE)) - {"--help"}
        assert flags == set(re.findall(r"^\| `(--[\w-]+)`", section, re.MULTILINE)), name


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda command: command.name)
def test_every_command_is_shown_with_a_real_output(command: Command) -> None:
    ran = [text.partition("] ")[2] if text.startswith("[") else text for name, text in ASKED if name == "run"]
    ran += [COMMANDS[text] for name, text in ASKED if name == "recorded"]
    assert any(f"{text} ".startswith(f"{command.name} ") for text in ran)


def test_the_readme_starts_with_the_two_commands_and_names_every_command_and_recipe() -> None:
    assert re.findall(r"^(?:make|mix|train) \w+", README, re.MULTILINE)[:2] == ["make demo", "make test"]
    assert all(f"`{command.name}`" in README for command in EVERY_COMMAND)
    assert all(f"`{name}`" in README for name in shipped())


def test_the_readmes_links_and_pictures_are_there() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if not target.startswith("https:")]
    assert len(targets) > 20
    assert [target for target in targets if not (ROOT / target).is_file()] == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("images/*")), ids=lambda path: path.name)
def test_pictures_are_small_made_by_the_script_and_load_nothing(path: Path) -> None:
    assert path.stem in SESSIONS.keys() | PICTURES.keys()
    assert path.stat().st_size < 200_000
    if path.suffix == ".svg":
        text = path.read_text(encoding="utf-8")
        assert not loaded_from_elsewhere(text, ".svg")
        assert all(escape(word) in text for command in SESSIONS[path.stem] for word in command.split())


def test_every_benchmark_is_shown() -> None:
    shown = {text for name, text in ASKED if name == "result"}
    assert shown == read_sections(RESULTS).keys() <= set(SECTIONS)


def test_every_recorded_output_is_of_its_command_and_shown() -> None:
    shown = {text for name, text in ASKED if name == "recorded"}
    assert shown == COMMANDS.keys() == {path.stem for path in RECORDED.glob("*.txt")}
    for name, command in COMMANDS.items():
        assert (RECORDED / f"{name}.txt").read_text(encoding="utf-8").startswith(f"{typed(command)}\n"), name


def test_every_shipped_recipe_and_stage_is_shown() -> None:
    assert {text for name, text in ASKED if name == "recipe"} == set(shipped())
    stages = {path.stem for path in STAGES.glob("*.yaml")}
    assert {text for name, text in ASKED if name == "stages"} == stages | {"values"}
    assert set(SHIPPED) == stages


def test_every_recipe_of_the_page_on_ablations_is_shown_built_and_compared(made_up_raw: Path, tmp_path: Path) -> None:
    names = {text for name, text in ASKED if name == "ablation"}
    assert names == {path.stem for path in ABLATIONS.glob("*.yaml")}
    for name in names:
        plan = make_plan(ABLATIONS / f"{name}.yaml", Options(made_up_raw, tmp_path))
        assert (plan.recipe.name, plan.recipe.hold_out) == (name, HoldOut(fraction=0.1, seed=0))
        assert ("prepare", f"mix build {name}.yaml --raw raw --out {name}") in ASKED
        assert name == "base" or any(text.startswith(f"[exit 1] mix diff base {name} ") for _, text in ASKED), name


def test_every_field_of_a_stage_has_a_meaning_and_none_has_two() -> None:
    from_schema = {field.name for field in fields() if field.meaning}
    assert from_schema.isdisjoint(field_meanings())
    assert from_schema | field_meanings().keys() == {field.name for field in fields()}


FORMS = {"conversation": Record, "recipe": Recipe, "extension": Extension, "manifest": Manifest}


@pytest.mark.parametrize(("name", "form"), FORMS.items())
def test_every_field_of_a_form_is_described(name: str, form: type[msgspec.Struct]) -> None:
    table = form_table(name)
    assert all(f"| `{field}` |" in table for field in form.__struct_encode_fields__)


def test_every_kind_of_error_is_described() -> None:
    table = error_table()
    kinds = errors.UserError.__subclasses__()
    assert len(kinds) > 5
    assert all(f"| `{kind.__name__}` |" in table for kind in kinds)


def test_pages_ask_for_nothing_unknown() -> None:
    assert {name for name, _ in ASKED} <= DIRECTIVES.keys()
    with pytest.raises(ValueError, match=r"x\.md: no directive 'comands'; expected one of run, "):
        fill("<!-- comands: mix -->", where="x.md")


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ('<script src="https://cdn.invalid/x.js">', ".html"),
        ('<link rel="stylesheet" href="https://fonts.invalid/css">', ".html"),
        ("@font-face { src: url(https://cdn.invalid/f.woff2) }", ".css"),
        ("<style>@import 'https://cdn.invalid/f.css';</style>", ".svg"),
    ],
)
def test_what_another_server_would_send_is_found(text: str, suffix: str) -> None:
    assert loaded_from_elsewhere(text, suffix)


def test_a_link_to_another_server_is_no_load() -> None:
    assert not loaded_from_elsewhere('<a href="https://arxiv.org/abs/2310.03744">paper</a>', ".html")


def test_readable_json_is_the_same_json_in_lines_that_fit() -> None:
    value = {"id": "7", "turns": [{"from": "human", "value": "x" * 70}, {"from": "gpt", "value": "y"}], "none": None}
    text = readable_json(value)
    assert json.loads(text) == value
    assert text.splitlines()[0:3] == ["{", '  "id": "7",', '  "turns": [']
    assert '    {"from": "gpt", "value": "y"}' in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_readable_json_loses_nothing(value: object) -> None:
    assert json.loads(readable_json(value)) == value


def test_a_long_command_is_broken_between_its_options() -> None:
    command = f"mix build {'x' * 60} --raw raw --out 'a folder' --source gqa"
    assert typed(command) == f"$ mix build {'x' * 60} --raw raw \\\n    --out 'a folder' --source gqa"
