"""What a person types and reads."""

import errno
import json
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mix665k.cli import mix, train
from mix665k.mixtures import catalogue
from mix665k.mixtures.storage.recipes import find_recipe
from mix665k.schemas.files import sha256_of
from mix665k.schemas.interrupts import EndingAtOnce

RUNNER = CliRunner()
MIX = Path(sys.executable).with_name("mix")
COMMANDS = (
    "build",
    "contamination",
    "diff",
    "doctor",
    "export",
    "fetch",
    "images",
    "inspect",
    "publish",
    "sources",
    "steps",
    "synth",
    "trace",
    "verify",
)
QUIET = "assert not {'torch', 'transformers', 'polars', 'pyarrow'} & set(sys.modules), sorted(sys.modules)"


def test_help_names_every_command() -> None:
    shown = RUNNER.invoke(mix, ["--help"])
    assert shown.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in shown.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert RUNNER.invoke(mix, [command, "--help"]).exit_code == 0


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_loads_no_heavy_library() -> None:
    code = f"import sys, typer.testing, cli; typer.testing.CliRunner().invoke(cli.mix, ['--help']); {QUIET}"
    assert python(code).stderr == ""


def test_a_dry_run_loads_no_torch_and_builds_nothing(made_up_raw: Path, tmp_path: Path) -> None:
    arguments = ["build", "tiny", "--raw", str(made_up_raw), "--out", str(tmp_path / "out"), "--dry-run"]
    code = f"import sys, typer.testing, cli; r = typer.testing.CliRunner().invoke(cli.mix, {arguments!r}); {QUIET}"
    shown = python(f"{code}; print(r.exit_code, r.output)")
    assert shown.stderr == ""
    assert shown.stdout.startswith("0 tiny: 10 sources, all files there; nothing built")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_lists_what_a_recipe_and_the_options_change(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\nextends: tiny\nremove: [gqa]\n")
    arguments = ["build", str(recipe), "--raw", str(made_up_raw), "--out", str(tmp_path / "out"), "--dry-run"]
    shown = RUNNER.invoke(mix, [*arguments, "--set", "seed=7", "--fraction", "0.5"])
    assert shown.output.splitlines() == [
        f"extends tiny, sha256 {sha256_of(find_recipe('tiny'))[:16]}",
        "  seed: 0 → 7",
        "  integer_ids: [gqa] → none",
        "  gqa: removed",
        "mine: 9 sources, all files there; nothing built",
    ]


def test_a_build_prints_what_it_built(made_up_raw: Path, tmp_path: Path) -> None:
    shown = RUNNER.invoke(
        mix, ["build", "tiny", "--raw", str(made_up_raw), "--out", str(tmp_path / "out"), "--source", "aokvqa"]
    )
    assert shown.exit_code == 0
    assert "aokvqa" in shown.stdout
    assert "row hash" in shown.stdout


def test_a_wrong_option_is_wrong_usage() -> None:
    assert RUNNER.invoke(mix, ["build", "tiny", "--rew", "x"]).exit_code == 2
    assert RUNNER.invoke(mix, ["build"]).exit_code == 2
    assert RUNNER.invoke(mix, ["build", "tiny", "--raw", "x", "--out", "y", "--jobs", "0"]).exit_code == 2
    without_images = RUNNER.invoke(mix, ["build", "tiny", "--raw", "x", "--out", "y", "--on-missing-image", "drop"])
    assert without_images.exit_code == 2
    assert "goes with --images" in without_images.output
    for option in ("--images", "--gallery"):
        without_page = RUNNER.invoke(mix, ["inspect", "x", option, "3"])
        assert without_page.exit_code == 2
        assert f"{option}: goes with --html" in without_page.output


def test_a_name_that_is_not_utf8_is_wrong_usage() -> None:
    shown = RUNNER.invoke(mix, ["verify", "caf\udce9"])
    assert shown.exit_code == 2
    assert r"'caf\udce9' is not UTF-8; rename it" in shown.output


def test_a_users_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    shown = RUNNER.invoke(mix, ["build", "nothing", "--raw", str(tmp_path), "--out", str(tmp_path / "out")])
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert shown.stderr.startswith("error: recipe nothing: neither a file nor a shipped recipe")
    assert len(shown.stderr.splitlines()) == 1


def test_steps_lists_every_source_and_step_with_its_parameters() -> None:
    from mix665k.builders.bind import parameters
    from mix665k.builders.registry import SOURCES, STEPS, Source, Step

    shown = RUNNER.invoke(mix, ["steps"]).stdout
    known: list[Source | Step] = [*SOURCES.values(), *STEPS.values()]
    for one in known:
        assert one.name in shown
        for parameter in parameters(one.function):
            assert f"    {parameter}: " in shown


def test_steps_of_an_unknown_name_names_the_nearest() -> None:
    shown = RUNNER.invoke(mix, ["steps", "splitt"])
    assert shown.exit_code == 1
    assert "did you mean 'split'" in shown.stderr


def test_sources_lists_files_licences_and_where_to_get_them() -> None:
    shown = RUNNER.invoke(mix, ["sources", "vqav2"]).stdout
    assert "vqav2/v2_mscoco_train2014_annotations.json" in shown
    assert "CC BY 4.0" in shown
    assert "v2_Annotations_Train_mscoco.zip" in shown


def test_sources_says_what_is_there_and_whether_it_looks_right(made_up_raw: Path, tmp_path: Path) -> None:
    shown = RUNNER.invoke(mix, ["sources", "--raw", str(made_up_raw)])
    assert shown.exit_code == 0
    assert "there: " in shown.stdout
    (tmp_path / "gqa").mkdir()
    (tmp_path / "gqa" / "train_balanced_questions.json").write_text('{"1": {"question": "q", "imageId": 2}}')
    shown = RUNNER.invoke(mix, ["sources", "gqa", "--raw", str(tmp_path)])
    assert shown.exit_code == 1
    assert (
        "wrong: 0.0 MB, 1 records, 1 bad records\n      $['1'].imageId: expected str, got int (id '1')" in shown.stdout
    )
    assert "not there" in RUNNER.invoke(mix, ["sources", "vg", "--raw", str(tmp_path)]).stdout


@pytest.mark.parametrize("scale", ["0", "nan", "inf"])
def test_synth_wants_a_number_above_zero(tmp_path: Path, scale: str) -> None:
    shown = RUNNER.invoke(mix, ["synth", "--out", str(tmp_path / "raw"), "--scale", scale])
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "expected a number above 0" in shown.stderr


def test_synth_writes_what_build_reads(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    made = RUNNER.invoke(mix, ["synth", "--out", str(raw), "--scale", "0.0005", "--source", "okvqa", "--draw-images"])
    assert made.exit_code == 0
    recipe = tmp_path / "one.yaml"
    recipe.write_text("{name: one, sources: [{source: okvqa}]}")
    arguments = [
        "build",
        str(recipe),
        "--raw",
        str(raw),
        "--out",
        str(tmp_path / "out"),
        "--images",
        str(raw / "images"),
    ]
    assert RUNNER.invoke(mix, arguments).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "0"], "--scale 0.0: expected a number above 0"),
        (["--scale", "1", "--source", "vqa"], "--source vqa: no such source; did you mean 'vqav2'"),
    ],
)
def test_synth_refuses_what_cannot_be(tmp_path: Path, arguments: list[str], message: str) -> None:
    shown = RUNNER.invoke(mix, ["synth", "--out", str(tmp_path / "raw"), *arguments])
    assert shown.exit_code == 1
    assert message in shown.stderr


def test_synth_never_writes_over_real_files(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("real")
    shown = RUNNER.invoke(mix, ["synth", "--out", str(tmp_path), "--scale", "0.0005"])
    assert shown.exit_code == 1
    assert "not empty and not made up, it may hold real files" in shown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_a_folder_that_cannot_be_written_is_one_line(made_up_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = RUNNER.invoke(mix, ["synth", "--out", str(tmp_path / "file" / "raw"), "--scale", "0.0005"])
    assert shown.exit_code == 1
    assert len(shown.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, a device that is always full")
@pytest.mark.parametrize("arguments", [["sources"], ["doctor", "--format", "json"], ["--help"], ["--version"]])
def test_a_full_disk_under_the_output_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([MIX, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: standard output: no space left on device\n")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    done = subprocess.run(f"{MIX} steps | head -n 1; exit ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (1, "sources\n", "")


def test_an_error_cannot_move_the_cursor_and_stays_short(tmp_path: Path) -> None:
    name = f"\x1b]0;mine\a{'x' * 100_000}\n"
    (tmp_path / "mix.json").write_text(json.dumps([{"id": name, "conversations": "none"}]))
    shown = RUNNER.invoke(mix, ["diff", str(tmp_path / "mix.json"), str(tmp_path / "mix.json"), "--source", name])
    assert shown.exit_code == 1
    assert "\x1b" not in shown.stderr
    assert r"\x1b]0;mine\x07xxx" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert len(shown.stderr) < 2_100


def test_stage_2_needs_exactly_one_projector(tmp_path: Path) -> None:
    shown = RUNNER.invoke(train, ["finetune", "--mixture", "m", "--images", "i", "--out", str(tmp_path / "run")])
    assert shown.exit_code == 2
    assert "--projector" in shown.stderr


@pytest.mark.parametrize("command", ["pretrain", "finetune", "check", "export", "generate"])
def test_every_training_command_has_help(command: str) -> None:
    assert RUNNER.invoke(train, [command, "--help"]).exit_code == 0


@pytest.mark.parametrize("app", [mix, train])
def test_each_app_tells_its_version(app: typer.Typer) -> None:
    shown = RUNNER.invoke(app, ["--version"])
    assert (shown.exit_code, shown.stdout) == (0, f"mix665k {metadata.version('mix665k')}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("name", ["mix", "train"])
def test_completion_scripts_name_the_command(name: str, shell: str) -> None:
    command = Path(sys.executable).with_name(name)
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = subprocess.run(
        [command, "--show-completion", shell], env=environment, capture_output=True, text=True, check=True
    )
    assert f"_{name.upper()}_COMPLETE=complete_{shell}" in shown.stdout


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("mix in", ["inspect"]),
        ("mix build ti", ["tiny"]),
        ("mix sources ref", ["refcoco"]),
        ("mix build tiny --source vq", ["vqav2"]),
    ],
)
def test_bash_completes_commands_recipes_and_sources(typed: str, completed: list[str]) -> None:
    words = {"_MIX_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    command = Path(sys.executable).with_name("mix")
    shown = subprocess.run([command], env={**os.environ, **words}, capture_output=True, text=True, check=False)
    assert shown.stdout.split() == completed


def test_nothing_is_coloured_when_piped() -> None:
    for arguments in (["steps"], ["doctor", "--tokenizer", "tiny"], ["build", "tiny", "--raw", "x", "--out", "y"]):
        shown = subprocess.run(
            [Path(sys.executable).with_name("mix"), *arguments], capture_output=True, text=True, check=False
        )
        assert "\x1b" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    "arguments",
    [["check", "--mixture", "m", "--images", "i"], ["plan", "--mixture", "m", "--tokenizer", "t", "--ranks", "1"]],
)
def test_a_library_of_an_extra_that_is_not_there_is_one_line(arguments: list[str]) -> None:
    code = f"import sys; sys.modules['torch'] = None; sys.argv = {['train', *arguments]!r}; import cli; cli.train()"
    shown = python(code)
    assert shown.returncode == 1
    assert shown.stderr == "error: torch is not installed; pip install -e '.[train]'\n"


INTERRUPTED = """
import signal, sys
class Finder:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["mix", "steps"]
from mix665k.cli import mix
mix()
"""


@pytest.mark.parametrize("module", ["mix665k.apps", "typer.main", "mix665k.mixtures.catalogue"])
def test_an_interrupt_while_code_is_loaded_is_one_word(module: str) -> None:
    shown = python(INTERRUPTED.format(module=module))
    assert (shown.returncode, shown.stderr) == (130, "interrupted\n")


def test_an_interrupt_that_somebody_else_handles_is_theirs() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with EndingAtOnce():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "out of memory; close other programs"),
        (ImportError("libarrow.so.2600: failed to map segment from shared object"), "out of memory; close other"),
        (RuntimeError("can't start new thread"), "no more threads can be started; raise `ulimit -u`"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files; raise the limit with `ulimit -n 1024`"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "broken pipe"),
    ],
)
def test_what_a_command_runs_out_of_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(catalogue, "describe_functions", fail)
    shown = RUNNER.invoke(mix, ["steps"])
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (1, 1)
    assert shown.stderr.startswith(f"error: {message}")


def test_a_defect_is_not_taken_for_something_that_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(catalogue, "describe_functions", fail)
    assert isinstance(RUNNER.invoke(mix, ["steps"]).exception, RuntimeError)


def test_what_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "\u4e2d?"}, {"from": "gpt", "value": "caf\xe9 \U0001f600"}]
    file = tmp_path / "own.json"
    file.write_text(json.dumps([{"id": "1", "conversations": turns}]))
    shown = CliRunner(charset="ascii").invoke(mix, ["inspect", str(file), "--sample", "1"])
    assert shown.exit_code == 0, shown.exception
    assert all(text in shown.stdout for text in (r"\u4e2d?", r"caf\xe9 \U0001f600"))
