"""A `tokenizer.json` rebuilt from a SentencePiece model, for folders with a `tokenizer.model` only, as Vicuna's is.

transformers 5 ranks the merges of such a folder by vocabulary id: its `SentencePieceExtractor` calls `generate_merges`
without the scores, which it once did give (huggingface/transformers#22582). Llama's `▁▁` has id 259 and the lowest of
scores, so `    return` became `▁▁▁▁ return` where SentencePiece has `▁▁▁ ▁return`, and 28 % of ShareGPT's conversations
held tokens that Vicuna was never trained on.
"""

from pathlib import Path
from typing import Any

from mix665k.schemas.files import regular_file
from mix665k.schemas.tokenizer.prefix import FLAGS

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
_BPE = 2
_DECODERS: list[dict[str, Any]] = [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
]
_STRIP_FIRST_SPACE = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


class SentencePieceModel:
    """What a SentencePiece file says of itself.

    Raises:
        ValueError: when it is no SentencePiece model, or of a kind whose ids a `tokenizer.json` would not reproduce.
    """

    def __init__(self, path: Path) -> None:
        from google.protobuf.message import DecodeError
        from sentencepiece import sentencepiece_model_pb2

        messages: Any = sentencepiece_model_pb2
        self._proto = messages.ModelProto()
        try:
            self._proto.ParseFromString(regular_file(path).read_bytes())
        except DecodeError:
            raise ValueError("no SentencePiece model") from None
        if not self._proto.pieces:
            raise ValueError("a SentencePiece model without pieces")
        if self._proto.trainer_spec.model_type != _BPE:
            raise ValueError("a SentencePiece model that is not BPE, expected its tokenizer.json")
        rules = self._proto.normalizer_spec
        if rules.precompiled_charsmap or rules.remove_extra_whitespaces or not rules.escape_whitespaces:
            raise ValueError("a SentencePiece model that rewrites texts, expected its tokenizer.json")
        self.adds_prefix: bool = rules.add_dummy_prefix
        """Whether a text begins with a `▁` of its own."""

    @property
    def named_tokens(self) -> dict[str, str]:
        """The model's own `bos_token`, `eos_token` and `unk_token`."""
        spec = self._proto.trainer_spec
        ids = {"bos_token": spec.bos_id, "eos_token": spec.eos_id, "unk_token": spec.unk_id}
        return {name: self._proto.pieces[i].piece for name, i in ids.items() if i >= 0}

    def tokenizer_json(self) -> dict[str, Any]:
        """The content of the `tokenizer.json`, without what concerns the prefix and the tokens around a text."""
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": i, "content": piece.piece, **FLAGS, "special": piece.type != _USER_DEFINED}
                for i, piece in enumerate(self._proto.pieces)
                if piece.type in {_UNKNOWN, _CONTROL, _USER_DEFINED}
            ],
            "normalizer": None,
            "pre_tokenizer": None,
            "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": _DECODERS + [_STRIP_FIRST_SPACE] * self.adds_prefix},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": self.named_tokens.get("unk_token"),
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": True,
                "byte_fallback": self._proto.trainer_spec.byte_fallback,
                "ignore_merges": False,
                "vocab": {piece.piece: i for i, piece in enumerate(self._proto.pieces)},
                "merges": self._merges(),
            },
        }

    def _merges(self) -> list[list[str]]:
        """All pairs of pieces that join to a piece, in the order in which SentencePiece joins them.

        It joins the pair of the highest score, the leftmost of equals. A rank cannot say "leftmost"; that the longer
        left side goes first does the same for runs of one sign, such as Llama's spaces, which all have one score.
        """
        scores = {piece.piece: piece.score for piece in self._proto.pieces if piece.type == _NORMAL}
        merges = [
            (score, piece[:i], piece[i:])
            for piece, score in scores.items()
            for i in range(1, len(piece))
            if piece[:i] in scores and piece[i:] in scores
        ]
        merges.sort(key=lambda merge: (-merge[0], -len(merge[1]), -len(merge[2])))
        return [[left, right] for _, left, right in merges]
