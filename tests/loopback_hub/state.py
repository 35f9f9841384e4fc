"""What a Hub knows: repositories of branches of commits, and the requests that are to fail."""

import hashlib
import re
import threading
from typing import NamedTuple

TOKEN = "hf_" + "LoopbackLoopbackLoopbackLoopback"
USER = "me"
LARGE = (".parquet", ".safetensors", ".bin")
"""Files that are sent apart from their commit, as the Hub's `.gitattributes` says."""
_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE).encode()


class Refused(Exception):  # noqa: N818, an answer
    """An answer that is an error: its status, the code and message of its headers, and what else its body holds."""

    def __init__(self, status: int, code: str, message: str, more: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.more = status, code, message, more or {}


class Commit(NamedTuple):
    """The files of a repository at one time, by path."""

    oid: str
    message: str
    files: dict[str, bytes]


class Repository:
    """Branches of commits; the last of each is its head."""

    def __init__(self, *, private: bool) -> None:
        self.private = private
        self.branches = {"main": [Commit(sha1(b"start"), "initial commit", {".gitattributes": _ATTRIBUTES})]}
        self.pull_requests: list[str] = []

    def head(self, revision: str) -> Commit:
        """The commit of a branch, a pull request or a commit's own id."""
        if revision in self.branches:
            return self.branches[revision][-1]
        for commit in (commit for commits in self.branches.values() for commit in commits):
            if commit.oid == revision:
                return commit
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")


class Failure:
    """Requests to fail: those that match, behind the first `after`, as long as `times` lasts; status 0 hangs up."""

    def __init__(self, method: str, path: str, *, status: int, after: int, times: int) -> None:
        self.method, self.path, self.status, self.after, self.times = method, path, status, after, times

    def meets(self, method: str, path: str) -> bool:
        """Whether this request is to fail."""
        if method != self.method or not re.search(self.path, path):
            return False
        self.after -= 1
        if self.after >= 0 or self.times <= 0:
            return False
        self.times -= 1
        return True


class Hub:
    """What the server knows, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failures: list[Failure] = []
        self.lock = threading.Lock()

    def fail(self, method: str, path: str, *, status: int, after: int = 0, times: int = 1_000_000) -> None:
        """Fail requests whose path this pattern finds."""
        self.failures.append(Failure(method, path, status=status, after=after, times=times))

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """The files of a repository, such as `datasets/me/mix`."""
        return self.repositories[name].head(revision).files

    def commits(self, name: str, revision: str = "main") -> list[str]:
        """The messages of a branch's commits."""
        return [commit.message for commit in self.repositories[name].branches[revision]]

    def asked(self, pattern: str) -> int:
        """How many requests this pattern finds, such as `PUT /lfs`."""
        return sum(re.search(pattern, request) is not None for request in self.requests)


def sha1(content: bytes) -> str:
    """As git names things."""
    return hashlib.sha1(content).hexdigest()
