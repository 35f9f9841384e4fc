"""What `mix sources` and `mix steps` say of a raw file and of a parameter."""

import json
from pathlib import Path

import pytest

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.catalogue import Finding, inspect_file
from tests.builders.building import write_raw
from tests.mixtures.small import run

GQA = SOURCES["gqa"].about.files[0]


def looked_at(path: Path, content: str) -> Finding:
    """What is said of a raw file of GQA with this content."""
    path.write_text(content)
    found = inspect_file(GQA, (path,))
    assert found is not None
    return found


def test_a_raw_file_that_does_not_exist_is_no_finding(tmp_path: Path) -> None:
    assert inspect_file(GQA, (tmp_path / "none.json",)) is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "empty file"),
        ("[", "expected"),
        ("{}", "holds no records"),
        (json.dumps({"1": {"question": "q"}}), "1 bad records"),
    ],
)
def test_a_raw_file_that_cannot_be_used_is_told_with_the_reason(tmp_path: Path, content: str, text: str) -> None:
    found = looked_at(tmp_path / "gqa.json", content)
    assert not found.usable
    assert text in found.text
    assert str(tmp_path) not in found.text


def test_every_bad_record_of_a_raw_file_is_listed(tmp_path: Path) -> None:
    good = {"imageId": "1", "question": "q", "answer": "a"}
    found = looked_at(tmp_path / "gqa.json", json.dumps({str(k): good | {"answer": k % 2 or "a"} for k in range(30)}))
    assert found.text == "0.0 MB, 30 records, 15 bad records"
    assert found.bad[0] == "$['1'].answer: expected str, got int (id '1')"
    assert len(found.bad) == 15


def test_bad_records_that_only_show_when_files_are_read_together_are_listed(tmp_path: Path) -> None:
    asked = {"image_id": 1, "question": "Dry?"}
    questions = [asked | {"question_id": k} for k in (1, 1, 2)] + [{"question_id": 3}]
    answer = {"question_id": 1, "image_id": 1, "multiple_choice_answer": "yes"}
    write_raw(tmp_path, "vqav2", questions={"questions": questions}, annotations={"annotations": [answer]})
    shown = run("sources", "vqav2", "--raw", tmp_path)
    lines = [line.strip() for line in shown.stdout.splitlines() if line.startswith("      ") or "wrong" in line]
    assert shown.exit_code == 1
    assert lines == [
        "wrong: 0.0 MB, 4 records, 1 bad records",
        "$.questions[3]: object missing required field image_id (id '3')",
        "wrong: 2 bad records where its files are read together",
        "$.questions[1]: this question_id occurs twice, expected once (id '1')",
        "no annotation, expected one of image 1 (id '2')",
    ]


def test_one_source_is_shown_alone_with_its_commercial_use(tmp_path: Path) -> None:
    shown = run("sources", "okvqa").stdout
    assert "okvqa" in shown
    assert "commercial use: texts" in shown
    assert "vqav2/" not in shown


def test_a_folder_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    shown = run("sources", "--raw", tmp_path / "none")
    assert shown.stderr == f"error: --raw {tmp_path / 'none'}: no such folder\n"


def test_a_step_is_shown_with_the_types_and_defaults_of_its_parameters() -> None:
    shown = run("steps", "truncate").stdout
    assert "    tokenizer: " in shown
    assert "(default: the recipe's" in shown
    assert "sources" not in shown
