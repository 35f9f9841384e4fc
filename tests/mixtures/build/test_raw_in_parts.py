"""A raw file in two parts: built, verified, traced, compared and listed as the one file would be."""

import json
from pathlib import Path

import msgspec

from mix665k.mixtures.diff.manifest_changes import manifest_changes
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.small import record, run

RECORDS = [record(str(n), None, f"Q{n}?", f"A{n}") for n in range(4)]
RECIPE = "name: parts\nsources: [{source: llava_json, files: {records: %s}}]"


def test_parts_are_built_verified_and_traced_part_by_part(tmp_path: Path) -> None:
    raw, parts = tmp_path / "raw", tmp_path / "raw" / "own"
    parts.mkdir(parents=True)
    (raw / "one.json").write_text(json.dumps(RECORDS))
    (parts / "a_1.json").write_text(json.dumps(RECORDS[:3]))
    (parts / "a_2.json").write_text(json.dumps(RECORDS[3:]))
    for name, files in {"one": "one.json", "two": "own"}.items():
        (tmp_path / f"{name}.yaml").write_text(RECIPE % files)
        built = run("build", tmp_path / f"{name}.yaml", "--raw", raw, "--out", tmp_path / name, "--jobs", "1")
        assert built.exit_code == 0, built.output
    one, two = load_manifest(tmp_path / "one"), load_manifest(tmp_path / "two")

    assert two.row_hash == one.row_hash
    assert [(file.role, file.path) for file in two.sources[0].inputs] == [
        ("records", "own/a_1.json"),
        ("records", "own/a_2.json"),
    ]
    assert {"records", "records 1", "records 2"} <= {change.what for change in manifest_changes(one, two)}

    traced = run("trace", tmp_path / "two", "llava_json/3", "--raw", raw, "--format", "json")
    [found] = msgspec.json.decode(traced.stdout)["pairs"][0]["raw"]
    assert (found["path"], found["where"], found["record"]) == ("own/a_2.json", "$[0]", RECORDS[3])
    assert "at a_2.json: $[0]" in run("trace", tmp_path / "two", "llava_json/3", "--raw", raw).stdout

    verify: list[str | Path] = ["verify", tmp_path / "two", "--raw", raw, "--jobs", "1"]
    assert "2 files" in run(*verify).stdout
    (parts / "a_3.json").write_text("[]")
    assert "is not one of the files that the mixture was built from" in " ".join(run(*verify).stdout.split())
    (parts / "a_3.json").write_bytes((parts / "a_2.json").read_bytes())
    again = run("build", tmp_path / "two.yaml", "--raw", raw, "--out", tmp_path / "two", "--jobs", "1")
    assert "a_3.json: the same bytes as own/a_2.json, expected each part of records once" in again.stderr


def test_parts_under_the_published_name_are_listed_and_not_fetched(tmp_path: Path) -> None:
    parts = tmp_path / "sharegpt" / "ShareGPT_V3_unfiltered_cleaned_split"
    parts.mkdir(parents=True)
    for n in (1, 2):
        (parts / f"p{n}.json").write_text(json.dumps([record(str(n), None, "Q?", "A")]))

    assert "2 parts, p1.json to p2.json, 0.0 MB, 2 records" in run("sources", "sharegpt", "--raw", tmp_path).stdout
    fetched = run("fetch", "--raw", tmp_path, "--source", "sharegpt", "--dry-run").stdout
    assert "in parts, put there by hand, not checked" in " ".join(fetched.split())
    (parts / "p4.json").write_text("[]")
    assert "without p3.json of their series" in run("sources", "sharegpt", "--raw", tmp_path).stdout
