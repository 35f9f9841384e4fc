"""Publishing files on the Hugging Face Hub in one commit, and getting them back; what it refuses becomes one line.

The token is the environment's or the hub's own login, and is never shown.
"""

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mix665k.schemas.errors import HubError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAIN = "main"
_ADDRESS = re.compile(
    r"hf:/{1,2}datasets/(?P<dataset>[^/@]+/[^/@]+)(?:@(?P<revision>refs/\w+/[^/]+|[^/]+))?(?:/(?P<file>.+))?/?"
)
"""An address as `huggingface_hub` writes it; a path object keeps one of its two slashes."""
_LOGIN = "run `hf auth login`, or set HF_TOKEN to a token that may write"
_AGAIN = "run it again, what is uploaded is not sent twice"


class File(NamedTuple):
    """A file by its path in the repository; `temporary` ones are made for the upload and removed after it."""

    path: str
    content: Path | bytes
    temporary: bool = False


class Target(NamedTuple):
    """Where to publish: a repository as OWNER/NAME, and a branch, or a pull request to be opened."""

    repository: str
    kind: Literal["dataset", "model"]
    private: bool = False
    revision: str = MAIN
    create_pr: bool = False


class Owned(NamedTuple):
    """What a publication takes as its own: files like these that it does not bring are removed.

    Where they stand without the file `marker`, somebody else put them there, and nothing is published.
    """

    patterns: Sequence[str]
    marker: str | None = None

    def takes(self, path: str) -> bool:
        """Whether a file is one of these."""
        return any(fnmatchcase(path, pattern) for pattern in self.patterns)


class Pushed(NamedTuple):
    """Where it can be seen, under which commit, and whether anything was new."""

    url: str
    commit: str
    changed: bool


def require_name(repository: str) -> None:
    """A repository's name is one the Hub can have.

    Raises:
        HubError: when it is not.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise HubError(f"{repository}: no name of a repository, expected OWNER/NAME: {_line(error)}") from None
    if "/" not in repository:
        raise HubError(f"{repository}: no owner, expected OWNER/NAME, such as me/{repository}")


def require_access(target: Target) -> None:
    """There is a token that the Hub takes, and the repository is its owner's or there; nothing is made yet.

    Raises:
        HubError: when it is not so.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    require_name(target.repository)
    api = _open(target)
    with _refusals(target, api):
        user = api.whoami()
        try:
            _require_privacy(api, target)
        except RepositoryNotFoundError:
            owner, known = target.repository.split("/")[0], [user["name"], *(org["name"] for org in user["orgs"])]
            if owner not in known:
                raise HubError(
                    f"{target.repository}: not there, and {owner} is not yours, expected one of {', '.join(known)}"
                ) from None


def _open(target: Target) -> Any:
    """The Hub, with the token of the environment or of the hub's own login."""
    from huggingface_hub import HfApi, get_token

    if token := get_token():
        return HfApi(token=token)
    raise HubError(f"{target.repository}: no token to publish with; {_LOGIN}")


def push(files: Iterable[File], target: Target, *, message: str, owned: Owned) -> Pushed:
    """Publish files in one commit on top of what is there; the repository is made if need be.

    Temporary files are sent as they come, the others together. The commit that names them is the last request, so
    nobody sees half of a publication. What the Hub has is not sent again, and no commit is made where nothing is new.
    An open pull request of this title is reused.

    Raises:
        HubError: when the Hub cannot be reached or refuses; the repository is then as it was.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.utils.tqdm import disable_progress_bars

    require_name(target.repository)
    api = _open(target)
    if not sys.stderr.isatty():
        disable_progress_bars()
    with _refusals(target, api):
        target = _prepare(api, target, message)
        info = api.repo_info(target.repository, repo_type=target.kind, revision=target.revision)
    present = [file.rfilename for file in info.siblings or ()]
    _require_ours(present, target, owned)
    where = {"repo_type": target.kind, "revision": target.revision, "create_pr": target.create_pr}
    operations = []
    for file in files:
        operation = CommitOperationAdd(file.path, file.content)
        operations.append(operation)
        if file.temporary and isinstance(file.content, Path):
            with _refusals(target, api):
                api.preupload_lfs_files(target.repository, [operation], **where)
            file.content.unlink()
    new = {operation.path_in_repo for operation in operations}
    stale = [CommitOperationDelete(path) for path in present if owned.takes(path) and path not in new]
    with _refusals(target, api), _silent():
        done = api.create_commit(
            target.repository, [*operations, *stale], commit_message=message, parent_commit=info.sha, **where
        )
    url = f"{api.endpoint}/{'datasets/' if target.kind == 'dataset' else ''}{target.repository}"
    seen = url if target.revision == MAIN else f"{url}/tree/{target.revision}"
    return Pushed(done.pr_url or seen, done.oid, changed=done.oid != info.sha)


def _prepare(api: "HfApi", target: Target, message: str) -> Target:
    """Make repository and branch where they are missing; gives the target, its pull request found if one is open."""
    name, kind = target.repository, target.kind
    api.create_repo(name, repo_type=kind, private=target.private or None, exist_ok=True)
    _require_privacy(api, target)
    if target.create_pr:
        mine = api.get_repo_discussions(
            name, repo_type=kind, author=api.whoami()["name"], discussion_type="pull_request", discussion_status="open"
        )
        opened = next((one.git_reference for one in mine if one.title == message), None)
        return target._replace(revision=opened, create_pr=False) if opened else target
    if target.revision != MAIN and not target.revision.startswith("refs/"):
        api.create_branch(name, branch=target.revision, repo_type=kind, exist_ok=True)
    return target


def _require_privacy(api: "HfApi", target: Target) -> None:
    """A repository that is there is as private as it is to be."""
    name = target.repository
    if not api.repo_info(name, repo_type=target.kind).private and target.private:
        raise HubError(f"{name}: is there and public, expected private; make it private on the Hub, or name another")


def _require_ours(present: Sequence[str], target: Target, owned: Owned) -> None:
    if owned.marker is None or owned.marker in present:
        return
    if foreign := next((path for path in present if owned.takes(path)), None):
        raise HubError(
            f"{target.repository}: holds {foreign} and no {owned.marker}, so it was not published from here; "
            "name another repository or --revision"
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Without the library's remark that nothing is new, which is told as a result."""
    log = logging.getLogger("huggingface_hub.hf_api")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _refusals(target: Target, api: "HfApi") -> Iterator[None]:
    """Turn what the Hub, the network or the library refuses into one line."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    network: Any = HfHubHTTPError.__bases__[0]  # HTTPError of httpx or of httpx2, whichever the library uses
    try:
        yield
    except OfflineModeIsEnabled:
        raise HubError(f"{target.repository}: HF_HUB_OFFLINE is set; publishing needs the Hub, unset it") from None
    except (network, RuntimeError, ValueError) as error:  # a RuntimeError wraps what stopped an upload
        first = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        why = _line(first).replace(str(api.token), "…")
        raise HubError(f"{target.repository}: {_reason(first, why, target)}") from None


def _reason(error: BaseException, why: str, target: Target) -> str:
    """What went wrong and how to fix it, by the status of the Hub's answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    message = " ".join((getattr(error, "server_message", None) or "").split())
    if status is None:
        fix = "" if isinstance(error, ValueError) else f"; is the network there? {_AGAIN}"
        return f"cannot be published: {why}{fix}"
    if status == 401:
        return f"the Hub does not take the token (401); {_LOGIN}"
    if status == 403:
        return f"the token may not write there (403{message and ': '}{message}); {_LOGIN}, as an owner of it"
    if status == 404:
        return f"not found, at {target.revision!r}, or hidden from this token (404); check the name, or {_LOGIN}"
    if status in (409, 412):
        return f"changed while this was published ({status}); {_AGAIN}"
    if status == 429 or status >= 500:
        return f"the Hub is busy or broken ({status}); wait a little and {_AGAIN}"
    return f"the Hub refuses ({status}): {message or why}"


def _line(error: BaseException) -> str:
    """An error's text on one line, without the number of its request."""
    text = " ".join(str(error).split("(Request ID")[0].split()) or type(error).__name__
    return f"{text[:1].lower()}{text[1:300]}".rstrip(".")


class HubAddress(NamedTuple):
    """A data set of the Hub, perhaps at a branch, tag or commit, and a file of it, perhaps as a glob."""

    dataset: str
    revision: str | None = None
    file: str | None = None


def hub_address(address: str) -> HubAddress:
    """What an address such as `hf://datasets/OWNER/NAME@REVISION/FILE` names.

    Raises:
        HubError: when it is none.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise HubError(f"{address}: expected hf://datasets/OWNER/NAME or hf://datasets/OWNER/NAME@REVISION")
    return HubAddress(**found.groupdict())


def download(where: str, *, dataset: str, revision: str | None, file: str | None, patterns: Sequence[str]) -> Path:
    """The local copy of one file of a data set, or of all whose paths match, in the library's cache.

    Raises:
        HubError: when the Hub cannot be reached or refuses; `where` is what the user asked for.
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    with _download_errors(where):
        if file is not None:
            return Path(hf_hub_download(dataset, file, repo_type="dataset", revision=revision))
        return Path(snapshot_download(dataset, repo_type="dataset", revision=revision, allow_patterns=list(patterns)))


def download_into(folder: Path, where: str, *, address: HubAddress, patterns: Sequence[str]) -> None:
    """Download the files of a data set whose paths match into a folder of one's own, which is made if need be.

    Raises:
        HubError: when the Hub cannot be reached or refuses; `where` is what the user asked for.
    """
    from huggingface_hub import snapshot_download

    dataset, revision, _ = address
    with _download_errors(where):
        snapshot_download(
            dataset, repo_type="dataset", revision=revision, allow_patterns=list(patterns), local_dir=folder
        )


@contextmanager
def _download_errors(where: str) -> Iterator[None]:
    """Turn what the Hub, the network or the library refuses of a download into one line."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    network: Any = HfHubHTTPError.__bases__[0]  # HTTPError of httpx or of httpx2, whichever the library uses
    try:
        yield
    except GatedRepoError:
        raise HubError(f"{where}: gated; ask for access on its page and log in with `hf auth login`") from None
    except RepositoryNotFoundError:
        why = "no such dataset, or a private one that this token may not read"
        raise HubError(f"{where}: {why}; check the name, or run `hf auth login`") from None
    except LocalEntryNotFoundError:
        why = "the Hub cannot be reached and no complete copy is in the cache"
        raise HubError(f"{where}: {why}; check the network and HF_HUB_OFFLINE") from None
    except (network, ValueError, OSError) as error:
        raise HubError(f"{where}: cannot be downloaded: {_line(error)}") from None
