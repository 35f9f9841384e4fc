"""What errors are made of: the system's reason, and the nearest name."""

import pickle

import pytest

from mix665k.schemas.errors import BusyError, MixtureError, UserError, cause, did_you_mean, one_line, os_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), "no space left on device"),
        (FileNotFoundError(2, "No such file or directory", "/a/b"), "no such file or directory"),
        (OSError(28, "No space left on device"), "no space left on device"),
        (OSError("Unable to\n  open FILE"), "unable to open file"),
        (OSError(), "oserror"),
    ],
)
def test_the_reason_of_the_system_is_in_lower_case_without_the_file(error: OSError, reason: str) -> None:
    assert os_reason(error) == reason


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("gqq", ["gqa", "vg"], "; did you mean 'gqa'?"),
        ("okvq", ["aokvqa", "okvqa", "vqav2"], "; did you mean 'okvqa'?"),
        ("GQA", ["gqa"], "; expected one of gqa"),
        ("zzz", ["vg", "gqa"], "; expected one of gqa, vg"),
        ("", ["vg"], "; expected one of vg"),
        ("zzz", [], ""),
        ("日本", {"日本語": 1}, "; did you mean '日本語'?"),
    ],
)
def test_an_unknown_name_is_told_the_nearest_or_all(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint


def test_only_one_name_is_suggested() -> None:
    assert did_you_mean("refcoc", ["refcoco", "refcoco+", "refcocog"]) == "; did you mean 'refcoco'?"


def test_a_user_error_says_what_it_was_given() -> None:
    assert str(UserError("where: what; fix")) == "where: what; fix"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("a: id 'x\x1b]0;owned\x07'; fix", r"a: id 'x\x1b]0;owned\x07'; fix"),
        ("two\nlines\r\nand\ta tab\u2028", "two lines and a tab"),
        ("\u202eright to left", r"\u202eright to left"),
        ("日本 é 🙂", "日本 é 🙂"),
        (f"a: id {'q' * 99!r} (b)", f"a: id '{'q' * 80}…' (b)"),
        (f'a: "{"q" * 99}"; c', f'a: "{"q" * 80}…"; c'),
        (f"the file's {'word ' * 30}and the user's", f"the file's {'word ' * 30}and the user's"),
        (f"a: /tmp/{'y' * 400}/b.json: gone", f"a: /tmp/{'y' * 80}…/b.json: gone"),
        (f"a: {'/0123456789' * 20}: gone", f"a: {'/0123456789' * 20}: gone"),
    ],
)
def test_a_message_is_one_line_of_printable_text_with_short_values(message: str, line: str) -> None:
    assert str(MixtureError(message)) == line
    assert str(MixtureError(line)) == line


def test_a_message_of_megabytes_keeps_its_beginning_and_its_end() -> None:
    line = str(UserError(f"where: {'many words ' * 500_000}; fix it"))
    assert len(line) < 2_010
    assert line.startswith("where: many words")
    assert line.endswith("; fix it")


@pytest.mark.parametrize("kind", [UserError, MixtureError, BusyError])
def test_an_error_comes_out_of_another_process_as_it_went_in(kind: type[UserError]) -> None:
    error = kind(f"a\x1b: {'x' * 99!r}\nb")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, str(error))


def test_advice_to_trust_foreign_code_is_not_passed_on() -> None:
    asked = ValueError("The repository x contains custom code.\nPlease pass the argument `trust_remote_code=True`.")
    assert (
        cause(asked)
        == "it needs code of its own repository, which is never run; name a model that transformers itself has"
    )
    assert cause(OSError("no\n such   file")) == "no such file"
    assert len(cause(ValueError("long " * 200))) == 300


@pytest.mark.parametrize(
    ("error", "line"), [(ValueError("a\n  b"), "a b"), (KeyError(), "KeyError"), (EOFError(""), "EOFError")]
)
def test_any_error_is_one_line(error: BaseException, line: str) -> None:
    assert one_line(error) == line
