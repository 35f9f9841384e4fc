"""Records in LLaVA's own form as people write it: read where the meaning is plain, else told what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import RawDataError
from tests.builders.building import build, write_raw

HUMAN, GPT = {"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A plate."}
RECORD: dict[str, Any] = {"id": "1", "image": "a.jpg", "conversations": [HUMAN, GPT]}
TEXT = {"id": "1", "conversations": [{"from": "human", "value": "Hi"}, GPT]}


def read(folder: Path, *records: Any, on_bad_record: Any = "fail") -> Any:
    """What the source `llava_json` makes of these records."""
    return build("llava_json", raw=write_raw(folder, "llava_json", records=list(records)), on_bad_record=on_bad_record)


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        ({}, ()),
        (
            {
                "conversations": [
                    {"from": "user", "value": "<image>\nWhat?"},
                    {"from": "assistant", "value": "A plate."},
                ]
            },
            ("user and assistant read as human and gpt",),
        ),
        (
            {
                "conversations": [
                    {"role": "user", "content": "<image>\nWhat?"},
                    {"role": "assistant", "content": "A plate."},
                ]
            },
            ("user and assistant read as human and gpt",),
        ),
        ({"conversations": [GPT, HUMAN, GPT]}, ("leading gpt turn left out",)),
        ({"id": 1.0}, ("fractional id read as a whole number",)),
        ({"image": ["a.jpg"]}, ("list of one image read as the image",)),
    ],
)
def test_a_record_whose_meaning_is_plain_is_read_and_says_what_was_done(
    tmp_path: Path, changes: dict[str, Any], done: tuple[str, ...]
) -> None:
    found = read(tmp_path, RECORD | changes)
    [one] = found.conversations
    assert (one.id, one.image) == ("1", "a.jpg")
    assert [(pair.question, pair.answer) for pair in one.pairs] == [("<image>\nWhat?", "A plate.")]
    assert one.history == done
    assert found.funnel[0].noted == dict.fromkeys(done, 1)


def test_messages_are_read_as_conversations_and_a_missing_id_is_made(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    [first, second] = read(tmp_path, TEXT, {"messages": messages, "id": None}).conversations
    assert (first.id, second.id) == ("1", "1")
    assert second.history == (
        "messages read as conversations",
        "user and assistant read as human and gpt",
        "id made from its place",
    )


def test_what_messages_exports_hold_is_read_back(tmp_path: Path) -> None:
    messages = [{"role": "User", "content": "<image>Hi"}, {"role": "ASSISTANT", "content": "Hello."}]
    found = read(tmp_path, {"id": "own/1#0", "images": ["a.jpg"], "messages": messages})
    [one] = found.conversations
    assert (one.id, one.image, one.pairs[0].question) == ("own/1#0", "a.jpg", "<image>Hi")
    assert one.history[0] == "images read as image"
    assert not any("not kept" in what for what in found.funnel[0].noted)
    with pytest.raises(RawDataError, match="image: 2 images, expected one per record"):
        read(tmp_path, {"images": ["a.jpg", "b.jpg"], "messages": messages})


@pytest.mark.parametrize("image", ["", [], None])
def test_an_empty_image_is_none(tmp_path: Path, image: Any) -> None:
    found = read(tmp_path, TEXT | {"image": image})
    [one] = found.conversations
    done = () if image is None else ("empty image read as none",)
    assert (one.image, one.history) == (None, done)
    assert found.funnel[0].noted == dict.fromkeys(done, 1)


def test_a_token_that_the_text_lacks_is_put_in_front_and_counted(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT | {"image": "a.jpg"}, RECORD)
    assert [one.history for one in found.conversations] == [("<image> put in front",), ()]
    assert found.funnel[0].noted == {"<image> put in front": 1}


def test_fields_that_nothing_keeps_are_counted_by_name(tmp_path: Path) -> None:
    weighted = [HUMAN, GPT | {"weight": 0}, HUMAN | {"value": "More?"}, GPT | {"weight": 1}]
    found = read(
        tmp_path,
        RECORD | {"system": "Be brief."},
        TEXT | {"video": "a.mp4", "system": "x"},
        RECORD | {"conversations": weighted},
    )
    assert found.funnel[0].noted == {
        "field `system` is not kept": 2,
        "field `video` is not kept": 1,
        "field `conversations[].weight` is not kept": 1,
    }
    assert len(found.conversations) == 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"image": ["a.jpg", "b.jpg"]}, "image: 2 images, expected one per record"),
        ({"image": 7}, "image: expected a path or null, got a number"),
        ({"image": {"bytes": "x"}}, "image: expected a path or null, got an object"),
        ({"id": [1]}, "id: expected text or a whole number, got a list"),
        ({"id": 1.5}, "id: expected text or a whole number, got a number"),
        ({"conversations": "Hi"}, "conversations: expected a list of turns, got text"),
        ({"conversations": ["Hi"]}, r"conversations\[0\]: expected an object with from and value, got text"),
        (
            {"conversations": [{"from": "system", "value": "x"}, HUMAN, GPT]},
            r"conversations\[0\]: a system turn, which a mixture cannot hold; expected human and gpt in turn",
        ),
        (
            {"conversations": [HUMAN, {"from": "tool", "value": "x"}]},
            r"conversations\[1\]: turn by 'tool', expected human or gpt \(user or assistant\)",
        ),
        ({"conversations": [{"from": "human", "value": None}, GPT]}, r"value: expected text, got nothing"),
        ({"conversations": [HUMAN, GPT, HUMAN]}, "turns by human, gpt, human, expected human and gpt in turn"),
    ],
)
def test_a_record_whose_meaning_is_not_plain_says_what_was_expected(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(RawDataError, match=rf"llava\.json: \$\[0\].*{why}"):
        read(tmp_path, RECORD | changes)
    dropped = read(tmp_path, RECORD | changes, TEXT, on_bad_record="drop")
    assert len(dropped.conversations) == 1


def test_json_lines_of_one_record_are_read_and_another_object_is_not(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(f"{json.dumps(RECORD)}\n")
    assert len(build("llava_json", raw=tmp_path, files={"records": "own.json"}).conversations) == 1
    (tmp_path / "own.json").write_text(json.dumps({"data": [RECORD]}))
    with pytest.raises(RawDataError, match=r"\$: expected array, got object; is this the expected file\?"):
        build("llava_json", raw=tmp_path, files={"records": "own.json"})
