"""What commands print with `--format json` has the schema that the documentation gives."""

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from docs.generator.commands import APPS, commands
from docs.generator.outputs import FOLDER, OUTPUTS, file_name, schemas
from mix665k.mixtures.doctor import NEEDS, Check, needed_for

NO_TABLE = {"mix synth", "train pretrain", "train finetune", "train generate"}
"""Print a line, or what a model says."""
WRITERS = {"mix export", "train export"}
"""`--format` is that of the files they write."""


def test_the_schema_files_are_those_of_the_types() -> None:
    """If not: `python -m docs.generator.outputs`."""
    assert {path.name: json.loads(path.read_bytes()) for path in FOLDER.iterdir()} == schemas()


def test_every_command_that_prints_a_table_prints_json_with_a_schema() -> None:
    with_json = {
        command.name
        for app in APPS
        for command in commands(app)
        for one in command.parameters
        if "--format" in one.flags and "`json`" in one.kind
    }
    every = {command.name for app in APPS for command in commands(app)}
    assert with_json == OUTPUTS.keys() == every - NO_TABLE - WRITERS


@pytest.mark.parametrize(
    "line",
    [
        "mix doctor",
        "mix steps split",
        "mix sources gqa",
        "train stages",
        "train stages pretrain",
        "train benchmarks",
        "mix sources gqa --raw RAW",
        "mix build tiny --raw RAW --out OUT --source aokvqa --jobs 1",
        "mix inspect OUT",
        "mix verify OUT",
        "mix diff OUT OUT",
        "mix trace OUT aokvqa/000000385283#3",
    ],
)
def test_a_document_has_its_schema(line: str, made_up_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = str(tmp_path_factory.getbasetemp() / "one-source")
    words = [{"RAW": str(made_up_raw), "OUT": out}.get(word, word) for word in line.split()]
    shown = CliRunner().invoke(APPS[words[0]], [*words[1:], "--format", "json"])
    assert shown.exit_code == 0, shown.output
    schema = json.loads((FOLDER / file_name(" ".join(words[:2]))).read_bytes())
    jsonschema.validate(json.loads(shown.stdout), schema)


def test_doctor_shows_for_a_task_what_it_needs_and_fails_when_something_is_lacking() -> None:
    shown = CliRunner().invoke(APPS["mix"], ["doctor", "--for", "train", "--format", "json"])
    checks = json.loads(shown.stdout)
    assert {check["what"] for check in checks} == set(NEEDS["train"])
    assert shown.exit_code == int(any(check["verdict"] != "ok" for check in checks))
    assert CliRunner().invoke(APPS["mix"], ["doctor", "--for", "fun"]).exit_code == 2


def test_what_was_asked_about_is_shown_for_every_task() -> None:
    checks = [Check("GPU", "lacking", ""), Check("raw gqa", "ok", ""), Check("disk", "ok", "")]
    assert [check.what for check in needed_for("build", checks)] == ["raw gqa", "disk"]
    assert [check.what for check in needed_for("eval", checks)] == ["GPU", "raw gqa"]
