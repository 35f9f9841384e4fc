"""Raw files, recipes, mixtures and outputs in a bucket: the rows of local folders, whole or not at all."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import mix665k
from mix665k.mixtures.doctor import Check, examine
from mix665k.mixtures.mixture import Mixture
from mix665k.schemas import remote
from mix665k.schemas.errors import RemoteError, UserError
from mix665k.schemas.manifest import load_manifest
from mix665k.schemas.staging import Writing, writing_to
from tests import local_s3
from tests.local_s3 import S3
from tests.mixtures.small import run

REFUSED = "s3://bucket/failing/manifest.json: these credentials may not do this"
BUILD = ("--source", "gqa", "--jobs", "1")


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patched, local_s3.serve(patched) as found:
        yield found


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield server
    remote._system.cache_clear()


def test_a_build_from_a_bucket_into_a_bucket_has_the_rows_of_a_local_one(
    s3: S3, made_up_raw: Path, tmp_path: Path
) -> None:
    assert run("build", "tiny", "--raw", made_up_raw, "--out", tmp_path / "local", *BUILD).exit_code == 0
    s3.put_folder(made_up_raw / "gqa", "raw/gqa")
    s3.put("raw/vqav2/questions.json", b"of a source that is not built, and not copied")
    s3.put("recipes/mine.yaml", b"name: mine\nextends: tiny\n")
    for recipe, out in (("tiny", "built"), ("s3://bucket/recipes/mine.yaml", "mine")):
        shown = run("build", recipe, "--raw", "s3://bucket/raw", "--out", f"s3://bucket/{out}", *BUILD)
        assert shown.exit_code == 0, shown.output
        assert f"put at s3://bucket/{out}: " in shown.stderr
        found = Mixture.open(f"s3://bucket/{out}")
        assert found.require_manifest().row_hash == load_manifest(tmp_path / "local").row_hash
    assert not list((tmp_path / "cache").rglob("questions.json"))
    assert not [key for key in s3.keys("built/") if "/." in key]

    again = run("build", "tiny", "--raw", "s3://bucket/raw", "--out", "s3://bucket/built", *BUILD)
    assert again.exit_code == 0, again.output
    assert run("verify", "s3://bucket/built").exit_code == 0
    assert run("diff", "s3://bucket/built", tmp_path / "local").exit_code == 0
    listed = run("export", "s3://bucket/built", "--format", "llava", "--out", "s3://bucket/exports/a.json")
    assert listed.exit_code == 0, listed.output
    assert run("export", tmp_path / "local", "--format", "llava", "--out", tmp_path / "a.json").exit_code == 0
    assert s3.get("exports/a.json") == (tmp_path / "a.json").read_bytes()


def test_nothing_is_there_after_an_upload_that_fails_and_another_try_puts_it(
    s3: S3, made_up_raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = remote.put_file
    asked: list[str] = []

    def full(path: Path, address: str) -> None:
        asked.append(address)
        if address.endswith("manifest.json"):
            raise RemoteError(REFUSED)
        put(path, address)

    arguments = ("build", "tiny", "--raw", made_up_raw, "--out", "s3://bucket/failing", *BUILD)
    with monkeypatch.context() as patched:
        patched.setattr("mix665k.schemas.staging.put_file", full)
        shown = run(*arguments)
    assert shown.exit_code == 1
    assert shown.stderr.splitlines()[-1] == f"error: {REFUSED}"
    assert asked[-1].endswith("manifest.json"), "put last"
    assert s3.keys("failing/") == []
    assert run(*arguments).exit_code == 0
    assert "failing/manifest.json" in s3.keys("failing/")


def test_what_is_there_already_is_not_written_over_unless_it_may_be(s3: S3, made_up_raw: Path) -> None:
    s3.put("taken/notes.txt", b"mine")
    arguments = ("build", "tiny", "--raw", made_up_raw, "--out", "s3://bucket/taken", *BUILD)
    shown = run(*arguments)
    assert shown.exit_code == 1
    assert "error: --out s3://bucket/taken: something is there that was not built from here" in shown.stderr
    assert s3.keys("taken/") == ["taken/notes.txt"]
    assert run(*arguments, "--overwrite").exit_code == 0
    assert s3.get("taken/notes.txt") == b"mine"


def test_a_dry_run_puts_nothing(s3: S3, made_up_raw: Path) -> None:
    shown = run("build", "tiny", "--raw", made_up_raw, "--out", "s3://bucket/dry", "--dry-run", *BUILD)
    assert shown.exit_code == 0, shown.output
    assert s3.keys("dry/") == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["build", "tiny", "--raw", "s3://bucket/no-raw", "--out", "o"], "--raw s3://bucket/no-raw: nothing is there"),
        (["build", "s3://bucket/no.yaml", "--raw", "r", "--out", "o"], "s3://bucket/no.yaml: no such file"),
        (
            ["inspect", "s3://bucket/no-mixture"],
            "s3://bucket/no-mixture: no manifest.json is there, ",
        ),
        (
            ["build", "tiny", "--raw", "r", "--out", "gs://b/x"],
            "gs://: its library is not installed; pip",
        ),
        (
            ["build", "tiny", "--raw", "r", "--out", "hf://datasets/a/b"],
            "--out hf://datasets/a/b: nothing is written",
        ),
        (["images", "s3://bucket/x", "--images", "i", "--write-list", "s3://b/l"], "--write-list s3://b/l: an address"),
    ],
)
def test_what_an_address_lacks_is_one_line(s3: S3, arguments: list[str], why: str) -> None:
    shown = run(*arguments)
    assert (shown.exit_code, shown.stderr.count("\n")) == (1, 1), shown.output
    assert shown.stderr.startswith(f"error: {why}")


def test_doctor_lists_an_address_and_reads_nothing(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("seen/a.txt", b"a")
    monkeypatch.setattr("s3fs.S3FileSystem._cat_file", None)
    addresses = ("s3://bucket/seen", "s3://bucket/empty", "gs://bucket/x")
    found = {check.what: check for check in examine(raw=None, tokenizer="tiny", addresses=addresses)}
    assert found[addresses[0]] == Check(addresses[0], "ok", "may be listed, 1 entries")
    assert found[addresses[1]] == Check(addresses[1], "ok", "may be listed, nothing is there")
    assert found[addresses[2]].verdict == "lacking"
    assert "pip install gcsfs" in found[addresses[2]].found
    assert run("doctor", "--tokenizer", "tiny", "--url", "bucket").stderr.startswith("error: --url bucket: no")


def test_python_writes_to_no_address(made_up_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^out s3://bucket/x: an address, expected a path on this machine"):
        mix665k.build("tiny", raw=made_up_raw, out="s3://bucket/x")
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_goes_first_and_comes_last(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("manifest.json", "z.txt", "data/old.parquet"):
        s3.put(f"ordered/{name}", b"old")
    done: list[str] = []

    def noted(what: str, *given: Any) -> None:
        done.append(f"{what} {given[-1].rpartition('ordered/')[2]}")
        getattr(remote, what)(*given)

    for what in ("put_file", "remove_file"):
        monkeypatch.setattr(f"mix665k.schemas.staging.{what}", partial(noted, what))
    with writing_to("s3://bucket/ordered", option="--out", way=Writing(overwrite=True)) as folder:
        folder.mkdir()
        for name in ("manifest.json", "z.txt"):
            (folder / name).write_text("new")
    removed, *rest = done
    assert removed == "remove_file manifest.json"
    assert rest == ["put_file z.txt", "put_file manifest.json", "remove_file data/old.parquet"]
    assert [s3.get(f"ordered/{name}") for name in ("manifest.json", "z.txt")] == [b"new", b"new"]
