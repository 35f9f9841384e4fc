"""The requests that publishing and loading make, answered."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback_hub.state import LARGE, TOKEN, USER, Commit, Hub, Refused, Repository, sha1

_REPOSITORY = r"(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)"


@contextmanager
def serve() -> Iterator[Hub]:
    """A Hub on a free port, as long as the context lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """One request: found in `_ROUTES`, answered in JSON or bytes."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        with self.hub.lock:
            self.hub.requests.append(f"{self.command} {path}")
            failing = next((one for one in self.hub.failures if one.meets(self.command, path)), None)
            if failing is not None and not failing.status:
                self.close_connection = True
                return
            try:
                if failing is not None:
                    raise Refused(failing.status, "", "failed as the test asked")
                status, headers, content = self._route(path, body)
            except Refused as refused:
                status, content = refused.status, json.dumps({"error": refused.message, **refused.more}).encode()
                headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815, their names in http.server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _route(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        query = parse_qs(urlsplit(self.path).query)
        for method, pattern, name in _ROUTES:
            if method == self.command and (found := re.fullmatch(pattern, path)):
                answer = getattr(self, name)(body, query, **found.groupdict())
                return answer if isinstance(answer, tuple) else (200, _JSON, json.dumps(answer).encode())
        if self.command in ("GET", "HEAD") and (found := re.fullmatch(_RESOLVE, path)):
            return self._resolve(found["kind"] or "models/", found["id"], found["revision"], found["path"])
        raise Refused(404, "", f"no such page {self.command} {path}")

    def _user(self) -> str | None:
        given = self.headers.get("Authorization")
        if given not in (None, f"Bearer {TOKEN}"):
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return given and USER

    def _writer(self) -> str:
        if (user := self._user()) is None:
            raise Refused(401, "", "Invalid username or password.")
        return user

    def _repository(self, kind: str, name: str) -> Repository:
        found = self.hub.repositories.get(f"{kind.rstrip('/')}/{name}")
        user = self._user()
        if found is None or (found.private and name.split("/")[0] != user):
            raise Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        return found

    def _writable(self, kind: str, name: str, *, proposing: bool = False) -> Repository:
        user = self._writer()
        found = self._repository(kind, name)
        if name.split("/")[0] != user and not proposing:
            raise Refused(403, "", f"Forbidden: you cannot write to {name}")
        return found

    def whoami(self, body: bytes, query: dict[str, Any]) -> Any:
        """Who the token belongs to."""
        return {"type": "user", "name": self._writer(), "orgs": []}

    def validate(self, body: bytes, query: dict[str, Any]) -> Any:
        """Every card is fine."""
        return {"errors": [], "warnings": []}

    def create(self, body: bytes, query: dict[str, Any]) -> Any:
        """Make a repository."""
        given, user = json.loads(body), self._writer()
        owner, kind = given.get("organization") or user, f"{given.get('type') or 'model'}s"
        if owner != user:
            raise Refused(403, "", f"You don't have the rights to create a {kind[:-1]} under the namespace {owner!r}")
        name = f"{kind}/{owner}/{given['name']}"
        url = f"{self.hub.url}/{name.removeprefix('models/')}"
        if name in self.hub.repositories:
            raise Refused(409, "", f"You already created this {kind[:-1]} repo", {"url": url})
        private = bool(given.get("private")) or given.get("visibility") == "private"
        self.hub.repositories[name] = Repository(private=private)
        return {"url": url, "name": f"{owner}/{given['name']}", "id": "1"}

    def info(self, body: bytes, query: dict[str, Any], kind: str, id: str, revision: str | None = None) -> Any:
        """What a repository is."""
        repository = self._repository(kind, id)
        head = repository.head(revision or "main")
        siblings = [{"rfilename": path} for path in head.files]
        return {"id": id, "sha": head.oid, "private": repository.private, "siblings": siblings, "tags": []}

    def branch(self, body: bytes, query: dict[str, Any], kind: str, id: str, branch: str) -> Any:
        """Make a branch from main or from a commit."""
        repository = self._writable(kind, id)
        if branch in repository.branches:
            raise Refused(409, "", f"Reference already exists: {branch}")
        repository.branches[branch] = [repository.head(json.loads(body or b"{}").get("startingPoint") or "main")]
        return {}

    def discussions(self, body: bytes, query: dict[str, Any], kind: str, id: str) -> Any:
        """The open pull requests."""
        told = [
            {"num": k, "title": title, "status": "open", "isPullRequest": True, "author": {"name": USER}}
            | {"createdAt": "2026-01-01T00:00:00.000Z", "repo": {"name": id, "type": kind[:-1]}}
            for k, title in enumerate(self._repository(kind, id).pull_requests, 1)
        ]
        return {"count": len(told), "start": 0, "discussions": told}

    def preupload(self, body: bytes, query: dict[str, Any], kind: str, id: str, revision: str) -> Any:
        """How each file is to be sent, and what stands there now."""
        files = self._writable(kind, id, proposing="create_pr" in query).head(revision).files
        return {"files": [_mode(file["path"], files.get(file["path"])) for file in json.loads(body)["files"]]}

    def batch(self, body: bytes, query: dict[str, Any], kind: str | None, id: str) -> Any:
        """Where to put what is not stored yet."""
        self._writable(kind or "models/", id, proposing=True)
        objects: list[dict[str, Any]] = []
        for wanted in json.loads(body)["objects"]:
            there = wanted["oid"] in self.hub.stored
            actions = {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}
            objects.append({"oid": wanted["oid"], "size": wanted["size"]} | ({} if there else {"actions": actions}))
        return {"transfer": "basic", "objects": objects}

    def put(self, body: bytes, query: dict[str, Any], oid: str) -> Any:
        """Store the content of a large file."""
        if hashlib.sha256(body).hexdigest() != oid:
            raise Refused(400, "", f"{oid}: came in part")
        self.hub.stored[oid] = body
        return {}

    def commit(self, body: bytes, query: dict[str, Any], kind: str, id: str, revision: str) -> Any:
        """Add and delete files, all at once."""
        repository = self._writable(kind, id, proposing="create_pr" in query)
        lines = [json.loads(line) for line in body.splitlines()]
        header, head = lines[0]["value"], repository.head(revision)
        if header.get("parentCommit") not in (None, head.oid):
            raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in lines[1:]:
            _change(files, line["key"], line["value"], self.hub.stored)
        oid, branch, told = sha1(head.oid.encode() + body), revision, {}
        if "create_pr" in query:
            repository.pull_requests.append(header["summary"])
            branch = f"refs/pr/{len(repository.pull_requests)}"
            repository.branches[branch] = [head]
            told = {"pullRequestUrl": f"{self.hub.url}/{kind}/{id}/discussions/{len(repository.pull_requests)}"}
        repository.branches[branch].append(Commit(oid, header["summary"], files))
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.hub.url}/{kind}/{id}/commit/{oid}", **told}

    def tree(
        self, body: bytes, query: dict[str, Any], kind: str, id: str, revision: str, folder: str | None = None
    ) -> Any:
        """The files below a folder, and the folders in it."""
        files = self._repository(kind, id).head(revision).files
        inside = {path: content for path, content in files.items() if not folder or path.startswith(f"{folder}/")}
        if folder and not inside:
            raise Refused(404, "EntryNotFound", f"{folder} does not exist on {revision!r}")
        parents = {str(parent) for path in inside for parent in PurePosixPath(path).parents} - {".", folder}
        told = [_entry(path, content) for path, content in inside.items()]
        told += [{"type": "directory", "path": path, "oid": sha1(path.encode())} for path in sorted(parents)]
        deep = query.get("recursive", ["false"])[0].lower() in ("true", "1")
        return [one for one in told if deep or str(PurePosixPath(one["path"]).parent) == (folder or ".")]

    def paths_info(self, body: bytes, query: dict[str, Any], kind: str, id: str, revision: str) -> Any:
        """What these files and folders are."""
        files = self._repository(kind, id).head(revision).files
        given = json.loads(body) if body[:1] == b"{" else parse_qs(body.decode())
        told = [_entry(path, files[path]) for path in given["paths"] if path in files]
        folders = [path for path in given["paths"] if any(name.startswith(f"{path}/") for name in files)]
        return told + [{"type": "directory", "path": path, "oid": sha1(path.encode())} for path in folders]

    def _resolve(self, kind: str, name: str, revision: str, path: str) -> tuple[int, dict[str, str], bytes]:
        head = self._repository(kind, name).head(revision)
        if path not in head.files:
            raise Refused(404, "EntryNotFound", f"Entry not found: {path}")
        content = head.files[path]
        headers = {"X-Repo-Commit": head.oid, "ETag": f'"{_mode(path, content)["oid"]}"', "Accept-Ranges": "bytes"}
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            return 206, headers, content[start : end + 1]
        return 200, headers, content


def _mode(path: str, content: bytes | None) -> dict[str, Any]:
    """How a file is sent, and the id of what stands there: SHA-256 of a large one, git's own of another."""
    large = path.endswith(LARGE)
    oid = None
    if content is not None:
        oid = hashlib.sha256(content).hexdigest() if large else sha1(b"blob %d\0" % len(content) + content)
    return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}


def _entry(path: str, content: bytes) -> dict[str, Any]:
    oid = _mode(path, content)["oid"]
    large = {"lfs": {"oid": oid, "size": len(content), "pointerSize": 134}} if path.endswith(LARGE) else {}
    return {"type": "file", "path": path, "oid": oid, "size": len(content), **large}


def _change(files: dict[str, bytes], key: str, value: dict[str, Any], stored: dict[str, bytes]) -> None:
    """Do one operation of a commit."""
    if key == "file":
        files[value["path"]] = base64.b64decode(value["content"])
    elif key == "lfsFile":
        if value["oid"] not in stored:
            raise Refused(400, "", f"{value['path']}: its content was never uploaded")
        files[value["path"]] = stored[value["oid"]]
    elif key == "deletedFile":
        del files[value["path"]]
    else:
        raise Refused(400, "", f"unknown operation {key}")


_JSON = {"Content-Type": "application/json"}
_RESOLVE = r"/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>refs/pr/\d+|[^/]+)/(?P<path>.+)"
_ROUTES = [
    ("GET", "/api/whoami-v2", "whoami"),
    ("POST", "/api/validate-yaml", "validate"),
    ("POST", "/api/repos/create", "create"),
    ("GET", f"/api/{_REPOSITORY}", "info"),
    ("GET", f"/api/{_REPOSITORY}/revision/(?P<revision>.+)", "info"),
    ("POST", f"/api/{_REPOSITORY}/branch/(?P<branch>.+)", "branch"),
    ("GET", f"/api/{_REPOSITORY}/discussions", "discussions"),
    ("POST", f"/api/{_REPOSITORY}/preupload/(?P<revision>.+)", "preupload"),
    ("POST", r"/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)\.git/info/lfs/objects/batch", "batch"),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]+)", "put"),
    ("POST", f"/api/{_REPOSITORY}/commit/(?P<revision>.+)", "commit"),
    ("GET", f"/api/{_REPOSITORY}/tree/(?P<revision>refs/pr/\\d+|[^/]+)(/(?P<folder>.+))?", "tree"),
    ("POST", f"/api/{_REPOSITORY}/paths-info/(?P<revision>.+)", "paths_info"),
]
