"""Windows, softcaps and sinks of today's families, in every kind of attention and every way to batch."""

from functools import lru_cache
from typing import Any

import pytest
import torch

from mix665k.schemas.errors import StageError
from mix665k.trainer.batching.types import Mode
from mix665k.trainer.data.collate import Batch, Placeholders, collate
from mix665k.trainer.data.dataset import Example
from mix665k.trainer.model import attention_needs
from mix665k.trainer.model.attention import FLASH_SEGMENTS, SEGMENTS, attend_in_segments
from mix665k.trainer.model.attention_needs import choose, in_words, needs_of, require_fit
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.families import FAMILIES, WINDOW, language_model
from tests.trainer.model.test_attention import gradients, losses

SPECIAL = ("gemma2", "gemma3", "gptoss", "mistral", "qwen2_window")
"""With windows in all layers or some, softcaps, sinks."""
WHERE: list[tuple[Mode, str]] = [("grouped", SEGMENTS), ("padding_free", SEGMENTS), ("shared_images", SEGMENTS)]
ELSEWHERE: list[tuple[Mode, str]] = [
    ("grouped", "eager"),
    ("grouped", "sdpa"),
    ("padding_free", "eager"),
    ("padding_free", "sdpa"),
]
REFUSED = {
    ("gemma2", "grouped", "sdpa"),
    ("gemma2", "padding_free", "sdpa"),
    ("gptoss", "grouped", "sdpa"),
    ("gptoss", "padding_free", "eager"),
    ("gptoss", "padding_free", "sdpa"),
}
"""Kinds of transformers' own that a family does not have, or that would let conversations see each other."""
NO_LLAVA = ("mpt", "opt")
"""What LLaVA cannot hold, whatever attends."""
NUM_WORDS, TOKENS_PER_IMAGE, IMAGE_PX = 400, 4, 2


def config_of(name: str) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(language_model(name)).get_text_config(decoder=True)


@lru_cache(maxsize=1)
def model_of(name: str) -> Any:
    """A random LLaVA whose language model is of a family.

    In float32: in float64 transformers' own masks are numbers that its softmax in float32 takes as minus infinity, and
    what padding sees is then NaN.
    """
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    sizes: Any = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config: Any = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=IMAGE_PX, patch_size=1, **sizes),
        text_config=config_of(name),
        image_token_index=NUM_WORDS,
        image_seq_length=TOKENS_PER_IMAGE,
    )
    kind: Any = LlavaForConditionalGeneration
    torch.manual_seed(0)
    return kind(config).eval()


def examples() -> list[Example]:
    """Conversations longer than the window and shorter; two about an image, whose beginning is longer than it."""
    draw = torch.Generator().manual_seed(3)
    beginning = torch.randint(5, NUM_WORDS, (WINDOW + 1,), generator=draw)
    beginning[2 : 2 + TOKENS_PER_IMAGE] = NUM_WORDS
    picture = torch.rand(1, 3, IMAGE_PX, IMAGE_PX, generator=draw)

    def one(index: int, length: int) -> Example:
        ids = torch.randint(5, NUM_WORDS, (length,), generator=draw)
        pixels = None if index == 1 else picture
        if index != 1:
            ids[: len(beginning)] = beginning
        labels = torch.where(torch.arange(length) < 8, -100, ids)
        return Example(
            input_ids=ids,
            labels=labels,
            pixel_values=pixels,
            pictures=[] if index == 1 else ["a.jpg"],
            id="",
            source="made",
            index=index,
            bad_image=None,
        )

    return [one(index, length) for index, length in enumerate((3 * WINDOW, WINDOW - 7, WINDOW + 9))]


def batch(mode: Mode, chosen: list[Example]) -> Batch:
    placeholders = Placeholders(
        pad_id=0, image_token_id=NUM_WORDS, tokens_per_image=TOKENS_PER_IMAGE, image_px=IMAGE_PX
    )
    return collate(chosen, mode=mode, placeholders=placeholders)


@lru_cache(maxsize=1)
def one_by_one(name: str) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The losses and gradients by transformers' eager attention, of one conversation at a time."""
    model = model_of(name)
    model.set_attn_implementation("eager")
    found = torch.cat([losses(model, batch("grouped", [example])) for example in examples()])
    return found.detach(), gradients(model, found)


def compare(name: str, *, mode: Mode, kind: str) -> None:
    expected, wanted = one_by_one(name)
    model = model_of(name)
    model.set_attn_implementation({"text_config": kind, "vision_config": "sdpa"})
    found = losses(model, batch(mode, examples()))
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-5)
    given = gradients(model, found)
    assert given.keys() == wanted.keys()
    for parameter, value in given.items():
        largest = float(wanted[parameter].abs().max())
        assert float((value - wanted[parameter]).abs().max()) <= 1e-5 * max(largest, 1.0), parameter


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize(("mode", "kind"), WHERE)
def test_training_equals_one_conversation_at_a_time_in_transformers_own_attention(
    name: str, mode: Mode, kind: str
) -> None:
    compare(name, mode=mode, kind=kind)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in NO_LLAVA])
@pytest.mark.parametrize(("mode", "kind"), [*WHERE, *ELSEWHERE])
def test_every_family_and_kind_equals_one_conversation_at_a_time_or_is_refused(
    name: str, mode: Mode, kind: str
) -> None:
    stage = load_stage("finetune", [f"batching={mode}", f"attention={'auto' if kind == SEGMENTS else kind}"])
    if (name, mode, kind) in REFUSED:
        with pytest.raises(StageError, match=r"; say --set attention=auto$"):
            require_fit(stage, config_of(name))
    else:
        require_fit(stage, config_of(name))
        compare(name, mode=mode, kind=kind)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vicuna", "causal"),
        ("mistral", "a window of 24 tokens in 2 of 2 layers"),
        ("qwen25", "causal"),
        ("qwen2_window", "a window of 24 tokens in 1 of 2 layers"),
        ("gemma2", "a window of 24 tokens in 1 of 2 layers, scores capped at 0.5"),
        ("gptoss", "a window of 24 tokens in 1 of 2 layers, sinks"),
    ],
)
def test_what_a_model_asks_of_attention_is_seen_on_it(name: str, words: str) -> None:
    assert in_words(needs_of(config_of(name))) == words


def test_layers_that_look_in_chunks_are_refused() -> None:
    """Llama-4's do, by a mask alone: kernels of segments would let each token see all before it."""
    from transformers import Llama4TextConfig

    config = Llama4TextConfig(
        hidden_size=32, intermediate_size=32, intermediate_size_mlp=32, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, vocab_size=99,
    )  # fmt: skip
    with pytest.raises(StageError, match=r"^attention auto with batching grouped: llama4_text gives other logits than"):
        require_fit(load_stage("finetune"), config)


@pytest.mark.parametrize("kind", ["eager", "sdpa"])
def test_conversations_that_a_kind_would_let_see_each_other_are_refused(kind: str) -> None:
    """OPT's decoder gives its masks a mask of ones, which hides from them that positions start again."""
    stage = load_stage("finetune", ["batching=padding_free", f"attention={kind}"])
    with pytest.raises(StageError, match="opt gives other logits than for one conversation at a time"):
        require_fit(stage, config_of("opt"))
    require_fit(load_stage("finetune", [f"attention={kind}"]), config_of("opt"))


def test_sinks_are_left_to_torch_where_flash_attn_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_needs, "has_flash_attn", lambda: True)
    auto, asked = load_stage("finetune"), load_stage("finetune", ["attention=flash_attention_2"])
    assert [choose(auto, config_of(name)) for name in ("gptoss", "gemma2")] == [SEGMENTS, FLASH_SEGMENTS]
    with pytest.raises(StageError, match="flash-attn 2 has no sinks, which gpt_oss has"):
        require_fit(asked, config_of("gptoss"))
    require_fit(asked, config_of("gemma2"))


@pytest.mark.parametrize(("length", "masked"), [(5, False), (6, True)])
def test_a_segment_no_longer_than_the_window_has_no_mask(
    monkeypatch: pytest.MonkeyPatch, length: int, masked: bool
) -> None:
    given: list[Any] = []

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **how: Any) -> torch.Tensor:
        given.append(how.get("attn_mask"))
        return value

    monkeypatch.setattr("mix665k.trainer.model.attention.scaled_dot_product_attention", attend)
    states = torch.zeros(1, 2, length, 4)
    attend_in_segments(torch.nn.Identity(), states, states, states, None, scaling=0.5, sliding_window=5)
    assert [mask is not None for mask in given] == [masked]
