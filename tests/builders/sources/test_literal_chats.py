"""What one literal conversation becomes: of ShareGPT, and of files in LLaVA's own form."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.builders.building import build, only, read, write_raw


def chat(*turns: tuple[str, str], identifier: str = "abc_0") -> dict[str, Any]:
    return {"id": identifier, "conversations": [{"from": role, "value": value} for role, value in turns]}


HI = (("human", "hi"), ("gpt", "hello"))


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ((("human", "hi"),), "fewer than two turns"),
        ((("gpt", "hello"), ("human", "hi")), "fewer than two turns"),
        ((*HI, ("gpt", "again")), "speakers do not take turns"),
        ((("human", "hi"), ("system", "be kind"), ("gpt", "hello")), "speakers do not take turns"),
        ((("human", "hi"), ("gpt", " \u200b")), "empty turn"),
        ((("human", "see <image>"), ("gpt", "a mill")), "holds the image placeholder"),
    ],
)
def test_sharegpt_drops_a_conversation_that_cannot_be_learned(
    tmp_path: Path, turns: Sequence[tuple[str, str]], reason: str
) -> None:
    raw = write_raw(tmp_path, "sharegpt", conversations=[chat(*turns), chat(*HI, identifier="ok_0")])
    result = build("sharegpt", raw=raw)
    assert only(result).id == "ok_0"
    assert read(result) == {reason: 1}
    assert result.funnel[0].examples == {reason: ["abc_0"]}


@pytest.mark.parametrize(
    ("human", "gpt"),
    [("human", "gpt"), ("user", "chatgpt"), ("user", "bing"), ("human", "bard"), ("user", "assistant")],
)
def test_sharegpt_knows_the_speakers_by_all_their_names(tmp_path: Path, human: str, gpt: str) -> None:
    raw = write_raw(tmp_path, "sharegpt", conversations=[chat((human, "hi"), (gpt, "hello"))])
    made = only(build("sharegpt", raw=raw))
    assert (made.image, [(pair.question, pair.answer) for pair in made.pairs]) == (None, [("hi", "hello")])


def test_sharegpt_cuts_turns_at_the_ends_and_numbers_pairs_after_the_cut(tmp_path: Path) -> None:
    turns = (("system", "be kind"), ("gpt", "welcome"), *HI, ("human", "more"), ("gpt", "sure"), ("human", "bye"))
    conversations = [chat(*turns), chat(("human", "yo"), ("gpt", "hey"), identifier="b_0") | {"system": "Be kind."}]
    result = build("sharegpt", raw=write_raw(tmp_path, "sharegpt", conversations=conversations))
    made = result.conversations[0]
    assert [(pair.question, pair.origin) for pair in made.pairs] == [("hi", "abc_0/0"), ("more", "abc_0/1")]
    assert made.history == ("3 turns cut at the ends",)
    assert result.funnel[0].noted == {"turns cut at the ends": 1, "system text is not kept": 2}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (chat(("human", "yo"), ("gpt", "hey")), "duplicate id"),
        (chat(*HI, ("human", "x"), ("gpt", "y"), identifier="other_0"), "duplicate first pair"),
    ],
)
@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_sharegpt_drops_duplicates_by_id_and_by_first_pair(
    tmp_path: Path, second: dict[str, Any], reason: str, duplicates: str
) -> None:
    raw = write_raw(tmp_path, "sharegpt", conversations=[chat(*HI), second])
    result = build("sharegpt", raw=raw, params={"duplicates": duplicates})
    assert len(result.conversations) == (1 if duplicates == "drop" else 2)
    assert read(result) == ({reason: 1} if duplicates == "drop" else {})
    assert {one.several for one in result.conversations} == {duplicates == "keep"}


@pytest.mark.parametrize(
    ("html", "value", "expected"),
    [
        ("keep", "<b>mill</b>", "<b>mill</b>"),
        ("to_text", "<b>mill</b>", "**mill**"),
        ("to_text", "```\n<b>mill</b>\n```", "```\n<b>mill</b>\n```"),
        ("to_text", "a_b * c < d", "a_b * c < d"),
    ],
)
def test_sharegpt_turns_html_into_text_outside_of_code(tmp_path: Path, html: str, value: str, expected: str) -> None:
    raw = write_raw(tmp_path, "sharegpt", conversations=[chat(("human", "show"), ("gpt", value))])
    assert only(build("sharegpt", raw=raw, params={"html": html})).pairs[0].answer == expected


def llava(*turns: str, image: str | None = "a.jpg", identifier: object = "9") -> dict[str, Any]:
    said = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(turns)]
    return {"id": identifier, **({} if image is None else {"image": image}), "conversations": said}


@pytest.mark.parametrize(
    ("source", "image", "record"),
    [("llava_instruct", "coco/train2017/a.jpg", "9#0"), ("lcs558k", "a.jpg", "9"), ("llava_json", "a.jpg", "9#0")],
)
def test_records_of_llavas_form_are_kept_as_they_are(tmp_path: Path, source: str, image: str, record: str) -> None:
    raw = write_raw(tmp_path, source, records=[llava("What is it?\n<image>", "A mill.", "Old?", "Yes.")])
    made = only(build(source, raw=raw))
    assert (made.id, made.image) == ("9", image)
    assert [(pair.question, pair.answer, pair.origin) for pair in made.pairs] == [
        ("What is it?\n<image>", "A mill.", f"{record}/0"),
        ("Old?", "Yes.", f"{record}/1"),
    ]


@pytest.mark.parametrize(("folder", "image"), [("", "a.jpg"), ("mine/photos", "mine/photos/a.jpg")])
def test_an_image_folder_is_put_before_the_name(tmp_path: Path, folder: str, image: str) -> None:
    raw = write_raw(tmp_path, "llava_json", records=[llava("<image>\nQ?", "A."), llava("Q?", "B.", image=None)])
    result = build("llava_json", raw=raw, params={"image_folder": folder})
    assert [one.image for one in result.conversations] == [image, None]


def test_an_integer_id_is_its_text(tmp_path: Path) -> None:
    raw = write_raw(tmp_path, "llava_json", records=[llava("<image>\nQ?", "A.", identifier=77)])
    assert only(build("llava_json", raw=raw)).id == "77"
