"""Templates in Jinja, most often the tokenizer's own, and where their answers are."""

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import TokenizerError, one_line
from mix665k.schemas.template import AUTO, CHAT, TEMPLATES, Rendered, Span, Template, place_image
from mix665k.trainer.data.jinja import (
    FIXED,
    Marks,
    is_of_template,
    jinja_of,
    marked,
    unflattened,
    without_marks,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    Messages = list[dict[str, str]]

_PROBE = [("question zero?", "answer zero."), ("question one?", "answer one."), ("question two?", "answer two.")]


class ChatTemplate:
    """Renders as a chat template does; each answer's span is from the end of its generation prompt to its end token.

    `source` is the template, by default the tokenizer's own. What it writes before and after an answer is found once,
    on a made-up conversation, and then required of each answer: a span is right, or an error.

    Raises:
        TokenizerError: when there is no chat template, or one whose answers cannot be found.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", source: str | None = None) -> None:
        if source is None and not tokenizer.chat_template:
            raise TokenizerError(f"{tokenizer.name_or_path}: has no chat template; name another template in the stage")
        self._tokenizer = tokenizer
        self._named = "the stage's template" if source else "its chat template"
        own = unflattened(source or tokenizer.get_chat_template()).removeprefix(FIXED)
        # Marks that are not ours may leave out an end token.
        self.source = FIXED + (own if is_of_template(own) else without_marks(own))
        """The Jinja text that renders, without what takes lists of parts."""
        self._marks = self._find_marks()

    @property
    def ends(self) -> list[str]:
        """The end of all answers but the last, and that of the last: most often the same."""
        return [self._marks[False].end, self._marks[True].end]

    @property
    def exported(self) -> str:
        """The Jinja text to save with a processor: takes lists of parts, and marks what is learned."""
        if is_of_template(self.source):
            return self.source.removeprefix(FIXED)
        return marked(self.source, others=self._marks[False], last=self._marks[True])

    def render(self, pairs: Sequence[tuple[str, str]], *, system: str | None = None) -> Rendered:
        """The text of a conversation and the spans of its answers, each with the marks that a model must write itself.

        The image of a question comes first, as `schemas.template.render` has it. `system` is a message of that role in
        front.

        Raises:
            TokenizerError: when the template changes an answer, or loses an image token.
        """
        pairs = [(place_image(question), answer) for question, answer in pairs]
        text, prompts = self._text_and_prompts(pairs, system=system)
        answers = []
        for i, (prompt, (_, answer)) in enumerate(zip(prompts, pairs, strict=True)):
            marks = self._marks[i + 1 == len(pairs)]
            prompt = prompt.removesuffix(marks.dropped)
            if not text.startswith(prompt):
                raise self._refusal("changes the beginning of a conversation as it gets longer")
            forms = (f"{marks.lead}{form}{marks.end}" for form in _forms(answer))
            stop = next((len(prompt) + len(form) for form in forms if text.startswith(form, len(prompt))), None)
            if stop is None:
                raise self._refusal(f"changes the answer {answer[:60]!r}")
            answers.append(Span(len(prompt), stop))
        if text.count(IMAGE_TOKEN) != sum(question.count(IMAGE_TOKEN) for question, _ in pairs):
            raise self._refusal(f"loses the {IMAGE_TOKEN} of a question")
        return Rendered(text, answers)

    def _find_marks(self) -> dict[bool, Marks]:
        """The marks of an answer, by whether it is the last."""
        text, prompts = self._text_and_prompts(_PROBE)
        bare = self._apply(_messages(_PROBE[:1])[:1], prompt=False)
        starts = [len(_shared_beginning([text, prompt])) for prompt in prompts]
        if starts[0] < len(_shared_beginning([bare, prompts[0]])) or starts != sorted(starts):
            raise self._refusal("changes the beginning of a conversation as it gets longer")
        found = []
        stops = [*starts[1:], len(text)]
        for prompt, start, stop, (_, answer) in zip(prompts, starts, stops, _PROBE, strict=True):
            lead, written, tail = text[start:stop].partition(answer)
            if not written:
                raise self._refusal("does not write an answer after its generation prompt")
            found.append((prompt[start:], lead, tail))
        *others, last = found
        if last[0]:
            raise self._refusal(f"begins the last answer otherwise than its generation prompt, without {last[0]!r}")
        ends = self._find_ends([tail for *_, tail in found])
        return {
            False: Marks(dropped=others[0][0], lead=others[0][1], end=ends[0]),
            True: Marks(dropped="", lead=last[1], end=ends[-1]),
        }

    def _find_ends(self, tails: Sequence[str]) -> list[str]:
        """How each answer ends, given what follows it: with a special token, else with what follows all of them."""
        # Phi-3 writes its eos once, after the last answer's `<|end|>`; gpt-oss ends the last answer with another token
        # than the others.
        tokens = sorted(special_tokens(self._tokenizer), key=len, reverse=True)
        begins_with_token = re.compile(rf"\s*(?:{'|'.join(map(re.escape, tokens))})")
        ends = [found[0] if (found := begins_with_token.match(tail)) else "" for tail in tails]
        if all(ends):
            return ends
        shared = _shared_beginning(tails)
        end = shared.rstrip() or shared
        if end and not any(ends):
            return [end for _ in tails]
        raise self._refusal(
            f"ends the last answer with {tails[-1]!r}, but not the others"
            if tails[-1].strip()
            else "ends an answer with nothing: a model would never learn to stop"
        )

    def _text_and_prompts(
        self, pairs: Sequence[tuple[str, str]], *, system: str | None = None
    ) -> tuple[str, list[str]]:
        """The text of the conversation, and for each answer the text that asks for it."""
        messages = _messages(pairs, system=system)
        last_of_prompts = range(len(messages) - 2 * len(pairs) + 1, len(messages), 2)
        return self._apply(messages, prompt=False), [self._apply(messages[:n], prompt=True) for n in last_of_prompts]

    def _apply(self, messages: "Messages", *, prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            text = self._tokenizer.apply_chat_template(
                messages, chat_template=self.source, tokenize=False, add_generation_prompt=prompt
            )
        except (TemplateError, TypeError) as error:
            raise self._refusal(f"fails: {one_line(error)}") from None
        assert isinstance(text, str), type(text)
        return text

    def _refusal(self, why: str) -> TokenizerError:
        return TokenizerError(
            f"{self._tokenizer.name_or_path}: {self._named} {why}; name another template in the stage"
        )


def resolve_template(template: str | Template, tokenizer: "PreTrainedTokenizerBase") -> str | Template:
    """What `auto` means for a language model's tokenizer: its chat template where it has one, else LLaVA's `v1`.

    Anything else is what it is.

    Raises:
        TokenizerError: when there is a chat template that cannot be used, and `v1` would not do either.
    """
    # Vicuna, which LLaVA-1.5 starts from, has no chat template: the paper's `v1` is what its reproducer gets. A model
    # of ours has what it was trained with; llava-hf's has one that renders nothing of a content that is a string.
    if template != AUTO:
        return template
    if not tokenizer.chat_template:
        return "v1"
    trained = [name for name, one in TEMPLATES.items() if jinja_of(one) == tokenizer.chat_template]
    if trained:
        return next((name for name in trained if TEMPLATES[name].keeps_question), "v1")
    try:
        ChatTemplate(tokenizer)
    except TokenizerError:
        if TEMPLATES["v1"].end in special_tokens(tokenizer):
            return "v1"
        raise
    return CHAT


def exported_chat_template(template: str | Template, tokenizer: "PreTrainedTokenizerBase") -> str:
    """The Jinja text to save with a processor: it renders messages as the template trains them.

    Contents may be strings or lists of parts, images come first in their turn, a system message is the system text,
    `add_generation_prompt` is heeded, `{% generation %}` marks what is learned.

    Raises:
        TokenizerError: for `chat`, when the tokenizer has no usable chat template.
    """
    template = resolve_template(template, tokenizer)
    if isinstance(template, Template):
        return jinja_of(template)
    if template in TEMPLATES:
        return jinja_of(TEMPLATES[template])
    return ChatTemplate(tokenizer, None if template == CHAT else template).exported


def special_tokens(tokenizer: Any) -> list[str]:
    """The texts that a tokenizer reads as control tokens wherever they are, without the image's."""
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder().values()
    return [token.content for token in added if token.special and token.content != IMAGE_TOKEN]


def _shared_beginning(texts: Sequence[str]) -> str:
    return "".join(chars[0] for chars in takewhile(lambda chars: len(set(chars)) == 1, zip(*texts, strict=False)))


def _forms(answer: str) -> list[str]:
    """As a template may write an answer: as it is, or without white space or line breaks on one side or both."""
    lefts = (answer, answer.lstrip("\n"), answer.lstrip())  # `marked` has the same, in this order
    return [right for left in lefts for right in (left, left.rstrip("\n"), left.rstrip())]


def _messages(pairs: Sequence[tuple[str, str]], *, system: str | None = None) -> "Messages":
    turns = [(role, text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]
    first = [] if system is None else [("system", system)]
    return [{"role": role, "content": text} for role, text in (*first, *turns)]
