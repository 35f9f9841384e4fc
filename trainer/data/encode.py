"""From the pairs of a row to token ids and labels."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import StageError, TokenizerError, UserError
from mix665k.schemas.template import CHAT, TEMPLATES, Rendered, Span, Template, is_jinja, render
from mix665k.schemas.tokens import TextEncoder
from mix665k.trainer.data.chat import ChatTemplate, special_tokens
from mix665k.trainer.data.jinja import is_of_template
from mix665k.trainer.data.mixture import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that is not learned."""

Ids = NDArray[np.int64]


class Encoded(NamedTuple):
    """One row as a model takes it, T tokens with each image as its placeholders.

    input_ids  int64 [T]
    labels     int64 [T]  the ids of answers and their ends, -100 elsewhere; not shifted, `collate` does that

    `tokens_cut` and `answers_cut` count what truncation removed; an answer counts if any of its tokens is gone.
    """

    input_ids: Ids
    labels: Ids
    num_images: int
    tokens_cut: int
    answers_cut: int

    @property
    def num_supervised(self) -> int:
        """How many labels the loss sees: all but that of the first token, which nothing predicts."""
        return int(np.count_nonzero(self.labels[1:] != IGNORED))


class End(NamedTuple):
    """What an answer ends with, and its tokens; whether the last of them is a special token and nothing else."""

    text: str
    ids: list[int]
    is_special_token: bool


_PROBE = [("Question?", "Answer."), ("Question?", "Answer.")]


class Encoder:
    """Encodes rows with one tokenizer and one template; can be pickled.

    `template` is a name of `schemas.template.TEMPLATES`, `chat`, the text of a Jinja template, or a template. The
    tokenizer is copied: a later change of its padding or truncation has no effect here.

    Raises:
        TokenizerError: when the tokenizer has no fast form, or for a Jinja template that cannot be used.
        StageError: when there is no such template.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        template: str | Template,
        *,
        image_token_id: int,
        tokens_per_image: int,
        max_tokens: int,
    ) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise TokenizerError(f"{tokenizer.name_or_path}: a slow tokenizer, expected one with a tokenizer.json")
        self._text_encoder = TextEncoder(backend)
        self.template = template
        renderer = _renderer(tokenizer, template)
        self._render = renderer.render
        self._prefix = [] if renderer.writes_bos else self._text_encoder.prefix
        self._image = np.full(tokens_per_image, image_token_id, dtype=np.int64)
        self.max_tokens, self.tokens_per_image = max_tokens, tokens_per_image
        facts = [
            self._text_encoder.tokenizer.to_str(),
            renderer.about,
            self._prefix,
            image_token_id,
            tokens_per_image,
            max_tokens,
        ]
        self.fingerprint = hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()
        """Identifies everything that an encoding depends on, except the row."""
        self._eos: str | None = getattr(tokenizer, "eos_token", None)
        self._has_chat_template = bool(getattr(tokenizer, "chat_template", None))
        self.special_tokens = special_tokens(tokenizer)
        """Texts that become control tokens wherever they are, in questions and answers too."""
        # As with LLaVA, and with processors, which see the text only. `train check` counts them.
        self.ends = [self._end(text, i) for i, text in enumerate(renderer.ends)]
        """How answers end: all but the last, and the last."""

    @property
    def template_name(self) -> str:
        """The template as a stage names it, `own` where it brings its own."""
        is_name = isinstance(self.template, str) and self.template in (*TEMPLATES, CHAT)
        return str(self.template) if is_name else "own"

    @property
    def image_token_id(self) -> int:
        """The id of an image's placeholders."""
        return int(self._image[0])

    @property
    def keeps_questions(self) -> bool:
        """Whether a prompt has the question's text: that of LLaVA's `plain`, with which stage 1 learns, does not."""
        texts = [self._render([(question, "a")]).text for question in ("one", "two")]
        return texts[0] != texts[1]

    @property
    def end_tokens(self) -> dict[str, int]:
        """The special tokens that are learned as the end of an answer, and their ids; empty where there is none."""
        return {end.text.strip(): end.ids[-1] for end in self.ends if end.is_special_token}

    def require_end_tokens(self) -> None:
        """Refuse a template with which a language model would not learn to stop.

        Raises:
            StageError: when an answer's last token is not one special token; with what to do.
        """
        for end in self.ends:
            if end.is_special_token:
                continue
            count = "1 token" if len(end.ids) == 1 else f"{len(end.ids)} tokens"
            has_own = self._has_chat_template and self.template != CHAT
            raise StageError(
                f"template {self.template_name}: ends answers with {end.text!r}, {count} here, not one special token "
                f"to stop at; the tokenizer's own end is {self._eos!r}; "
                + ("--set template=chat" if has_own else "bring a template that ends in it")
            )

    def prompt_ids(self, row: Row, *, answer: int = -1) -> Ids:
        """int64 [T]: the tokens of a row up to one of its answers, by default the last, which is not empty.

        What a processor has to give for the same messages, images as their placeholders.
        """
        rendered = self._render(row.pairs, system=row.system)
        ids, starts, stops, _ = self._tokens(rendered.text)
        number = range(len(row.pairs))[answer]
        return ids[: int(np.argmax(_answers_of(starts, stops, rendered.answers) == number))]

    def labelled(self, row: Row) -> tuple[Ids, Ids]:
        """The tokens of a row and their labels, int64 [T] each, however many there are."""
        rendered = self._render(row.pairs, system=row.system)
        ids, starts, stops, _ = self._tokens(rendered.text)
        return ids, np.where(_answers_of(starts, stops, rendered.answers) >= 0, ids, IGNORED)

    def prompt_text(self, row: Row, *, answer: int = -1) -> str:
        """The same as text, without the tokenizer's own first token."""
        rendered = self._render(row.pairs, system=row.system)
        return rendered.text[: rendered.answers[answer].start]

    def _end(self, text: str, number: int) -> "End":
        """The tokens of the end of a made-up conversation's answer."""
        rendered = self._render(_PROBE)
        ids, starts, stops, _ = self._tokens(rendered.text)
        stop = rendered.answers[number].stop
        own = ids[(starts < stop) & (stops > stop - len(text))].tolist()
        token = text.strip()
        is_special = token in self.special_tokens and self._text_encoder.tokenizer.id_to_token(own[-1]) == token
        return End(text=text, ids=own, is_special_token=is_special)

    def encode(self, row: Row) -> Encoded:
        """The tokens of a row.

        Raises:
            UserError: when its image does not fit into `max_tokens`.
            TokenizerError: when the chat template cannot render it.
        """
        try:
            rendered = self._render(row.pairs, system=row.system)
        except TokenizerError as error:
            raise TokenizerError(f"{row.id}: {error}") from None
        ids, starts, stops, images_end = self._tokens(rendered.text)
        if images_end > self.max_tokens:
            raise UserError(
                f"{row.id}: its image ends at token {images_end:,}, max_tokens is {self.max_tokens:,}; raise max_tokens"
            )
        answer_of = _answers_of(starts, stops, rendered.answers)
        labels = np.where(answer_of >= 0, ids, IGNORED)
        lost = answer_of[self.max_tokens :]
        return Encoded(
            input_ids=ids[: self.max_tokens],
            labels=labels[: self.max_tokens],
            num_images=rendered.text.count(IMAGE_TOKEN),
            tokens_cut=len(lost),
            answers_cut=len(np.unique(lost[lost >= 0])),
        )

    def _tokens(self, text: str) -> tuple[Ids, Ids, Ids, int]:
        """Token ids [T], the characters where each starts and stops (-1 for none) [T], and the token where images end.

        See `TextEncoder` for how text around images is tokenised.
        """
        ids: list[Ids] = [np.array(self._prefix, dtype=np.int64)]
        spans: list[Ids] = [np.full((len(self._prefix), 2), -1)]
        images_end = 0
        position = 0
        parts = zip(text.split(IMAGE_TOKEN), self._text_encoder.encode(text), strict=True)
        for i, (part, encoding) in enumerate(parts):
            if i:
                ids.append(self._image)
                spans.append(np.full((len(self._image), 2), -1))
                images_end = sum(map(len, ids))
                position += len(IMAGE_TOKEN)
            ids.append(np.array(encoding.ids, dtype=np.int64))
            spans.append(np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) + position)
            position += len(part)
        starts, stops = np.concatenate(spans).T
        return np.concatenate(ids), starts, stops, images_end


def end_tokens(own: int | list[int] | None, encoder: Encoder, *, tokenizer: Any) -> int | list[int] | None:
    """The tokens at which a model stops: those that its language model stops at, and the one that was learned.

    A template whose end is several tokens adds none; a line break, with which stage 1 ends a caption, is one.
    """
    found = [own] if isinstance(own, int) else list(own or [])
    for end in encoder.ends:
        if end.is_special_token or (len(end.ids) == 1 and tokenizer.decode(end.ids) == end.text):
            found.append(end.ids[-1])
    found = list(dict.fromkeys(found))
    return found[0] if len(found) == 1 else found or tokenizer.eos_token_id


def _answers_of(starts: Ids, stops: Ids, answers: Sequence[Span]) -> Ids:
    """int64 [T]: the index of the answer that each token has characters of, or -1.

    starts, stops  int64 [T], the characters of each token

    A token that crosses the edge of an answer belongs to it, so that all of the answer is learned.
    """
    # By characters, not by tokenising the parts of a conversation and adding up their lengths as LLaVA does: the same
    # text has other tokens within a conversation than alone, and a count that is off masks the wrong tokens.
    spans = np.array([span for span in answers if span.stop > span.start], dtype=np.int64).reshape(-1, 2)
    following = np.searchsorted(spans[:, 1], starts, side="right")
    begins = np.append(spans[:, 0], np.iinfo(np.int64).max)[following]
    return np.where(begins < stops, following, -1)


class _Renderer(NamedTuple):
    """`render` with what identifies it, the ends of all answers but the last and of the last, and who writes the bos.

    A chat template writes the tokenizer's own first token where it wants one; ours leave it to the tokenizer.
    """

    render: Callable[..., Rendered]
    about: str
    ends: list[str]
    writes_bos: bool


def _renderer(tokenizer: "PreTrainedTokenizerBase", template: str | Template) -> _Renderer:
    if isinstance(template, str) and (template == CHAT or is_jinja(template)):
        chat = ChatTemplate(tokenizer, None if template == CHAT else template)
        return _Renderer(chat.render, about=chat.source, ends=chat.ends, writes_bos=not is_of_template(chat.source))
    if isinstance(template, str) and template not in TEMPLATES:
        raise StageError(f"template {template!r}: no such template, expected {CHAT} or one of {', '.join(TEMPLATES)}")
    fixed = TEMPLATES[template] if isinstance(template, str) else template
    bos = getattr(tokenizer, "bos_token", None)
    return _Renderer(
        partial(render, fixed),
        about=repr(fixed),
        ends=[fixed.end, fixed.end],
        writes_bos=bool(bos and fixed.opening().startswith(bos)),
    )
