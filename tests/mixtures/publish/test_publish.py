"""Publishing: what comes back equals what went out, nothing is sent twice, nothing is shown half."""

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
import pytest

from mix665k.mixtures.verify.intact import verify_mixture
from mix665k.schemas.files import write_whole
from mix665k.schemas.manifest import Manifest, load_manifest
from tests.loopback_hub import Hub
from tests.mixtures.publish.loading import load, rows_of, unpack
from tests.mixtures.small import change_rows, run

NAME = "datasets/me/mix"
SHARDS = [f"data/{name}-00000-of-00001.parquet" for name in ("gqa", "sharegpt", "mine")]
BESIDE = ["recipe.yaml", "LICENSE.md", "croissant.json", "README.md", "manifest.json"]


def publish(mixture: Path, *options: str | Path, repository: str = "me/mix") -> str:
    """What the command prints."""
    shown = run("publish", mixture, repository, "--jobs", "1", *options)
    assert (shown.exit_code, shown.stderr) == (0, ""), shown.output
    return shown.stdout


def refused(mixture: Path, *options: str | Path, repository: str = "me/mix") -> str:
    """The one line of an error."""
    shown = run("publish", mixture, repository, "--jobs", "1", *options)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert len(shown.stderr.splitlines()) == 1, shown.stderr
    return shown.stderr


def test_every_config_comes_back_row_for_row_streaming_too(loopback: Hub, small: Path, tmp_path: Path) -> None:
    shown = publish(small, "--revision", "v1", "--private")
    assert shown.startswith("published 5 records in 8 files, ")
    assert loopback.commits(NAME) == ["initial commit"]
    names = ["all", "gqa", "sharegpt", "mine"]
    options: list[dict[str, Any]] = [{"revision": "v1"}, {"revision": "v1", "streaming": True}]
    loaded = load(loopback, tmp_path / "home", "me/mix", *[(name, one) for name in names for one in options])
    expected = rows_of(small)
    assert loaded == [expected[name] for name in names for _ in options]


def test_only_what_the_manifest_names_and_tells_is_published(loopback: Hub, copy: Path) -> None:
    for extra in (".cache/arrow", ".build/lock", ".hidden"):
        (copy / extra).parent.mkdir(exist_ok=True)
        (copy / extra).write_text("not for others")
    publish(copy)
    assert list(loopback.files(NAME)) == [".gitattributes", *SHARDS, *BESIDE]
    assert loopback.files(NAME)["manifest.json"] == (copy / "manifest.json").read_bytes()
    assert loopback.files(NAME)["recipe.yaml"].decode() == load_manifest(copy).recipe


def test_the_same_mixture_again_changes_nothing(loopback: Hub, small: Path) -> None:
    publish(small)
    commits, sent = loopback.commits(NAME), loopback.asked("PUT /lfs")
    shown = publish(small)
    assert shown.startswith("nothing new, 5 records")
    assert (loopback.commits(NAME), loopback.asked("PUT /lfs")) == (commits, sent)
    assert commits == ["initial commit", f"Publish small, row hash {load_manifest(small).row_hash[:16]}"]


@pytest.mark.parametrize("status", [500, 0])
def test_an_upload_that_fails_in_the_middle_shows_nothing_and_goes_on(loopback: Hub, small: Path, status: int) -> None:
    loopback.fail("PUT", "/lfs/", status=status, after=1)
    shown = refused(small)
    assert "run it again, what is uploaded is not sent twice" in shown
    assert loopback.commits(NAME) == ["initial commit"]
    loopback.failures.clear()
    stored = set(loopback.stored)
    loopback.requests.clear()
    publish(small)
    assert (len(stored), loopback.asked("PUT /lfs")) == (1, 2)
    assert list(loopback.files(NAME)) == [".gitattributes", *SHARDS, *BESIDE]


def test_a_commit_that_fails_is_made_by_the_next_run(loopback: Hub, small: Path) -> None:
    loopback.fail("POST", "/commit/", status=503, times=1)
    assert "the Hub is busy or broken (503)" in refused(small)
    loopback.requests.clear()
    publish(small)
    assert loopback.asked("PUT /lfs") == 0
    assert len(loopback.commits(NAME)) == 2


def test_a_private_repository_opens_with_the_token_only(loopback: Hub, small: Path) -> None:
    publish(small, "--private")
    assert loopback.repositories[NAME].private
    with pytest.raises(HTTPError, match="401"):
        urlopen(f"{loopback.url}/{NAME}/resolve/main/manifest.json")


def test_a_public_repository_is_not_taken_for_a_private_one(loopback: Hub, small: Path) -> None:
    publish(small)
    assert "is there and public, expected private" in refused(small, "--private")


def test_a_branch_is_made_and_main_left_alone(loopback: Hub, small: Path) -> None:
    publish(small)
    publish(small, "--revision", "without-mine", "--exclude-source", "mine")
    publish(small, "--revision", "without-mine", "--exclude-source", "mine")
    assert SHARDS[2] in loopback.files(NAME)
    assert SHARDS[2] not in loopback.files(NAME, "without-mine")
    assert (len(loopback.commits(NAME)), len(loopback.commits(NAME, "without-mine"))) == (2, 2)


def test_a_pull_request_is_opened_once(loopback: Hub, small: Path) -> None:
    publish(small, "--exclude-source", "mine")
    main = loopback.commits(NAME)
    assert "/discussions/1 (commit" in publish(small, "--create-pr")
    assert publish(small, "--create-pr").startswith("nothing new")
    assert loopback.commits(NAME) == main
    assert loopback.repositories[NAME].pull_requests == [
        f"Publish small, row hash {load_manifest(small).row_hash[:16]}"
    ]
    assert SHARDS[2] in loopback.files(NAME, "refs/pr/1")


def test_shards_of_an_earlier_publication_are_removed(loopback: Hub, small: Path) -> None:
    publish(small)
    loopback.files(NAME)["NOTES.md"] = b"mine"
    publish(small, "--exclude-source", "gqa")
    assert list(loopback.files(NAME)) == [".gitattributes", *SHARDS[1:], *BESIDE, "NOTES.md"]


def test_a_repository_of_something_else_is_left_alone(loopback: Hub, small: Path) -> None:
    publish(small)
    del loopback.files(NAME)["manifest.json"]
    assert f"holds {SHARDS[0]} and no manifest.json" in refused(small)


def test_a_damaged_mixture_is_not_published(loopback: Hub, copy: Path, tmp_path: Path) -> None:
    change_rows(copy, "mine", lambda rows: rows[0].update(steps=["changed"]), hashes="files")
    why = "not published, `mix verify` does not pass it: row hashes; run it to see what"
    assert why in refused(copy)
    assert why in refused(copy, "--dry-run", "--out", tmp_path / "out")
    assert (loopback.repositories, (tmp_path / "out").exists()) == ({}, False)


def test_what_is_left_verifies_itself_and_says_what_is_missing(loopback: Hub, small: Path, tmp_path: Path) -> None:
    shown = publish(small, "--exclude-source", "gqa")
    assert shown.splitlines()[:2] == ["left out gqa, 3 records: named by --exclude-source", "5 → 2 records"]
    folder = unpack(loopback.files(NAME), tmp_path / "copy")
    manifest = load_manifest(folder)
    assert verify_mixture(folder, advance=lambda share: None).ok
    assert ([entry.name for entry in manifest.sources], manifest.conversations) == (["sharegpt", "mine"], 2)
    assert manifest.overrides == {"exclude_source": ["gqa"]}
    card = (folder / "README.md").read_text()
    assert "> **In part.** Left out of the recipe's sources: `gqa` (`--exclude-source`)." in card
    assert "config_name: gqa" not in card


def test_leaving_out_adds_to_what_the_build_left_out(copy: Path, loopback: Hub) -> None:
    manifest = load_manifest(copy)
    manifest.overrides = {"limit": 3, "exclude_source": ["vg"]}
    manifest.recipe += "  - {source: vg}\n"
    write_whole(copy / "manifest.json", msgspec.json.encode(manifest))
    publish(copy, "--exclude-source", "mine")
    left = msgspec.json.decode(loopback.files(NAME)["manifest.json"], type=Manifest)
    assert left.overrides == {"limit": 3, "exclude_source": ["vg", "mine"]}


def test_a_source_that_may_not_be_sold_is_left_out_when_asked(loopback: Hub, tiny_mixture: Path) -> None:
    shown = json.loads(publish(tiny_mixture, "--commercial-only", "--format", "json"))
    assert [one["name"] for one in shown["left_out"]] == ["llava_instruct", "ocrvqa", "sharegpt"]
    left = msgspec.json.decode(loopback.files(NAME)["manifest.json"], type=Manifest)
    assert left.overrides["commercial_only"] == ["llava_instruct", "ocrvqa", "sharegpt"]
    assert shown["conversations"] == left.conversations
    assert shown["notes"][-1].endswith("images is not clear: vqav2, okvqa, aokvqa, refcoco")


def test_a_dry_run_writes_what_would_be_published(loopback: Hub, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = publish(small, "--dry-run", "--out", out)
    assert shown.startswith(f"wrote {out}, 5 records in 8 files, ")
    assert loopback.requests == []
    publish(small)
    written = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    published = loopback.files(NAME)
    assert written == {path: content for path, content in published.items() if path != ".gitattributes"}


def test_a_dry_run_goes_beside_by_default_and_over_nothing(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(small, "--dry-run")
    assert (tmp_path / "mix" / "README.md").is_file()
    assert "--out mix: already there and not empty" in refused(small, "--dry-run")
    (tmp_path / ".new.part").mkdir()
    assert "another run writes it, or one was killed; remove it" in refused(small, "--dry-run", "--out", "new")
    assert run("publish", small, "me/mix", "--out", "new").exit_code == 2
