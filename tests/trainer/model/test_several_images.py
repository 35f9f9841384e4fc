"""Records of several images and their own system text: from a mixture's rows to the loss, in every way of batching."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mix665k.trainer.batching.types import Mode
from mix665k.trainer.data.dataset import Example, MixtureDataset
from mix665k.trainer.data.encode import IGNORED
from mix665k.trainer.data.images import ImageLoader
from mix665k.trainer.data.mixture import Mixture
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.model.test_attention import Shortcuts, assert_same, batch, gradients, load, losses, saved
from tests.trainer.parts import IMAGE_TOKEN_ID, TOKENS_PER_IMAGE, encoder, processor, tokenizer

__all__ = ["saved"]
TURNS = ("This <image> or that <image>?", "That one.", "And <image>?", "No.", "Why?", "It is red.")


def several(identifier: str, *images: str, system: str | None = None) -> dict[str, Any]:
    return record(identifier, *TURNS, image=images[0]) | {"more_images": list(images[1:]), "system": system}


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Example]:
    """Of three images, the same swapped, with a system text, of one image, of none, with a picture shown twice."""
    monkeypatch.setattr("mix665k.schemas.cache.FOLDER", tmp_path / "cache")
    for place, name in enumerate(("a.png", "b.png", "c.png")):
        Image.linear_gradient("L").rotate(90 * place).convert("RGB").save(tmp_path / name)
    rows = [
        several("a/1", "a.png", "b.png", "c.png"),
        several("a/2", "a.png", "c.png", "b.png"),
        several("a/3", "a.png", "b.png", "c.png", system="Answer briefly."),
        record("a/4", "<image>\nWhat?", "A cat.", image="a.png"),
        record("a/5", "Why?", "So."),
        several("a/6", "b.png", "c.png", "b.png"),
    ]
    mixture = Mixture(write_mixture(tmp_path / "few", rows))
    images = ImageLoader(tmp_path, processor(), on_bad="fail")
    dataset = MixtureDataset(mixture, encoder=encoder("v1"), images=images, filler_id=0)
    return dataset.__getitems__(range(len(rows)))


def test_each_image_has_its_placeholders_where_the_questions_have_it_and_only_answers_are_learned(
    examples: list[Example],
) -> None:
    first, with_system = examples[0], examples[2]
    ids = [token for token in first["input_ids"].tolist() if token != IMAGE_TOKEN_ID]
    learned = first["input_ids"][first["labels"] != IGNORED]

    assert tokenizer().decode(learned.tolist()) == "That one.</s> No.</s> It is red.</s>"
    assert tokenizer().decode(ids).split("USER: ")[1].startswith("This  or that  ? ASSISTANT: That one.</s>")
    assert int((first["input_ids"] == IMAGE_TOKEN_ID).sum()) == 3 * TOKENS_PER_IMAGE
    assert tokenizer().decode(with_system["input_ids"][:12].tolist()).startswith("<s> Answer briefly. USER: Th")
    assert [example["pictures"] for example in examples[::5]] == [
        ["a.png", "b.png", "c.png"],
        ["b.png", "c.png", "b.png"],
    ]


def test_pixels_are_in_reading_order(examples: list[Example]) -> None:
    first, swapped, *_, alone, _, twice = (example["pixel_values"] for example in examples)
    assert first is not None
    assert swapped is not None
    assert alone is not None
    assert twice is not None

    assert torch.equal(swapped, first[[0, 2, 1]])
    assert torch.equal(twice, first[[1, 2, 1]])
    assert torch.equal(alone, first[:1])


@pytest.mark.parametrize(
    ("kind", "mode"), [("sdpa", "padding_free"), ("segments", "padding_free"), ("segments", "shared_images")]
)
def test_every_way_of_batching_gives_the_same_losses_and_gradients(
    saved: Path, examples: list[Example], kind: str, mode: Mode
) -> None:
    plain, model = load(saved, "eager"), load(saved, kind)
    expected = losses(plain, batch("grouped", examples))
    found = losses(model, batch(mode, examples), by=Shortcuts(model))

    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert_same(gradients(model, found), gradients(plain, expected))


@pytest.mark.parametrize("mode", ["grouped", "padding_free"])
def test_images_that_change_places_change_what_follows_and_nothing_before(
    saved: Path, examples: list[Example], mode: Mode
) -> None:
    model = load(saved, "sdpa")
    by = Shortcuts(model)
    one, swapped = (losses(model, batch(mode, [example]), by=by) for example in examples[:2])

    assert not torch.isclose(one, swapped, rtol=1e-7, atol=0.0).any()
    pixels = examples[0]["pixel_values"]
    assert pixels is not None
    earlier: Any = {**examples[0], "pixel_values": pixels[[0, 1, 1]]}
    other = losses(model, batch(mode, [earlier]), by=by)
    changed = ~torch.isclose(one, other, rtol=1e-9, atol=1e-12)
    first = len(tokenizer().encode("That one.</s>", add_special_tokens=False))
    assert changed.tolist() == [False] * first + [True] * (len(one) - first)
