"""Ids and labels against those of LLaVA's own `preprocess_v1`, where the golden file is at hand."""

import json
from typing import Any

import pytest

from mix665k.trainer.data.encode import Encoder
from tests.trainer.parts import SHARED, row

GOLDEN = SHARED / "golden/preprocess_v1.jsonl"
LLAVA_IMAGE = -200

needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason=f"LLaVA's ids and labels are not at {GOLDEN}")


def _cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


def _encoder(*, legacy: bool) -> Encoder:
    from transformers import LlamaTokenizer

    load: Any = LlamaTokenizer.from_pretrained
    tokenizer = load(SHARED / "tokenizer", legacy=legacy, add_bos_token=True, pad_token="<unk>")
    return Encoder(tokenizer, "v1", image_token_id=LLAVA_IMAGE, tokens_per_image=1, max_tokens=2048)


@needs_golden
@pytest.mark.parametrize(("legacy", "num_rejected"), [(True, 1), (False, 47)])
def test_ids_and_labels_are_those_of_llava(legacy: bool, num_rejected: int) -> None:
    encoder = _encoder(legacy=legacy)
    rejected = 0
    for case in _cases():
        texts = [turn["value"] for turn in case["conversations"]]
        expected = case[f"legacy_{str(legacy).lower()}"]

        encoded = encoder.encode(row(*zip(texts[::2], texts[1::2], strict=True)))

        assert encoded.input_ids.tolist() == expected["input_ids"], texts
        if expected["rejected"]:
            rejected += 1
        else:
            assert encoded.labels.tolist() == expected["labels"], texts
    assert rejected == num_rejected
