"""What a mixture shares with evaluation sets, in numbers."""

import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mix665k.mixtures.contamination.findings import Contamination, Hit, Kind, to_json
from mix665k.schemas.errors import MixtureError
from tests.mixtures.contamination.contaminated import lines, look, only
from tests.mixtures.small import SHORT, record, run, written

NAME = "COCO_val2014_000000000042.jpg"


def questions(folder: Path, *asked: tuple[str | None, str | None]) -> Path:
    """An evaluation set with an image and a text in each line."""
    records = [{"id": i, "image": image, "question": text} for i, (image, text) in enumerate(asked)]
    return lines(folder, "set.jsonl", *records)


def counts(found: Contamination) -> dict[str, tuple[int, ...]]:
    """By source: images, pairs, texts, and in how many records each."""
    return {
        one.source: (one.images, one.pairs, one.text, *(one.records[kind] for kind in list(Kind)[:3]))
        for one in [*only(found).sources, only(found).total]
    }


def test_images_pairs_and_texts_are_counted_apart(contaminated: Path, tmp_path: Path) -> None:
    asked = [(NAME, "Is it dry?"), (NAME, "Who, me?"), ("COCO_val2014_000000000099.jpg", "who")]
    found = look(contaminated, questions(tmp_path, *asked))
    assert counts(found) == {
        "vqa": (1, 1, 1, 1, 1, 1),
        "options": (1, 0, 0, 1, 0, 0),
        "all": (1, 1, 1, 2, 1, 1),
    }
    one = only(found)
    assert (one.questions, one.images, one.layout) == (3, 2, "list")
    assert [one.share(kind) for kind in Kind] == [0.5, 1 / 3, 1 / 3, None]


def test_option_lines_and_prompts_do_not_hide_a_question(contaminated: Path, tmp_path: Path) -> None:
    found = look(contaminated, questions(tmp_path, (NAME, "what is it")))
    assert counts(found)["options"] == (1, 1, 0, 1, 1, 0)


def test_a_region_is_found_by_its_sentence(contaminated: Path, tmp_path: Path) -> None:
    path = questions(tmp_path, ("VG_100K/1.jpg", "red hat"), ("VG_100K/1.jpg", "Blue hat!"))
    assert counts(look(contaminated, path)) == {"regions": (1, 2, 0, 1, 1, 0), "all": (1, 2, 0, 1, 1, 0)}


def test_a_text_without_an_image_is_shared_as_text_only(contaminated: Path, tmp_path: Path) -> None:
    found = look(contaminated, questions(tmp_path, (None, "Is it dry?")))
    assert counts(found) == {
        "vqa": (0, 0, 1, 0, 0, 2),
        "talk": (0, 0, 1, 0, 0, 1),
        "all": (0, 0, 1, 0, 0, 3),
    }


def test_an_image_of_my_own_is_known_by_its_path(contaminated: Path, tmp_path: Path) -> None:
    assert only(look(contaminated, questions(tmp_path, ("mine/7.jpg", None)))).total.images == 1
    assert only(look(contaminated, questions(tmp_path, ("other/7.jpg", None)))).total.images == 0


def test_visual_genomes_images_are_found_among_cocos_with_its_table(contaminated: Path, tmp_path: Path) -> None:
    path, table = questions(tmp_path, (NAME, "Red hat")), tmp_path / "image_data.json"
    table.write_text('[{"image_id": 2, "coco_id": 42}]')
    assert counts(look(contaminated, path))["all"] == (1, 0, 1, 2, 0, 2)
    found = look(contaminated, path, image_data=table)
    assert counts(found)["all"] == (1, 1, 0, 3, 1, 0)
    assert found.image_data == str(table)


def test_each_set_is_counted_by_itself(contaminated: Path, tmp_path: Path) -> None:
    path = questions(tmp_path, (NAME, "Is it dry?"))
    other = lines(tmp_path, "other.jsonl", {"question": "What is this?"})
    found = look(contaminated, f"one={path}", other, f"two={path}")
    assert [(one.name, one.total.pairs, one.total.text) for one in found.sets] == [
        ("one", 1, 0),
        ("other", 0, 1),
        ("two", 1, 0),
    ]


def test_all_that_is_shared_is_listed(contaminated: Path, tmp_path: Path) -> None:
    path = questions(tmp_path, (NAME, "Is it dry?"), (None, "is it dry"), (None, "Is it dry!"))
    look(contaminated, path, list_file=tmp_path / "list.jsonl")
    listed = [msgspec.json.decode(line, type=Hit) for line in (tmp_path / "list.jsonl").read_bytes().splitlines()]
    vqa = ["vqa/000000000042#0", "vqa/000000000043#0"]
    assert listed == [
        Hit(
            set="set",
            by=Kind.IMAGES,
            evaluation="coco/42",
            num_records=2,
            records=[vqa[0], "options/42#0"],
            image="coco/42",
        ),
        Hit(
            set="set",
            by=Kind.PAIRS,
            evaluation="0",
            num_records=1,
            records=vqa[:1],
            image="coco/42",
            question="is it dry",
        ),
        Hit(
            set="set",
            by=Kind.TEXT,
            evaluation="1",
            num_records=3,
            records=[*vqa, "talk/t#0"],
            image=None,
            question="is it dry",
            questions=2,
        ),
    ]


def test_a_file_in_llavas_form_is_compared_by_the_sources_it_tells(tmp_path: Path) -> None:
    mixture = written(tmp_path, [record(1, "coco/train2017/000000000042.jpg", f"<image>\nDry?\n{SHORT}", "No")])
    found = look(mixture, questions(tmp_path, (NAME, "dry")))
    assert counts(found) == {"okvqa": (1, 1, 0, 1, 1, 0), "all": (1, 1, 0, 1, 1, 0)}
    assert only(found).examples[0].records == ["$[0] 1"]


def test_faults_of_a_file_are_not_passed_over(tmp_path: Path) -> None:
    mixture = written(tmp_path, [record(1, "a.jpg", "no token", "No")])
    with pytest.raises(MixtureError, match=r"1 records with faults, expected none; the first is \$\[0\]"):
        look(mixture, questions(tmp_path, (NAME, "dry")))


def test_a_damaged_mixture_is_not_compared(copy: Path, tmp_path: Path) -> None:
    next((copy / "data").glob("*.parquet")).unlink()
    with pytest.raises(MixtureError, match="no such file, expected it as manifest"):
        look(copy, questions(tmp_path, (NAME, "dry")))


def splits(folder: Path, **images: dict[str, list[int]]) -> Path:
    """RefCOCO's refs below a raw folder, by data set and split."""
    for name, parts in images.items():
        by = "umd" if name == "refcocog" else "unc"
        path = folder / "refcoco" / name.replace("plus", "+") / f"refs({by}).p"
        path.parent.mkdir(parents=True)
        found = [(split, image) for split, listed in parts.items() for image in listed]
        refs = [
            {"ref_id": i, "ann_id": i, "image_id": k, "split": s, "sentences": []} for i, (s, k) in enumerate(found)
        ]
        path.write_bytes(pickle.dumps(refs, protocol=0))
    return folder


def test_refcocos_splits_are_compared_with_each_other(contaminated: Path, tmp_path: Path) -> None:
    raw = splits(tmp_path, refcoco={"train": [1, 42], "val": [5]}, refcocog={"train": [5, 5], "test": [42, 9, 9]})
    found = look(contaminated, raw=raw)
    assert [msgspec.structs.astuple(one) for one in found.splits] == [
        ("RefCOCO", "refcoco val", 1, {"refcoco": 0, "refcocog": 1}, 0, 0),
        ("RefCOCO", "refcocog test", 2, {"refcoco": 1, "refcocog": 0}, 1, 2),
    ]


def said(*arguments: Any) -> tuple[int, str]:
    """Exit code and output of the command."""
    shown = run("contamination", *arguments)
    return shown.exit_code, shown.output


def test_the_command_tells_and_fails_only_where_that_is_asked(contaminated: Path, tmp_path: Path) -> None:
    path = questions(tmp_path, (NAME, "Is it dry?"))
    code, output = said(contaminated, "--eval-set", path)
    assert code == 0
    assert "set: 1 questions, 1 images" in output
    assert "0 coco/42 is it dry in vqa/000000000042#0" in output
    assert "were not looked for among COCO's" in " ".join(output.split())
    code, output = said(contaminated, "--eval-set", path, "--fail-on", "text", "--fail-on", "pairs")
    assert code == 1
    assert "shares 1 questions about the same image with set, expected none (--fail-on pairs)" in output
    assert said(contaminated, "--eval-set", path, "--fail-on", "text")[0] == 0


def test_the_command_gives_json(contaminated: Path, tmp_path: Path) -> None:
    path = questions(tmp_path, (NAME, "Is it dry?"))
    told = run("contamination", contaminated, "--eval-set", path, "--format", "json").stdout
    assert json.loads(told)["sets"][0]["total"]["pairs"] == 1
    assert msgspec.json.decode(told, type=Contamination) == look(contaminated, path)
    assert to_json(look(contaminated, path)) == told.rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to compare with"),
        (["--eval-set", "x.csv", "--drop-by", "pairs"], "goes with --drop-to"),
        (["--eval-set", "x.csv", "--images", "."], "goes with --eval-images"),
        (["--eval-set", "x.csv", "--fail-on", "pear"], "'pear' is not one of"),
    ],
)
def test_wrong_usage_is_exit_code_2(contaminated: Path, arguments: list[str], message: str) -> None:
    code, output = said(contaminated, *arguments)
    assert code == 2
    assert message in " ".join(output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--eval-set", "missing.json"], "--eval-set missing.json: no such file"),
        (["--eval-set", "."], "a folder, expected a file"),
        (["--raw", "missing"], "--raw missing: no such folder"),
        (["--raw", "."], "no splits of RefCOCO below it"),
        (["--eval-images", "."], "pass the mixture's images with --images"),
        (["--eval-images", "missing", "--images", "."], "--eval-images missing: no such folder"),
        (["--eval-images", ".", "--images", "missing"], "--images missing: no such folder"),
        (["--eval-set", "missing.json", "--write-list", "missing/list"], "expected a file in a folder that is there"),
    ],
)
def test_a_users_mistake_is_one_line(
    contaminated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = said(contaminated, *arguments)
    assert (code, len(output.splitlines())) == (1, 1)
    assert message in output
