"""Raw files in parts: a folder, a glob or a list is read as one file, in a stated order, and nothing of it is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.parts import missing_numbers, parts_fault, parts_of, published_parts
from mix665k.schemas.errors import RawDataError
from tests.builders.building import build


def asked(number: int) -> dict[str, Any]:
    return {str(number): {"question": f"Is it {number}?", "imageId": str(number), "answer": "yes"}}


def told(identifier: str | None, text: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": f"Is it {text}?"}, {"from": "gpt", "value": "Yes."}]
    return {"conversations": turns} if identifier is None else {"id": identifier, "conversations": turns}


def laid(folder: Path, **contents: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def origins(raw: Path, named: str | list[str]) -> list[str]:
    return [origin for _, _, origin in build("gqa", raw=raw, files={"questions": named}).pairs]


def test_a_folder_and_a_glob_are_read_in_natural_order_and_a_list_in_its_own(tmp_path: Path) -> None:
    laid(tmp_path / "q", **{f"q_{n}": asked(n) for n in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)})
    (tmp_path / "q" / "readme.txt").write_text("ten files")

    assert origins(tmp_path, "q") == origins(tmp_path, "q/q_*.json") == [str(n) for n in range(1, 11)]
    assert origins(tmp_path, ["q/q_10.json", "q/q_[45].json", "q/q_2.json"]) == ["10", "4", "5", "2"]


def test_a_folder_named_as_the_published_file_stands_for_it(tmp_path: Path) -> None:
    laid(tmp_path / "gqa/train_balanced_questions", a=asked(1), b=asked(2))
    assert [origin for _, _, origin in build("gqa", raw=tmp_path).pairs] == ["1", "2"]

    laid(tmp_path / "gqa", train_balanced_questions=asked(3))  # the file itself comes first
    assert published_parts(tmp_path, "gqa/train_balanced_questions.json") == (
        tmp_path / "gqa/train_balanced_questions.json",
    )


def test_an_id_of_two_parts_is_an_error_that_names_both(tmp_path: Path) -> None:
    laid(tmp_path / "q", a=asked(1), b=asked(1))

    with pytest.raises(RawDataError, match=r"/q/b\.json: \$\['1'\]: this key occurs twice, expected once; a\.json has"):
        origins(tmp_path, "q")


def test_a_bad_record_is_named_with_its_part_in_message_and_funnel(tmp_path: Path) -> None:
    laid(tmp_path / "q", a=asked(1), b=asked(2) | {"3": {"question": "Is it?"}})

    with pytest.raises(RawDataError, match=r"/q/b\.json: \$\['3'\]"):
        origins(tmp_path, "q")
    dropped = build("gqa", raw=tmp_path, files={"questions": "q"}, on_bad_record="drop")
    [[example]] = dropped.funnel[0].examples.values()
    assert example.startswith("b.json: 3: $['3']")


def test_ids_made_of_places_go_on_from_part_to_part(tmp_path: Path) -> None:
    laid(tmp_path / "own", a=[told(None, "a"), told(None, "b")], b=[told(None, "c"), told("x", "d")])

    made = build("llava_json", raw=tmp_path, files={"records": "own"})
    assert [one.id for one in made.conversations] == ["0", "1", "2", "x"]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["q_0.json", "q_1.json", "q_3.json"], ["q_2.json"]),
        (["q_2.json", "q_3.json", "q_4.json"], ["q_1.json"]),
        (["part-08.p", "part-10.p", "part-07.p", "part-09.p"], []),  # of seven others nobody knows
        (["t-00000-of-00003.json", "t-00002-of-00003.json"], ["t-00001-of-00003.json"]),
        (["t-00001-of-00003.json", "t-00002-of-00003.json"], ["t-00003-of-00003.json"]),
        (["VQA_v2_2014.json", "VQA_v2_2017.json"], []),
        (["a.json", "b.json"], []),
        (["391895.json", "522418.json", "9.json"], []),
    ],
)
def test_the_missing_members_of_a_numbered_series(names: list[str], missing: list[str]) -> None:
    assert missing_numbers(names) == missing


def test_what_is_wrong_with_parts_is_one_line(tmp_path: Path) -> None:
    laid(tmp_path / "q", q_0=[], q_2=[])
    laid(tmp_path / "deep/inner", a=[])
    (tmp_path / "none").mkdir()
    faults = {
        "q": "2 files, without q_1.json of their series; get what is missing, or list the files to read",
        "deep": "deep/inner: a folder among the parts of a raw file, expected files only",
        "none": "none: an empty folder, expected the parts of a raw file in it",
    }
    for named, fault in faults.items():
        assert fault in str(parts_fault(named, parts_of(tmp_path, named)))
    assert parts_fault(["q/q_0.json", "q/q_2.json"], parts_of(tmp_path, ["q/q_0.json", "q/q_2.json"])) is None
    twice = parts_fault(["q/q_0.json", "q/q_*.json"], parts_of(tmp_path, ["q/q_0.json", "q/q_*.json"]))
    assert twice == f"{tmp_path}/q/q_0.json: named twice, expected once"


def test_a_name_with_brackets_that_is_there_is_no_glob(tmp_path: Path) -> None:
    laid(tmp_path, **{"q[1]": asked(1), "q1": asked(2)})

    assert parts_of(tmp_path, "q[1].json") == (tmp_path / "q[1].json",)
    assert parts_of(tmp_path, "no*.json") == (tmp_path / "no*.json",)  # named by whoever misses it
