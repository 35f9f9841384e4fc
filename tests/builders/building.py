"""What the tests of builders share: building a source from raw files, running a step, writing raw files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from mix665k.builders.bind import BoundStep, Steps, bind
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.pipeline import Run
from mix665k.builders.raw import OnBadRecord
from mix665k.builders.registry import SOURCES, STEPS
from mix665k.schemas.conversation import Conversation, Pair, values
from mix665k.schemas.manifest import Flow, FunnelStep
from mix665k.schemas.recipe import Block, Recipe, Step

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "raw"
GOLDEN = ROOT / "tests" / "golden"
SHARED = ROOT.parent / "shared" / "data"
"""Real excerpts that do not travel with the project; tests that need them skip where they are absent."""


class Result(NamedTuple):
    """What a source and its steps gave."""

    conversations: list[Conversation]
    funnel: list[FunnelStep]

    @property
    def pairs(self) -> list[tuple[str, str, str]]:
        """(question, answer, origin) of all pairs, in order."""
        return [(p.question, p.answer, p.origin) for c in self.conversations for p in c.pairs]


def build(
    source: str,
    *,
    raw: Path = FIXTURES,
    params: dict[str, Any] | None = None,
    steps: Sequence[Step] = (),
    files: Mapping[str, str | list[str]] | None = None,
    draws_from: str | None = None,
    on_bad_record: OnBadRecord = "fail",
    limit: int | None = None,
) -> Result:
    """One source of a recipe (seed 7, tokenizer `tiny`) through its steps; its funnel adds up."""
    block = Block(source, files=dict(files or {}), params=params or {}, steps=list(steps))
    return run_block(block, raw=raw, draws_from=draws_from, on_bad_record=on_bad_record, limit=limit)


def run_block(
    block: Block,
    *,
    raw: Path,
    seed: int = 7,
    draws_from: str | None = None,
    on_bad_record: OnBadRecord = "fail",
    limit: int | None = None,
) -> Result:
    """The same for a source as it stands in a recipe."""
    run = _run(block, raw=raw, seed=seed, draws_from=draws_from, on_bad_record=on_bad_record, limit=limit)
    conversations = list(run.conversations)
    funnel = run.funnel()
    require_sum(funnel, conversations)
    return Result(conversations, funnel)


def splits_of(
    source: str,
    *,
    raw: Path = FIXTURES,
    files: Mapping[str, str | list[str]] | None = None,
    params: dict[str, Any] | None = None,
) -> list[str]:
    """The splits that a source was built from."""
    run = _run(Block(source, files=dict(files or {}), params=params or {}), raw=raw)
    assert list(run.conversations)
    return run.raw.splits


def _run(
    block: Block,
    *,
    raw: Path,
    seed: int = 7,
    draws_from: str | None = None,
    on_bad_record: OnBadRecord = "fail",
    limit: int | None = None,
) -> Run:
    [bound] = bind(Recipe("test", [block], seed=seed, tokenizer="tiny", draws_from=draws_from), raw=raw)
    return Run(bound, on_bad_record=on_bad_record, progress=lambda _: None, limit=limit)


def require_sum(funnel: Sequence[FunnelStep], conversations: Sequence[Conversation]) -> None:
    """Every step adds up, what leaves one enters the next, and what leaves the last is there."""
    for step in funnel:
        assert step.conversations.adds_up(), step
        assert step.pairs.adds_up(), step
    for step, following in pairwise(funnel):
        assert (step.conversations.left, step.pairs.left) == (following.conversations.entered, following.pairs.entered)
    assert funnel[-1].conversations.left == len(conversations)
    assert funnel[-1].pairs.left == sum(len(conversation.pairs) for conversation in conversations)


def run_step(
    name: str, conversations: Iterable[Conversation], *, surviving: Sequence[BoundStep] = (), **params: Any
) -> Result:
    """One step over conversations; its funnel adds up."""
    funnel = StepFunnel(name)
    if name == "sample":
        params["surviving"] = Steps(list(surviving), funnel)
    left = list(funnel.leaving(STEPS[name].function(funnel.entering(conversations), funnel, **params)))
    require_sum([funnel.summary()], left)
    return Result(left, [funnel.summary()])


def bound_step(name: str, **params: Any) -> BoundStep:
    """A step with its parameters, to run inside another."""
    return BoundStep(STEPS[name], params, {})


def talk(
    identifier: str,
    *pairs: tuple[str, str],
    image: str | None = None,
    several: bool = False,
) -> Conversation:
    """A conversation whose origins are `<id>/<number>`."""
    made = [Pair(question, answer, f"{identifier}/{i}") for i, (question, answer) in enumerate(pairs)]
    return Conversation(id=identifier, image=image, pairs=made, several=several)


def row(conversation: Conversation) -> dict[str, Any]:
    """A conversation as it would stand in a mixture, before it has its number."""
    roles = ("human", "gpt")
    turns = [{"from": roles[i % 2], "value": value} for i, value in enumerate(values(conversation))]
    return {
        "id": conversation.id,
        "several": conversation.several,
        "reference_id": conversation.id,
        "image": conversation.image,
        "conversations": turns,
        "origins": [pair.origin for pair in conversation.pairs],
        "history": list(conversation.history),
    }


def flow(entered: int, left: int, **changes: int) -> Flow:
    """A flow; an underscore in a reason stands for a space."""
    return Flow(entered, left, {reason.replace("_", " "): change for reason, change in changes.items()})


def write_raw(folder: Path, source: str, **contents: Any) -> Path:
    """Raw files by role in their usual places: JSON of what is given, or bytes as they are. Gives the folder."""
    for role, content in contents.items():
        file = SOURCES[source].about.file(role)
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def only(result: Result) -> Conversation:
    """The one conversation of a source."""
    [conversation] = result.conversations
    return conversation


def read(result: Result) -> dict[str, int]:
    """Conversations that the reading of a source left out, by reason."""
    return {reason: -change for reason, change in result.funnel[0].conversations.changes.items()}


def read_pairs(result: Result) -> dict[str, int]:
    """Pairs that the reading of a source left out, by reason."""
    return {reason: -change for reason, change in result.funnel[0].pairs.changes.items()}
