"""The one tokenization of rendered conversations: what `truncate` and `mix inspect` count is what a trainer sees.

`schemas.template.render` gives the text, `TextEncoder` its tokens, `TokenCounter` their number by pair.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.template import TEMPLATES, Rendered, Template, render
from mix665k.schemas.tokenizer.load import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

TOKENS_PER_IMAGE = 576
"""Placeholders of one image unless another number is given: those of LLaVA-1.5's vision tower, (336 / 14) squared."""

Pairs = Sequence[tuple[str, str]]
"""Questions with their answers."""


class TextEncoder:
    """Encodes the text before, between and after images separately, as LLaVA's `tokenizer_image_token` does.

    `prefix` are the ids that the tokenizer puts before every text (`<s>` for Llama); they come once, before the first
    part. What it would append is left out: a template writes its own ends. The tokenizer is copied, without padding and
    truncation, so nothing that others do with theirs changes a count. Can be pickled.
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self.tokenizer: Tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self.tokenizer.no_padding()  # a tokenizer.json may ask for both, which would change every count
        self.tokenizer.no_truncation()
        probe = self.tokenizer.encode("a", add_special_tokens=True)
        self.prefix: list[int] = probe.ids[: [*probe.special_tokens_mask, 0].index(0)]

    def encode(self, text: str) -> "list[Encoding]":
        """The parts of a text between its image tokens: one more than there are images."""
        return [self.tokenizer.encode(part, add_special_tokens=False) for part in text.split(IMAGE_TOKEN)]

    def encode_batch(self, texts: Sequence[str]) -> "Iterator[list[Encoding]]":
        """The same for each of the texts, on all cores."""
        parts = [text.split(IMAGE_TOKEN) for text in texts]
        encodings = iter(self.tokenizer.encode_batch([p for own in parts for p in own], add_special_tokens=False))
        for own in parts:
            yield [next(encodings) for _ in own]


@lru_cache(maxsize=1)
def text_encoder(name: str) -> TextEncoder:
    """The encoder of a tokenizer's name; the last one is kept.

    Raises:
        TokenizerError: when the tokenizer is not found or cannot be loaded.
    """
    return TextEncoder(load_tokenizer(name).backend_tokenizer)


class TokenCounter:
    """Counts the tokens of conversations as a trainer renders them, each image as its placeholders.

    The tokenizer is loaded when something is counted for the first time.

    Raises:
        RecipeError: when there is no such template.
    """

    def __init__(self, tokenizer: str, template: str, *, tokens_per_image: int = TOKENS_PER_IMAGE) -> None:
        if template not in TEMPLATES:
            raise RecipeError(f"template: no template {template!r}{did_you_mean(template, TEMPLATES)}")
        self._name = tokenizer
        self._tokens_per_image = tokens_per_image
        self._loaded: TextEncoder | None = None
        self.template: Template = TEMPLATES[template]

    @property
    def _encoder(self) -> TextEncoder:
        if self._loaded is None:
            self._loaded = text_encoder(self._name)
        return self._loaded

    def ends(self, conversations: Sequence[Pairs], *, systems: Sequence[str | None] = ()) -> list[list[int]]:
        """For each conversation the number of tokens up to the end of each of its pairs: the last is its length.

        `systems` are their own system texts, by default none.

        Raises:
            TokenizerError: when the tokenizer is not found or cannot be loaded.
        """
        return [
            [*(tokens.up_to(answer.stop) for answer in rendered.answers[:-1]), tokens.total]
            for tokens, rendered in self._tokens(conversations, systems)
        ]

    @property
    def pairs_end_in_special_token(self) -> bool:
        """Whether pairs end in a special token, so that what follows one cannot change the tokens before."""
        added = self._encoder.tokenizer.get_added_tokens_decoder().values()
        return any(self.template.end.endswith(token.content) and token.special for token in added)

    def shorten(self, pairs: Pairs, *, max_tokens: int, system: str | None = None) -> str:
        """The longest beginning of the last answer with which these pairs keep to the limit; empty if there is none."""
        [(tokens, rendered)] = self._tokens([pairs], [system])
        question, answer = pairs[-1]
        start = rendered.answers[-1].start + len(self.template.lead)
        length = min(len(answer), tokens.char_at(max_tokens - 1) - start)
        while length > 0:
            kept = answer[:length].rstrip()
            if kept and self.ends([[*pairs[:-1], (question, kept)]], systems=[system])[0][-1] <= max_tokens:
                return kept
            length = len(kept) - 1
        return ""

    def _tokens(
        self, conversations: Sequence[Pairs], systems: Sequence[str | None]
    ) -> "Iterator[tuple[_Tokens, Rendered]]":
        encoder = self._encoder
        each = zip(conversations, systems or [None] * len(conversations), strict=True)
        rendered = [render(self.template, pairs, system=system) for pairs, system in each]
        encoded = encoder.encode_batch([text for text, _ in rendered])
        for parts, result in zip(encoded, rendered, strict=True):
            yield _Tokens.of(parts, result.text, prefix=len(encoder.prefix), per_image=self._tokens_per_image), result


class _Part(NamedTuple):
    """The text after an image, or before the first: it has `before` tokens and `skipped` characters before it."""

    encoding: "Encoding"
    before: int
    skipped: int


class _Tokens(NamedTuple):
    """The tokens of a text, which are looked up by character; one before the first image or between two has its own."""

    parts: list[_Part]

    @classmethod
    def of(cls, encodings: "Sequence[Encoding]", text: str, *, prefix: int, per_image: int) -> "_Tokens":
        """Of the parts of a text between its images."""
        parts, before, skipped = [], prefix, 0
        for encoding, part in zip(encodings, text.split(IMAGE_TOKEN), strict=True):
            parts.append(_Part(encoding, before, skipped))
            before += len(encoding) + per_image
            skipped += len(part) + len(IMAGE_TOKEN)
        return cls(parts)

    @property
    def total(self) -> int:
        """The number of tokens."""
        return self.parts[-1].before + len(self.parts[-1].encoding)

    def up_to(self, stop: int) -> int:
        """The number of tokens up to and with the last that holds a character before `stop`."""
        part = next((part for part in reversed(self.parts) if part.skipped < stop), self.parts[0])
        for char in range(stop - part.skipped - 1, -1, -1):
            index = part.encoding.char_to_token(char)  # None for white space that the tokenizer drops
            if index is not None:
                return part.before + index + 1
        return part.before

    def char_at(self, tokens: int) -> int:
        """The character where the token after the first `tokens` begins; 0 when they end before the last image does."""
        last = self.parts[-1]
        index = tokens - last.before
        if index < 0:
            return 0
        offsets = last.encoding.token_to_chars(index)
        return last.skipped + offsets[0] if offsets else sys.maxsize
