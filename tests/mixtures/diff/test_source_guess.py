"""Telling the sources of a file's records, where image folder and prompt leave several."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from tests.conftest import SilentWatcher
from tests.mixtures.diff.comparing import beside, by_source, two_files
from tests.mixtures.small import SHORT, record, written

RECIPE = """
name: coco
sources:
  - {source: llava_json, name: llava_instruct, files: {records: llava_instruct.json}}
  - {source: llava_json, name: vqav2, files: {records: vqav2.json}}
  - {source: llava_json, name: okvqa, files: {records: okvqa.json}}
"""


def vqa(number: int, question: str, answer: str, *, prompt: str = f"\n{SHORT}") -> dict[str, Any]:
    return record(f"{number:012d}", f"coco/train2017/{number:012d}.jpg", f"<image>\n{question}{prompt}", answer)


VQA = [vqa(1, "Is it dry?", "Yes"), vqa(2, "How many?", "2")]
OK = [vqa(1, "What is it made of?", "Clay"), vqa(3, "Which sport?", "Tennis")]
INSTRUCT = [vqa(1, "Describe it.", "A pot.", prompt="")]


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture of three sources with images under one folder."""
    folder = tmp_path_factory.mktemp("coco")
    for name, records in {"llava_instruct": INSTRUCT, "vqav2": VQA, "okvqa": OK}.items():
        written(folder, records).rename(folder / f"{name}.json")
    (folder / "coco.yaml").write_text(RECIPE)
    plan = make_plan(str(folder / "coco.yaml"), Options(folder, folder / "mixture"))
    build(plan, jobs=1, overwrite=False, listener=SilentWatcher())
    return folder / "mixture"


def test_the_same_record_tells_its_source(coco: Path, tmp_path: Path) -> None:
    comparison = beside(coco, tmp_path, [*INSTRUCT, *VQA, *OK])
    assert comparison.equal
    assert comparison.b.source_evidence == {"the same record": 5}


def test_the_questions_about_an_image_tell_the_source(coco: Path, tmp_path: Path) -> None:
    changed = [vqa(1, "Is it dry?", "No"), VQA[1], vqa(1, "What is it made of?", "Tin"), OK[1]]
    comparison = beside(coco, tmp_path, [*INSTRUCT, *changed])
    assert by_source(comparison) == {
        "llava_instruct": {"identical": 1},
        "vqav2": {"identical": 1, "answers": 1},
        "okvqa": {"identical": 1, "answers": 1},
    }
    assert comparison.b.source_evidence == {"the same record": 3, "questions about the image": 2}


def test_a_question_asked_about_the_image_tells_a_record_that_lost_its_prompt(coco: Path, tmp_path: Path) -> None:
    comparison = beside(coco, tmp_path, [*INSTRUCT, vqa(1, "Is it dry?", "Yes", prompt=""), VQA[1], *OK])
    assert by_source(comparison)["vqav2"] == {"identical": 1, "prompt": 1}


def test_a_question_text_of_one_source_tells_it_about_another_image(coco: Path, tmp_path: Path) -> None:
    comparison = beside(coco, tmp_path, [*INSTRUCT, *VQA, *OK, vqa(9, "Which sport?", "Golf")])
    assert by_source(comparison)["okvqa"] == {"identical": 2, "only in B": 1}
    assert comparison.b.source_evidence["question texts"] == 1


def test_the_id_and_image_of_what_is_left_tell_a_record_that_has_other_questions(coco: Path, tmp_path: Path) -> None:
    comparison = beside(coco, tmp_path, [*INSTRUCT, *VQA, OK[0], vqa(3, "New?", "Yes")])
    assert by_source(comparison)["okvqa"] == {"identical": 1, "questions, answers": 1}
    assert comparison.b.source_evidence["id and image of what is left"] == 1


def test_what_nothing_tells_is_called_by_both_sources(coco: Path, tmp_path: Path) -> None:
    comparison = beside(coco, tmp_path, [*INSTRUCT, *VQA, *OK, vqa(9, "New?", "Yes")])
    assert by_source(comparison)["vqav2 or okvqa"] == {"only in B": 1}
    assert comparison.b.source_evidence["undecided"] == 1


def test_left_records_of_both_sources_do_not_tell(coco: Path, tmp_path: Path) -> None:
    comparison = beside(coco, tmp_path, [*INSTRUCT, VQA[1], OK[1], vqa(1, "New?", "Yes")])
    assert by_source(comparison)["vqav2 or okvqa"] == {"only in B": 1}


def test_a_source_that_the_mixture_has_not_is_told_by_folder_and_prompt(coco: Path, tmp_path: Path) -> None:
    other = record("5", "vg/VG_100K/5.jpg", "<image>\nWhat?", "That")
    comparison = beside(coco, tmp_path, [*INSTRUCT, *VQA, *OK, other])
    assert by_source(comparison)["vg"] == {"only in B": 1}


def test_between_two_files_the_number_of_pairs_tells_vqav2_from_okvqa(tmp_path: Path) -> None:
    texts = (f"<image>\nIs it?\n{SHORT}", "Yes", "Who?", "A", "What?", "B")
    long = record("4", "coco/train2017/4.jpg", *texts)
    comparison = two_files(tmp_path, [long, *OK], [long, *OK[1:]])
    assert by_source(comparison) == {"vqav2": {"identical": 1}, "okvqa": {"identical": 1, "only in A": 1}}
    assert comparison.a.source_evidence == {"number of pairs": 3}
