"""The first differences of each source, with the texts that differ: a few records are read again for it."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl

from mix665k.builders.decode import read_again
from mix665k.builders.llava_records import LlavaRecord, answered, llava_file
from mix665k.mixtures.diff.comparison import Change, Example, Outcome
from mix665k.mixtures.diff.differences import ORDER
from mix665k.mixtures.diff.digests import DigestedMixture
from mix665k.mixtures.diff.prompts import TOKEN_PLACES, take_apart
from mix665k.mixtures.storage.parquet import read_shard, to_dicts
from mix665k.schemas.conversation import in_order
from mix665k.schemas.manifest import Manifest

_CHARS = 120
"""Longest text of an example; of longer ones the part around the first difference is shown."""
_BEFORE = 40


T = TypeVar("T")


class Found(NamedTuple):
    """A record to show: what became of it, its rows, and what differs."""

    source: str
    outcome: Outcome
    a: int | None
    b: int | None
    differs: tuple[str, ...] = ()


class _Parts(NamedTuple):
    """A record's questions taken apart."""

    pairs: list[tuple[str, str]]
    prompt: str
    token: str


class Text(NamedTuple):
    """A record as LLaVA's own form has it; `where` is its unique id in a mixture, its JSON path in a file."""

    where: str
    id: str | int
    images: list[str]
    system: str | None
    turns: list[str]
    origins: list[str]
    steps: list[str]


def read_texts(contents: DigestedMixture, rows: Collection[int]) -> dict[int, Text]:
    """The records of these rows, by row."""
    if not rows:
        return {}
    path = Path(contents.side.path)
    at = dict(zip(rows, contents.records["at"].gather(list(rows)), strict=True))
    if contents.manifest is None:
        records = read_again(llava_file(path.name), path, set(at.values()))
        return {row: _of_file(records[place], place) for row, place in at.items()}
    found = _rows_of(path, contents.manifest, set(at.values()))
    integer = contents.records["integer"]
    return {row: _of_mixture(found[place], integer=integer[row]) for row, place in at.items()}


def _rows_of(folder: Path, manifest: Manifest, numbers: set[int]) -> dict[int, dict[str, Any]]:
    """Rows of a mixture by their number in it."""
    found: dict[int, dict[str, Any]] = {}
    begin = 0
    for shard in (shard for entry in manifest.sources for shard in entry.shards):
        wanted = {number for number in numbers if begin <= number < begin + shard.rows}
        end = begin
        for batch in read_shard(folder / shard.path) if wanted else ():
            inside = [number for number in wanted if end <= number < end + len(batch)]
            found |= {number: to_dicts(batch.slice(number - end, 1))[0] for number in inside}
            end += len(batch)
            if not wanted - found.keys():
                break
        begin += shard.rows
    return found


def _of_file(record: LlavaRecord, place: int) -> Text:
    return Text(
        f"$[{place}]",
        id=record.id,
        images=record.images,
        system=record.system,
        turns=[turn.value for turn in answered(record)],
        origins=[],
        steps=[],
    )


def _of_mixture(row: dict[str, Any], *, integer: bool) -> Text:
    identifier = row["reference_id"]
    turns = [turn["value"] for turn in row["conversations"]]
    return Text(
        row["id"],
        id=int(identifier) if integer else identifier,
        images=in_order(row["image"], row.get("more_images")),
        system=row["system"],
        turns=turns,
        origins=row["origins"],
        steps=row["steps"],
    )


def show(
    found: Sequence[Found], a: DigestedMixture, b: DigestedMixture, *, prompts: Sequence[str]
) -> dict[str, list[Example]]:
    """The examples of each source; the records are read again for it."""
    ours = read_texts(a, [one.a for one in found if one.a is not None])
    theirs = read_texts(b, [one.b for one in found if one.b is not None])
    examples: dict[str, list[Example]] = {}
    for one in found:
        sides = [texts[row] if row is not None else None for texts, row in ((ours, one.a), (theirs, one.b))]
        keyed = a.manifest is not None and b.manifest is not None
        examples.setdefault(one.source, []).append(_example(one, *sides, prompts=prompts, keyed=keyed))
    return examples


def _example(found: Found, a: Text | None, b: Text | None, *, prompts: Sequence[str], keyed: bool) -> Example:
    either = a or b
    assert either is not None, found
    example = Example(found.outcome, id=str(either.id), a=a and a.where, b=b and b.where)
    if a and b:
        parts = _taken_apart(a, b, prompts)
        values = [_values(text, one, keyed=keyed) for text, one in zip((a, b), parts, strict=True)]
        example.changes = [_change(what, parts, values) for what in found.differs]
    else:
        example.text = excerpt(" / ".join(either.turns[:2]))
    return example


def _taken_apart(a: Text, b: Text, prompts: Sequence[str]) -> tuple[_Parts, _Parts]:
    """Both records in parts; what is left behind the other's first question is a prompt that is not known."""
    ours, theirs = (_parts(text, prompts) for text in (a, b))
    (our_first, _), (their_first, _) = ours.pairs[0], theirs.pairs[0]
    if not ours.prompt and our_first.startswith(f"{their_first}\n"):
        ours = _with_prompt(ours, their_first)
    elif not theirs.prompt and their_first.startswith(f"{our_first}\n"):
        theirs = _with_prompt(theirs, our_first)
    return ours, theirs


def _with_prompt(parts: _Parts, question: str) -> _Parts:
    first, answer = parts.pairs[0]
    return _Parts([(question, answer), *parts.pairs[1:]], first[len(question) + 1 :], parts.token)


def _parts(text: Text, prompts: Sequence[str]) -> _Parts:
    frame = take_apart(pl.Series(text.turns[::2]), prompts)
    pairs = list(zip(frame["bare"], text.turns[1::2], strict=True))
    places: dict[int, list[str]] = {}
    for place, number in enumerate(frame["prompt"], start=1):
        places.setdefault(number, []).append(str(place))
    shown = [
        prompts[number - 1] if found == ["1"] else f"{prompts[number - 1]} (questions {', '.join(found)})"
        for number, found in places.items()
        if number
    ]
    return _Parts(pairs, " | ".join(shown), TOKEN_PLACES[frame["token"][0]])


def _values(text: Text, parts: _Parts, *, keyed: bool) -> dict[str, str | list[str]]:
    """What one side has for each field that is one text, or a list of which the first difference is shown."""
    return {
        "id": text.where if keyed else str(text.id),
        "reference id": str(text.id),
        "id type": "integer" if isinstance(text.id, int) else "string",
        "image": ", ".join(text.images) or "none",
        "system": text.system or "none",
        "image token": parts.token,
        "prompt": parts.prompt or "none",
        "number of pairs": str(len(parts.pairs)),
        ORDER: [question for question, _ in parts.pairs],
        "origins": text.origins,
        "steps": text.steps,
    }


def _change(what: str, parts: tuple[_Parts, _Parts], values: Sequence[dict[str, str | list[str]]]) -> Change:
    if what in ("questions", "answers"):
        ours, theirs = _without(parts[0].pairs, parts[1].pairs), _without(parts[1].pairs, parts[0].pairs)
        return (_questions if what == "questions" else _answers)(ours, theirs)
    a, b = values[0][what], values[1][what]
    if isinstance(a, str) and isinstance(b, str):
        return Change(what, *excerpts(a, b))
    both = enumerate(zip_longest(a, b, fillvalue="none"), start=1)
    number, first = next((number, texts) for number, texts in both if texts[0] != texts[1])
    return Change(what, *excerpts(*first), about=f"number {number}")


def _questions(ours: list[tuple[str, str]], theirs: list[tuple[str, str]]) -> Change:
    """The first question of each side that the other has not."""
    asked = [[question for question, _ in pairs] for pairs in (ours, theirs)]
    return Change("questions", *excerpts(_without(asked[0], asked[1])[0], _without(asked[1], asked[0])[0]))


def _answers(ours: list[tuple[str, str]], theirs: list[tuple[str, str]]) -> Change:
    """The first question that both sides answer, but not alike, or else the first answers that one side has."""
    answers = dict(reversed(theirs))
    for question, answer in ours:
        if question in answers:
            return Change("answers", *excerpts(answer, answers[question]), about=excerpt(question))
    given = [[answer for _, answer in pairs] for pairs in (ours, theirs)]
    return Change("answers", *excerpts(_without(given[0], given[1])[0], _without(given[1], given[0])[0]))


def _without(ours: Sequence[T], theirs: Sequence[T]) -> list[T]:
    """What one side has more of, in its order."""
    others, more = Counter(theirs), []
    for one in ours:
        if others[one]:
            others[one] -= 1
        else:
            more.append(one)
    return more


def excerpts(a: str, b: str) -> tuple[str, str]:
    """Two texts from a little before their first difference."""
    pairs = enumerate(zip(a, b, strict=False))
    start = next((i for i, (ours, theirs) in pairs if ours != theirs), min(len(a), len(b))) - _BEFORE
    if max(len(a), len(b)) <= _CHARS or start <= 0:
        return excerpt(a), excerpt(b)
    return f"…{excerpt(a[start:])}", f"…{excerpt(b[start:])}"


def excerpt(text: str) -> str:
    """The beginning of a text."""
    return text if len(text) <= _CHARS else f"{text[:_CHARS]}…"
