"""Every language model under every vision tower: trained right in all that makes a model, or refused in one line.

`cells.py` says which there are, and where it is kept what becomes of them.
"""

import copy
import itertools
from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor
from transformers import LlavaForConditionalGeneration as Llava

from docs.generator.other_models import WORKS, RecordedModel
from mix665k.schemas.stage import Lora
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.batching.types import Mode
from mix665k.trainer.data.collate import Batch, Placeholders, collate
from mix665k.trainer.data.dataset import Example
from mix665k.trainer.data.encode import IGNORED, Encoder, end_tokens
from mix665k.trainer.evaluation.ask import Asker, Limits, can_share
from mix665k.trainer.evaluation.batches import Prompt, plan
from mix665k.trainer.model.adapters import add_adapters, merge_adapters
from mix665k.trainer.model.attention import SEGMENTS
from mix665k.trainer.model.compose import PARTS
from mix665k.trainer.model.probe import require_same_prompts
from mix665k.trainer.model.trainable import freeze
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.launch import prepare
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.training_data import make_encoder, open_data
from tests.trainer.cells import MODELS, TALKS, TOWERS, Cell, looked_at_once, record_cell, recorded, verdict
from tests.trainer.families import FAMILIES, WINDOW, language_model
from tests.trainer.model.test_attention import Shortcuts, gradients, losses

NONE = RecordedModel(config="", towers={})
CELLS = [Cell(model, vision) for model in MODELS for vision in TOWERS]
HELD = [cell for cell in CELLS if recorded().get(cell.model, NONE).towers.get(cell.vision) == WORKS]
QUICK = {
    Cell("vicuna", "clip56"),
    Cell("qwen25", "siglip56"),
    Cell("gemma3_multimodal", "dinov2"),
    Cell("phi3", "internvit"),
    Cell("mixtral", "siglip56"),
    Cell("gptneox_templated", "clip56"),
    Cell("gptneox", "clip56"),
    Cell("gemma2", "siglip56"),
    Cell("phi2", "dinov2"),
    Cell("mpt", "internvit"),
    Cell("vicuna", "convnext"),
    Cell("qwen3", "siglip2_naflex"),
    Cell("llama3", "dinov2_registers"),
}


MODES: tuple[Mode, ...] = ("grouped", "padding_free")
SIDE = 56
PICTURE = Image.new("RGB", (90, 60), (200, 30, 30))
TEXT = torch.arange(7, 80)[None]
LEAD = "<|channel|>final<|message|>"
"""What gpt-oss learns before each answer."""


def marked(cells: list[Cell]) -> list[Any]:
    return [pytest.param(cell, id="-".join(cell), marks=[] if cell in QUICK else pytest.mark.slow) for cell in cells]


# Those that train first: pytest then runs all tests of a cell one after the other, on what its first has composed.
every = pytest.mark.parametrize("cell", marked(sorted(CELLS, key=lambda cell: cell not in HELD)), indirect=True)
held = pytest.mark.parametrize("cell", marked(HELD), indirect=True)


@pytest.fixture(scope="module", autouse=True)
def _once() -> Iterator[None]:
    with looked_at_once():
        yield


class Looked:
    """A cell and what has been made of it so far."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    @cached_property
    def job(self) -> Job:
        """Of a run that is prepared: its start model is there."""
        return prepare(self.cell.job("finetune"))

    @cached_property
    def model(self) -> Any:
        """In transformers' own attention, in float32; not to be changed."""
        load: Any = Llava.from_pretrained
        kinds = {"text_config": "eager", "vision_config": "sdpa"}
        return load(self.job.start, attn_implementation=kinds, dtype=torch.float32).eval()

    @cached_property
    def tokenizer(self) -> Any:
        return load_tokenizer(str(self.job.start))

    @cached_property
    def encoder(self) -> Encoder:
        return make_encoder(self.tokenizer, self.model.config, self.job)

    @cached_property
    def processor(self) -> Any:
        load: Any = AutoProcessor.from_pretrained
        return load(self.job.start, backend="pil")

    @cached_property
    def examples(self) -> list[Example]:
        """Of all conversations, in their order, as training reads them."""
        train: Any = open_data(self.job).train
        return sorted((train[k] for k in range(len(TALKS))), key=lambda example: example["id"])

    def batch(self, mode: Mode, examples: list[Example]) -> Batch:
        config, pad_id = self.model.config, self.tokenizer.pad_token_id
        placeholders = Placeholders(
            pad_id=pad_id,
            image_token_id=config.image_token_id,
            tokens_per_image=config.image_seq_length,
            image_px=SIDE,
        )
        return collate(examples, mode=mode, placeholders=placeholders)


@pytest.fixture(scope="module")
def cell(request: pytest.FixtureRequest) -> Looked:
    return Looked(request.param)


@every
def test_check_and_both_stages_say_of_a_cell_what_is_recorded(cell: Looked) -> None:
    found = verdict(cell.cell)
    record_cell(cell.cell, found)
    assert found == recorded()[cell.cell.model].towers[cell.cell.vision]


@held
def test_text_gets_the_logits_that_the_language_model_gives_alone(cell: Looked) -> None:
    expected = _logits_alone(cell.cell.family)
    with torch.no_grad():
        found = cell.model(input_ids=TEXT).logits
    assert float((found[..., : expected.shape[-1]] - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@cache
def _logits_alone(family: str) -> torch.Tensor:
    kind: Any = AutoModelForImageTextToText if family == "gemma3_multimodal" else AutoModelForCausalLM
    alone = kind.from_pretrained(language_model(family), attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        logits: torch.Tensor = alone(input_ids=TEXT).logits
    return logits


@held
def test_losses_and_gradients_are_those_of_one_conversation_at_a_time(cell: Looked) -> None:
    """In transformers' own attention and without our hooks, of all parts at once."""
    lengths = [len(example["input_ids"]) for example in cell.examples]
    assert min(lengths) > 2
    assert max(lengths) > 2 * WINDOW
    expected = torch.cat([losses(cell.model, cell.batch("grouped", [example])) for example in cell.examples])
    wanted = gradients(cell.model, expected)
    assert any(name.startswith(PARTS["vision_tower"]) for name in wanted)
    model = copy.deepcopy(cell.model)
    model.set_attn_implementation({"text_config": SEGMENTS, "vision_config": "sdpa"})
    hooks = Shortcuts(model)
    for mode in MODES:
        found = losses(model, cell.batch(mode, cell.examples), by=hooks)
        torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-5)
        given = gradients(model, found)
        assert given.keys() == wanted.keys()
        for name, value in given.items():
            largest = float(wanted[name].abs().max())
            assert float((value - wanted[name]).abs().max()) <= 1e-5 * max(largest, 1.0), name


@held
def test_each_answer_and_its_end_are_learned_which_an_export_stops_at(cell: Looked) -> None:
    ends = end_tokens(cell.model.generation_config.eos_token_id, cell.encoder, tokenizer=cell.tokenizer)
    stops = {ends} if isinstance(ends, int) else set(ends or [])
    assert set(cell.tokenizer.convert_tokens_to_ids(FAMILIES[cell.cell.family].stops)) <= stops
    for example, texts in zip(cell.examples, TALKS, strict=True):
        runs = [list(run) for is_prompt, run in _runs(example["labels"].tolist()) if not is_prompt]
        assert len(runs) == len(texts) // 2
        for run, answer in zip(runs, texts[1::2], strict=True):
            assert set(run) & set(cell.encoder.end_tokens.values()) == {run[-1]} <= stops
            assert cell.tokenizer.decode(run[:-1]).removeprefix(LEAD).strip() == answer


def _runs(labels: list[int]) -> Iterator[tuple[bool, Iterator[int]]]:
    return itertools.groupby(labels, lambda label: label == IGNORED)


@held
def test_a_processor_asks_as_training_did_with_a_placeholder_for_each_feature(cell: Looked) -> None:
    require_same_prompts(cell.processor, cell.encoder, where="here")
    given = cell.processor(images=PICTURE, text="<image>", return_tensors="pt")
    with torch.no_grad():
        [features] = cell.model.get_image_features(given["pixel_values"]).pooler_output
    assert int((given["input_ids"] == cell.model.config.image_token_id).sum()) == len(features)


@held
def test_what_is_trained_gets_a_gradient_and_what_is_frozen_none(cell: Looked) -> None:
    micro_batch = cell.batch("grouped", cell.examples[:1])
    for trains in ("[projector]", "[projector, language_model, vision_tower]"):
        model = copy.deepcopy(cell.model)
        freeze(model, load_stage("finetune", [f"trains={trains}"]))
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = gradients(model, losses(model, micro_batch))
        assert found.keys() == trained
        assert all(bool(found[name].abs().sum() > 0) for name in trained)


@held
def test_adapters_are_on_every_linear_layer_and_merging_them_changes_no_logit(cell: Looked) -> None:
    model = copy.deepcopy(cell.model)
    linear = {name for name, module in model.model.language_model.named_modules() if isinstance(module, nn.Linear)}
    freeze(model, load_stage("finetune"))
    add_adapters(model, Lora(r=4, alpha=8, dropout=0.0), seed=0)
    adapted = {name for name, module in model.named_modules() if hasattr(module, "lora_A")}
    assert adapted == {f"model.language_model.{name}" for name in linear}
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.1)
    given = cell.processor(images=PICTURE, text="<image>What is on the table?", return_tensors="pt")
    with torch.no_grad():
        plain, before = cell.model(**given).logits, model(**given).logits
        merge_adapters(model)
        after = model(**given).logits
    assert float((plain - before).abs().max()) > 1e-2 * float(before.abs().max())
    assert float((before - after).abs().max()) <= 1e-5 * float(before.abs().max())


@held
def test_prompts_are_answered_alike_in_a_batch_padded_on_the_left_and_alone(cell: Looked) -> None:
    texts = ["<image>What is on the table?", "So, what is it that you see there? <image>"]
    how: Any = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, "repetition_penalty": 1.0}

    def answers(*texts: str) -> list[list[int]]:
        given = cell.processor(images=[PICTURE] * len(texts), text=list(texts), padding=True, return_tensors="pt")
        made: list[list[int]] = cell.model.generate(**given, **how)[:, given["input_ids"].shape[1] :].tolist()
        return made

    assert answers(*texts) == [answer for text in texts for answer in answers(text)]


@held
def test_questions_that_share_a_beginning_are_answered_as_by_generate(cell: Looked) -> None:
    asked = ["<image>What is on the table?", "<image>What is it, and why is it there?", "<image>What?", "So, why?"]
    given = [cell.processor(images=PICTURE if "<" in one else None, text=one, return_tensors="pt") for one in asked]
    how: Any = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, "repetition_penalty": 1.0}
    expected = [cell.model.generate(**one, **how)[0, one["input_ids"].shape[1] :].tolist() for one in given]
    prompts = [
        Prompt(number, tuple(one["input_ids"][0].tolist()), "a.png" if "pixel_values" in one else None)
        for number, one in enumerate(given)
    ]
    longest = max(len(prompt.ids) for prompt in prompts) + 3
    shares = can_share(cell.model, longest)
    asker = Asker(cell.model, limits=Limits(frozenset(), 3), rows=4 if shares else 1, pad_id=0)
    pictures = {"a.png": given[0]["pixel_values"][0]}
    units = plan(prompts, rows=4 if shares else 1, shares=shares)
    answered = {one.number: one.ids for unit in units for batch in asker.ask(unit, pictures) for one in batch}
    assert [answered[number] for number in range(len(asked))] == expected


def test_recorded_are_the_cells_that_there_are_and_most_of_them_train() -> None:
    found = recorded()
    assert {name: list(one.towers) for name, one in found.items()} == {name: list(TOWERS) for name in MODELS}
    assert {name: one.config for name, one in found.items()} == {
        name: FAMILIES[family].config for name, (family, _) in MODELS.items()
    }
    assert len({one.config for one in found.values()}) >= 14
    for vision in ("clip56", "siglip56", "dinov2", "internvit"):
        assert len({one.config for one in found.values() if one.towers[vision] == WORKS}) >= 16
