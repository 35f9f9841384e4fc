"""Plugins: what is wrong with one is a line, what runs is what was hashed, and no mixture runs one."""

import hashlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mix665k import Block, Conversation, Recipe, UserError, build, verify
from mix665k.builders.bind import bind
from mix665k.builders.pipeline import Run
from mix665k.builders.plugins import load_installed, use_plugins
from mix665k.builders.registry import SOURCES, STEPS, forget
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.reuse_key import require_same_plugins
from mix665k.schemas.errors import RecipeError
from tests.mixtures.small import run

PLUGIN = """
import msgspec
from mix665k import About, Conversation, Dropped, Licence, Lookup, Pair, RawFile, by_origin, derive, source, step

class Line(msgspec.Struct):
    id: int
    text: str

ABOUT = About(title="Lines", files=(RawFile(role="lines", path="lines.json", form=Line, id="id"),),
              licence=Licence(name="mine", commercial="yes", because="mine"), counts="2")

@source(ABOUT, lookups=(Lookup(role="lines", key=by_origin),))
def lines(raw, *, sign: str = "?"):
    '''A question of each line.'''
    for identifier, line in raw.entering("lines"):
        yield Conversation(id=identifier, image=None, pairs=[Pair(line.text + sign, "yes", identifier)])

@step()
def same(conversations, funnel):
    '''As they are.'''
    for conversation in conversations:
        yield conversation
"""
RECIPE = "{name: own, seed: 1, plugins: [own.py], sources: [{source: lines, steps: [same]}]}"


def recipe(plugin: str) -> str:
    """The recipe with another plugin."""
    return RECIPE.replace("own.py", plugin)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a plugin, a recipe beside it and raw data."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(PLUGIN)
    Path("own.yaml").write_text(RECIPE)
    Path("raw").mkdir()
    Path("raw/lines.json").write_text(json.dumps([{"id": 1, "text": "Dry"}, {"id": 2, "text": "Wet"}]))
    yield tmp_path
    use_plugins([])


def error_of(*arguments: str) -> str:
    """The one line that a command ends with."""
    shown = run(*arguments)
    assert (shown.exit_code, shown.stderr.count("error: "), "Traceback" in shown.output) == (1, 1, False), shown.output
    return shown.stderr.strip().splitlines()[-1].removeprefix("error: ")


def changed(old: str, new: str) -> None:
    assert PLUGIN.count(old) == 1
    Path("own.py").write_text(PLUGIN.replace(old, new))


BUILD = ("build", "own.yaml", "--raw", "raw", "--out", "out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ABOUT = About(", "ABOUT = About((", r"own\.py, line 9: SyntaxError: "),
        (
            "import msgspec",
            "import msgspecc",
            r"own\.py, line 2: ModuleNotFoundError: .*'msgspecc'; a plugin is",
        ),
        ("import msgspec", "import msgspec\n1 / 0", r"own\.py, line 3: ZeroDivisionError: division by zero"),
        ("import msgspec", "import msgspec\nraise SystemExit(3)", r"own\.py, line 3: SystemExit: 3"),
        ("def lines(", "def gqa(", r"own\.py, line 12: source gqa: mix665k has a source of this name; rename"),
        ("def same(", "def sample(", r"own\.py, line 18: step sample: mix665k has a step of this name; rename"),
        (
            "(conversations, funnel)",
            "(conversations)",
            r"own\.py, line 18: step same: takes \(conversations\), exp",
        ),
        ("(raw, *, sign", "(raw, sign", r"own\.py, line 12: source lines: takes \(raw, sign\), expected \(raw\), then"),
        ('sign: str = "?"', 'sign="?"', r"own\.py, line 12: source lines: parameter 'sign' has no type, expected one"),
        ('sign: str = "?"', "sign: object()", r"own\.py, line 12: source lines: a parameter's type is none that YAML"),
        ('role="lines", key', 'role="liens", key', r"own\.py, line 12: ValueError: .* the role 'liens'; did you mean"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_and_leaves_nothing(old: str, new: str, message: str) -> None:
    known = (dict(SOURCES), dict(STEPS))
    changed(old, new)
    assert re.match(message, error_of(*BUILD)), error_of(*BUILD)
    assert known == (SOURCES, STEPS)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (
            "{name: own, plugins: [none.py], sources: [{source: gqa}]}",
            (),
            r"own.yaml, line 1, column 23: \$.plugins\[0\]: none.py: no such file in \.",
        ),
        (
            "{name: own, plugins: [../own.py], sources: [{source: gqa}]}",
            (),
            r".*\.\./own\.py: expected a \.py file in the recipe's folder",
        ),
        (
            "{name: own, plugins: [/own.py], sources: [{source: gqa}]}",
            (),
            r".*/own\.py: expected a \.py file in the recipe's folder",
        ),
        (RECIPE, ("--plugin", "none.py"), r"none\.py: no such file or directory"),
        (RECIPE, ("--plugin", "own.yaml"), r"plugin own\.yaml: expected a Python file"),
        (
            RECIPE,
            ("--plugin", "copy.py"),
            r"copy\.py, line 13: source lines: own\.py has a source of this name; rename",
        ),
        (RECIPE, ("--plugin", "empty.py"), r"empty\.py: has no source and no step, expected a function under @source"),
        (RECIPE, ("--set", "plugins=[copy.py]"), r"--set plugins=\[copy\.py\]: a plugin's file is passed by --plugin"),
    ],
)
def test_a_file_that_is_no_plugin_of_the_recipe_is_one_line(
    text: str, arguments: tuple[str, ...], message: str
) -> None:
    Path("own.yaml").write_text(text)
    Path("copy.py").write_text(f"\n{PLUGIN}")
    Path("empty.py").write_text("x = 1\n")
    assert re.match(message, error_of(*BUILD, *arguments)), error_of(*BUILD, *arguments)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("line.text + sign", "line.txt + sign", r"own\.py, line 16: source lines \(id '1'\): AttributeError: .*'txt'"),
        ("line.text + sign", "[][line.id - 2]", r"own\.py, line 16: source lines \(id '1'\): IndexError: "),
        (
            "        yield conversation\n",
            "        yield conversation.x",
            r"own\.py, line 22: step same \(id '1'\): A",
        ),
        (
            "id=identifier, image",
            "id=line.id, image",
            r"own\.py: source lines \(id '1'\) yields a Conversation with",
        ),
        (
            "        yield conversation\n",
            "        yield 1",
            r"own\.py: step same \(id '1'\) yields int, expected",
        ),
        ("        yield conversation\n", "        pass", r".*own\.py: step same gives NoneType, expected it to yield"),
        ('raw.entering("lines")', 'raw.entering("lies")', r"own\.py, line 15: source lines: LookupError: .*'lies'"),
        (
            "\n    for identifier, line",
            "\n    1 / 0\n    for identifier, line",
            r"own\.py, line 15: source lines: Zero",
        ),
    ],
)
def test_what_a_plugin_raises_is_one_line_with_its_place_and_record(old: str, new: str, message: str) -> None:
    changed(old, new)
    assert re.match(message, error_of(*BUILD)), error_of(*BUILD)
    assert not Path("out/manifest.json").exists()


def test_a_defect_before_a_plugins_step_is_not_put_down_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use_plugins([Path("own.py")])
    recipe = Recipe("x", sources=[Block("llava_json", files={"records": "own.json"}, steps=["same"])])
    Path("raw/own.json").write_text('[{"id": "1", "conversations": []}]')

    def broken(raw: object, **_: object) -> Iterator[Conversation]:
        raise ZeroDivisionError
        yield

    monkeypatch.setattr(broken, "__module__", "mix665k.x")
    monkeypatch.setitem(SOURCES, "llava_json", SOURCES["llava_json"]._replace(function=broken))
    [bound] = bind(recipe, raw=Path("raw"))
    with pytest.raises(ZeroDivisionError):
        list(Run(bound, on_bad_record="fail", progress=lambda _: None).conversations)


def test_a_plugin_that_changes_stops_the_build_and_is_built_again_next_time() -> None:
    [bound] = make_plan("own.yaml", Options(Path("raw"), Path("out"))).sources
    require_same_plugins(bound)
    for what in ("changed", "was removed"):
        if what == "changed":
            changed("def lines", "# x\ndef lines")
        else:
            Path("own.py").unlink()
        with pytest.raises(RecipeError, match=rf"own\.py: {what} while the mixture was built with it; build again"):
            require_same_plugins(bound)
    answers = []
    for answer in ("yes", "no", "no"):
        Path("own.py").write_text(PLUGIN.replace('"yes"', f'"{answer}"') if answer == "no" else PLUGIN)
        built = build("own.yaml", raw="raw", out="out", jobs=1)
        answers.append((next(built.records()).conversations[1].value, built.require_manifest().sources[0].key))
    assert [answer for answer, _ in answers] == ["yes", "no", "no"]
    assert answers[0][1] != answers[1][1] == answers[2][1]


def test_no_manifest_runs_a_plugin_and_only_the_same_file_verifies_it() -> None:
    assert run(*BUILD).exit_code == 0
    use_plugins([])
    Path("own.py").write_text(f"{PLUGIN}\nopen('it ran', 'w')\n")
    for command in (("verify", "out", "--raw", "raw"), ("trace", "out", "lines/1"), ("inspect", "out")):
        shown = run(*command)
        assert not Path("it ran").exists()
        assert ("needs the plugin own.py, sha256" in " ".join(shown.output.split())) == (command[0] != "inspect")
    shown = run("verify", "out", "--raw", "raw", "--plugin", "own.py")
    assert shown.exit_code == 1
    assert "not own.py, which has" in " ".join(shown.stdout.split())
    Path("same.py").write_text(PLUGIN)
    assert run("verify", "out", "--raw", "raw", "--plugin", "same.py").exit_code == 0


def test_a_recipe_that_is_no_file_has_nothing_beside_it() -> None:
    recipe = Recipe("own", sources=[Block("lines", steps=["same"])], plugins=["own.py"])
    with pytest.raises(
        UserError, match=r"recipe own: plugins: own\.py: a recipe that is no file has nothing beside it"
    ):
        build(recipe, raw="raw", out="out")
    assert len(build(recipe, raw="raw", out="out", plugins=["own.py"], jobs=1)) == 2


def test_an_extending_recipe_has_the_plugins_of_its_base() -> None:
    Path("below").mkdir()
    Path("below/more.py").write_text(PLUGIN.replace("lines(", "more(").replace("same(", "more("))
    Path("below/more.yaml").write_text(
        "{name: more, extends: ../own.yaml, plugins: [more.py], "
        "sources: {more: {source: more, files: {lines: lines.json}}}}"
    )
    plan = make_plan("below/more.yaml", Options(Path("raw"), Path("out")))
    assert [(used.name, used.sources) for used in plan.plugins()] == [("own.py", ["lines"]), ("more.py", ["more"])]


def test_an_installed_package_brings_its_sources_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("lines_of_mine.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    point = EntryPoint("lines", "lines_of_mine", "mix665k.plugins")
    monkeypatch.setattr("mix665k.builders.plugins.entry_points", lambda group: [point])
    try:
        load_installed()
        assert "lines  from " in run("steps", "lines").stdout
        recipe = Recipe("own", sources=[Block("lines", steps=["same"])])
        mixture = build(recipe, raw="raw", out="out", jobs=1)
        [used] = mixture.require_manifest().plugins
        assert (used.name, used.sha256) == ("lines_of_mine", hashlib.sha256(PLUGIN.encode()).hexdigest())
        assert verify(mixture, raw="raw", jobs=1).ok
    finally:
        forget("lines_of_mine")
    assert "needs lines_of_mine of a package; install it" in " ".join(
        run("verify", "out", "--raw", "raw").output.split()
    )
    Path("lines_of_mine.py").write_text("1 / 0")
    with pytest.raises(RecipeError, match="installed package lines: plugin lines_of_mine, line 1: ZeroDivisionError"):
        load_installed()
