"""What the Hub refuses becomes one line that says how to mend it, and never shows the token."""

from pathlib import Path

import pytest

from mix665k.schemas.errors import HubError
from mix665k.schemas.hub import File, Owned, Target, push, require_access
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
