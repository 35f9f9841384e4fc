"""Micro-batches, and that a text-only one changes nothing but the graph."""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mix665k.trainer.batching.types import Mode
from mix665k.trainer.data.collate import Batch, Placeholders, collate
from mix665k.trainer.data.dataset import Example, without_labels
from mix665k.trainer.data.encode import IGNORED
from tests.trainer.parts import IMAGE_PX, IMAGE_TOKEN_ID, TOKENS_PER_IMAGE

PAD = 0


def _example(ids: list[int], *, learned: int = 1, num_images: int = 0, bad_image: str | None = None) -> Example:
    """An example whose last `learned` tokens are learned."""
    input_ids = torch.tensor(ids)
    labels = torch.full_like(input_ids, IGNORED)
    labels[len(ids) - learned :] = input_ids[len(ids) - learned :]
    pixels = torch.full((num_images, 3, IMAGE_PX, IMAGE_PX), float(ids[-1])) if num_images else None
    return {
        "input_ids": input_ids,
        "labels": labels,
        "pixel_values": pixels,
        "pictures": [f"{ids[-1]}.jpg"] * num_images,
        "id": f"made/{ids[-1]}",
        "source": "made",
        "index": ids[-1],
        "bad_image": bad_image,
    }


def _collate(examples: list[Example], *, mode: Mode = "grouped", tokens_per_image: int = TOKENS_PER_IMAGE) -> Batch:
    return collate(
        examples,
        mode=mode,
        placeholders=Placeholders(PAD, IMAGE_TOKEN_ID, tokens_per_image, IMAGE_PX),
    )


def test_examples_are_padded_on_the_right_to_the_longest() -> None:
    run = [IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE
    batch = _collate([_example([5, *run, 7, 8], num_images=1), _example([6, 9], bad_image="a: b: no such file")])

    width = TOKENS_PER_IMAGE + 3
    assert batch["input_ids"].tolist() == [[5, *run, 7, 8], [6, 9] + [PAD] * (width - 2)]
    assert batch["labels"].tolist() == [[IGNORED] * (width - 1) + [8], [IGNORED, 9] + [IGNORED] * (width - 2)]
    assert batch["attention_mask"].tolist() == [[1] * width, [1, 1] + [0] * (width - 2)]
    assert batch["pixel_values"].shape == (1, 3, IMAGE_PX, IMAGE_PX)
    assert {batch[name].dtype for name in ("input_ids", "labels", "attention_mask")} == {torch.int64}
    assert batch["pixel_values"].dtype == torch.float32
    assert (batch["ids"], batch["sources"]) == (["made/8", "made/9"], ["made", "made"])
    assert batch["bad_images"] == ["a: b: no such file"]


def test_the_places_of_labels_are_those_before_them() -> None:
    batch = _collate([_example([1, 2, 3, 4], learned=2), _example([5, 6])], tokens_per_image=1)

    width = batch["input_ids"].shape[1]
    assert batch["label_positions"].tolist() == [1, 2, width]
    assert batch["targets"].tolist() == [3, 4, 6]
    assert batch["example_index"].tolist() == [0, 0, 1]
    assert (batch["num_labels"], batch["num_tokens"]) == ([2, 1], 6)


def test_padding_free_puts_one_example_behind_the_other() -> None:
    run = [IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE
    batch = _collate([_example([5, *run, 7, 8], num_images=1), _example([6, 9, 1], learned=3)], mode="padding_free")

    length = TOKENS_PER_IMAGE + 3
    assert batch["input_ids"].tolist() == [[5, *run, 7, 8, 6, 9, 1]]
    assert batch["labels"].tolist() == [[IGNORED] * (length - 1) + [8, IGNORED, 9, 1]]
    assert batch["position_ids"].tolist() == [[*range(length), 0, 1, 2]]
    assert batch["cu_seq_lens_q"].tolist() == batch["cu_seq_lens_k"].tolist() == [0, length, length + 3]
    assert batch["cu_seq_lens_q"].dtype == torch.int32
    assert batch["max_length_q"] == batch["max_length_k"] == length
    assert batch["label_positions"].tolist() == [length - 2, length, length + 1]
    assert batch["targets"].tolist() == [8, 9, 1]
    assert batch["example_index"].tolist() == [0, 1, 1]
    assert (batch["num_labels"], batch["num_tokens"]) == ([1, 2], length + 3)
    assert "attention_mask" not in batch


def test_padding_free_gives_a_blank_image_a_segment_of_its_own() -> None:
    batch = _collate([_example([1, 2]), _example([3])], mode="padding_free", tokens_per_image=2)

    assert batch["input_ids"].tolist() == [[1, 2, 3, IMAGE_TOKEN_ID, IMAGE_TOKEN_ID]]
    assert batch["labels"].tolist() == [[IGNORED, 2, IGNORED, IGNORED, IGNORED]]
    assert batch["cu_seq_lens_q"].tolist() == [0, 2, 3, 5]
    assert batch["pixel_values"].shape == (1, 3, IMAGE_PX, IMAGE_PX)
    assert (batch["num_labels"], batch["num_tokens"]) == ([1, 0], 3)


def test_shared_images_puts_the_beginning_of_a_picture_once_and_its_records_after_it() -> None:
    run = [IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE
    first, text, second = (
        _example([5, *run, 7, 8], num_images=1),
        _example([6, 9]),
        _example([5, *run, 4], num_images=1),
    )
    second["pictures"] = first["pictures"]
    batch = _collate([first, text, second], mode="shared_images")

    length = TOKENS_PER_IMAGE + 1
    assert batch["input_ids"].tolist() == [[5, *run, 7, 8, 4, 6, 9]]
    assert batch["position_ids"].tolist() == [[*range(length), length, length + 1, length, 0, 1]]
    assert batch["cu_seq_lens_q"].tolist() == [0, length, length + 2, length + 3, length + 5]
    keys = [range(length), range(length + 2), [*range(length), length + 2], [length + 3, length + 4]]
    assert batch["key_positions"].tolist() == [position for seen in keys for position in seen]
    assert batch["cu_seq_lens_k"].tolist() == [0, *np.cumsum([len(seen) for seen in keys])]
    assert batch["cu_seq_lens_q"].dtype == batch["cu_seq_lens_k"].dtype == torch.int32
    assert (batch["max_length_q"], batch["max_length_k"]) == (length, length + 2)
    assert batch["shared_by"].tolist() == [[2] * length + [1] * 5]
    assert (len(batch["pixel_values"]), batch["image_positions"].tolist()) == (1, list(range(1, length)))
    assert batch["label_positions"].tolist() == [length, length + 3, length - 1]
    assert batch["targets"].tolist() == [8, 9, 4]
    assert batch["example_index"].tolist() == [0, 1, 2]
    assert (batch["num_labels"], batch["num_tokens"]) == ([1, 1, 1], length + 5)
    assert "attention_mask" not in batch


def test_shared_images_gives_a_blank_image_a_tree_of_its_own() -> None:
    batch = _collate([_example([1, 2]), _example([1, 3])], mode="shared_images", tokens_per_image=2)

    assert batch["input_ids"].tolist() == [[1, 2, 1, 3, IMAGE_TOKEN_ID, IMAGE_TOKEN_ID]]
    assert batch["cu_seq_lens_k"].tolist() == [0, 2, 4, 6]
    assert batch["pixel_values"].shape == (1, 3, IMAGE_PX, IMAGE_PX)
    assert batch["num_tokens"] == 4


@given(lengths=st.lists(st.integers(1, 40), max_size=6), learned=st.integers(1, 40))
def test_all_modes_learn_the_same_labels(lengths: list[int], learned: int) -> None:
    examples = [_example(list(range(1, length + 1)), learned=min(learned, length)) for length in lengths]
    modes: list[Mode] = ["grouped", "padding_free", "shared_images"]
    padded, *others = batches = [_collate(examples, mode=mode) for mode in modes]

    for batch in others:
        assert torch.equal(padded["targets"], batch["targets"])
        assert torch.equal(padded["example_index"], batch["example_index"])
        assert padded["num_labels"] == batch["num_labels"]
        assert padded["num_tokens"] == batch["num_tokens"]
        assert padded["ids"] == batch["ids"]
    for batch in batches:
        assert torch.equal(batch["input_ids"].flatten()[batch["label_positions"] + 1], batch["targets"])
        assert int((batch["labels"] != IGNORED).sum()) == len(batch["targets"])


def test_images_are_stacked_in_reading_order() -> None:
    run = [IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE
    batch = _collate([_example([*run, 3], num_images=1), _example([4]), _example([*run, *run, 5], num_images=2)])

    assert batch["pixel_values"][:, 0, 0, 0].tolist() == [3, 5, 5]


def test_placeholders_of_a_blank_image_fill_the_padding_and_widen_it_as_little_as_needed() -> None:
    batch = _collate([_example([1, 2, 3]), _example([4])], tokens_per_image=5)

    image = IMAGE_TOKEN_ID
    assert batch["input_ids"].tolist() == [[1, 2, 3, image, image], [4, image, image, image, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, 3, IGNORED, IGNORED], [IGNORED] * 5]


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6), count=st.integers(1, 50))
def test_a_blank_image_touches_padding_only(lengths: list[int], count: int) -> None:
    examples = [_example(list(range(1, length + 1))) for length in lengths]

    batch = _collate(examples, tokens_per_image=count)

    placeholders = batch["input_ids"] == IMAGE_TOKEN_ID
    assert int(placeholders.sum()) == count
    assert not (placeholders & (batch["attention_mask"] == 1)).any()
    assert (batch["labels"][placeholders] == IGNORED).all()
    assert batch["attention_mask"].sum(dim=1).tolist() == lengths
    for row, example in zip(batch["input_ids"], examples, strict=True):
        assert row[: len(example["input_ids"])].tolist() == example["input_ids"].tolist()
    widened = batch["input_ids"].shape[1] - max(lengths)
    assert widened == max(0, -(-(count - sum(max(lengths) - length for length in lengths)) // len(lengths)))


def test_no_example_gives_a_batch_that_teaches_nothing() -> None:
    batch = _collate([])

    assert batch["input_ids"].tolist() == [[PAD] + [IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE]
    assert batch["attention_mask"].tolist() == [[1] + [0] * TOKENS_PER_IMAGE]
    assert (batch["labels"] == IGNORED).all()
    assert batch["ids"] == [""]


@lru_cache
def _model() -> Any:
    """A random LLaVA of two layers."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(0)
    sizes: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=IMAGE_PX, patch_size=14, **sizes),
        text_config=LlamaConfig(vocab_size=IMAGE_TOKEN_ID + 1, **sizes),
        image_token_index=IMAGE_TOKEN_ID,
        image_seq_length=TOKENS_PER_IMAGE,
    )
    model: Any = LlavaForConditionalGeneration(config)
    return model.eval()


def _loss(batch: Batch, **changed: Any) -> torch.Tensor:
    model = _model()
    model.zero_grad()
    names = ("input_ids", "labels", "attention_mask", "pixel_values")
    tensors = {name: value for name, value in batch.items() if name in names} | changed
    loss = model(**tensors, use_cache=False).loss
    loss.backward()
    detached: torch.Tensor = loss.detach()
    return detached


def _gradients(part: str) -> list[torch.Tensor | None]:
    return [parameter.grad for name, parameter in _model().named_parameters() if part in name]


@pytest.mark.parametrize("lengths", [[7], [9, 30, 12], [40, 3]])
def test_a_text_only_batch_has_its_loss_to_the_bit_and_no_gradient_for_the_projector(lengths: list[int]) -> None:
    torch.manual_seed(1)
    examples = [_example(torch.randint(1, 2000, (length,)).tolist(), learned=2) for length in lengths]
    batch = _collate(examples)

    with_blank = _loss(batch)
    projector = _gradients("multi_modal_projector")
    language = [grad.clone() for grad in _gradients("language_model") if grad is not None]
    text = batch["input_ids"].masked_fill(batch["input_ids"] == IMAGE_TOKEN_ID, PAD)
    without = _loss(batch, input_ids=text, pixel_values=None)

    assert torch.equal(with_blank, without)
    assert len(projector) == 4
    assert all(grad is not None and not grad.any() for grad in projector)
    assert language
    for ours, theirs in zip(language, (g for g in _gradients("language_model") if g is not None), strict=True):
        assert torch.equal(ours, theirs)


def test_a_text_only_batch_has_the_loss_of_its_examples_without_padding() -> None:
    torch.manual_seed(2)
    example = _example(torch.randint(1, 2000, (9,)).tolist(), learned=3)
    batch = _collate([example])
    alone = {name: batch[name][:, :9] for name in ("input_ids", "labels", "attention_mask")}

    assert torch.allclose(_loss(batch), _loss(batch, **alone, pixel_values=None), rtol=1e-6)


def test_a_filler_beside_an_example_changes_no_loss() -> None:
    example = _example([11, 12, 13, 14], learned=2)
    filler = without_labels("", source="", index=-1, filler_id=PAD)

    assert torch.allclose(_loss(_collate([example])), _loss(_collate([example, filler])), rtol=1e-6)


def test_an_image_gives_the_projector_a_gradient() -> None:
    _loss(_collate([_example([5, *[IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE, 7, 8], num_images=1)]))

    assert all(grad is not None and grad.any() for grad in _gradients("multi_modal_projector"))
