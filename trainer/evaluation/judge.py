"""A judge, any OpenAI-compatible server: what it is asked, and its replies on disk as they come."""

import hashlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

import msgspec

from mix665k.schemas.errors import EvaluationError, one_line
from mix665k.schemas.files import UNREADABLE, fault, held, os_errors, write_whole
from mix665k.trainer.evaluation.answer_files import read_answers
from mix665k.trainer.evaluation.data_files import data_of
from mix665k.trainer.evaluation.joining import join
from mix665k.trainer.evaluation.registry import Benchmark, JudgeRequest, Judging, Request

KEY = "OPENAI_API_KEY"
REQUESTS, REVIEWS = "judge_requests.jsonl", "reviews.jsonl"
_PATH = "/chat/completions"
_TIMEOUT_S = 120.0
"""For one reply, from the first byte sent to the last one read."""
_TRIES = 5
_READINGS = 3
"""How often a question is asked whose reply holds no grade; LLaVA asks once, MM-Vet's program six times."""
_LONGEST_WAIT_S = 60.0
_MAX_BYTES = 1 << 20
_LATER = {408, 409, 425, 429}
"""Statuses after which the same request may succeed; all from 500 on as well."""


class Judge(NamedTuple):
    """Who is asked, and files with instructions by option; without `url` requests are written and nobody is asked."""

    url: str | None
    model: str
    instructions: Mapping[str, Path]


class _Message(msgspec.Struct):
    content: str | None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    """`{"choices": [{"message": {"content": "8 9\\n…"}}], …}`."""

    choices: list[_Choice]


class _PassingError(Exception):
    """A try failed in a way that may pass; `wait_s` is what the server asks for."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would send the key to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


def judge_answers(
    benchmark: Benchmark, *, data: Path, answers: Path, judge: Judge, out: Path, allow_missing: bool = False
) -> Path | None:
    """Ask a judge about the answers, and give the file of its reviews; None where there is no judge to ask.

    Requests are written first, as batches take them. Reviews are appended as they come, and the same command resumes.

    Raises:
        EvaluationError: when files do not fit, the judge refuses or keeps failing, or `out` holds reviews of others.
    """
    if benchmark.judging is None:
        raise EvaluationError(f"{benchmark.name}: needs no judge; leave --judge-model and --judge out")
    instructions = judge.instructions.get(benchmark.judging.option)
    if instructions is None:
        raise EvaluationError(
            f"{benchmark.name}: a judge needs instructions, a file of the authors: {benchmark.judging.option}"
        )
    files = data_of(data, benchmark.files)
    questions = benchmark.questions(files, Request())
    texts = join(questions, read_answers(answers), benchmark=benchmark, allow_missing=allow_missing)
    asked = [(question, text) for question, text in zip(questions, texts, strict=True) if text is not None]
    requests = benchmark.judging.requests(files, asked, instructions)
    requests = [one._replace(body={"model": judge.model, **one.body}) for one in requests]
    address = None if judge.url is None else _address(judge.url)
    with os_errors(EvaluationError, out):
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / REQUESTS, "".join(map(_batch_line, requests)))
    if address is None:
        return None
    with _reviews(out / REVIEWS, requests) as (file, known):
        facts = benchmark.judging.facts(files)
        for request in requests:
            if request.name not in known:
                try:
                    content = _reply(address, request, judging=benchmark.judging)
                except EvaluationError as error:
                    kept = f"{len(known):,} of {len(requests):,} reviews are in {out / REVIEWS}"
                    raise EvaluationError(f"{error}; {kept}, the same command resumes") from None
                review = _review(request, content, judging=benchmark.judging, facts=facts)
                known.add(request.name)
                with os_errors(EvaluationError, out / REVIEWS):
                    os.write(file, json.dumps(review, ensure_ascii=False).encode() + b"\n")
    return out / REVIEWS


def _batch_line(request: JudgeRequest) -> str:
    """A line of the file that OpenAI's batches take."""
    one = {"custom_id": request.name, "method": "POST", "url": f"/v1{_PATH}", "body": request.body}
    return json.dumps(one, ensure_ascii=False) + "\n"


def _digest(request: JudgeRequest) -> str:
    return hashlib.sha256(json.dumps(request.body, sort_keys=True).encode()).hexdigest()


def _review(request: JudgeRequest, content: str, *, judging: Judging, facts: Mapping[str, Any]) -> dict[str, Any]:
    read = judging.read(content)
    about = {"judge": request.body["model"], "request": _digest(request), "content": content}
    return {"question_id": request.name, **facts.get(request.name, {}), **about, **(read or judging.unread)}


def batch_review(record: Mapping[str, Any], *, judging: Judging, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A review from a line of a batch's output: `custom_id`, and `response` with the completion as its `body`.

    Raises:
        EvaluationError: when the request failed.
    """
    where, name = record["where"], str(record["custom_id"])
    response = record.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    try:
        content = _content(msgspec.json.encode(body))
    except _PassingError as error:
        raise EvaluationError(f"{where}: {name}: {error}; ask the judge again") from None
    model = body.get("model") if isinstance(body, dict) else None
    read = judging.read(content) or judging.unread
    return {"question_id": name, "where": where, **facts.get(name, {}), "judge": model, **read}


@contextmanager
def _reviews(path: Path, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, set[str]]]:
    """The file of reviews, open for more, and the questions that are reviewed; what a kill cut off is removed."""
    busy = EvaluationError(f"{path.parent}: another `train score` is asking a judge here; wait, or name another --out")
    with os_errors(EvaluationError, path), held(path.with_name(".judge.lock"), busy=busy):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            content = path.read_bytes()
            complete = content[: content.rfind(b"\n") + 1]
            os.ftruncate(file, len(complete))
            yield file, _known(complete, requests, path=path)
        finally:
            os.close(file)


def _known(content: bytes, requests: Sequence[JudgeRequest], *, path: Path) -> set[str]:
    digests = {one.name: _digest(one) for one in requests}
    known = set()
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            review = msgspec.json.decode(line, type=dict[str, Any])
        except UNREADABLE as error:
            raise EvaluationError(f"{path}: line {number:,}: {fault(error)[1]}; name another --out") from None
        name = str(review.get("question_id"))
        if digests.get(name) != review.get("request"):
            raise EvaluationError(
                f"{path}: line {number:,}: question {name} was asked about another answer, with other instructions or "
                "of another judge; repeat that command, or name another --out"
            )
        known.add(name)
    return known


def _address(url: str) -> str:
    """Where requests go.

    Raises:
        EvaluationError: for what is no address, or one with a key in it.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine or not url.isprintable() or " " in url:
        raise EvaluationError("--judge: expected an address such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise EvaluationError(f"--judge: the address holds a name or a key; give the key as {KEY} in the environment")
    path = parts.path.rstrip("/")
    return parts._replace(path=path if path.endswith(_PATH) else path + _PATH, fragment="").geturl()


def _reply(address: str, request: JudgeRequest, *, judging: Judging) -> str:
    """The judge's text; one without a grade is asked for again, and the last one counts."""
    content = ""
    for _ in range(_READINGS):
        content = _patiently(address, request)
        if judging.read(content) is not None:
            break
    return content


def _patiently(address: str, request: JudgeRequest) -> str:
    why = ""
    for number in range(_TRIES):
        try:
            return _content(_post(address, request.body))
        except _PassingError as error:
            why = str(error)
            if number + 1 < _TRIES:
                time.sleep(min(error.wait_s if error.wait_s is not None else 2.0**number, _LONGEST_WAIT_S))
    raise EvaluationError(f"{_shown(address)}: question {request.name}: {why}, {_TRIES} times")


def _post(address: str, body: Mapping[str, Any]) -> bytes:
    headers = {"Content-Type": "application/json", "User-Agent": "mix665k"}
    if key := os.environ.get(KEY, "").strip():
        headers["Authorization"] = f"Bearer {key}"
    made = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirects).open(made, timeout=_TIMEOUT_S) as response:
            return _read(response)
    except urllib.error.HTTPError as error:
        _refused(error, address=address, key=key)
    except TimeoutError:
        raise _PassingError(f"no reply within {_TIMEOUT_S:g} s") from None
    except urllib.error.URLError as error:
        raise _PassingError(
            one_line(error.reason) if isinstance(error.reason, Exception) else str(error.reason)
        ) from None
    except (HTTPException, OSError) as error:
        raise _PassingError(one_line(error)) from None
    except ValueError as error:  # a key with a newline in it
        raise EvaluationError(f"{KEY}: cannot be sent as a header ({type(error).__name__}); set it again") from None


def _read(response: HTTPResponse) -> bytes:
    """The body, unless it is too large or takes too long: a socket's own limit begins anew with each byte."""
    end = time.monotonic() + _TIMEOUT_S
    content = b""
    while chunk := response.read1(1 << 16):
        content += chunk
        if time.monotonic() > end:
            raise _PassingError(f"no complete reply within {_TIMEOUT_S:g} s")
        if len(content) > _MAX_BYTES:
            raise _PassingError(f"a reply of more than {_MAX_BYTES:,} bytes")
    if response.length:
        raise _PassingError("the connection was closed before the end of the reply")
    return content


def _refused(error: urllib.error.HTTPError, *, address: str, key: str) -> NoReturn:
    try:
        said = msgspec.json.decode(error.read(_MAX_BYTES))
        said = said["error"]["message"]
    except (*UNREADABLE, HTTPException, OSError, KeyError, TypeError):
        said = error.reason
    said = " ".join(str(said).split())[:200]
    why = f"{error.code} {said.replace(key, '***') if key else said}"
    if error.code in _LATER or error.code >= 500:
        wait = error.headers.get("Retry-After", "") if error.headers else ""
        raise _PassingError(why, float(wait) if wait.isdecimal() else None)
    hint = f"; set {KEY}" if error.code in (401, 403) else ""
    raise EvaluationError(f"{_shown(address)}: refused: {why}{hint}")


def _content(reply: bytes) -> str:
    try:
        choices = msgspec.json.decode(reply, type=_Completion).choices
    except UNREADABLE as error:
        raise _PassingError(f"a reply that is no chat completion ({one_line(error)})") from None
    if not choices or choices[0].message.content is None:
        raise _PassingError("a reply without text")
    return choices[0].message.content


def _shown(address: str) -> str:
    return urlsplit(address)._replace(query="").geturl()
