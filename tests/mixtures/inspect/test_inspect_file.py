"""Inspecting a JSON file in LLaVA's own form: sources are told, faults are found."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.inspect.run import require_sound
from mix665k.schemas.errors import MixtureError, RawDataError
from tests.mixtures.small import LONG, SHORT, look, record, run, written
from tests.mixtures.small import RECORDS as SMALL

SHARED = Path(__file__).parents[4] / "shared" / "data"
LETTER = "Answer with the option's letter from the given choices directly."
DESCRIBE = "Please provide a short description for this region: [0.1, 0.2, 0.3, 0.4]."
LOCATE = "Please provide the bounding box coordinate of the region this sentence describes: a heron."
CAPTION = "Provide a one-sentence caption for the provided image."


@pytest.mark.parametrize(
    ("image", "question", "source", "form"),
    [
        (None, "How are you?", "sharegpt", "none"),
        ("coco/train2017/1.jpg", "What is this?\n<image>", "llava_instruct", "none"),
        ("coco/train2017/1.jpg", f"<image>\nWho?\n{SHORT}", "okvqa", "short answer"),
        ("coco/train2017/1.jpg", f"<image>\nWho?\nA. a\nB. b\nC. c\nD. d\n{LETTER}", "aokvqa", "option letter"),
        ("coco/train2017/1.jpg", f"<image>\n{DESCRIBE}", "refcoco", "describe region"),
        ("coco/train2017/1.jpg", f"<image>\n{LOCATE}", "refcoco", "locate region"),
        ("coco/train2017/1.jpg", f"<image>\n{CAPTION}", "coco, caption", "caption"),
        ("vg/VG_100K/1.jpg", f"<image>\n{LOCATE}", "vg", "locate region"),
        ("gqa/images/1.jpg", f"<image>\nWho?\n{SHORT}", "gqa", "short answer"),
        ("gqa/images/1.jpg", "<image>\nWho?", "gqa", "none"),
        ("ocr_vqa/images/1.jpg", f"<image>\nWho?\n{SHORT}", "ocrvqa", "short answer"),
        ("textvqa/train_images/1.jpg", f"<image>\n{CAPTION}\nReference OCR token: ", "textcaps", "caption, OCR line"),
        ("photos/1.jpg", f"<image>\n{SHORT} Please.", "other images", "none"),
        ("1.jpg", "<image>\nWho?", "other images", "none"),
    ],
)
def test_folder_and_prompt_tell_the_source(
    tmp_path: Path, image: str | None, question: str, source: str, form: str
) -> None:
    [found] = look(written(tmp_path, [record("1", image, question, "b")])).sources
    assert (found.name, found.prompt_forms) == (source, {form: 1})


def test_a_json_file_with_strings_and_integers_as_ids_is_read(tmp_path: Path) -> None:
    records = [*SMALL["gqa"], *SMALL["sharegpt"], LONG]
    shown = run("inspect", written(tmp_path, records), "--sample", "1")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "ids that are integers, where others are strings: gqa 1" in shown.stdout
    document = json.loads(run("inspect", written(tmp_path, records), "--format", "json", "--sample", "3").stdout)
    assert {source["name"]: source["integer_ids"] for source in document["sources"]} == {
        "sharegpt": 0,
        "gqa": 1,
        "other images": 0,
    }
    assert {sampled["record"]["id"] for sampled in document["sample"]} == {"wgByO4Y_0", "8", 2327515, "0012", "n166008"}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"image": "a.jpg", "conversations": []}, "turns by no one, expected human and gpt in turn"),
        ({"id": 1.5, "conversations": []}, "id: expected text or a whole number, got a number"),
        (record("1", None), "turns by no one, expected human and gpt in turn"),
        (record("1", None, "a", "b", "c"), "turns by human, gpt, human, expected human and gpt in turn"),
        (record("1", "a.jpg", "a", "b"), "0 <image> in the human turns, expected 1"),
        (record("1", None, "<image>\na", "b"), "1 <image> in the human turns, expected 0"),
        (record("1", None, "a", ""), "$.conversations[1].value: '' should be non-empty"),
        (record("1", "../a.jpg", "<image>\na", "b"), "$.image: '../a.jpg': a path out of the images folder"),
        (record("1", "a.jpg", "<image>\n\u200b", "b"), "turn 0 is empty"),
    ],
)
def test_a_record_with_a_fault_is_counted_shown_and_exit_code_1(tmp_path: Path, bad: dict[str, Any], why: str) -> None:
    path = written(tmp_path, [LONG, bad, *SMALL["mine"]])
    found = look(path)
    assert (found.total.records, found.faults) == (2, 1)
    assert found.fault_examples[0].where == "$[1]"
    assert why in found.fault_examples[0].why
    with pytest.raises(MixtureError, match="1 records with faults, expected none"):
        require_sound(found)
    shown = run("inspect", path, "--format", "json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["faults"] == 1
    assert "1 records with faults" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_faults_are_shown_by_a_few_examples(tmp_path: Path) -> None:
    found = look(written(tmp_path, [record(f"{i}", None, "a", "") for i in range(30)]))
    assert (found.total.records, found.faults, len(found.fault_examples)) == (0, 30, 10)
    assert run("inspect", tmp_path / "llava.json").exit_code == 1


@pytest.mark.parametrize("text", ["", "{}", "[1, 2", "[{]"])
def test_a_file_that_is_no_json_list_is_an_error(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RawDataError):
        look(path)
    assert run("inspect", path).exit_code == 1


def test_an_empty_list_has_nothing_to_measure(tmp_path: Path) -> None:
    found = look(written(tmp_path, []))
    assert (found.sources, found.total.records, found.total.pairs_per_record) == ([], 0, None)
    assert run("inspect", tmp_path / "llava.json").exit_code == 0


def test_control_characters_in_a_record_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = written(tmp_path, [record("1", None, "a\x1b[31m", "[bold]b[/bold]")])
    shown = run("inspect", path, "--sample", "1").stdout
    assert "\x1b" not in shown
    assert "[bold]b[/bold]" in shown


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_records_of_the_published_file_are_told_apart(tmp_path: Path) -> None:
    names = {"ocr_vqa": "ocrvqa"}
    for path in sorted((SHARED / "mix_records").glob("*.jsonl")):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        # some are cut in the middle of a pair, or come without an id or the image's folder
        named = [one for one in records if "id" in one and "/" in one.get("image", "")]
        usable = [one for one in named if len(one["conversations"]) % 2 == 0]
        if usable:
            found = look(written(tmp_path, usable))
            assert [one.name for one in found.sources] == [names.get(path.stem, path.stem)]
            assert found.faults == 0
