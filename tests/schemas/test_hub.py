"""What the Hub refuses becomes one line that says how to mend it, and never shows the token."""

from pathlib import Path

import pytest

from mix665k.schemas.errors import HubError
from mix665k.schemas.hub import File, Owned, Target, download, push, require_access
from tests.loopback_hub import TOKEN, Hub

OWNED = Owned(("data/*.parquet",), marker="manifest.json")
FILES = [File("data/a.parquet", b"PAR1 not really"), File("manifest.json", b"{}"), File("README.md", b"# Card\n")]
TARGET = Target("me/mix", "dataset")


def refusal(target: Target = TARGET) -> str:
    """Why nothing can be pushed."""
    with pytest.raises(HubError) as caught:
        push(FILES, target, message="Publish", owned=OWNED)
    why = str(caught.value)
    assert TOKEN not in why
    assert "\n" not in why
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return why


def test_a_missing_token_is_told_before_anything_is_asked(loopback: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert refusal() == (
        "me/mix: no token to publish with; run `hf auth login`, or set HF_TOKEN to a token that may write"
    )
    assert loopback.requests == []


def test_the_token_of_the_hubs_own_login_will_do(
    loopback: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(TOKEN)
    assert push(FILES, TARGET, message="Publish", owned=OWNED).changed


def test_a_wrong_token_is_refused_without_being_shown(loopback: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(
        HubError, match=r"^me/mix: the Hub does not take the token \(401\); run `hf auth login`"
    ) as caught:
        require_access(TARGET)
    assert "hf_secret" not in repr(caught.value)
    assert "hf_secret" not in refusal()


@pytest.mark.parametrize("name", ["mix", "me/my mix", "me/mix/more", "me/-mix", "", "me/"])
def test_a_name_that_no_repository_can_have_is_refused(loopback: Hub, name: str) -> None:
    assert "expected OWNER/NAME" in refusal(TARGET._replace(repository=name))
    assert loopback.requests == []


def test_somebody_elses_name_is_refused(loopback: Hub) -> None:
    assert "the token may not write there (403: You don't have the rights" in refusal(Target("you/mix", "dataset"))
    with pytest.raises(HubError, match="you/mix: not there, and you is not yours, expected one of me"):
        require_access(Target("you/mix", "dataset"))


def test_access_makes_nothing(loopback: Hub) -> None:
    require_access(TARGET)
    assert loopback.repositories == {}
    push(FILES, TARGET, message="Publish", owned=OWNED)
    require_access(TARGET)
    with pytest.raises(HubError, match="is there and public, expected private"):
        require_access(TARGET._replace(private=True))


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [
        ("POST", "/api/repos/create", 500, "the Hub is busy or broken (500); wait a little and run it again"),
        ("POST", "/preupload/", 403, "the token may not write there (403"),
        ("POST", "/preupload/", 404, "not found, at 'main', or hidden from this token (404)"),
        ("POST", "objects/batch", 429, "the Hub is busy or broken (429)"),
        ("PUT", "/lfs/", 400, "the Hub refuses (400): failed as the test asked"),
        ("POST", "/commit/", 412, "changed while this was published (412); run it again"),
        ("POST", "/commit/", 0, "is the network there? run it again, what is uploaded is not sent twice"),
    ],
)
def test_every_refusal_says_how_to_go_on(loopback: Hub, method: str, path: str, status: int, why: str) -> None:
    loopback.fail(method, path, status=status)
    assert why in refusal()


def test_a_hub_that_is_not_there_is_one_line(loopback: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert "me/mix: cannot be published: " in refusal()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert refusal() == "me/mix: HF_HUB_OFFLINE is set; publishing needs the Hub, unset it"


def test_two_who_publish_at_once_do_not_mix(loopback: Hub) -> None:
    push(FILES, TARGET, message="Publish", owned=OWNED)

    def slow() -> list[File]:
        push([File("README.md", b"# Theirs\n")], TARGET, message="Theirs", owned=Owned(()))
        return [File("README.md", b"# Mine\n")]

    with pytest.raises(HubError, match=r"changed while this was published \(412\)"):
        push((file for make in (slow,) for file in make()), TARGET, message="Mine", owned=OWNED)
    assert loopback.files("datasets/me/mix")["README.md"] == b"# Theirs\n"


def test_temporary_files_are_removed_after_their_upload(loopback: Hub, tmp_path: Path) -> None:
    (tmp_path / "kept.parquet").write_bytes(b"kept")
    (tmp_path / "passing.parquet").write_bytes(b"passing")
    files = [
        File(f"data/{name}.parquet", tmp_path / f"{name}.parquet", temporary=name == "passing")
        for name in ("kept", "passing")
    ]
    push([*files, File("manifest.json", b"{}")], TARGET, message="Publish", owned=OWNED)
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["kept.parquet"]
    assert loopback.files("datasets/me/mix")["data/passing.parquet"] == b"passing"


def test_files_of_its_own_that_are_not_published_again_are_removed_and_others_stay(loopback: Hub) -> None:
    push([*FILES, File("notes.txt", b"mine")], TARGET, message="Publish", owned=OWNED)
    push([File("data/b.parquet", b"PAR1"), *FILES[1:]], TARGET, message="Publish", owned=OWNED)

    assert {"data/b.parquet", "manifest.json", "notes.txt", "README.md"} <= set(loopback.files("datasets/me/mix"))
    assert "data/a.parquet" not in loopback.files("datasets/me/mix")


def test_a_repository_that_somebody_filled_by_hand_is_left_alone(loopback: Hub) -> None:
    push([File("data/a.parquet", b"theirs")], TARGET, message="By hand", owned=Owned(()))

    assert refusal() == (
        "me/mix: holds data/a.parquet and no manifest.json, so it was not published from here; "
        "name another repository or --revision"
    )
    assert loopback.files("datasets/me/mix")["data/a.parquet"] == b"theirs"


def test_the_same_again_makes_no_commit(loopback: Hub) -> None:
    first = push(FILES, TARGET, message="Publish", owned=OWNED)
    again = push(FILES, TARGET, message="Publish", owned=OWNED)

    assert (first.changed, again.changed) == (True, False)
    assert (again.commit, again.url) == (first.commit, first.url)


@pytest.mark.parametrize(
    ("target", "end"),
    [
        (TARGET, "/datasets/me/mix"),
        (Target("me/mix", "model"), "/me/mix"),
        (TARGET._replace(revision="v1"), "/datasets/me/mix/tree/v1"),
    ],
)
def test_what_was_published_has_an_address(loopback: Hub, target: Target, end: str) -> None:
    done = push([File("README.md", b"# Card\n")], target, message="Publish", owned=Owned(()))

    assert done.url.endswith(end)
    assert done.changed


@pytest.mark.parametrize(
    ("path", "taken"),
    [("data/a.parquet", True), ("data/deep/a.parquet", True), ("a.parquet", False), ("data/a.parquet.txt", False)],
)
def test_what_is_owned_is_told_by_its_path(path: str, taken: bool) -> None:
    assert OWNED.takes(path) is taken


def _download(dataset: str = "me/mix", file: str | None = "README.md", revision: str | None = None) -> Path:
    return download(f"hf://datasets/{dataset}", dataset=dataset, revision=revision, file=file, patterns=["data/*"])


def test_one_file_or_all_that_match_are_downloaded(loopback: Hub) -> None:
    push(FILES, TARGET, message="Publish", owned=OWNED)

    folder = _download(file=None)
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()] == ["data/a.parquet"]
    assert _download().read_bytes() == b"# Card\n"


def test_what_is_not_on_the_hub_is_one_line(loopback: Hub) -> None:
    push(FILES, TARGET, message="Publish", owned=OWNED)

    with pytest.raises(HubError, match=r"^hf://datasets/me/none: no such dataset, or a private one") as caught:
        _download("me/none")
    assert "\n" not in str(caught.value)
    with pytest.raises(HubError, match=r"^hf://datasets/me/mix: cannot be downloaded: ") as caught:
        _download(file="none.json")
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_for_a_download_is_one_line(
    loopback: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(HubError, match=r"^hf://datasets/me/mix: .*cannot be (reached|downloaded)"):
        _download()
