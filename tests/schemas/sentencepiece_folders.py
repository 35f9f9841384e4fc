"""SentencePiece models in folders of Vicuna's form, and the ids that Llama's slow tokenizer has for a text."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.synthetic.tokenizer import sentencepiece_model
from tests.builders.building import SHARED

NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
MODELS = ["tiny", "k2", "k32"]
_SPECIAL = ["<unk>", "<s>", "</s>"]
"""Of all three models, in order of their ids."""


@cache
def model_of(name: str) -> bytes:
    """The shipped tokenizer's model, one with 2,000 pieces, or one with 32,000 and spaces of the lowest score."""
    if name == "tiny":
        return sentencepiece_model()
    if name == "k2":
        path = SHARED / "tokenizer/tokenizer.model"
        if not path.is_file():
            pytest.skip(f"no SentencePiece model at {path}")
        return path.read_bytes()
    package = pytest.importorskip("mistral_common", reason="mistral-common, whose SentencePiece model is compared with")
    return (Path(package.__file__).parent / "data/tokenizer.model.v1").read_bytes()


def write_folder(folder: Path, name: str, **config: Any) -> str:
    """A folder with `tokenizer.model` and such a `tokenizer_config.json`, as Vicuna's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model_of(name))
    config = {"tokenizer_class": "LlamaTokenizer", **NAMED, "pad_token": "<unk>", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder)


class SlowTokenizer:
    """Ids as transformers 4's `LlamaTokenizer(use_fast=False)` has them, which LLaVA trains with.

    Special tokens are split off first. With `legacy` SentencePiece is given each part; without, the text gets a `▁` and
    its parts none, and a part that begins with a space is read behind another piece, so that the space is kept.
    """

    def __init__(self, name: str, *, legacy: bool) -> None:
        from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

        messages: Any = sentencepiece_model_pb2
        model = messages.ModelProto.FromString(model_of(name))
        model.normalizer_spec.add_dummy_prefix = legacy
        self._pieces: Any = SentencePieceProcessor(model_proto=model.SerializeToString())
        self._legacy = legacy

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without the first token."""
        if not text:
            return []
        given = text if self._legacy else "▁" + text.replace("▁", " ")
        ids: list[int] = []
        for part in filter(None, re.split("(<unk>|<s>|</s>)", given)):
            ids += [_SPECIAL.index(part)] if part in _SPECIAL else self._part(part)
        starts_special = not self._legacy and len(ids) > 1 and ids[1] < len(_SPECIAL)
        return ids[1:] if starts_special and ids[0] == self._pieces.piece_to_id("▁") else ids

    def _part(self, text: str) -> list[int]:
        before = "" if self._legacy or not text.startswith(("▁", " ")) else "<unk>"
        ids: list[int] = self._pieces.encode(before + text)
        return ids[len(self._pieces.encode(before)) :]
