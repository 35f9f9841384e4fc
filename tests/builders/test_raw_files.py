"""Raw files that are missing, damaged or something else; and records that are not of their form."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import SOURCES
from mix665k.schemas.errors import RawDataError
from tests.builders.building import build, write_raw

GOOD: dict[str, Any] = {
    "image_id": 7,
    "question_id": "q1",
    "question": "Which?",
    "choices": ["reed", "tin"],
    "correct_choice_idx": 1,
}
DEEP = b"[" * 100_000 + b"]" * 100_000


def _aokvqa(folder: Path, content: Any) -> Path:
    return write_raw(folder, "aokvqa", questions=content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"aokvqa_v1p0_train\.json: no such file or directory$"):
        build("aokvqa", raw=tmp_path)


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "aokvqa/aokvqa_v1p0_train.json").mkdir(parents=True)

    with pytest.raises(RawDataError, match=r"aokvqa_v1p0_train\.json: is a directory$"):
        build("aokvqa", raw=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file, expected JSON; download it again"),
        (b'[{"image_id": 7', "not a complete JSON file: input data was truncated; download it again"),
        (b"  \n", "white space only, expected JSON; download it again"),
        (b"<html>404</html>", "a web page, expected JSON; the address may be wrong or need a login, download it again"),
        (b"\x1f\x8b\x08", "gzip-compressed, expected JSON; unpack it with gunzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, expected the file itself; run `git lfs"),
        ("[]".encode("utf-16"), "UTF-16, expected UTF-8; re-save it as UTF-8"),
        ("[1]".encode("utf-16-le"), "UTF-16 or UTF-32, expected UTF-8"),
        (b"[{'question_id': 'q1'}]", "Python's own notation, expected JSON; write it with json.dump"),
        (b"PAR1", "a Parquet file, expected JSON"),
        (
            b'[{"a": 1},\n {"b": x}\n',
            r"not JSON: .* at line 2, column 8 \(byte 18\)",
        ),
        (b"[] []", "not JSON: trailing characters .*; fix the file, or download it again"),
        (b'[{"image_id": NaN}]', r"\$\[0\]\.image_id: expected int, got null"),
        (b'[{"question": "\\ud83d, cut off"}]', r"\$\[0\]: holds half of a surrogate pair, expected Unicode text"),
        (b'[{"question": "\\ud83d"}]', r"\$\[0\]: holds half of a surrogate pair, expected Unicode text"),
        (b'[{"question": "\\ud83d\\ude00"}]', r"\$\[0\]: object missing required field image_id"),
        (b'[{"rationales": ' + DEEP + b"}]", r"\$\[0\]: nested too deeply"),
        (b'{"data": []}', r"\$: expected array, got object; is this the expected file\?"),
        (b"null", r"\$: expected array, got null; is this the expected file\?"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RawDataError, match=rf"aokvqa_v1p0_train\.json: {message}"):
        build("aokvqa", raw=_aokvqa(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"[{", b"null"])
def test_a_damaged_file_is_an_error_also_when_bad_records_are_dropped(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RawDataError, match=r"aokvqa_v1p0_train\.json: "):
        build("aokvqa", raw=_aokvqa(tmp_path, content), on_bad_record="drop")


def test_a_keyed_file_that_is_a_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        RawDataError, match=r"questions\.json: \$: expected object, got array; is this the expected file\?"
    ):
        build("gqa", raw=write_raw(tmp_path, "gqa", questions=[]))


def test_a_key_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match="not JSON: holds byte 0xff, which is not UTF-8; re-save the file as UTF-8"):
        build("gqa", raw=write_raw(tmp_path, "gqa", questions=b'{"\xff": {}}'))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"question": []}, r"\$: object missing required field questions; is this the expected file\?"),
        ({"questions": {}}, r"\$\.questions: expected array, got object; is this the expected file\?"),
        ([], r"\$: expected object, got array; is this the expected file\?"),
    ],
)
def test_a_file_without_its_list_is_an_error(tmp_path: Path, content: Any, message: str) -> None:
    raw = write_raw(tmp_path, "vqav2", questions=content, annotations={"annotations": []})

    with pytest.raises(RawDataError, match=message):
        build("vqav2", raw=raw)


@pytest.mark.parametrize(
    ("source", "contents"),
    [
        ("aokvqa", {"questions": []}),
        ("gqa", {"questions": {}}),
        ("ocrvqa", {"books": {}}),
        ("vqav2", {"questions": {"questions": []}, "annotations": {"annotations": []}}),
        ("textcaps", {"captions": {"data": []}, "ocr": {"data": []}}),
        ("vg", {"regions": [], "images": []}),
        ("sharegpt", {"conversations": []}),
        ("llava_json", {"records": []}),
    ],
)
def test_a_source_without_records_gives_none(tmp_path: Path, source: str, contents: Any) -> None:
    steps: list[Any] = ["merge_by_image", {"sample": {"count": 3}}, {"split": {"max_pairs": 2}}]

    assert build(source, raw=write_raw(tmp_path, source, **contents), steps=steps).conversations == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf[%s, %s]",
        b"[%s,\r\n%s]\r\n",
        b"%s\n%s\n",
        b"\xef\xbb\xbf%s\r\n\r\n%s",
        b'[%s, {"nobody reads": [NaN, -Infinity], "direct_answers": "NaN ]", %s]',
    ],
)
def test_a_file_that_python_reads_is_read(tmp_path: Path, content: bytes) -> None:
    first, second = (msgspec.json.encode(GOOD | {"question_id": name}) for name in ("q1", "q2"))
    if b"NaN" in content:
        second = second[1:]
    found = build("aokvqa", raw=_aokvqa(tmp_path, content % (first, second)))
    assert sorted({pair.origin for one in found.conversations for pair in one.pairs}) == ["q1", "q2"]


@pytest.mark.parametrize("bad", [b'{"question": "\\ud83d"}', b'{"question_id": ' + DEEP + b"}", b"nonsense", b"{a: 1}"])
def test_one_odd_record_costs_no_other(tmp_path: Path, bad: bytes) -> None:
    first, third = (msgspec.json.encode(GOOD | {"question_id": name}) for name in ("q1", "q3"))
    raw = _aokvqa(tmp_path, b"[" + b", ".join([first, bad, third]) + b"]")
    with pytest.raises(RawDataError, match=r"aokvqa_v1p0_train\.json: \$\[1\]"):
        build("aokvqa", raw=raw)
    found = build("aokvqa", raw=raw, on_bad_record="drop")
    assert sorted({pair.origin for one in found.conversations for pair in one.pairs}) == ["q1", "q3"]


def test_one_odd_record_of_a_keyed_file_costs_no_other(tmp_path: Path) -> None:
    good = {"imageId": "n1", "question": "Is it dry?", "answer": "yes"}
    content = b'{"a": %s, "b": {"question": "\\ud83d"}, "c": %s}' % ((msgspec.json.encode(good),) * 2)
    found = build("gqa", raw=write_raw(tmp_path, "gqa", questions=content), on_bad_record="drop")
    assert [pair.origin for one in found.conversations for pair in one.pairs] == ["a", "c"]


BAD: list[tuple[Any, str, str]] = [
    ({**GOOD, "image_id": "7"}, r"\$\[1\]\.image_id: expected int, got str", "q1"),
    ({**GOOD, "image_id": 7.5}, r"\$\[1\]\.image_id: expected int, got float", "q1"),
    ({**GOOD, "image_id": None}, r"\$\[1\]\.image_id: expected int, got null", "q1"),
    ({**GOOD, "question": ["Which?"]}, r"\$\[1\]\.question: expected str, got array", "q1"),
    ({**GOOD, "choices": ["reed", 3]}, r"\$\[1\]\.choices\[1\]: expected str, got int", "q1"),
    ({**GOOD, "choices": {"A": "reed"}}, r"\$\[1\]\.choices: expected array, got object", "q1"),
    ({**GOOD, "choices": []}, r"\$\[1\]\.choices: expected array of length >= 1", "q1"),
    ({**GOOD, "correct_choice_idx": -1}, r"\$\[1\]\.correct_choice_idx: expected int >= 0", "q1"),
    ({**GOOD, "question_id": 31}, r"\$\[1\]\.question_id: expected str, got int", "31"),
    ({**GOOD, "question_id": ["q"]}, r"\$\[1\]\.question_id: expected str, got array", r"\$\[1\]"),
    ({"question_id": "q1"}, r"\$\[1\]: object missing required field image_id", "q1"),
    (["a", "list"], r"\$\[1\]: expected object, got array", r"\$\[1\]"),
    (None, r"\$\[1\]: expected object, got null", r"\$\[1\]"),
]


@pytest.mark.parametrize(("record", "message", "identifier"), BAD)
def test_a_bad_record_is_an_error_that_names_file_path_and_id(
    tmp_path: Path, record: Any, message: str, identifier: str
) -> None:
    raw = _aokvqa(tmp_path, [{**GOOD, "question_id": "q0"}, record])
    whole = rf"aokvqa_v1p0_train\.json: {message} \(id '{identifier}'\); fix the file or pass --on-bad-record drop$"

    with pytest.raises(RawDataError, match=whole):
        build("aokvqa", raw=raw)


@pytest.mark.parametrize(("record", "message", "identifier"), BAD)
def test_a_bad_record_can_be_dropped_and_counted(tmp_path: Path, record: Any, message: str, identifier: str) -> None:
    raw = _aokvqa(tmp_path, [{**GOOD, "question_id": "q0"}, record])

    result = build("aokvqa", raw=raw, on_bad_record="drop")

    assert {origin for *_, origin in result.pairs} == {"q0"}
    assert result.funnel[0].conversations.entered == 2
    assert result.funnel[0].conversations.changes["bad record in questions"] == -1
    assert result.funnel[0].noted == {"bad record in questions": 1}
    [example] = result.funnel[0].examples["bad record in questions"]
    assert "$[1]" in example


def test_invalid_utf8_in_a_record_is_an_error_of_that_record(tmp_path: Path) -> None:
    good = b'{"image_id": 7, "question_id": "q0", "question": "A?", "choices": ["a"], "correct_choice_idx": 0}'
    raw = _aokvqa(tmp_path, b"[" + good + b"," + good.replace(b"q0", b"q1").replace(b"A?", b"\xff?") + b"]")

    with pytest.raises(RawDataError, match=r"\$\[1\]: holds byte 0xff, which is not UTF-8; re-save.*; fix the file"):
        build("aokvqa", raw=raw)
    assert len(build("aokvqa", raw=raw, on_bad_record="drop").pairs) == 1


def test_a_number_too_large_for_its_field_is_a_bad_record(tmp_path: Path) -> None:
    content = b'[{"image_id": 1' + b"0" * 5000 + b', "question_id": "q1"}]'

    with pytest.raises(RawDataError, match=r"\$\[0\]\.image_id: integer value out of range"):
        build("aokvqa", raw=_aokvqa(tmp_path, content))


def test_a_record_of_a_source_whose_ids_may_repeat_is_still_named_by_its_id(tmp_path: Path) -> None:
    raw = write_raw(tmp_path, "sharegpt", conversations=[{"id": "mIll01a_0", "conversations": "none"}])

    with pytest.raises(RawDataError, match=r"\$\[0\]\.conversations: expected array, got str \(id 'mIll01a_0'\)"):
        build("sharegpt", raw=raw)


def test_a_bad_record_of_a_keyed_file_is_named_by_its_key(tmp_path: Path) -> None:
    raw = write_raw(tmp_path, "gqa", questions={"00417": {"question": "Dry?", "imageId": 2301, "answer": "yes"}})

    with pytest.raises(RawDataError, match=r"\$\['00417'\]\.imageId: expected str, got int \(id '00417'\)"):
        build("gqa", raw=raw)


def test_an_id_that_occurs_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"\$\[1\]: this question_id occurs twice, expected once \(id 'q1'\)"):
        build("aokvqa", raw=_aokvqa(tmp_path, [GOOD, GOOD]))


def test_the_second_of_two_equal_ids_can_be_dropped(tmp_path: Path) -> None:
    raw = _aokvqa(tmp_path, [GOOD, {**GOOD, "question": "Other?"}])

    result = build("aokvqa", raw=raw, on_bad_record="drop")

    assert {question.split("\n")[0] for question, *_ in result.pairs} == {"Which?"}
    assert result.funnel[0].conversations.changes["bad record in questions"] == -1


def test_a_key_that_occurs_twice_in_a_keyed_file_is_an_error(tmp_path: Path) -> None:
    one = b'"7": {"question": "Dry?", "imageId": "2301", "answer": "yes"}'
    raw = write_raw(tmp_path, "gqa", questions=b"{" + one + b", " + one + b"}")

    with pytest.raises(RawDataError, match=r"\$\['7'\]: this key occurs twice, expected once \(id '7'\)"):
        build("gqa", raw=raw)


@pytest.mark.parametrize("identifier", ["q\x1b[31m", "q\nr", "q\0", "q\u2028r", "q\x9b"])
def test_an_id_that_could_move_a_cursor_is_a_bad_record(tmp_path: Path, identifier: str) -> None:
    raw = write_raw(tmp_path, "gqa", questions={identifier: {"imageId": "1", "question": "Dry?", "answer": "no"}})

    with pytest.raises(RawDataError, match=r"an id with control characters, expected none \(id 'q\\"):
        build("gqa", raw=raw)
    assert not build("gqa", raw=raw, on_bad_record="drop").conversations


def test_an_image_id_that_could_move_a_cursor_is_a_bad_record(tmp_path: Path) -> None:
    raw = write_raw(tmp_path, "gqa", questions={"7": {"imageId": "1\x1b", "question": "Dry?", "answer": "no"}})

    with pytest.raises(RawDataError, match=r"an id with control characters, expected none \(id '1\\x1b'\)"):
        build("gqa", raw=raw)


def test_an_id_in_another_script_or_with_a_mark_is_no_fault(tmp_path: Path) -> None:
    questions = {key: {"imageId": "1", "question": "Dry?", "answer": "no"} for key in ("я-1", "q\u200f", "q\u00a0r")}
    assert len(build("gqa", raw=write_raw(tmp_path, "gqa", questions=questions)).conversations) == 3


@pytest.mark.parametrize(
    ("source", "content", "message"),
    [
        ("gqa", {"": {"imageId": "1", "question": "Dry?", "answer": "no"}}, r"an empty id, expected text \(id ''\)"),
        ("aokvqa", [GOOD | {"question_id": ""}], r"\$\[0\]\.question_id: expected str of length >= 1"),
    ],
)
def test_an_empty_id_is_a_bad_record(tmp_path: Path, source: str, content: Any, message: str) -> None:
    with pytest.raises(RawDataError, match=message):
        build(source, raw=write_raw(tmp_path, source, questions=content))


def test_progress_adds_up_to_nearly_the_bytes_of_a_file(tmp_path: Path) -> None:
    raw = _aokvqa(tmp_path, [{**GOOD, "question_id": f"q{i}", "question": "long " * 100} for i in range(9000)])
    heard: list[int] = []
    about = SOURCES["aokvqa"].about
    path = raw / about.files[0].path
    files = RawFiles(
        about, {"questions": (path,)}, funnel=StepFunnel("read"), on_bad_record="fail", progress=heard.append
    )

    assert len(list(files.entering("questions"))) == 9000
    assert len(heard) > 2
    assert 0.98 * path.stat().st_size < sum(heard) <= path.stat().st_size
