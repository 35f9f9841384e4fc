"""What `mix trace` shows: files, ids, records and steps, to a person and as JSON."""

import json
from pathlib import Path

import pytest

from mix665k.mixtures.trace.lineage import in_words
from mix665k.mixtures.trace.tables import as_json, narrowed, shortened
from mix665k.schemas.manifest import InputFile
from tests.builders.building import GOLDEN
from tests.mixtures.small import run as mix
from tests.mixtures.trace.signs import FILES, first_id


def test_json_is_one_document(signs: Path, raw: Path) -> None:
    shown = mix("trace", signs, "signs/a1", "--raw", raw, "--format", "json")
    document = json.loads(shown.stdout)
    assert (shown.exit_code, shown.stderr, document["id"]) == (0, "", "signs/a1")
    assert document["pairs"][0]["raw"][0]["record"] == FILES["captions"]["data"][0]
    assert [InputFile(**file).path for file in document["files"]] == ["captions.json", "ocr.json"]


def test_a_person_reads_files_ids_records_and_steps(signs: Path, raw: Path) -> None:
    shown = mix("trace", signs, "signs/a1", "--raw", raw).stdout
    for text in (
        "signs/a1",
        "prompt added: a response-format prompt after the first question",
        "captions.json (captions)",
        "origin  7",
        "captions  caption_id 7  at $.data[0]",
        '"caption_str": "a red sign"',
        '"ocr_tokens": ["STOP"]',
    ):
        assert text in shown
    without = mix("trace", signs, "signs/a1").stdout
    assert "ocr  image_id from the record above" in without


def test_no_raw_folder_is_one_line(signs: Path, tmp_path: Path) -> None:
    shown = mix("trace", signs, "signs/a1", "--raw", tmp_path / "none")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == f"error: --raw {tmp_path}/none: no such folder; `mix sources` lists what belongs there\n"


@pytest.mark.parametrize("width", ["80", "120"])
def test_no_line_is_wider_than_the_terminal(
    tiny_mixture: Path, made_up_raw: Path, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = mix("trace", tiny_mixture, first_id(tiny_mixture, "vg"), "--raw", made_up_raw)
    lines = shown.stdout.splitlines()
    assert len(lines) > 20
    assert max(map(len, lines)) <= int(width)


def test_every_step_is_told_in_words() -> None:
    done = {"copy 2", "prompts added", "cut after 2 of 5 pairs", "cut after 2 of 5 pairs, inside the last answer"}
    done |= {"as_is by 1", "rotate_right by 3"}
    for path in GOLDEN.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            done |= set(json.loads(line).get("history", []))
    assert len(done) > 10
    assert [one for one in sorted(done) if in_words(one) is None] == []
    assert in_words("dreamt of") is None
    assert in_words("rotate_left by 2") == "the options of each question turned left by 2 places"


def test_records_are_shortened_to_read() -> None:
    record = {"id": 1, "regions": ["a", "b", "c"], "points": list(range(9)), "text": "x" * 310}
    assert shortened(narrowed(record, {"regions": [1, 7]})) == {
        "id": 1,
        "regions": ["b"],
        "points": [0, 1, 2, 3, 4, 5, "… 3 more"],
        "text": f"{'x' * 300}… 10 more characters",
    }
    assert as_json({"a": [1, 2]}, width=20) == '{"a": [1, 2]}'
    assert as_json({"a": {"b": "c"}, "d": "é"}, width=12) == '{\n  "a": {\n    "b": "c"\n  },\n  "d": "é"\n}'
