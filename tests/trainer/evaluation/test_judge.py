"""A judge is any OpenAI-compatible server: a fake one here, which is slow, busy, broken or talks nonsense."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation import judge as module
from mix665k.trainer.evaluation.judge import KEY, Judge, judge_answers
from mix665k.trainer.evaluation.registry import Request, by_name
from mix665k.trainer.evaluation.score import document, score_answers
from tests.builders.building import SHARED
from tests.trainer.evaluation.cases import figures, lines, write

SECRET = "sk-not-to-be-seen"
SYSTEM = "You are a helpful and precise assistant for checking the quality of the answer."


class Fake:
    """Answers each request by what `answer` gives for its number: a status with a body, or a text to say."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer: Callable[[int], Any] = lambda number: "8 9\nfine"
        self.url = ""


@pytest.fixture
def fake() -> Iterator[Fake]:
    state = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.keys.append(self.headers.get("Authorization"))
            state.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            said = state.answer(len(state.bodies))
            if said is None:  # a closed connection
                return
            status, content, headers = said if isinstance(said, tuple) else (200, completion(said), {})
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(KEY, SECRET)
    return waited


def completion(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def llava_bench(folder: Path, *, questions: int = 2) -> Path:
    asked = [{"question_id": n, "image": "1.jpg", "text": f"Q{n}?", "category": "conv"} for n in range(questions)]
    write(
        folder,
        {
            "questions.jsonl": lines(asked),
            "context.jsonl": lines([{"image": "1.jpg", "caption": ["A hill.", "The sea."]}]),
            "answers_gpt4.jsonl": lines([{"question_id": n, "text": f"theirs {n}"} for n in range(questions)]),
            "rule.json": {"llava_bench_conv": {"role": "Assistant", "prompt": "Rate them."}},
            "a.jsonl": lines([{"question_id": n, "text": f"ours {n}"} for n in range(questions)]),
        },
    )
    return folder


def ask(name: str, folder: Path, url: str | None, **others: Any) -> dict[str, Any]:
    files = {"--rule": folder / "rule.json", "--judge-prompt": folder / "prompt.txt"}
    judge = Judge(url, others.pop("model", "judge-1"), files)
    reviews = judge_answers(by_name(name), data=folder, answers=folder / "a.jsonl", judge=judge, out=folder / "out")
    assert reviews is not None
    return document(score_answers(by_name(name), data=folder, answers=[reviews], request=Request()))


def test_llava_bench_is_asked_as_its_script_asks(fake: Fake, tmp_path: Path) -> None:
    found = ask("llava_bench", llava_bench(tmp_path), fake.url)
    assert found["figures"] == {"all": 112.5, "llava_bench_conv": 112.5}
    assert (found["judge"], found["comparable"]) == ("judge-1", False)
    assert found["incomparable_because"].endswith("it is judge-1, the paper's gpt-4-0314")
    assert fake.keys == [f"Bearer {SECRET}"] * 2
    assert fake.bodies[0] == {
        "model": "judge-1",
        "temperature": 0.2,
        "max_tokens": 1024,
        "messages": [
            {
                "role": "system",
                "content": "You are a helpful and precise assistant for checking the quality of the answer.",
            },
            {
                "role": "user",
                "content": "[Context]\nA hill.\nThe sea.\n\n[Question]\nQ0?\n\n[Assistant 1]\ntheirs 0\n\n"
                "[End of Assistant 1]\n\n[Assistant 2]\nours 0\n\n[End of Assistant 2]\n\n[System]\nRate them.\n\n",
            },
        ],
    }
    written = [json.loads(line) for line in (tmp_path / "out/judge_requests.jsonl").read_text().splitlines()]
    assert [one["body"] for one in written] == fake.bodies
    assert not any(SECRET in path.read_text() for path in (tmp_path / "out").glob("*.json*"))


def mm_vet(folder: Path) -> Path:
    one = {"imagename": "i", "capability": ["ocr"]}
    asked = {"v1_0": one | {"question": "Q0?", "answer": "a<AND>b"}, "v1_1": one | {"question": "Q1?", "answer": "c"}}
    answers = lines([{"question_id": n, "text": f"ours {n}"} for n in range(2)])
    write(folder, {"mm-vet.json": asked, "prompt.txt": "Compare.", "a.jsonl": answers})
    return folder


def test_mm_vet_is_asked_as_its_program_asks(fake: Fake, tmp_path: Path) -> None:
    fake.answer = lambda number: ("0.5", "1.0 yes")[number - 1]
    found = ask("mm_vet", mm_vet(tmp_path), fake.url)
    assert found["figures"] == {"total": 75.0, "ocr": 75.0}
    asked = [(one["messages"][0]["content"], one["temperature"], one["max_tokens"]) for one in fake.bodies]
    assert asked == [("Compare.\nQ0? | a <AND> b | ours 0 | ", 0, 3), ("Compare.\nQ1? | c | ours 1 | ", 0, 3)]


GIVEN = ["--data", ".", "--answers", "a.jsonl", "--out", "o"]
BAD_KEY: tuple[int, bytes, dict[str, str]] = (401, json.dumps({"error": {"message": f"bad key {SECRET}"}}).encode(), {})
BUSY = (429, b'{"error": {"message": "slow down"}}', {"Retry-After": "7"})
FAULTS: dict[str, tuple[Any, str, list[float]]] = {
    "busy": (BUSY, "429 slow down, 5 times", [7] * 4),
    "too patient a wish": ((503, b"", {"Retry-After": "99999"}), "503 Service Unavailable, 5 times", [60] * 4),
    "broken": ((500, b"<html>", {}), "500 Internal Server Error, 5 times", [1, 2, 4, 8]),
    "garbage": ((200, b"\xff{", {}), r"a reply that is no chat completion \(.*\), 5 times", [1, 2, 4, 8]),
    "of another form": ((200, b'{"choices": []}', {}), "a reply without text, 5 times", [1, 2, 4, 8]),
    "closed": (None, "Remote end closed connection.*, 5 times", [1, 2, 4, 8]),
    "cut off": (
        (200, completion("8 9"), {"Content-Length": "999"}),
        ".*end of the reply, 5 times",
        [1, 2, 4, 8],
    ),
    "vast": ((200, b" " * 3000, {}), "a reply of more than 2,000 bytes, 5 times", [1, 2, 4, 8]),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_may_pass_is_tried_five_times_and_then_one_line(
    kind: str, fake: Fake, waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 2000)
    said, message, expected = FAULTS[kind]
    fake.answer = lambda number: said
    with pytest.raises(EvaluationError, match=f"question 0: {message}; 0 of 2 reviews .*the same command") as found:
        ask("llava_bench", llava_bench(tmp_path), fake.url)
    assert "\n" not in str(found.value)
    assert (len(fake.bodies), waits) == (5, expected)


def test_a_slow_judge_is_given_up_and_a_fault_that_passes_is_none(
    fake: Fake, waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.2)
    late = threading.Event()
    fake.answer = lambda number: late.wait(1) and "" if number == 1 else BUSY if number == 2 else "8 9"
    assert ask("llava_bench", llava_bench(tmp_path), fake.url)["figures"]["all"] == 112.5
    assert (len(fake.bodies), waits) == (4, [1, 7])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            (401, json.dumps({"error": {"message": f"bad key {SECRET}"}}).encode(), {}),
            r"refused: 401 bad key \*\*\*; set OPEN",
        ),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "refused: 302 Found"),
        ((404, b"", {}), "refused: 404 Not Found"),
    ],
)
def test_what_will_not_pass_is_said_at_once_without_a_key(said: Any, message: str, fake: Fake, tmp_path: Path) -> None:
    fake.answer = lambda number: said
    with pytest.raises(EvaluationError, match=message) as found:
        ask("llava_bench", llava_bench(tmp_path), fake.url)
    assert SECRET not in str(found.value)
    assert len(fake.bodies) == 1


def test_the_same_command_resumes_after_a_kill_and_other_answers_are_refused(fake: Fake, tmp_path: Path) -> None:
    fake.answer = lambda number: "8 9" if number == 1 else (404, b"", {})
    with pytest.raises(EvaluationError, match="1 of 2 reviews are in"):
        ask("llava_bench", llava_bench(tmp_path), fake.url)
    reviews = tmp_path / "out/reviews.jsonl"
    with reviews.open("a") as file:
        file.write('{"question_id": "1", "tup')  # what a kill leaves
    fake.answer = lambda number: "8 8"
    assert ask("llava_bench", tmp_path, fake.url)["figures"]["all"] == 106.2
    assert (len(fake.bodies), len(reviews.read_text().splitlines())) == (3, 2)
    with pytest.raises(EvaluationError, match=r"reviews\.jsonl: line 1: question 0 was asked about another answer"):
        ask("llava_bench", tmp_path, fake.url, model="judge-2")


def test_a_reply_without_scores_is_asked_again_and_then_left_out(fake: Fake, tmp_path: Path) -> None:
    fake.answer = lambda number: "I cannot say" if number in (1, 2, 4, 5, 6) else "8,9"
    llava_bench(tmp_path, questions=21)
    found = ask("llava_bench", tmp_path, fake.url)
    assert (found["figures"]["all"], found["counts"]["no_reading"], len(fake.bodies)) == (112.5, 1, 25)
    fake.answer = lambda number: "none"
    with pytest.raises(EvaluationError, match="2 replies of the judge hold no grade"):
        ask("mm_vet", mm_vet(tmp_path / "m"), fake.url)


def test_without_a_judge_the_requests_are_written_and_a_batchs_output_is_scored(tmp_path: Path) -> None:
    llava_bench(tmp_path)
    options = ["--data", tmp_path, "--answers", tmp_path / "a.jsonl", "--rule", tmp_path / "rule.json"]
    shown = CliRunner().invoke(
        train, ["score", "llava_bench", *map(str, options), "--judge-model", "m", "--out", str(tmp_path / "out")]
    )
    assert shown.exit_code == 0
    names = [json.loads(line)["custom_id"] for line in (tmp_path / "out/judge_requests.jsonl").read_text().splitlines()]
    body = json.loads(completion("8 4")) | {"model": "gpt-4-0314"}
    write(tmp_path, {"b.jsonl": lines([{"custom_id": name, "response": {"body": body}} for name in names])})
    found = score_answers(by_name("llava_bench"), data=tmp_path, answers=[tmp_path / "b.jsonl"], request=Request())
    assert figures(found)["all"] == 50.0
    assert (found.judge, document(found)["comparable"]) == ("gpt-4-0314", True)
    write(tmp_path, {"b.jsonl": lines([{"custom_id": name, "response": None} for name in names])})
    with pytest.raises(EvaluationError, match="line 1: 0: a reply that is no chat completion"):
        score_answers(by_name("llava_bench"), data=tmp_path, answers=[tmp_path / "b.jsonl"], request=Request())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judge", "ftp://x", "--judge-model", "m", "--rule", "rule.json"], "--judge: expected an address such as"),
        (["--judge", "http://me:pw@x", "--judge-model", "m", "--rule", "rule.json"], "give the key as OPENAI_API_KEY"),
        (["--judge", "http://x", "--judge-model", "m"], "a judge needs instructions, a file of the authors: --rule"),
        (["--judge", "http://x", "--judge-model", "m", "--rule", "none.json"], "none.json: no such file"),
        (["--judge", "http://x", "--judge-model", "m", "--rule", "context.jsonl"], "context.jsonl: "),
    ],
)
def test_what_is_wrong_before_anything_is_asked(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(llava_bench(tmp_path))
    shown = CliRunner().invoke(train, ["score", "llava_bench", *GIVEN, *options])
    assert shown.exit_code == 1
    assert message in shown.output
    assert shown.output.count("\n") == 1
    assert "pw" not in shown.output


def test_reviews_of_two_judges_and_benchmarks_that_need_none_are_refused(tmp_path: Path) -> None:
    reviews = [{"question_id": n, "category": "c", "tuple": [8, 4], "judge": f"j{n}"} for n in range(2)]
    write(tmp_path, {"r.jsonl": lines(reviews)})
    with pytest.raises(EvaluationError, match=r"line 2: the judge is j1, of others j0; their scores do not compare"):
        score_answers(
            by_name("llava_bench"), data=tmp_path, answers=[tmp_path / "r.jsonl"], request=Request(), allow_missing=True
        )
    with pytest.raises(EvaluationError, match="pope: needs no judge"):
        judge_answers(by_name("pope"), data=tmp_path, answers=tmp_path / "a", judge=Judge(None, "m", {}), out=tmp_path)


REAL = SHARED / "eval"


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared evaluation data is not there")
def test_the_papers_judges_replies_are_read_as_the_authors_programs_read_them() -> None:
    judging = by_name("llava_bench").judging
    assert judging is not None
    for path in sorted(REAL.glob("llava_bench/reviews_*.jsonl")):
        for line in path.read_text().splitlines():
            review = json.loads(line)
            assert judging.read(review["content"]) == {"tuple": review["tuple"]}
    judging = by_name("mm_vet").judging
    assert judging is not None
    graded = json.loads((REAL / "mm_vet/results_llava-v1.5-7b_gpt-4-grade-3runs.json").read_text())
    for one in graded.values():
        assert [judging.read(text) for text in one["content"]] == [{"score": grade} for grade in one["score"]]
