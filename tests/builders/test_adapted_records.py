"""Records in LLaVA's own form as people write it: read where the meaning is plain, else told what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.conversation import values
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
    with pytest.raises(RawDataError, match="1 <image> in the human turns, expected 2"):
        read(tmp_path, {"images": ["a.jpg", "b.jpg"], "messages": messages})


def test_several_images_and_a_system_turn_are_kept_in_reading_order(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "<image>Or <image>?"}, {"role": "assistant", "content": "This."}]
    more = [{"role": "user", "content": "And <image>?"}, {"role": "assistant", "content": "No."}]
    messages = [{"role": "system", "content": "Be brief."}, *asked, *more]
    [one] = read(tmp_path, {"images": ["b.jpg", "a.jpg", "b.jpg"], "messages": messages}).conversations
    assert (one.images, one.system) == (["b.jpg", "a.jpg", "b.jpg"], "Be brief.")
    assert list(values(one)) == ["<image>Or <image>?", "This.", "And <image>?", "No."]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_tokens_that_are_not_as_many_as_images_say_how_many_there_are(tmp_path: Path, count: int) -> None:
    turns = [HUMAN | {"value": "<image>" * count + "Same?"}, GPT]
    with pytest.raises(RawDataError, match=f"{count} <image> in the human turns, expected 2"):
        read(tmp_path, {"id": 1, "image": ["a.jpg", "b.jpg"], "conversations": turns})


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
        "field `video` is not kept": 1,
        "field `conversations[].weight` is not kept": 1,
    }
    assert [one.system for one in found.conversations] == ["Be brief.", "x", None]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"image": ["a.jpg", ""]}, "image: an empty path among 2, expected none"),
        ({"image": 7}, "image: expected a path or null, got a number"),
        ({"image": {"bytes": "x"}}, "image: expected a path or null, got an object"),
        ({"id": [1]}, "id: expected text or a whole number, got a list"),
        ({"id": 1.5}, "id: expected text or a whole number, got a number"),
        ({"conversations": "Hi"}, "conversations: expected a list of turns, got text"),
        ({"conversations": ["Hi"]}, r"conversations\[0\]: expected an object with from and value, got text"),
        (
            {"conversations": [HUMAN, {"from": "system", "value": "x"}, GPT]},
            r"conversations\[1\]: a system turn, expected one at most, before all others",
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
