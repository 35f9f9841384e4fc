"""Small parts that several tests of the trainer use."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from mix665k.schemas.tokenizer import TINY
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.mixture import Row

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/data"
IMAGE_TOKEN_ID = 2002
"""The first id behind the tokenizer's own."""
TOKENS_PER_IMAGE = 16
IMAGE_PX = 56


@lru_cache
def tokenizer() -> Any:
    """The shipped tokenizer with the marks of ChatML; not to be changed."""
    return new_tokenizer()


def new_tokenizer(chat_template: str | None = None) -> Any:
    """Another one, with a chat template."""
    from transformers import AutoTokenizer

    fresh = AutoTokenizer.from_pretrained(TINY)
    fresh.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    fresh.chat_template = chat_template
    return fresh


@lru_cache
def encoder(template: str, max_tokens: int = 2048) -> Encoder:
    """An encoder over the tiny tokenizer."""
    return Encoder(
        tokenizer(),
        template,
        image_token_id=IMAGE_TOKEN_ID,
        tokens_per_image=TOKENS_PER_IMAGE,
        max_tokens=max_tokens,
    )


def row(*pairs: tuple[str, str], image: str | None = None) -> Row:
    """A row of made-up texts."""
    return Row("made/1", "made", image, list(pairs))


@lru_cache
def processor() -> Any:
    """A CLIP image processor for small pictures."""
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": IMAGE_PX}, crop_size={"height": IMAGE_PX, "width": IMAGE_PX})
