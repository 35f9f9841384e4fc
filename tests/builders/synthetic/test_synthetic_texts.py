"""What the made-up ShareGPT, LLaVA-Instruct and LCS-558K hold: every oddity of the real files."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from mix665k.builders.synthetic import write_raw

SCALE = 0.0005  # the smallest one that the commands promise to work with
Data = dict[str, Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    root = tmp_path_factory.mktemp("texts")
    write_raw(root, scale=SCALE, seed=0, only=["sharegpt", "llava_instruct", "lcs558k"])
    return {str(path.relative_to(root)): json.loads(path.read_bytes()) for path in root.rglob("*.json")}


def chats(data: Data) -> list[list[Data]]:
    found = data["sharegpt/ShareGPT_V3_unfiltered_cleaned_split.json"]
    return [record["conversations"] for record in found]


def instruct(data: Data) -> list[Any]:
    found: list[Any] = data["llava_instruct/llava_instruct_150k.json"]
    return found


def values(data: Data) -> list[str]:
    return [turn["value"] for chat in chats(data) for turn in chat]


def duplicates(items: list[Any]) -> int:
    return len(items) - len(set(items))


ODDITIES: dict[str, Callable[[Data], bool]] = {
    "sharegpt starts with gpt": lambda d: any(chat[0]["from"] == "gpt" for chat in chats(d)),
    "sharegpt one turn": lambda d: any(len(chat) == 1 for chat in chats(d)),
    "sharegpt 124 turns": lambda d: max(map(len, chats(d))) == 124,
    "sharegpt longest turn": lambda d: max(map(len, values(d))) >= 15_543,
    "sharegpt long first question": lambda d: any(len(chat[0]["value"]) >= 15_543 for chat in chats(d)),
    "sharegpt repeats a speaker": lambda d: any(
        one["from"] == other["from"] for chat in chats(d) for one, other in pairwise(chat)
    ),
    "sharegpt empty turn": lambda d: "" in values(d),
    "sharegpt names of speakers": lambda d: (
        {turn["from"] for chat in chats(d) for turn in chat}
        == {"human", "gpt", "system", "user", "chatgpt", "bard", "bing"}
    ),
    "sharegpt HTML": lambda d: any("<div" in value for value in values(d)),
    "sharegpt Chinese": lambda d: any("\u706f" in value for value in values(d)),
    "sharegpt zero-width space": lambda d: any("\u200b" in value for value in values(d)),
    "sharegpt <image> in code": lambda d: any("`<image>`" in value for value in values(d)),
    "sharegpt boilerplate": lambda d: any("OpenAI" in value for value in values(d)),
    "sharegpt too many requests": lambda d: any(value.startswith("Too many requests") for value in values(d)),
    "sharegpt repeats an id": lambda d: bool(
        duplicates([chat["id"] for chat in d["sharegpt/ShareGPT_V3_unfiltered_cleaned_split.json"]])
    ),
    "sharegpt repeats a first pair": lambda d: bool(
        duplicates([tuple(turn["value"] for turn in chat[:2]) for chat in chats(d)])
    ),
    "llava_instruct <image> first and last": lambda d: (
        {r["conversations"][0]["value"].startswith("<image>\n") for r in instruct(d)} == {True, False}
        and all(r["conversations"][0]["value"].count("<image>") == 1 for r in instruct(d))
    ),
    "llava_instruct uses an image again": lambda d: bool(duplicates([r["image"] for r in instruct(d)])),
    "llava_instruct several turns": lambda d: {len(r["conversations"]) for r in instruct(d)} > {2, 6},
    "lcs558k <image> last": lambda d: any(
        r["conversations"][0]["value"].endswith("\n<image>") for r in d["lcs558k/blip_laion_cc_sbu_558k.json"]
    ),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_oddity_of_texts_is_there(data: Data, oddity: str) -> None:
    assert ODDITIES[oddity](data)


def test_most_conversations_survive_cleaning(data: Data) -> None:
    sound = [
        chat
        for chat in chats(data)
        if len(chat) > 2 and "" not in (turn["value"] for turn in chat) and "system" not in chat[0]["from"]
    ]
    assert len(sound) > 1.5 * 40_688 * SCALE
