"""Where a SentencePiece-like tokenizer writes the `▁` that begins a text.

SentencePiece puts it before all that it is given, also before a space. Llama's `legacy` is about what it is given: each
part between special tokens (`legacy: true`), or the text as a unit (`legacy: false`: no `▁` after `</s>`). Text after
an image is given alone in both, because LLaVA tokenises it alone; so a tokenizer that takes a prompt as a unit has to
write the `▁` there too.

The forms that transformers writes do not: its Metaspace writes none before a space, and none after `<image>`; the
prompts of an exported model had one token less than those it was trained on. So the form is written here.
"""

import re
from typing import Any

from mix665k.schemas.conversation import IMAGE_TOKEN

SPACE = "▁"
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
"""Of an added token that is taken as it is written."""
_SPACES_AS_PIECES = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "never", "split": False}
_PREPEND = {"type": "Prepend", "prepend": SPACE}
_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}


def is_legacy(content: dict[str, Any]) -> bool | None:
    """Which rule a `tokenizer.json` of Llama's kind follows; None for other kinds.

    Known by the forms that transformers writes: version 4 a normalizer, version 5 Metaspace.
    """
    if content["model"].get("type") != "BPE" or not content["model"].get("byte_fallback"):
        return None
    normalizer, before = content.get("normalizer"), content.get("pre_tokenizer")
    if before is None and normalizer == {"type": "Sequence", "normalizers": [_PREPEND, _REPLACE]}:
        return True
    if normalizer is None and before and before["type"] == "Metaspace" and before.get("split") is False:
        return {"always": True, "first": False}.get(before.get("prepend_scheme"))
    return None


def write_prefix(content: dict[str, Any], *, legacy: bool) -> None:
    """Change a `tokenizer.json` of Llama's kind so that its ids are SentencePiece's, in any text and around images.

    The normalizer sees what lies between the added tokens that are taken as written, and writes a `▁` before it; those
    marked `normalized` are found only afterwards, so that none follows them.
    """
    joined = [token for token in content["added_tokens"] if not (legacy and token["special"])]
    joined = [token for token in joined if token["content"] != IMAGE_TOKEN]
    for token in content["added_tokens"]:
        token["normalized"] = token in joined
    # What is searched for is a token's own text, normalized: that must not begin with a `▁`. A special token at the
    # beginning of a text has none before it either, as in Llama's slow tokenizer. Another added token has one there,
    # except where it is all of the text: that cannot be told from what is searched for.
    special = "|".join(re.escape(token["content"]) for token in joined if token["special"])
    others = "|".join(re.escape(token["content"]) for token in joined if not token["special"])
    patterns = [rf"\A{SPACE}(?=(?:{special}))"] * bool(special) + [rf"\A{SPACE}(?=(?:{others})\z)"] * bool(others)
    without = [{"type": "Replace", "pattern": {"Regex": pattern}, "content": ""} for pattern in patterns]
    content["normalizer"] = {"type": "Sequence", "normalizers": [_PREPEND, *without]}
    content["pre_tokenizer"] = _SPACES_AS_PIECES


def write_no_prefix(content: dict[str, Any]) -> None:
    """The same for a SentencePiece model that adds no prefix: spaces become `▁`, nothing else."""
    content["normalizer"], content["pre_tokenizer"] = None, _SPACES_AS_PIECES
