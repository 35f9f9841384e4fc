"""The tokenizer's own chat template and where its answers are, and ours as the Jinja that processors render."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import TokenizerError, one_line
from mix665k.schemas.template import Rendered, Span, Template, place_image

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    Messages = list[dict[str, str]]

_TODAY = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"
"""For templates that write today's date: a text must not change overnight. The date is Llama 3.2's fallback."""
_PROBE = [("question zero?", "answer zero."), ("question one?", "answer one.")]
_JINJA = """{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{- START if loop.first else HUMAN -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content if part.type == 'image' -%}{{- '<image>\\n' -}}{%- endfor -%}
{%- for part in message.content if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
{%- endif -%}
{{- REPLY -}}
{%- else -%}
{{- LEAD -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
{%- endif -%}
{{- END -}}
{%- endif -%}
{%- endfor -%}"""


class ChatTemplate:
    """Renders as the chat template does; each answer's span is from the end of its generation prompt to its end mark.

    What the template writes before and after an answer is found once, on a made-up conversation, and then required of
    each answer: a span is right, or an error.

    Raises:
        TokenizerError: when there is no chat template, or one whose answers cannot be found.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        if not tokenizer.chat_template:
            raise TokenizerError(f"{tokenizer.name_or_path}: has no chat template; name another template in the stage")
        self._tokenizer = tokenizer
        self.source = _TODAY + tokenizer.get_chat_template()
        """The Jinja text that renders."""
        text, starts = self._text_and_starts(_PROBE)
        self._leads, tails = [], []
        for start, stop, (_, answer) in zip(starts, [*starts[1:], len(text)], _PROBE, strict=True):
            lead, found, tail = text[start:stop].partition(answer)
            if not found:
                raise self._refusal("does not write an answer after its generation prompt")
            self._leads.append(lead)
            tails.append(tail)
        self._end = tails[-1].rstrip() or tails[-1]
        if not self._end:
            raise self._refusal("ends an answer with nothing: a model would never learn to stop")
        if not tails[0].startswith(self._end):
            raise self._refusal(f"ends the last answer with {self._end!r}, but not the others")

    def render(self, pairs: Sequence[tuple[str, str]]) -> Rendered:
        """The text of a conversation and the spans of its answers, each with the marks that a model must write itself.

        The image of a question comes first, as `schemas.template.render` has it.

        Raises:
            TokenizerError: when the template changes an answer, or loses an image token.
        """
        pairs = [(place_image(question), answer) for question, answer in pairs]
        text, starts = self._text_and_starts(pairs)
        answers = []
        for i, (start, (_, answer)) in enumerate(zip(starts, pairs, strict=True)):
            lead = self._leads[i + 1 == len(pairs)]
            forms = (f"{lead}{form}{self._end}" for form in (answer, answer.strip()))
            stop = next((start + len(form) for form in forms if text.startswith(form, start)), None)
            if stop is None:
                raise self._refusal(f"changes the answer {answer[:60]!r}")
            answers.append(Span(start, stop))
        if text.count(IMAGE_TOKEN) != sum(question.count(IMAGE_TOKEN) for question, _ in pairs):
            raise self._refusal(f"loses the {IMAGE_TOKEN} of a question")
        return Rendered(text, answers)

    def _text_and_starts(self, pairs: Sequence[tuple[str, str]]) -> tuple[str, list[int]]:
        """The text of the conversation, and where each answer's generation prompt ends."""
        messages = [
            {"role": role, "content": text}
            for pair in pairs
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        full = self._apply(messages)
        starts = []
        for i in range(len(pairs)):
            prompt = self._apply(messages[: 2 * i + 1])
            if not full.startswith(prompt):
                raise self._refusal("changes the beginning of a conversation as it gets longer")
            starts.append(len(prompt))
        return full, starts

    def _apply(self, messages: "Messages") -> str:
        from jinja2 import TemplateError

        awaits_answer = messages[-1]["role"] == "user"
        try:
            text = self._tokenizer.apply_chat_template(
                messages, chat_template=self.source, tokenize=False, add_generation_prompt=awaits_answer
            )
        except TemplateError as error:
            raise self._refusal(f"fails: {one_line(error)}") from None
        assert isinstance(text, str), type(text)
        return text

    def _refusal(self, why: str) -> TokenizerError:
        return TokenizerError(
            f"{self._tokenizer.name_or_path}: its chat template {why}; name another template in the stage"
        )


def jinja_of(template: Template) -> str:
    """Jinja that renders `messages` as `schemas.template.render` renders pairs; images come first in their turn."""
    text = _JINJA
    pieces = {"START": template.start, "HUMAN": template.human, "REPLY": template.reply, "LEAD": template.lead}
    for name, value in (pieces | {"END": template.end}).items():
        text = text.replace(name, json.dumps(value))
    return text
