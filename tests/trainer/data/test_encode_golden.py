"""Ids and labels against those of LLaVA's own `preprocess_v1`, where the golden files are at hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.data.encode import Encoded, Encoder
from tests.schemas.sentencepiece_folders import write_folder
from tests.trainer.parts import SHARED, row

GOLDEN = SHARED / "golden/preprocess_v1.jsonl"
GOLDEN_32K = SHARED / "golden/preprocess_v1_32k.jsonl"
LLAVA_IMAGE = -200

needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason=f"LLaVA's ids and labels are not at {GOLDEN}")


def _cases(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _encoder(folder: str) -> Encoder:
    tokenizer = load_tokenizer(folder)
    return Encoder(tokenizer, "v1", image_token_id=LLAVA_IMAGE, tokens_per_image=1, max_tokens=2048)


def _encoded(encoder: Encoder, case: dict[str, Any]) -> Encoded:
    texts = [turn["value"] for turn in case["conversations"]]
    return encoder.encode(row(*zip(texts[::2], texts[1::2], strict=True)))


@needs_golden
@pytest.mark.parametrize(("legacy", "num_rejected"), [(True, 1), (False, 47)])
def test_ids_and_labels_are_those_of_llava(tmp_path: Path, legacy: bool, num_rejected: int) -> None:
    encoder = _encoder(write_folder(tmp_path, "k2", legacy=legacy))
    rejected = 0
    for case in _cases(GOLDEN):
        expected = case[f"legacy_{str(legacy).lower()}"]

        encoded = _encoded(encoder, case)

        assert encoded.input_ids.tolist() == expected["input_ids"], case["conversations"]
        if expected["rejected"]:
            rejected += 1
        else:
            assert encoded.labels.tolist() == expected["labels"], case["conversations"]
    assert rejected == num_rejected


@pytest.mark.skipif(not GOLDEN_32K.is_file(), reason=f"LLaVA's ids and labels are not at {GOLDEN_32K}")
def test_ids_and_labels_are_those_of_llava_under_a_model_of_vicunas_size_and_form(tmp_path: Path) -> None:
    encoder = _encoder(write_folder(tmp_path, "k32", legacy=False, add_bos_token=True, add_eos_token=False))
    rejected = 0
    for case in _cases(GOLDEN_32K):
        encoded = _encoded(encoder, case)

        assert encoded.input_ids.tolist() == case["input_ids"], case["conversations"]
        if case["rejected"]:
            rejected += 1  # three hold "ASSISTANT: ", at which LLaVA splits wherever it is, and then counts wrongly
        else:
            assert encoded.labels.tolist() == case["labels"], case["conversations"]
    assert rejected == 4
