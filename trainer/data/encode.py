"""From the pairs of a row to token ids and labels."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import StageError, TokenizerError, UserError
from mix665k.schemas.template import TEMPLATES, Rendered, Span, render
from mix665k.schemas.tokens import TOKENS_PER_IMAGE, TextEncoder
from mix665k.trainer.data.chat import ChatTemplate
from mix665k.trainer.data.mixture import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that is not learned."""
CHAT = "chat"
"""The name of the tokenizer's own chat template."""

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


class Encoder:
    """Encodes rows with one tokenizer and one template; can be pickled.

    `template` is a name of `schemas.template.TEMPLATES` or `chat`. The tokenizer is copied: a later change of its
    padding or truncation has no effect here.

    Raises:
        TokenizerError: when the tokenizer has no fast form, or for `chat` no usable template.
        StageError: when there is no such template.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        template: str,
        *,
        image_token_id: int,
        tokens_per_image: int = TOKENS_PER_IMAGE,
        max_tokens: int,
    ) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise TokenizerError(f"{tokenizer.name_or_path}: a slow tokenizer, expected one with a tokenizer.json")
        self._text_encoder = TextEncoder(backend)
        self._render, about = _renderer(tokenizer, template)
        self._prefix = [] if template == CHAT else self._text_encoder.prefix  # a chat template writes its own
        self._image = np.full(tokens_per_image, image_token_id, dtype=np.int64)
        self.max_tokens = max_tokens
        facts = [
            self._text_encoder.tokenizer.to_str(),
            about,
            self._prefix,
            image_token_id,
            tokens_per_image,
            max_tokens,
        ]
        self.fingerprint = hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()
        """Identifies everything that an encoding depends on, except the row."""

    def encode(self, row: Row) -> Encoded:
        """The tokens of a row.

        Raises:
            UserError: when its image does not fit into `max_tokens`.
            TokenizerError: when the chat template cannot render it.
        """
        try:
            rendered = self._render(row.pairs)
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


def _renderer(
    tokenizer: "PreTrainedTokenizerBase", name: str
) -> tuple[Callable[[Sequence[tuple[str, str]]], Rendered], str]:
    """The function that renders pairs, and what identifies it."""
    if name == CHAT:
        chat = ChatTemplate(tokenizer)
        return chat.render, chat.source
    if name not in TEMPLATES:
        raise StageError(f"template {name!r}: no such template, expected {CHAT} or one of {', '.join(TEMPLATES)}")
    return partial(render, TEMPLATES[name]), repr(TEMPLATES[name])
