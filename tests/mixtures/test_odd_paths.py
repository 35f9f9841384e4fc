"""Paths that a library or a terminal could take for something else."""

from pathlib import Path

import pytest

from mix665k.mixtures.verify.verification import Lines
from tests.mixtures.small import build_small, run


@pytest.mark.parametrize("name", ["file:b", "s3:b", "glob*[ab]", "[/red]"])
def test_a_folder_is_a_folder_whatever_its_name_looks_like(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_small(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.jsonl").parent.mkdir(exist_ok=True)
    Path(f"{name}.jsonl").write_text('{"question": "What is this?"}\n')
    built = run("build", "small.yaml", "--raw", "raw", "--out", name)
    assert built.stdout.splitlines()[-1].startswith(f"wrote {name}, ")
    assert run("verify", name, "--raw", "raw", "--jobs", "1").exit_code == 0
    assert run("trace", name, "mine/7", "--raw", "raw").exit_code == 0
    against = ("--eval-set", f"{name}.jsonl", "--drop-by", "text", "--jobs", "1")
    dropped = run("contamination", name, *against, "--drop-to", f"{name}-clean")
    assert f"in {Path(name).name} by text" in dropped.stdout
    assert f"wrote {name}-clean, 4 records" in dropped.stdout
    assert f"in {Path(name).name} by text" in run("inspect", f"{name}-clean").stdout
    assert run("publish", name, "me/mix", "--dry-run", "--out", f"{name}-out", "--jobs", "1").exit_code == 0


def test_made_up_files_and_what_is_found_of_them_are_told_as_they_are(tmp_path: Path) -> None:
    raw = tmp_path / "[bold]raw"
    shown = run("synth", "--out", raw, "--scale", "0.0005", "--source", "okvqa", "--draw-images", "--jobs", "1")
    assert f"images into {raw}/images" in shown.output
    (raw / "sharegpt").mkdir()
    records = raw / "sharegpt" / "ShareGPT_V3_unfiltered_cleaned_split.json"
    records.write_text('[{"id": "[/red]", "conversations": 7}]')
    assert "(id '[/red]')" in run("sources", "sharegpt", "--raw", raw).stdout


def test_a_line_of_a_check_can_be_written_as_json() -> None:
    lines = Lines()
    lines.add("data/caf\udce9: no part of a mixture")
    assert lines.first == [r"data/caf\udce9: no part of a mixture"]
