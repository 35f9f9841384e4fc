"""The line that tells a model in which form to answer."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.prompts import RESPONSE_FORMATS, added_prompt

# not a Literal: the step's own error also says where a text of one's own goes
PromptName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": sorted(RESPONSE_FORMATS)})]


_FIELD = re.compile(r"\{(?:question|answer|image|caption|context|prompt|text|input)\}")
"""What templates of other tools fill in."""


@step(short="prompt")
def add_prompt(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,  # noqa: ARG001, nothing changes in number
    *,
    prompt: PromptName | None = None,
    text: str | None = None,
    questions: Literal["first", "all"] = "first",
) -> Iterator[Conversation]:
    """Put a response-format prompt on a line of its own after the first question, or after all.

    LLaVA's prompts have names: `add_prompt: short_answer`; any other is written out: `add_prompt: {text: Be brief.}`.
    LLaVA's file has it after the first question only.
    """
    if (prompt is None) == (text is None):
        raise RecipeError("give either prompt or text")
    if prompt is not None and prompt not in RESPONSE_FORMATS:
        hint = did_you_mean(prompt, RESPONSE_FORMATS).rstrip("?")
        raise RecipeError(f"no prompt {prompt!r}{hint}, or `{{text: ...}}` for one of your own")
    if text is not None and (field := _FIELD.search(text)):
        raise RecipeError(
            f"text: {field[0]} would be written as it is, nothing is filled in; the text comes after the question"
        )
    line = added_prompt({"prompt": prompt, "text": text})
    done = "prompt added" if questions == "first" else "prompts added"
    for conversation in conversations:
        for pair in conversation.pairs[: 1 if questions == "first" else None]:
            pair.question = f"{pair.question}\n{line}"
        conversation.history += (done,)
        yield conversation
