"""How questions are put: a line that says in which form to answer, or a template around the question."""

import re
import string
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.prompts import RESPONSE_FORMATS, added_prompt

# not a Literal: the step's own error also says where a text of one's own goes
PromptName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": sorted(RESPONSE_FORMATS)})]


_FIELD = re.compile(r"\{(?:question|answer|image|caption|context|prompt|text|input)\}")
"""What templates of other tools fill in."""


@step(short="prompt", needs="record")
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
            f"text: {field[0]} would be written as it is, nothing is filled in; the text comes after the question; "
            "`format_question` fills in a template"
        )
    line = added_prompt({"prompt": prompt, "text": text})
    done = "prompt added" if questions == "first" else "prompts added"
    for conversation in conversations:
        for pair in conversation.pairs[: 1 if questions == "first" else None]:
            pair.question = f"{pair.question}\n{line}"
        conversation.history += (done,)
        yield conversation


@step(short="template", needs="record")
def format_question(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,  # noqa: ARG001, nothing changes in number
    *,
    template: str,
    questions: Literal["first", "all"] = "all",
) -> Iterator[Conversation]:
    """Put the text of a template around all questions, or around the first one.

    `{question}` is the question, `{{` and `}}` for braces: `format_question: "Q: {question} A:"` is the form of
    InstructBLIP, whose answers are ambiguous in length, as LLaVA-1.5's paper says (section 3.2). Where the image token
    is on a line of its own before or after the question, it stays there.
    """
    _require_question(template)
    for conversation in conversations:
        for pair in conversation.pairs[: 1 if questions == "first" else None]:
            before, text, after = _around_image(pair.question)
            pair.question = before + template.format(question=text) + after
        conversation.history += ("question formatted" if questions == "first" else "questions formatted",)
        yield conversation


def _require_question(template: str) -> None:
    """Check a template.

    Raises:
        RecipeError: when it names anything but the question, or not that.
    """
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise RecipeError(f"template: {str(error).lower()}; write {{{{ and }}}} for braces") from None
    for _, name, spec, conversion in parts:
        if name != "question" or spec or conversion:
            raise RecipeError(
                f"template: {{{name}}} is not known, expected {{question}}; write {{{{ and }}}} for braces"
            )
    if not parts:
        raise RecipeError("template: no {question} in it, so that every question would be the same")


def _around_image(question: str) -> tuple[str, str, str]:
    """The image tokens with their line breaks before a question, the question, and the same after it."""
    found = re.fullmatch(rf"((?:{IMAGE_TOKEN}\n)*)(.*?)((?:\n{IMAGE_TOKEN})*)", question, re.DOTALL)
    assert found is not None, question
    before, bare, after = found.groups()
    return before, bare, after
