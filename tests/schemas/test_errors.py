"""What errors are made of: the system's reason, and the nearest name."""

import pytest

from mix665k.schemas.errors import UserError, did_you_mean, os_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
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
