"""One source from its raw files through its steps, with what each of them counted."""

import pickle
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.bind import BoundSource, bind
from mix665k.builders.pipeline import Run
from mix665k.builders.registry import SOURCES
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.recipe import Block, Recipe, Step
from tests.builders.building import FIXTURES, build, flow, write_raw


def _bound(source: str, *steps: Step, raw: Path = FIXTURES) -> BoundSource:
    [bound] = bind(Recipe("test", [Block(source, steps=list(steps))], seed=7, tokenizer="tiny"), raw=raw)
    return bound


def _run(bound: BoundSource, progress: Callable[[int], None] = lambda _: None) -> Run:
    return Run(bound, on_bad_record="fail", progress=progress)


def test_the_funnel_has_a_step_for_reading_and_one_for_each_step() -> None:
    run = _run(_bound("gqa", "merge_by_image", {"add_prompt": {"text": "Be brief."}}))
    built = list(run.conversations)

    read, merged, prompted = run.funnel()
    assert [step.step for step in run.funnel()] == ["read", "merge_by_image", "add_prompt"]
    assert (read.conversations, read.pairs) == (flow(4, 4), flow(4, 4))
    assert (merged.conversations, merged.kinds) == (flow(4, 3, merged=-1), {"merged": "merged"})
    assert prompted.conversations == flow(3, 3)
    assert len(built) == 3


def test_nothing_is_read_before_the_first_conversation_is_asked_for(tmp_path: Path) -> None:
    run = _run(_bound("gqa", raw=tmp_path))

    assert run.funnel()[0].conversations == flow(0, 0)
    with pytest.raises(RawDataError, match="no such file"):
        next(run.conversations)


def test_a_run_that_is_ended_early_has_read_no_further() -> None:
    run = _run(_bound("gqa"))

    assert len(list(islice(run.conversations, 2))) == 2
    assert run.funnel()[0].conversations == flow(2, 2)


def test_one_more_step_can_count_at_the_end() -> None:
    run = _run(_bound("gqa"))
    last = run.add("check")
    assert len(list(last.leaving(last.entering(run.conversations)))) == 4

    assert [step.step for step in run.funnel()] == ["read", "check"]
    assert run.funnel()[1].pairs == flow(4, 4)


def test_progress_hears_the_bytes_of_the_raw_file() -> None:
    heard: list[int] = []
    list(_run(_bound("gqa"), progress=heard.append).conversations)

    size = (FIXTURES / SOURCES["gqa"].about.files[0].path).stat().st_size
    assert 0 < sum(heard) <= size


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_bound_source_crosses_to_another_process(source: str) -> None:
    bound = _bound(source, {"sample": {"count": 2, "surviving": ["merge_by_image"]}})
    again: BoundSource = pickle.loads(pickle.dumps(bound))

    assert again.source is SOURCES[source]
    assert list(_run(again).conversations) == list(_run(bound).conversations)


REFS: dict[str, Any] = {"ref_id": 1, "ann_id": 9, "image_id": 7, "split": "train", "file_name": "x.jpg"}


def _spoken(**change: Any) -> dict[str, Any]:
    return {"sent_id": 3, "sent": "red", "raw": "RED", "tokens": ["red"], "sent_id_": 0} | change


def test_an_image_whose_sentences_are_all_unusable_is_dropped_with_all_its_refs(tmp_path: Path) -> None:
    refs = [
        {**REFS, "ref_id": 1, "sentences": [_spoken(sent=" ")]},
        {**REFS, "ref_id": 2, "sentences": []},
        {**REFS, "ref_id": 3, "image_id": 8, "ann_id": 10, "sentences": [_spoken(sent_id=4)]},
    ]
    instances = {
        "annotations": [{"id": i, "image_id": k, "bbox": [0, 0, 9, 9]} for i, k in ((9, 7), (10, 8))],
        "images": [{"id": k, "width": 50, "height": 50} for k in (7, 8)],
    }
    contents = {"refcoco/refs": pickle.dumps(refs, protocol=2), "refcoco/annotations": instances}
    raw = write_raw(tmp_path, "refcoco", **contents)
    files = {file.role: file.path for file in SOURCES["refcoco"].about.files if file.role.startswith("refcoco/")}

    result = build("refcoco", raw=raw, files=files)

    assert [conversation.id for conversation in result.conversations] == ["000000000008"]
    read = result.funnel[0]
    assert read.conversations == flow(3, 1, no_usable_sentence=-2)
    assert read.pairs == flow(2, 1, empty_sentence=-1)
    assert read.examples["no usable sentence"] == ["000000000007"]


BAD_IMAGE = {"image_id": 1, "url": "https://x.invalid/VG_100K_9/1.jpg", "width": 50, "height": 50}
REGION = {"region_id": 1, "x": 0, "y": 0, "width": 9, "height": 9, "phrase": "a mill"}
BOOK = {"imageURL": "https://x.invalid/1.jpg", "questions": ["Who?", "What?"], "answers": ["Odo"], "split": 1}


@pytest.mark.parametrize(
    ("source", "contents", "pairs"),
    [
        ("vg", {"regions": [{"id": 1, "regions": [REGION, REGION, REGION]}], "images": [BAD_IMAGE]}, 3),
        ("ocrvqa", {"books": {"x": BOOK}}, 2),
        ("llava_json", {"records": [{"id": 1, "conversations": [{"from": "gpt", "value": "A"}] * 5}]}, 2),
        ("gqa", {"questions": {"x": {"question": "Dry?", "imageId": 7, "answer": "yes"}}}, 1),
    ],
)
def test_a_bad_record_takes_all_the_pairs_that_entered_with_it(
    tmp_path: Path, source: str, contents: dict[str, Any], pairs: int
) -> None:
    [role] = [file.role for file in SOURCES[source].about.files if file.role in contents][:1]
    read = build(source, raw=write_raw(tmp_path, source, **contents), on_bad_record="drop").funnel[0]

    assert read.conversations == flow(1, 0, **{f"bad_record_in_{role}": -1})
    assert read.pairs == flow(pairs, 0, **{f"bad_record_in_{role}": -pairs})
    assert read.kinds == {f"bad record in {role}": "lost"}


@pytest.mark.parametrize("source", ["vqav2", "okvqa"])
def test_bad_records_of_a_file_to_join_with_are_noted_and_do_not_enter(tmp_path: Path, source: str) -> None:
    question = {"image_id": 7, "question": "Dry?", "question_id": 70}
    contents = {"questions": {"questions": [question]}, "annotations": {"annotations": [{"question_id": 70}]}}
    read = build(source, raw=write_raw(tmp_path, source, **contents), on_bad_record="drop").funnel[0]

    assert read.conversations == flow(1, 0, bad_record_in_questions=-1)
    assert read.noted == {"bad record in annotations": 1, "bad record in questions": 1}
