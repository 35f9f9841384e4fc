"""The tiny models are what their families are."""

from typing import Any

import pytest
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, GenerationConfig

from tests.trainer.families import FAMILIES, language_model
from tests.trainer.towers import tower


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_its_class_its_end_tokens_and_a_vocabulary_that_holds_them(name: str) -> None:
    folder, family = language_model(name), FAMILIES[name]
    tokenizer, config = AutoTokenizer.from_pretrained(folder), AutoConfig.from_pretrained(folder)
    assert type(config).__name__ == family.config
    assert len(tokenizer) <= config.get_text_config().vocab_size
    stops: Any = GenerationConfig.from_pretrained(folder).eos_token_id
    assert tokenizer.convert_ids_to_tokens(stops if isinstance(stops, list) else [stops]) == list(family.stops)
    assert all(tokenizer.tokenize(text) == [text] for text in (family.end, *family.stops))


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.template])
def test_a_template_ends_both_answers_with_the_end_token_or_another_stop(name: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(language_model(name))
    turns = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A car."}]
    shown: Any = tokenizer.apply_chat_template(turns * 2, tokenize=False)
    ends = {after.strip().partition(">")[0] + ">" for after in shown.split("A car.")[1:]}
    assert ends <= {FAMILIES[name].end, "<|end|>"}


def test_a_processor_may_make_fewer_pixels_than_the_towers_configuration_names() -> None:
    folder = tower("dinov2")
    assert AutoConfig.from_pretrained(folder).image_size == 518
    load: Any = AutoImageProcessor.from_pretrained
    assert load(folder, backend="pil").crop_size["height"] == 56
