"""The conversations with the highest scores in a file; the whole recipe's are `select` with `top`."""

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from mix665k.builders.draw import Draw
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.builders.steps.sample import Share, rank_key
from mix665k.schemas.conversation import Conversation, values
from mix665k.schemas.errors import RawDataError, RecipeError, did_you_mean
from mix665k.schemas.files import UNREADABLE, fault, os_errors, regular_file

_KEYS = ("hash", "id")


@step()
def keep_top(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,
    *,
    scores: str,
    score: str = "score",
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None,
    fraction: Share | None = None,
    min_score: float | None = None,
) -> Iterator[Conversation]:
    """Keep the `count` conversations of the highest scores, a `fraction` of those scored, or scores from `min_score`.

    `scores` is a file below the raw folder, CSV or JSON lines, with the column `score` and one that joins: `hash`, of
    content and id as `mix export --format hashes` gives it for a mixture built by the steps before, or `id`, the raw id
    (an id of several conversations is an error). What has no score goes. Of equal scores those of the lower hash of
    their id are higher.
    """
    if sum(one is not None for one in (count, fraction, min_score)) != 1:
        raise RecipeError("give one of count, fraction and min_score")
    pool = list(conversations)
    if not pool:
        return
    table = read_scores(Path(scores), score=score)
    names = [record_hash(one) if table.key == "hash" else one.id for one in pool]
    found = {i: table.scores[name] for i, name in enumerate(names) if name in table.scores}
    if table.key == "id":
        _require_one_each([names[i] for i in found], Path(scores))
    draw = Draw(0, purpose="keep_top")
    ranked = sorted(found, key=lambda i: (-found[i], draw.rank(rank_key(pool[i]))))
    if min_score is not None:
        kept = {i for i in ranked if found[i] >= min_score}
    else:
        kept = set(ranked[: count if count is not None else int(round(len(ranked) * (fraction or 0), 9))])
    for i, one in enumerate(pool):
        if i in kept:
            yield one
        else:
            funnel.drop("score too low" if i in found else "no score", one.id, kind="chosen", pairs=len(one.pairs))


class Scores(NamedTuple):
    """The scores of a file by `hash` or `id`."""

    key: str
    scores: dict[str, float]


def read_scores(path: Path, *, score: str) -> Scores:
    """The scores in a CSV or JSON Lines file; an empty one, null and NaN are none.

    Raises:
        RawDataError: when it cannot be read, lacks a column, scores something twice or by what is no number.
    """
    with os_errors(RawDataError, path):
        content = regular_file(path).read_bytes()
    try:
        text = content.decode("utf-8-sig")
        lines: list[dict[str, Any]] = (
            [msgspec.json.decode(line, type=dict[str, Any]) for line in text.splitlines() if line.strip()]
            if text.lstrip()[:1] == "{"
            else list(csv.DictReader(io.StringIO(text, newline="")))
        )
    except (*UNREADABLE, csv.Error) as error:
        at, why = fault(error)
        raise RawDataError(f"{path}: {f'{at}: ' if at else ''}{why}; expected CSV or JSON lines with scores") from None
    columns = list(lines[0]) if lines else []
    key = next((name for name in _KEYS if name in columns), None)
    if key is None or score not in columns:
        lacking = f"{score!r}{did_you_mean(score, columns)}" if key else "`hash` or `id`"
        raise RawDataError(f"{path}: no column {lacking}, expected one that joins and one of scores")
    found: dict[str, float] = {}
    for number, row in enumerate(lines, 1):
        name, given = str(row.get(key)), row.get(score)
        if given in (None, ""):
            continue
        try:
            value = float(str(given))
        except ValueError:
            raise RawDataError(f"{path}: record {number}: score {given!r}, expected a number") from None
        if row.get(key) is None:
            raise RawDataError(f"{path}: record {number}: no {key!r}, expected one in each")
        if math.isnan(value):
            continue
        if found.setdefault(name, value) != value:
            raise RawDataError(f"{path}: record {number}: another score of {key} {name!r}, expected one")
    return Scores(key, found)


def record_hash(conversation: Conversation) -> str:
    """Of texts, image and id, as a mixture's `mixtures.select.content.record_hashes` gives it."""
    texts = [value.encode() for value in values(conversation)]
    digest = hashlib.blake2b(b"".join(len(text).to_bytes(8, "little") for text in texts), digest_size=16)
    for text in texts:
        digest.update(text)
    named = (digest.digest(), (conversation.image or "").encode(), conversation.id.encode())
    return hashlib.blake2b(b"\0".join(named), digest_size=8).hexdigest()


def _require_one_each(names: list[str], path: Path) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RawDataError(f"{path}: id {name!r} is of several conversations; score them by `hash`")
        seen.add(name)
