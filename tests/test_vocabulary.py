"""One vocabulary for the command line: an option's name is the same thing in every command of `mix` and `train`."""

import re
from collections import defaultdict
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from docs.generator.commands import APPS, commands
from mix665k.cli import mix, train


class Option(NamedTuple):
    """An option of a command, as its function declares it."""

    command: str
    kind: str
    help: str


def kind_of(text: str) -> str:
    """A value's kind without its bound; which words a choice allows is the command's own."""
    return "choice" if "`" in text else re.sub(r" ≥ \S+", "", text)


COMMANDS = [command for app in APPS for command in commands(app)]
BY_NAME: dict[str, list[Option]] = defaultdict(list)
for command in COMMANDS:
    for one in command.parameters:
        for name in one.flags if one.is_option else ():
            BY_NAME[name].append(Option(command.name, kind_of(one.kind), one.help))
SHARED = sorted(name for name, options in BY_NAME.items() if len(options) > 1)


def meaning(text: str) -> str:
    """The words of a help text that say what the option is: before any detail, and after `With --other: `."""
    text = re.sub(r"^With --[\w-]+: ", "", text)
    return re.split(r"[:;.,(]", text)[0].lower()


@pytest.mark.parametrize("name", SHARED)
def test_an_options_name_has_one_type_and_one_meaning_in_all_commands(name: str) -> None:
    kinds = {option.kind: option.command for option in BY_NAME[name]}
    assert len(kinds) == 1, kinds
    meanings = {meaning(option.help): option.command for option in BY_NAME[name]}
    assert len(meanings) == 1, meanings


@pytest.mark.parametrize("old", ["--only", "--check", "--list", "--push"])
def test_an_old_name_is_gone(old: str) -> None:
    assert old not in BY_NAME


CHOOSING = ("build", "diff", "export", "fetch", "images", "inspect", "synth", "verify")


def test_every_choice_of_sources_is_by_label_and_repeatable() -> None:
    assert sorted(option.command for option in BY_NAME["--source"]) == [f"mix {name}" for name in CHOOSING]
    for option in (*BY_NAME["--source"], *BY_NAME["--exclude-source"]):
        assert option.kind == "text, repeatable", option.command
        assert "by its label; may be repeated" in option.help, option.command


@pytest.mark.parametrize("command", ["build", "fetch", "publish"])
def test_what_has_an_effect_that_costs_can_be_tried_without_it(command: str) -> None:
    assert f"mix {command}" in {option.command for option in BY_NAME["--dry-run"]}


ABOUT_SEVERAL = ("train eval", "train compare")
"""They ask some benchmarks and put some runs side by side; without any there is nothing to do."""


def test_no_argument_filters_it_names_what_a_command_is_about() -> None:
    """A list of positional arguments would be a filter: that is `--source`."""
    for command in [one for one in COMMANDS if one.name not in ABOUT_SEVERAL]:
        assert not [one for one in command.parameters if not one.is_option and "repeatable" in one.kind], command.name


@pytest.mark.parametrize(
    ("app", "arguments"),
    [
        (mix, ["build", "tiny", "--raw", "x", "--out", "y", "--only", "gqa"]),
        (mix, ["build", "tiny", "--raw", "x", "--out", "y", "--check"]),
        (mix, ["images", "m", "--images", "x", "--list", "y"]),
        (mix, ["fetch", "gqa", "--raw", "x"]),
        (mix, ["contamination", "m", "--against", "x"]),
        (train, ["check", "--mixture", "m", "--images", "x", "--nproc", "8"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_old_spelling_is_wrong_usage(app: typer.Typer, arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 2
    assert re.search(r"No such option|unexpected extra argument", shown.output)


def test_ids_from_is_refused_with_what_does_that_now() -> None:
    shown = CliRunner().invoke(mix, ["build", "tiny", "--raw", "x", "--out", "y", "--ids-from", "z"])
    assert shown.exit_code == 2
    assert "`mix select MIXTURE --by FILE" in " ".join(shown.output.replace("│", " ").split())


def test_each_command_of_mix_is_in_a_module_of_its_package_called_command() -> None:
    modules = [getattr(info.callback, "__module__", "") for info in mix.registered_commands]
    assert {name.rpartition(".")[2] for name in modules} == {"command"}
