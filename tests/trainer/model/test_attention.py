"""Rows without padding are the same mathematics as padded ones, whatever computes the attention."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from mix665k.trainer.batching.types import Mode
from mix665k.trainer.data.collate import Batch, Placeholders, collate
from mix665k.trainer.data.dataset import Example
from mix665k.trainer.model.attention import attend_in_segments, inputs_of
from mix665k.trainer.model.hooks import ImageFeatures, LabelledHead
from tests.trainer.parts import IMAGE_PX, IMAGE_TOKEN_ID, TOKENS_PER_IMAGE

IMAGE = [IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE
KINDS = ("eager", "sdpa", "segments")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LLaVA of two layers with fewer key heads than heads."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(0)
    sizes: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=IMAGE_PX, patch_size=14, **sizes),
        text_config=LlamaConfig(vocab_size=IMAGE_TOKEN_ID + 1, num_key_value_heads=2, **sizes),
        image_token_index=IMAGE_TOKEN_ID,
        image_seq_length=TOKENS_PER_IMAGE,
    )
    folder = tmp_path_factory.mktemp("model")
    model: Any = LlavaForConditionalGeneration(config)
    model.save_pretrained(folder)
    return folder


def load(saved: Path, kind: str) -> Any:
    """In float64: what is left of differences then comes of norms and softmaxes, which transformers has in float32."""
    from transformers import LlavaForConditionalGeneration

    loading: Any = LlavaForConditionalGeneration
    kinds = {"text_config": kind, "vision_config": "sdpa"}
    return loading.from_pretrained(saved, dtype=torch.float64, attn_implementation=kinds)


def examples(*, seed: int = 1) -> list[Example]:
    """A long and a short conversation about an image, and two without any."""
    draw = torch.Generator().manual_seed(seed)

    def one(name: str, length: int, learned: int, *, image: bool) -> Example:
        text = torch.randint(3, 2000, (length,), generator=draw).tolist()
        ids = torch.tensor([text[0], *IMAGE, *text[1:]] if image else text)
        labels = torch.full_like(ids, -100)
        labels[len(ids) - learned :] = ids[len(ids) - learned :]
        pixels = torch.rand(1, 3, IMAGE_PX, IMAGE_PX, generator=draw) if image else None
        return Example(
            input_ids=ids,
            labels=labels,
            pixel_values=pixels,
            pictures=[name] if image else [],
            id=name,
            source="made",
            index=0,
            bad_image=None,
        )

    return [
        one("a", 30, 11, image=True),
        one("b", 5, 1, image=False),
        one("c", 9, 2, image=True),
        one("d", 17, 17, image=False),
    ]


def batch(mode: Mode, chosen: list[Example]) -> Batch:
    return collate(chosen, mode=mode, placeholders=Placeholders(0, IMAGE_TOKEN_ID, TOKENS_PER_IMAGE, IMAGE_PX))


class Shortcuts:
    """What the loop puts on a model, so that head and images know their places."""

    def __init__(self, model: Any) -> None:
        self.head = LabelledHead(model)
        self.images = ImageFeatures(model)


def losses(model: Any, micro_batch: Batch, *, by: Shortcuts | None = None) -> torch.Tensor:
    """The loss of each labelled token: as the loop computes it, or without `by` as transformers' model alone does."""
    inputs = inputs_of(micro_batch, model.config.text_config._attn_implementation) | {"use_cache": False}
    pixels, places = micro_batch["pixel_values"], micro_batch["label_positions"]
    if by is None:
        logits = model(**inputs, pixel_values=pixels).logits.flatten(0, 1)[places]
    else:
        with by.head.at(places), by.images.at(pixels, micro_batch["image_positions"]):
            logits = model(**inputs).logits
    return torch.nn.functional.cross_entropy(logits, micro_batch["targets"], reduction="none")


def gradients(model: Any, found: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    total: Any = found.sum()
    total.backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    """To a millionth of the largest gradient of each parameter.

    In float64: in float32 the gradient of one bias was 1.7e-6 off with another number of threads. A millionth is five
    times what rounding leaves in float64, and far below what a fault changes.
    """
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        largest = float(theirs[name].abs().max())
        told = partial("{} {}".format, name)
        torch.testing.assert_close(value, theirs[name], rtol=0.0, atol=1e-6 * max(largest, 1e-6), msg=told)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chosen", [slice(0, 4), slice(1, 2), slice(3, 4), slice(0, 1)])
def test_loss_and_gradients_equal_those_of_padded_training(saved: Path, kind: str, chosen: slice) -> None:
    some = examples()[chosen]
    plain = load(saved, "eager")
    expected = losses(plain, batch("grouped", some))
    wanted = gradients(plain, expected)
    model = load(saved, kind)
    found = losses(model, batch("padding_free", some), by=Shortcuts(model))

    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert_same(gradients(model, found), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_changing_one_conversation_changes_nothing_in_its_neighbours(saved: Path, kind: str) -> None:
    model = load(saved, kind)
    by = Shortcuts(model)
    ours, others = examples(), examples(seed=2)
    mixed = [ours[0], others[1], ours[2], others[3]]
    before, after = (batch("padding_free", some) for some in (ours, mixed))
    found, changed = (losses(model, one, by=by) for one in (before, after))
    kept = (before["example_index"] == 0) | (before["example_index"] == 2)

    assert torch.equal(before["example_index"], after["example_index"])
    assert torch.equal(found[kept], changed[kept])
    assert not torch.isclose(found[~kept], changed[~kept]).any()


def test_without_keeping_them_apart_neighbours_would_show(saved: Path) -> None:
    """The probe above can fail: plain causal attention over the row lets a later conversation see an earlier one."""
    model = load(saved, "sdpa")
    ours, others = examples(), examples(seed=2)
    found = []
    for some in (ours, [others[0], *ours[1:]]):
        one = batch("padding_free", some)
        row = model(input_ids=one["input_ids"], pixel_values=one["pixel_values"], use_cache=False).logits
        found.append(row.flatten(0, 1)[one["label_positions"]][one["example_index"] == 3])
    assert not torch.allclose(*found)


@pytest.mark.parametrize("mode", ["grouped", "padding_free"])
def test_the_head_runs_on_labelled_positions_only_and_changes_nothing(saved: Path, mode: Mode) -> None:
    model = load(saved, "segments")
    seen: list[tuple[int, ...]] = []
    model.lm_head.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    micro_batch = batch(mode, examples())
    expected = losses(model, micro_batch)
    wanted = gradients(model, expected)
    found = losses(model, micro_batch, by=Shortcuts(model))

    assert seen[0][:2] == micro_batch["input_ids"].shape
    assert seen[1] == (len(micro_batch["targets"]), 32)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert_same(gradients(model, found), wanted)


def test_a_batch_without_any_label_has_gradients_of_zero(saved: Path) -> None:
    model = load(saved, "segments")
    micro_batch = batch("padding_free", [])
    found = losses(model, micro_batch, by=Shortcuts(model))

    assert found.shape == (0,)
    assert not any(value.any() for value in gradients(model, found).values())


def test_segments_take_padded_rows_too(saved: Path) -> None:
    some = examples()
    plain, model = load(saved, "eager"), load(saved, "segments")
    expected = losses(plain, batch("grouped", some))
    torch.testing.assert_close(losses(model, batch("grouped", some)), expected, rtol=1e-6, atol=1e-6)


def test_checkpointing_gradients_changes_nothing(saved: Path) -> None:
    model = load(saved, "segments").train()
    by, micro_batch = Shortcuts(model), batch("padding_free", examples())
    expected = gradients(model, losses(model, micro_batch, by=by))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_same(gradients(model, losses(model, micro_batch, by=by)), expected)


def test_conversations_are_not_kept_apart_by_a_mask_but_by_their_positions() -> None:
    """Transformers looks for positions that start again only where it is given no mask and no cache."""
    given = inputs_of(batch("padding_free", examples()), "sdpa")
    assert given.keys() == {"input_ids", "position_ids", "use_cache"}
    assert not given["use_cache"]


@pytest.mark.parametrize("sinks", [None, torch.zeros(2)])
def test_dropout_in_attention_drops_weights_and_keeps_their_mean(sinks: torch.Tensor | None) -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 400, 2, 5, 4).unbind()

    def attend(dropout: float) -> torch.Tensor:
        found, _ = attend_in_segments(
            torch.nn.Identity(), query, key, torch.ones_like(key), None, scaling=0.5, dropout=dropout, s_aux=sinks
        )
        return found

    kept, dropped = attend(0.0), attend(0.5)
    assert not torch.allclose(kept, dropped, atol=0.1)
    torch.testing.assert_close(dropped.mean(), kept.mean(), rtol=0.05, atol=0.0)
