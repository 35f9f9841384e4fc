"""The line that tells a model in which form to answer."""

from collections.abc import Iterable, Iterator
from typing import Literal

from mix665k.builders.funnel import Tally
from mix665k.builders.registry import step
from mix665k.schemas.conversation import Conversation


@step
def add_prompt(
    conversations: Iterable[Conversation],
    tally: Tally,  # noqa: ARG001, nothing changes in number
    *,
    text: str,
    questions: Literal["first", "all"] = "first",
) -> Iterator[Conversation]:
    """Put a response-format prompt on a line of its own behind the first question, or behind all.

    LLaVA's file has it on the first only.
    """
    done = "prompt added" if questions == "first" else "prompts added"
    for conversation in conversations:
        for pair in conversation.pairs[: 1 if questions == "first" else None]:
            pair.question = f"{pair.question}\n{text}"
        conversation.history += (done,)
        yield conversation
