"""The public Python interface: what `mix665k.__all__` lists, documented, typed, and working wherever it is called."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import mix665k
from mix665k import Block, Mixture, Recipe, UserError, build, inspect, verify
from mix665k.schemas.manifest import load_manifest
from tests.loopback_hub import Hub
from tests.mixtures.small import RECORDS, change_rows, run, written

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
ALL = [record for records in RECORDS.values() for record in records]


def python(*arguments: str | Path, where: Path, stdin: str = "") -> str:
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=where, input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_documents_exactly_what_all_lists() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == mix665k.__all__
    assert set(mix665k.__all__) <= set(dir(mix665k))
    for name in mix665k.__all__:
        assert getattr(mix665k, name).__name__ == name


def test_the_examples_of_the_page_run(made_up_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").symlink_to(made_up_raw)
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(examples) == 2
    assert " records of ['gqa', 'sharegpt']\n" in python("-c", "\n".join(examples), where=tmp_path)


def test_importing_it_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    code = "import sys, mix665k; print([name for name in ('polars', 'pyarrow', 'msgspec') if name in sys.modules])"
    assert python("-c", code, where=tmp_path) == "[]\n"


def test_a_name_that_is_not_there_is_pythons_own_error() -> None:
    with pytest.raises(AttributeError, match="module 'mix665k' has no attribute 'Mixtur'"):
        mix665k.Mixtur  # type: ignore[attr-defined]  # noqa: B018


def test_a_folder_opens_with_its_sources_and_records(small: Path) -> None:
    mixture = Mixture.open(small)
    assert (mixture.name, mixture.sources, len(mixture)) == ("small", ["gqa", "sharegpt", "mine"], 5)
    assert mixture.manifest == load_manifest(small)
    records = list(mixture.records())
    assert [record.id for record in records[:2]] == ["gqa/2327515#0", "gqa/0012#0"]
    turns = [[(turn.role, turn.value) for turn in record.conversations] for record in records]
    assert turns == [[(turn["from"], turn["value"]) for turn in record["conversations"]] for record in ALL]
    assert [record.source for record in mixture.records(sources=["mine", "gqa"])] == ["gqa"] * 3 + ["mine"]
    assert repr(mixture) == f"Mixture.open({str(small)!r})"


def test_a_json_file_opens_with_the_sources_that_are_told(tmp_path: Path) -> None:
    mixture = Mixture.open(str(written(tmp_path, ALL)))
    assert (mixture.name, mixture.manifest, len(mixture)) == ("llava.json", None, 5)
    assert mixture.sources == ["gqa", "sharegpt", "other images"]
    records = list(mixture.records(sources=["gqa"]))
    assert [(one.id, one.source, one.reference_id) for one in records] == [
        ("$[0]", "gqa", "2327515"),
        ("$[1]", "gqa", "0012"),
        ("$[2]", "gqa", "n166008"),
    ]


def test_faults_of_a_json_file_are_raised_after_its_sound_records(tmp_path: Path) -> None:
    mixture = Mixture.open(written(tmp_path, [ALL[0], {"id": "x", "conversations": []}, ALL[1]]))
    records = mixture.records()
    assert [next(records).id, next(records).id] == ["$[0]", "$[2]"]
    with pytest.raises(UserError, match=r"1 records with faults, expected none; the first is \$\[1\] \(id 'x'\)"):
        next(records)
    assert (len(mixture), inspect(mixture).faults) == (2, 1)


def test_a_damaged_folder_is_one_line(copy: Path) -> None:
    change_rows(copy, "mine", lambda rows: rows[0].update(steps=["changed"]), hashes="files")
    mixture = Mixture.open(copy)
    with pytest.raises(UserError, match=r"row hash: .* as manifest\.json says; build the mixture again"):
        list(mixture.records())
    assert not verify(mixture, jobs=1).ok


@pytest.mark.parametrize("path", ["none", "none.json"])
def test_what_is_not_there_is_one_line(tmp_path: Path, path: str) -> None:
    with pytest.raises(
        UserError, match="no such file or folder, expected a mixture or a JSON file in LLaVA's own form"
    ):
        Mixture.open(tmp_path / path)


def test_a_source_that_is_not_there_is_one_line(small: Path, tmp_path: Path) -> None:
    for mixture in (Mixture.open(small), Mixture.open(written(tmp_path, ALL))):
        with pytest.raises(UserError, match=r"--source gqq: .* has no such source; did you mean 'gqa'"):
            list(mixture.records(sources=["gqq"]))


def test_a_mixture_on_the_hub_opens_at_a_branch_too(loopback: Hub, small: Path) -> None:
    assert run("publish", small, "me/mix", "--jobs", "1", "--private").exit_code == 0
    assert (
        run(
            "publish", small, "me/mix", "--jobs", "1", "--private", "--revision", "v1", "--exclude-source", "gqa"
        ).exit_code
        == 0
    )
    mixture = Mixture.open("hf://datasets/me/mix")
    assert list(mixture.records()) == list(Mixture.open(small).records())
    assert verify(mixture, jobs=1).ok
    assert Mixture.open("hf://datasets/me/mix@v1").sources == ["sharegpt", "mine"]
    downloads = loopback.asked("/resolve/")
    assert Mixture.open(Path("hf://datasets/me/mix/")).path == mixture.path
    assert loopback.asked("/resolve/") == downloads  # everything is in the cache


def test_a_command_takes_an_address_of_the_hub(loopback: Hub, small: Path) -> None:
    assert run("publish", small, "me/mix", "--jobs", "1").exit_code == 0
    shown = run("inspect", "hf://datasets/me/mix", "--format", "json")
    assert json.loads(shown.stdout)["total"]["records"] == 5


def test_a_json_file_on_the_hub_opens(loopback: Hub, small: Path) -> None:
    assert run("publish", small, "me/mix", "--jobs", "1").exit_code == 0
    loopback.files("datasets/me/mix")["llava.json"] = json.dumps(ALL).encode()
    assert len(Mixture.open("hf://datasets/me/mix/llava.json")) == 5


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://datasets/me/none", "no such dataset, or a private one"),
        ("hf://datasets/me/mix@none", "hf://datasets/me/mix@none: "),
        ("hf://datasets/me/mix/none.json", "none.json: "),
        ("hf://models/me/mix", "expected hf://datasets/OWNER/NAME"),
        ("hf://datasets/mix", "expected hf://datasets/OWNER/NAME"),
    ],
)
def test_what_the_hub_refuses_is_one_line(loopback: Hub, small: Path, address: str, message: str) -> None:
    assert run("publish", small, "me/mix", "--jobs", "1").exit_code == 0
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        Mixture.open(address)
    assert "\n" not in str(raised.value)


def test_a_hub_that_cannot_be_reached_is_one_line(loopback: Hub) -> None:
    loopback.fail("GET", "/api/", status=503)
    with pytest.raises(UserError, match="the Hub cannot be reached and no complete copy is in the cache"):
        Mixture.open("hf://datasets/me/mix")


def test_a_data_set_on_the_hub_that_is_no_mixture_is_one_line(loopback: Hub, small: Path) -> None:
    assert run("publish", small, "me/mix", "--jobs", "1").exit_code == 0
    del loopback.files("datasets/me/mix")["manifest.json"]
    with pytest.raises(UserError, match=r"manifest.json|unfinished build"):
        Mixture.open("hf://datasets/me/mix")


FEW = "{name: few, seed: 1, sources: [{source: okvqa}, {source: aokvqa}]}"


def test_a_recipe_is_built_by_name_by_path_and_as_an_object(made_up_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text(FEW)
    few = Recipe("few", seed=1, sources=[Block("okvqa"), Block("aokvqa")])
    by_path = build(tmp_path / "few.yaml", raw=made_up_raw, out=tmp_path / "path")
    by_object = build(few, raw=str(made_up_raw), out=str(tmp_path / "object"), jobs=1)
    assert by_path.sources == by_object.sources == ["okvqa", "aokvqa"]
    assert by_path.require_manifest().row_hash == by_object.require_manifest().row_hash
    by_name = build("tiny", raw=made_up_raw, out=tmp_path / "name", sources=["okvqa"])
    assert by_name.sources == ["okvqa"]
    assert verify(by_object, raw=made_up_raw, jobs=1).ok


def test_the_options_of_a_build_reach_it(made_up_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text(FEW)
    built = build(tmp_path / "few.yaml", raw=made_up_raw, out=tmp_path / "out", limit=2, exclude_sources=["aokvqa"])
    assert built.require_manifest().overrides == {"limit": 2, "exclude_source": ["aokvqa"]}
    assert len(built) == 2


def test_progress_is_shown_only_if_it_is_asked_for(
    made_up_raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for progress in (False, True):
        build("tiny", raw=made_up_raw, out=tmp_path / str(progress), sources=["okvqa"], progress=progress)
        out, err = capsys.readouterr()
        assert (out, "okvqa" in err) == ("", progress)


def test_a_recipe_object_that_is_wrong_is_one_line(made_up_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="recipe x: gqaa: no source 'gqaa'; did you mean 'gqa'"):
        build(Recipe("x", sources=[Block("gqaa")]), raw=made_up_raw, out=tmp_path / "out")
    with pytest.raises(UserError, match=r"recipe x, line 2, column 10: \$.sources: expected array of length >= 1"):
        build(Recipe("x", sources=[]), raw=made_up_raw, out=tmp_path / "out")


def test_numbers_come_as_those_of_the_command(small: Path) -> None:
    found = inspect(Mixture.open(small), sources=["gqa"], sample=1, tokenizer="tiny")
    shown = run("inspect", small, "--source", "gqa", "--sample", "1", "--tokenizer", "tiny", "--format", "json")
    assert json.loads(msgspec.json.encode(found)) == json.loads(shown.stdout)


def test_a_verification_tells_raw_files_and_a_published_file(small: Path, tmp_path: Path) -> None:
    mixture = Mixture.open(small)
    same = verify(mixture, raw=small.parent / "raw", against=written(tmp_path, ALL), sources=["gqa"], jobs=1)
    assert same.ok
    assert {"sources rebuilt", "rows rebuilt"} <= {check.name for check in same.checks if check.outcome == "ok"}
    other = verify(mixture, against=written(tmp_path, ALL[1:]), jobs=1)
    assert (other.ok, all(check.passed for check in other.checks)) == (False, True)
    assert other.against
    assert other.against.total.only_in_a == 1


def test_a_subset_is_selected_by_a_file_with_options_or_without(small: Path, tmp_path: Path) -> None:
    mixture, by = mix665k.Mixture.open(small), tmp_path / "ids.txt"
    by.write_text("0012\n7\n")
    assert [one.id for one in mix665k.select(mixture, by, out=tmp_path / "a").records()] == ["gqa/0012#0", "mine/7#0"]
    by.write_text("4\n9\n")
    asked = mix665k.Select(by=str(by), base=0)
    with pytest.raises(mix665k.UserError, match="line 2: position 9, expected 0 to 4"):
        mix665k.select(mixture, asked, out=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_json_file_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a file, expected the folder of a mixture"):
        verify(Mixture.open(written(tmp_path, ALL)))


SCRIPT = """
import sys, mix665k
print(len(mix665k.build("tiny", raw=sys.argv[-1], out="out", sources=["okvqa", "gqa"], jobs=2).sources))
"""


@pytest.mark.parametrize("how", ["file", "stdin", "-c", "-m"])
def test_a_script_needs_no_guard(made_up_raw: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    arguments = {"file": ["plain.py"], "stdin": ["-"], "-c": ["-c", SCRIPT], "-m": ["-m", "plain"]}[how]
    assert python(*arguments, made_up_raw, where=tmp_path, stdin=SCRIPT if how == "stdin" else "") == "2\n"


OWN = """
import sys, mix665k, mix665k.builders
from mix665k.builders.registry import STEPS, step

@step()
def nothing(conversations, funnel):
    '''As they are.'''
    yield from conversations

recipe = mix665k.Recipe("x", sources=[mix665k.Block("okvqa", steps=["nothing"])])
try:
    mix665k.build(recipe, raw=sys.argv[-1], out="out")
except mix665k.UserError as error:
    print(error)
"""


def test_a_step_defined_in_the_script_is_refused_in_one_line(made_up_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    shown = python("own.py", made_up_raw, where=tmp_path)
    assert shown.startswith("okvqa: nothing is defined in the script that was started, and is built in another process")
    assert not (tmp_path / "out").exists()


def test_a_second_build_in_one_process_keeps_what_is_there(made_up_raw: Path, tmp_path: Path) -> None:
    first = build("tiny", raw=made_up_raw, out=tmp_path / "out", sources=["okvqa"])
    shutil.rmtree(tmp_path / "out" / "data")
    again = build("tiny", raw=made_up_raw, out=tmp_path / "out", sources=["okvqa"])
    assert list(again.records()) == list(first.records())
