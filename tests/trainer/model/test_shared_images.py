"""Records that share their picture's beginning learn what they learn one by one, whatever computes the attention."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mix665k.schemas.errors import StageError
from mix665k.trainer.data.dataset import Example
from mix665k.trainer.model.attention_needs import require_fit
from mix665k.trainer.model.trainable import make_trainable
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.model.test_attention import IMAGE, Shortcuts, assert_same, batch, gradients, load, losses, saved
from tests.trainer.model.test_attention_on_gpus import StandIn, kernel
from tests.trainer.parts import IMAGE_PX

__all__ = ["kernel", "saved"]
SYSTEM, END = [3, 4, 5], [6]


def pixels_of(picture: str) -> torch.Tensor:
    draw = torch.Generator().manual_seed(sum(picture.encode()))
    return torch.rand(1, 3, IMAGE_PX, IMAGE_PX, generator=draw)


def record(*parts: "int | str | list[int]", learned: int = 3, name: str = "a") -> Example:
    """Tokens: so many drawn ones, given ones, or a picture by its name; the last `learned` ones have labels."""
    draw = torch.Generator().manual_seed(sum(f"{name}{parts}".encode()))
    ids: list[int] = []
    for part in parts:
        if isinstance(part, str):
            ids += IMAGE
        else:
            ids += part if isinstance(part, list) else torch.randint(7, 2000, (part,), generator=draw).tolist()
    tokens = torch.tensor(ids)
    pictures = [part for part in parts if isinstance(part, str)]
    labels = torch.where(torch.arange(len(ids)) < len(ids) - learned, -100, tokens)
    return Example(
        input_ids=tokens,
        labels=labels,
        pixel_values=torch.cat([pixels_of(picture) for picture in pictures]) if pictures else None,
        pictures=pictures,
        id=name,
        source="made",
        index=0,
        bad_image=None,
    )


TREES = {
    "trees among others": [
        record(SYSTEM, "p", END, 9),
        record(SYSTEM, 8, name="text"),
        record(SYSTEM, "q", END, 6),
        record(SYSTEM, "p", END, 17, learned=11, name="b"),
        record(SYSTEM, "q", END, 1, learned=1, name="c"),
        record(SYSTEM, "p", END, 4, name="d"),
        record(SYSTEM, "other", END, 5),
    ],
    "one branch": [record(SYSTEM, "p", END, 9)],
    "text alone": [record(SYSTEM, 8), record(SYSTEM, 5, name="b")],
    "nothing": [],
    "the same twice": [record(SYSTEM, "p", END, [9, 8, 7, 9])] * 2,
    "one is the beginning of another, truncated": [
        record(SYSTEM, "p", END, [9, 8, 7, 9], learned=2),
        record(SYSTEM, "p", END, [9, 8, 7, 9, 10, 11, 12], learned=5),
        record(SYSTEM, "p", END, [9, 8], learned=1),
    ],
    "the picture ends a truncated one": [record(SYSTEM, "p", learned=0), record(SYSTEM, "p", 5)],
    "other texts before the picture": [record([3, 4, 9], "p", 5), record([3, 4, 10], "p", 6)],
    "other numbers of tokens before it": [record([3, 4], "p", 5), record([3, 4, 4], "p", 6)],
    "no common beginning": [record([3], "p", 5), record([4], "p", 6)],
    "other second pictures": [
        record(SYSTEM, "p", END, "q", 5),
        record(SYSTEM, "p", END, "r", 4),
        record(SYSTEM, "p", END, "q", 3),
    ],
    "the same two pictures": [record(SYSTEM, "p", "q", 5), record(SYSTEM, "p", "q", 4)],
    "two pictures side by side, or one": [record(SYSTEM, "p", "q", 5), record(SYSTEM, "p", 4)],
}


@pytest.mark.parametrize("tree", TREES)
def test_losses_and_gradients_equal_those_of_records_apart(saved: Path, tree: str) -> None:
    apart, together = (batch(mode, TREES[tree]) for mode in ("padding_free", "shared_images"))
    model = load(saved, "segments")
    by = Shortcuts(model)
    expected = losses(model, apart, by=by)
    wanted = gradients(model, expected)
    found = losses(model, together, by=by)

    assert torch.equal(together["targets"], apart["targets"])
    assert torch.equal(together["example_index"], apart["example_index"])
    assert (together["num_labels"], together["ids"]) == (apart["num_labels"], apart["ids"])
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)
    assert_same(gradients(model, found), wanted)


def test_losses_in_float32_equal_those_of_records_apart(saved: Path) -> None:
    model = load(saved, "segments").float()
    by, some = Shortcuts(model), TREES["trees among others"]
    apart, together = (losses(model, batch(mode, some), by=by) for mode in ("padding_free", "shared_images"))
    torch.testing.assert_close(together, apart, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize(
    "tree",
    ["trees among others", "one branch", "one is the beginning of another, truncated", "other second pictures"],
)
def test_kernels_of_a_gpu_are_handed_what_gives_the_same(saved: Path, kernel: StandIn, tree: str) -> None:
    plain, model = load(saved, "eager"), load(saved, kernel.kind)
    expected = losses(plain, batch("grouped", TREES[tree]))
    together = batch("shared_images", TREES[tree])
    found = losses(model, together, by=Shortcuts(model))

    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert_same(gradients(model, found), gradients(plain, expected))
    assert kernel.calls == [len(together["cu_seq_lens_q"]) - 1] * 2  # layers


def changed(example: Example, *, first: int) -> Example:
    """The same with other tokens from one on."""
    ids = example["input_ids"].clone()
    ids[first:] = ids[first:] % 1900 + 60
    return {**example, "input_ids": ids, "labels": torch.where(example["labels"] == -100, -100, ids)}


def test_changing_one_branch_changes_nothing_in_the_others_to_the_bit(saved: Path, kernel: StandIn) -> None:
    some = TREES["trees among others"]
    others = [*some[:3], changed(some[3], first=3 + len(IMAGE) + 1), *some[4:]]
    before, after = (batch("shared_images", chosen) for chosen in (some, others))
    for kind in ("segments", kernel.kind):
        model = load(saved, kind)
        by = Shortcuts(model)
        found, other = (losses(model, one, by=by) for one in (before, after))
        kept = before["example_index"] != 3
        assert torch.equal(found[kept], other[kept])
        assert not torch.isclose(found[~kept], other[~kept]).any()


def test_changing_the_beginning_changes_every_branch(saved: Path) -> None:
    some = TREES["trees among others"]
    shifted: Example = {**some[0], "pixel_values": pixels_of("x")}
    model = load(saved, "segments")
    by = Shortcuts(model)
    found, other = (losses(model, batch("shared_images", one), by=by) for one in (some, [shifted, *some[1:]]))
    index = batch("shared_images", some)["example_index"]
    of_tree = (index == 0) | (index == 3) | (index == 5)
    assert not torch.isclose(found[of_tree], other[of_tree]).any()
    assert torch.equal(found[~of_tree], other[~of_tree])


def test_the_tower_sees_each_picture_once_and_no_token_is_computed_twice(saved: Path) -> None:
    model = load(saved, "segments")
    seen: dict[str, int] = {}
    projector, embed = model.model.multi_modal_projector, model.get_input_embeddings()
    projector.register_forward_hook(lambda _, given, __: seen.update(pictures=len(given[0])))
    embed.register_forward_hook(lambda _, given, __: seen.update(tokens=given[0].numel()))
    together = batch("shared_images", TREES["trees among others"])
    losses(model, together, by=Shortcuts(model))

    beginning = len([*SYSTEM, *IMAGE, *END])
    tokens = 3 * beginning + (9 + 17 + 4) + (6 + 1) + 5 + (3 + 8)
    assert seen == {"pictures": 3, "tokens": tokens}
    assert together["num_tokens"] == tokens


@pytest.mark.parametrize("recomputed", ["true", "selective"])
def test_activation_checkpointing_changes_no_gradient(saved: Path, recomputed: str) -> None:
    found = []
    for value in ("false", recomputed):
        stage = load_stage("finetune", ["bf16=false", "zero=0", f"gradient_checkpointing={value}"])
        model = make_trainable(load(saved, "segments").float(), stage).train()
        together = batch("shared_images", TREES["trees among others"])
        found.append(gradients(model, losses(model, together, by=Shortcuts(model))))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_adapters_learn_what_they_learn_of_records_apart(saved: Path) -> None:
    sets = ["bf16=false", "zero=0", "gradient_checkpointing=false", "lora.r=4", "lora.dropout=0"]
    model = make_trainable(load(saved, "segments"), load_stage("finetune", sets)).double().train()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero as they are made: the other half would have no gradient
            torch.nn.init.normal_(parameter)
    by, some = Shortcuts(model), TREES["trees among others"]
    apart, together = (gradients(model, losses(model, batch(mode, some), by=by)) for mode in MODES)
    assert any("lora_A" in name and value.any() for name, value in together.items())
    assert_same(together, apart)


MODES: Any = ("padding_free", "shared_images")


@pytest.mark.parametrize("kind", ["eager", "sdpa"])
def test_attention_by_masks_is_refused(saved: Path, kind: str) -> None:
    config = load(saved, "eager").config.text_config
    stage = load_stage("finetune", ["batching=shared_images", f"attention={kind}"])
    with pytest.raises(
        StageError, match=rf"^attention {kind} with batching shared_images: .*; say --set attention=auto$"
    ):
        require_fit(stage, config)
    require_fit(load_stage("finetune", ["batching=shared_images"]), config)
