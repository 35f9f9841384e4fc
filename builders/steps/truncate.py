"""Counting tokens as a trainer will see them, and cutting conversations to a number of them."""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec

from mix665k.builders.funnel import Tally
from mix665k.builders.registry import step
from mix665k.builders.steps.steps import derive
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation, Pair, values
from mix665k.schemas.errors import RecipeError, TokenizerError, did_you_mean
from mix665k.schemas.template import TEMPLATES, Rendered, Template, render
from mix665k.schemas.tokenizer import tokenizer_place

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

IMAGE_TOKENS = 576
"""Placeholders of one image: CLIP ViT-L/14 at 336 pixels, (336 / 14) squared."""
_BATCH = 512
_CHARS_PER_TOKEN = 4
_FILES = ("tokenizer.json", "tokenizer.model")
_PATTERNS = ["tokenizer*", "special_tokens_map.json", "config.json"]
_UNLOADABLE = (OSError, ValueError, AttributeError, LookupError, TypeError)


def tokenizer_folder(name: str) -> Path:
    """Where a tokenizer's files are: the shipped `tiny`, a folder, or the hub's cache, fetched if need be.

    Raises:
        TokenizerError: when it is nowhere.
    """
    folder = tokenizer_at_hand(name) or _from_hub(name)
    if not any((folder / file).is_file() for file in _FILES):
        raise TokenizerError(f"tokenizer {name}: no {' or '.join(_FILES)} in {folder}; name another with --tokenizer")
    return folder


def tokenizer_at_hand(name: str) -> Path | None:
    """The same, where nothing has to be fetched for it."""
    folder = Path(tokenizer_place(name)).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    try:
        cached = Path(snapshot_download(name, allow_patterns=_PATTERNS, local_files_only=True))
    except (OSError, ValueError):
        return None
    return cached if any((cached / file).is_file() for file in _FILES) else None


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS))
    except (OSError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        raise TokenizerError(
            f"tokenizer {name}: neither a folder nor to be had from the hub ({why}); "
            "pass --tokenizer DIR with a folder that holds a tokenizer.json or tokenizer.model"
        ) from None


def tokenizer_files(name: str) -> list[Path]:
    """The files that make a tokenizer."""
    return sorted(tokenizer_folder(name).glob("*token*"))


def fingerprint(name: str) -> str:
    """A hash of the tokenizer's files."""
    digest = hashlib.sha256()
    for file in tokenizer_files(name):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def load_tokenizer(name: str) -> "Tokenizer":
    """The fast tokenizer, as transformers sets it up for a trainer.

    Raises:
        TokenizerError: when its files cannot be read.
    """
    from transformers import AutoTokenizer

    folder = tokenizer_folder(name)
    try:
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    except Exception as error:
        if type(error) is not Exception and not isinstance(error, _UNLOADABLE):  # tokenizers raises the bare class
            raise
        why = str(error).strip().splitlines()[0]
        raise TokenizerError(f"tokenizer {folder}: cannot be loaded: {why}; name another with --tokenizer") from None
    tokenizer.no_truncation()  # a tokenizer.json may ask for both, and its count would be wrong
    tokenizer.no_padding()
    return tokenizer


class Counter:
    """Counts the tokens of rendered conversations; each image counts as its placeholders."""

    def __init__(self, tokenizer: str, template: str) -> None:
        if template not in TEMPLATES:
            raise RecipeError(f"template: no template {template!r}{did_you_mean(template, TEMPLATES)}")
        self._name = tokenizer
        self.template: Template = TEMPLATES[template]

    def count(self, conversations: Sequence[Sequence[tuple[str, str]]]) -> list[list[int]]:
        """For each conversation the number of tokens up to the end of each of its pairs."""
        return [
            [tokens.up_to(answer.stop) for answer in rendered.answers]
            for tokens, rendered in self._encode(conversations)
        ]

    @property
    def ends_apart(self) -> bool:
        """Whether pairs end in a special token, so that what follows cannot change the tokens before."""
        added = load_tokenizer(self._name).get_added_tokens_decoder().values()
        return any(self.template.end.endswith(token.content) and token.special for token in added)

    def shorten(self, pairs: Sequence[tuple[str, str]], max_tokens: int) -> str:
        """The beginning of the last answer with which these pairs keep to the limit; empty if there is none."""
        [(tokens, rendered)] = self._encode([pairs])
        question, answer = pairs[-1]
        starts = rendered.answers[-1].start + len(self.template.lead)
        length = min(len(answer), tokens.char_at(max_tokens - 1) - starts)
        while length > 0:
            kept = answer[:length].rstrip()
            if kept and self.count([[*pairs[:-1], (question, kept)]])[0][-1] <= max_tokens:
                return kept
            length = len(kept) - 1
        return ""

    def _encode(self, conversations: Sequence[Sequence[tuple[str, str]]]) -> "Iterator[tuple[_Tokens, Rendered]]":
        """Text before and after the image token apart, as trainers do; text without it in one."""
        tokenizer = load_tokenizer(self._name)
        rendered = [render(self.template, pairs) for pairs in conversations]
        parts = [text.partition(IMAGE_TOKEN) for text, _ in rendered]
        heads = tokenizer.encode_batch_fast(
            [head if token else "" for head, token, _ in parts], add_special_tokens=False
        )
        tails = tokenizer.encode_batch(
            [tail if token else head for head, token, tail in parts], add_special_tokens=False
        )
        first = tokenizer.num_special_tokens_to_add(False)
        for result, (head, token, _), before, encoding in zip(rendered, parts, heads, tails, strict=True):
            skipped = len(head) + len(token) if token else 0
            yield _Tokens(encoding, first + len(before) + (IMAGE_TOKENS if token else 0), skipped), result


class _Tokens(NamedTuple):
    """The tokens of a text behind its image, `before` tokens and `skipped` characters into the whole."""

    encoding: "Encoding"
    before: int
    skipped: int

    def up_to(self, stop: int) -> int:
        """The number of tokens up to and with the one that holds the character before `stop`."""
        index = self.encoding.char_to_token(stop - 1 - self.skipped)
        return self.before + (len(self.encoding) if index is None else index + 1)

    def char_at(self, tokens: int) -> int:
        """The character where the token behind the first `tokens` begins; 0 when they end before this text."""
        index = tokens - self.before
        if index < 0:
            return 0
        offsets = self.encoding.token_to_chars(index)
        return self.skipped + offsets[0] if offsets else sys.maxsize


@step
def truncate(
    conversations: Iterable[Conversation],
    tally: Tally,
    *,
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 2048,
    tokenizer: str,
    template: str = "v1",
    at: Literal["pair", "inside"] = "pair",
) -> Iterator[Conversation]:
    """Cut conversations that are over `max_tokens` as a trainer renders them, template and image included.

    The part that fits is kept and ends on an answer: whole pairs (`at: pair`), or also the part that fits of the answer
    where the limit falls (`at: inside`). Where the first pair alone is too long its answer is cut either way; where its
    question fills the limit the conversation is dropped. (Paper, appendix A.2: truncated, not split.)
    """
    counter = Counter(tokenizer, template)
    stream = iter(conversations)
    while batch := list(islice(stream, _BATCH)):
        for conversation, pairs, ends in zip(batch, *_measure(batch, counter, max_tokens), strict=True):
            if ends[-1] <= max_tokens:
                yield conversation
            elif kept := _fitting(pairs, ends, counter, max_tokens, inside=at == "inside"):
                yield _cut(conversation, kept, tally)
            else:
                tally.drop("question fills the limit", conversation.id, pairs=len(conversation.pairs))


def texts(conversation: Conversation) -> list[tuple[str, str]]:
    """(question, answer) as they stand in the mixture."""
    turns = list(values(conversation))
    return list(zip(turns[::2], turns[1::2], strict=True))


def _measure(
    batch: Sequence[Conversation], counter: Counter, max_tokens: int
) -> tuple[list[list[tuple[str, str]]], list[list[int]]]:
    """Texts and token counts by pair; of long conversations only as many pairs as show that they are too long."""
    whole = [texts(conversation) for conversation in batch]
    shown = [_enough(pairs, max_tokens * _CHARS_PER_TOKEN) for pairs in whole]
    ends = counter.count(shown)
    unsure = [i for i, end in enumerate(ends) if end[-1] <= max_tokens and len(shown[i]) < len(whole[i])]
    for i, end in zip(unsure, counter.count([whole[i] for i in unsure]), strict=True):
        shown[i], ends[i] = whole[i], end
    return shown, ends


def _enough(pairs: list[tuple[str, str]], max_chars: int) -> list[tuple[str, str]]:
    chars = 0
    for i, (question, answer) in enumerate(pairs):
        chars += len(question) + len(answer)
        if chars > max_chars:
            return pairs[: i + 1]
    return pairs


def _fitting(
    pairs: list[tuple[str, str]], ends: list[int], counter: Counter, max_tokens: int, *, inside: bool
) -> list[tuple[str, str]]:
    """The pairs that fit, the last one perhaps with a shorter answer; empty when not even its beginning does."""
    whole = sum(end <= max_tokens for end in ends)
    while whole and not counter.ends_apart and counter.count([pairs[:whole]])[0][-1] > max_tokens:
        whole -= 1
    if whole and not inside:
        return pairs[:whole]
    answer = counter.shorten(pairs[: whole + 1], max_tokens)
    return pairs[:whole] + ([(pairs[whole][0], answer)] if answer else [])


def _cut(conversation: Conversation, kept: list[tuple[str, str]], tally: Tally) -> Conversation:
    pairs = conversation.pairs[: len(kept)]
    done = f"cut after {len(kept)} of {len(conversation.pairs)} pairs"
    if kept[-1][1] != pairs[-1].answer:
        pairs[-1] = Pair(pairs[-1].question, kept[-1][1], pairs[-1].origin)
        tally.note("answer cut", conversation.id)
        done += ", inside the last answer"
    if lost := len(conversation.pairs) - len(kept):
        tally.change("cut off", pairs=-lost)
        tally.note("conversation cut", conversation.id)
    return derive(conversation, pairs, done=done)
