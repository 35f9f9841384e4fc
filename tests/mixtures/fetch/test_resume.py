"""One file, from a publisher who has every bad habit in turn."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mix665k.mixtures.fetch.web import Patience
from mix665k.schemas.errors import FetchError
from tests.mixtures.fetch.bringing import HASTE, brought, plain
from tests.mixtures.fetch.server import Act, Publisher

CONTENT = bytes(range(256)) * 2048
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATH = "/at/file.json"


@pytest.fixture
def at(publisher: Publisher) -> Publisher:
    """A publisher with one file."""
    publisher.files[PATH] = CONTENT
    return publisher


def test_a_file_comes_and_is_written_down(at: Publisher, tmp_path: Path) -> None:
    result = brought(plain(tmp_path, f"{at.url}/at"))
    assert (result.state, result.num_bytes) == ("fetched", len(CONTENT))
    assert (tmp_path / "some/file.json").read_bytes() == CONTENT
    assert json.loads((tmp_path / "fetched.json").read_text()) == {
        "downloads": {
            "some/file.json": {
                "url": f"{at.url}{PATH}",
                "num_bytes": len(CONTENT),
                "sha256": SHA256,
                "files": {"some/file.json": {"num_bytes": len(CONTENT), "sha256": SHA256}},
                "images": 0,
            }
        }
    }
    assert sorted(path.name for path in (tmp_path / "some").iterdir()) == ["file.json"]


def test_a_file_that_is_there_is_not_asked_for_again(at: Publisher, tmp_path: Path) -> None:
    brought(plain(tmp_path, f"{at.url}/at"))
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "there"
    assert at.times(PATH) == 1


def test_a_dropped_connection_goes_on_where_it_was(at: Publisher, tmp_path: Path) -> None:
    at.acts[PATH] = [Act(drop_after=200_000), Act(drop_after=100_000)]
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"
    assert [asked.range for asked in at.asked] == [None, "bytes=200000-", "bytes=300000-"]
    assert at.sent(PATH) == len(CONTENT)
    assert (tmp_path / "some/file.json").read_bytes() == CONTENT


def test_progress_makes_retries_count_anew(at: Publisher, tmp_path: Path) -> None:
    at.acts[PATH] = [Act(drop_after=70_000)] * 6
    assert brought(plain(tmp_path, f"{at.url}/at"), patience=HASTE._replace(retries=1)).state == "fetched"


def test_a_server_that_never_gets_further_is_given_up(at: Publisher, tmp_path: Path) -> None:
    at.always[PATH] = Act(drop_after=0)
    result = brought(plain(tmp_path, f"{at.url}/at"))
    assert result.state == "failed"
    assert result.note.endswith("4 tries failed, run the command again later")
    assert at.times(PATH) == 4


def test_another_run_goes_on_with_the_part_of_the_last(at: Publisher, tmp_path: Path) -> None:
    at.acts[PATH] = [Act(drop_after=300_000)]
    assert brought(plain(tmp_path, f"{at.url}/at"), patience=HASTE._replace(retries=0)).state == "failed"
    assert (tmp_path / "some/file.json.part").stat().st_size == 300_000
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"
    assert at.sent(PATH) == len(CONTENT)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(at: Publisher, tmp_path: Path, status: int) -> None:
    at.acts[PATH] = [Act(status, (("Retry-After", "0"),)), Act(status)]
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"
    assert at.times(PATH) == 3


@pytest.mark.parametrize("asked", ["99999", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_the_wait_that_a_server_asks_for_has_a_limit(at: Publisher, tmp_path: Path, asked: str) -> None:
    at.acts[PATH] = [Act(429, (("Retry-After", asked),))]
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_argued_with(at: Publisher, tmp_path: Path, status: int) -> None:
    at.always[PATH] = Act(status)
    result = brought(plain(tmp_path, f"{at.url}/at"))
    assert result.note.startswith(f"{at.url}{PATH}: HTTP {status}")
    assert at.times(PATH) == 1


def test_a_server_without_ranges_begins_anew(at: Publisher, tmp_path: Path) -> None:
    at.acts[PATH] = [Act(drop_after=200_000)]
    at.always[PATH] = Act(ranges=False)
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"
    assert (tmp_path / "some/file.json").read_bytes() == CONTENT
    assert at.sent(PATH) == len(CONTENT) + 200_000


def test_a_server_that_cannot_tell_its_files_apart_begins_anew(at: Publisher, tmp_path: Path) -> None:
    at.etags = False
    at.acts[PATH] = [Act(drop_after=200_000)]
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"
    assert [asked.range for asked in at.asked] == [None, None]


def test_a_file_that_changed_since_the_part_begins_anew(at: Publisher, tmp_path: Path) -> None:
    at.acts[PATH] = [Act(drop_after=300_000)]
    brought(plain(tmp_path, f"{at.url}/at"), patience=HASTE._replace(retries=0))
    at.files[PATH] = CONTENT[::-1]
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"
    assert (tmp_path / "some/file.json").read_bytes() == CONTENT[::-1]


def test_a_part_longer_than_the_file_begins_anew(at: Publisher, tmp_path: Path) -> None:
    at.acts[PATH] = [Act(drop_after=300_000)]
    brought(plain(tmp_path, f"{at.url}/at"), patience=HASTE._replace(retries=0))
    at.acts[PATH] = [Act(416)]
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "fetched"
    assert (tmp_path / "some/file.json").read_bytes() == CONTENT


def test_fewer_bytes_than_promised_are_an_error(at: Publisher, tmp_path: Path) -> None:
    at.etags = False
    at.always[PATH] = Act(extra_length=10)
    result = brought(plain(tmp_path, f"{at.url}/at"))
    assert result.state == "failed"
    assert not (tmp_path / "some/file.json").exists()


def test_another_size_than_known_is_an_error_before_a_byte_is_kept(at: Publisher, tmp_path: Path) -> None:
    result = brought(plain(tmp_path, f"{at.url}/at", num_bytes=5))
    assert "the publisher's file has changed: 524,288 bytes, 5 are known" in result.note
    assert not list((tmp_path / "some").iterdir())


def test_other_bytes_than_known_are_an_error(at: Publisher, tmp_path: Path) -> None:
    result = brought(plain(tmp_path, f"{at.url}/at", sha256="0" * 64))
    assert result.state == "failed"
    assert f"not the file that is known: 524,288 bytes with SHA-256 {SHA256[:12]}…" in result.note
    assert not list((tmp_path / "some").iterdir())


def test_a_file_that_changed_since_it_was_first_fetched_is_an_error(at: Publisher, tmp_path: Path) -> None:
    brought(plain(tmp_path, f"{at.url}/at"))
    (tmp_path / "some/file.json").unlink()
    at.files[PATH] = CONTENT[:-1]
    assert "the publisher's file has changed" in brought(plain(tmp_path, f"{at.url}/at")).note
    assert brought(plain(tmp_path, f"{at.url}/at"), accept_changed=True).state == "fetched"
    assert brought(plain(tmp_path, f"{at.url}/at")).state == "there"


def test_a_fetched_file_that_was_changed_here_is_an_error(at: Publisher, tmp_path: Path) -> None:
    brought(plain(tmp_path, f"{at.url}/at"))
    (tmp_path / "some/file.json").write_bytes(CONTENT[::-1])
    result = brought(plain(tmp_path, f"{at.url}/at"))
    assert result.note == (
        f"{tmp_path}/some/file.json: not the file that is known by size and hash; remove it to fetch it again"
    )


def test_a_silent_server_is_asked_again(at: Publisher, tmp_path: Path) -> None:
    at.acts[PATH] = [Act(hang_after=100_000)]
    patience = Patience(retries=1, first_s=0.0, longest_s=0.0, silence_s=0.2)
    assert brought(plain(tmp_path, f"{at.url}/at"), patience=patience).state == "fetched"
    assert at.sent(PATH) == len(CONTENT)


def test_a_redirect_is_followed(at: Publisher, tmp_path: Path) -> None:
    at.always["/moved/file.json"] = Act(302, (("Location", PATH),))
    assert brought(plain(tmp_path, f"{at.url}/moved")).state == "fetched"


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://localhost/file.json", "/moved/file.json"])
def test_a_redirect_to_nowhere_is_refused(at: Publisher, tmp_path: Path, where: str) -> None:
    at.always["/moved/file.json"] = Act(302, (("Location", where),))
    assert "only http and https are followed" in brought(plain(tmp_path, f"{at.url}/moved")).note


def test_a_web_page_in_place_of_a_file_is_refused(at: Publisher, tmp_path: Path) -> None:
    at.types[PATH] = "text/html; charset=utf-8"
    assert "a web page came, expected a file" in brought(plain(tmp_path, f"{at.url}/at")).note


def test_a_copy_serves_where_the_publisher_is_gone(at: Publisher, tmp_path: Path) -> None:
    result = brought(plain(tmp_path, f"{at.url}/gone", f"{at.url}/at"))
    assert result.state == "fetched"
    assert [asked.path for asked in at.asked] == ["/gone/file.json", PATH]


def test_a_proxy_of_the_environment_is_used(at: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", at.url)
    assert brought(plain(tmp_path, "http://publisher.invalid/at")).state == "fetched"
    assert at.times(PATH) == 1


@pytest.mark.parametrize(("name", "proxy"), [("ALL_PROXY", "socks5://127.0.0.1:1"), ("HTTP_PROXY", "::")])
def test_a_proxy_that_cannot_be_used_is_one_line(
    at: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    with pytest.raises(FetchError, match="the environment names a"):
        brought(plain(tmp_path, f"{at.url}/at"))


def test_a_full_disk_is_told_before_it_is_full(at: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mix665k.mixtures.fetch.disk_space.shutil.disk_usage", lambda _: SimpleNamespace(free=300_000))
    result = brought(plain(tmp_path, f"{at.url}/at"))
    assert result.note.startswith(f"{tmp_path}: some/file.json needs 524 kB more, 300 kB are free")
    assert not list((tmp_path / "some").iterdir())


def test_a_folder_that_cannot_be_written_is_one_line(at: Publisher, tmp_path: Path) -> None:
    (tmp_path / "some").write_text("")
    assert brought(plain(tmp_path, f"{at.url}/at")).note == f"{tmp_path}/some: file exists"
