"""ShareGPT: conversations with a text-only assistant that people shared, about 94,000 of them."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Literal

import msgspec

from mix665k.builders.funnel import Dropped
from mix665k.builders.licences import Licence, Paper
from mix665k.builders.published import ARITHMETIC, MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import (
    About,
    DecodedRecord,
    Download,
    Lookup,
    RawFile,
    by_numbered_origin,
    number_of,
    source,
)
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation, Pair


class Said(msgspec.Struct, gc=False):
    """`{"from": "human", "value": "…"}`."""

    role: str = msgspec.field(name="from")
    value: str


class Shared(msgspec.Struct, gc=False):
    """`{"id": "wgByO4Y_0", "conversations": [turns]}`."""

    id: str
    conversations: list[Said]
    system: str | None = None


ABOUT = About(
    title="ShareGPT Vicuna unfiltered, V3, cleaned and split",
    files=(
        RawFile(
            role="conversations",
            path="sharegpt/ShareGPT_V3_unfiltered_cleaned_split.json",
            form=Shared,
            download=Download(  # size and hash as the hub shows them
                name="ShareGPT_V3_unfiltered_cleaned_split.json",
                hub="anon8231489123/ShareGPT_Vicuna_unfiltered",
                num_bytes=672_837_942,
                sha256="35f0e213ce091ed9b9af2a1f0755e9d39f9ccec34ab281cd4ca60d70f6479ba4",
            ),
            num_bytes=673_000_000,
            pairs=lambda shared: _num_pairs(shared.conversations),
        ),
    ),
    licence=Licence(
        name="unclear",
        commercial="unclear",
        because="conversations that people shared; no licence was stated for them",
    ),
    counts="about 94,000 conversations",
    papers=(
        Paper(
            key="chiang2023vicuna",
            authors="Chiang, Wei-Lin and Li, Zhuohan and Lin, Zi and Sheng, Ying and Wu, Zhanghao and Zhang, Hao and "
            "Zheng, Lianmin and Zhuang, Siyuan and Zhuang, Yonghao and Gonzalez, Joseph E. and "
            "Stoica, Ion and Xing, Eric P.",
            title=r"Vicuna: An Open-Source Chatbot Impressing GPT-4 with 90\%* ChatGPT Quality",
            venue="LMSYS Org, blog",
            year=2023,
            kind="misc",
        ),
    ),
    languages=("en", "multilingual"),
    personal_data="conversations that people had with a chatbot and shared: they may hold names, addresses "
    "and opinions of those who wrote them and of others; nothing was taken out for that",
    published=Published(
        file=MIX665K, num_records=40_688, place=10, figures={"distinct ids": Figure(40_688, ARITHMETIC)}
    ),
)

_HUMAN = {"human", "user"}
_GPT = {"gpt", "chatgpt", "bard", "bing", "assistant"}
_INVISIBLE = " \t\n\r\f\v\u00a0\u200b\u200c\u200d\u2060\ufeff"
_BOILERPLATE = (
    "Too many requests in 1 hour",
    "as an AI language model developed by OpenAI",
    "as an AI language model trained by OpenAI",
    "I am ChatGPT",
    "I'm ChatGPT",
    "I am an AI language model developed by OpenAI",
    "I'm an AI language model developed by OpenAI",
)
"""What the replies that Vicuna's cleaning dropped say; its exact list is not known."""
_FENCE = re.compile(r"(```.*?(?:```|\Z))", re.DOTALL)


def _by_id(entries: Iterable[DecodedRecord]) -> Iterator[tuple[str, DecodedRecord]]:
    """Without those that cannot be used, as an id may repeat."""
    return ((entry.record.id, entry) for entry in entries if _fault(_trimmed(entry.record.conversations)) is None)


def _place(origin: str, shared: Shared) -> dict[str, list[int]]:
    first = _span(shared.conversations)[0] + 2 * number_of(origin)
    return {"conversations": [first, first + 1]}


@source(
    ABOUT, lookups=(Lookup(role="conversations", key=by_numbered_origin, names=_by_id, id_name="id", items=_place),)
)
def sharegpt(
    raw: RawFiles,
    *,
    boilerplate: Literal["drop", "keep"] = "drop",
    duplicates: Literal["drop", "keep"] = "drop",
    html: Literal["keep", "to_text"] = "keep",
) -> Iterator[Conversation | Dropped]:
    """Conversations filtered as Vicuna's were, as far as that is known; every language is kept.

    Leading turns that are not a human's and trailing ones that are not an answer are cut. Dropped are conversations of
    fewer than two turns, with an empty turn, whose speakers do not take turns, with a boilerplate reply, which hold the
    image placeholder (a trainer would look for a picture), and duplicates by id or by first pair. `to_text` turns HTML
    into Markdown and leaves code blocks alone; the published dump is Markdown already.
    """
    ids: set[str] = set()
    firsts: set[tuple[str, str]] = set()
    for _, shared in raw.entering("conversations"):
        turns = shared.conversations
        kept = _trimmed(turns)
        if html == "to_text":
            kept = [Said(turn.role, _text(turn.value)) for turn in kept]
        reason = _fault(kept)
        if reason is None and boilerplate == "drop" and _is_boilerplate(kept):
            reason = "boilerplate reply"
        first = (kept[0].value, kept[1].value) if len(kept) > 1 else ("", "")
        if reason is None and duplicates == "drop":
            reason = "duplicate id" if shared.id in ids else "duplicate first pair" if first in firsts else None
        if reason is not None:
            yield Dropped(reason, shared.id, pairs=_num_pairs(turns))
            continue
        ids.add(shared.id)
        firsts.add(first)
        done = (f"{len(turns) - len(kept)} turns cut at the ends",) if len(kept) < len(turns) else ()
        if done:
            raw.note("turns cut at the ends", shared.id)
        if shared.system or any(turn.role == "system" for turn in turns):
            raw.note("system text is not kept", shared.id)
        pairs = _pairs(shared.id, kept)
        yield Conversation(id=shared.id, image=None, pairs=pairs, several=duplicates == "keep", history=done)


def _num_pairs(turns: list[Said]) -> int:
    """How often a human is answered."""
    return sum(a.role in _HUMAN and b.role in _GPT for a, b in pairwise(turns))


def _trimmed(turns: list[Said]) -> list[Said]:
    start, stop = _span(turns)
    return turns[start:stop]


def _span(turns: list[Said]) -> tuple[int, int]:
    """Where the first question and the last answer stand."""
    start, stop = 0, len(turns)
    while start < stop and turns[start].role not in _HUMAN:
        start += 1
    while stop > start and turns[stop - 1].role not in _GPT:
        stop -= 1
    return start, stop


def _fault(turns: list[Said]) -> str | None:
    """Why a trimmed conversation cannot be used, or None."""
    if len(turns) < 2:
        return "fewer than two turns"
    if any(turn.role not in (_GPT if i % 2 else _HUMAN) for i, turn in enumerate(turns)):
        return "speakers do not take turns"
    if any(not turn.value.strip(_INVISIBLE) for turn in turns):
        return "empty turn"
    if any(IMAGE_TOKEN in turn.value for turn in turns):
        return "holds the image placeholder"
    return None


def _is_boilerplate(turns: list[Said]) -> bool:
    return any(phrase in turn.value for turn in turns[1::2] for phrase in _BOILERPLATE)


def _pairs(identifier: str, turns: list[Said]) -> list[Pair]:
    couples = zip(turns[::2], turns[1::2], strict=True)
    return [Pair(human.value, gpt.value, f"{identifier}/{i}") for i, (human, gpt) in enumerate(couples)]


def _text(value: str) -> str:
    """HTML as Markdown, code between fences as it is, and the white space that keeps it apart."""
    from markdownify import markdownify

    parts = _FENCE.split(value)
    for i in range(0, len(parts), 2):
        if "<" in parts[i]:
            inner = parts[i].strip()
            before, after = parts[i].split(inner, 1)
            text = markdownify(inner, escape_asterisks=False, escape_underscores=False, escape_misc=False)
            parts[i] = f"{before}{text.strip()}{after}"
    return "".join(parts)
