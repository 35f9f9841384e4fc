"""What `train check` says of a model, over families and towers."""

from typing import Any

import pytest

from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.model.compose import describe
from mix665k.trainer.model.language import end_ids_of
from mix665k.trainer.model.summary import summarise
from mix665k.trainer.model.trainable import outline
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.families import language_model
from tests.trainer.towers import tower


def said(family: str, vision: str, *sets: str, template: str = "chat") -> dict[str, str]:
    stage = load_stage("finetune", [f"template={template}", *sets])
    llm = str(language_model(family))
    processor, config = describe(llm, str(tower(vision)), template)
    encoder = Encoder(
        processor.tokenizer,
        template,
        image_token_id=config.image_token_id,
        tokens_per_image=config.image_seq_length,
        max_tokens=2048,
    )
    model: Any = outline(config, stage)
    return dict(summarise(model, stage, encoder=encoder, tokenizer=processor.tokenizer, end_ids=end_ids_of(llm)))


def test_a_model_with_a_chat_template_of_its_own() -> None:
    rows = said("gemma3", "siglip56")
    assert rows["vision tower"] == "siglip_vision_model, layer -2: 16 tokens a picture"
    assert rows["template"] == "chat; answers end with '<end_of_turn>'"
    assert rows["stop tokens"] == "'<eos>' or '<end_of_turn>'"
    assert "adapters" not in rows
    assert "experts" not in rows


def test_the_end_that_is_learned_is_a_stop_token_too() -> None:
    assert said("gemma", "clip56")["stop tokens"] == "'<eos>' or '<end_of_turn>'"
    assert end_ids_of(str(language_model("gemma"))) == (1,)


def test_a_template_whose_end_is_no_token_has_none() -> None:
    assert said("qwen25", "clip56", template="v1")["template"] == "v1; answers end with no token of their own"


def test_what_learns_is_counted_by_part() -> None:
    rows = said("vicuna", "clip56", "trains=[projector]", template="v1")
    assert rows["parameters"].endswith("; of them learn: projector 7,296")
    rows = said("vicuna", "clip56", "lora.r=4", template="v1")
    assert rows["parameters"].endswith("; of them learn: projector 7,296, language model 8,704")
    assert rows["adapters"] == (
        "8,704 parameters in 14 linear layers: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"
    )


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ((), "no router loss; 0.02 in the model's configuration"),
        (("router_loss=0.01",), "router loss weighs 0.01"),
        (
            ("lora.r=4", "router_loss=0.01"),
            "router loss weighs 0.01; they stay as they are, adapters are in linear layers only",
        ),
    ],
)
def test_experts_have_a_line_of_their_own(sets: tuple[str, ...], expected: str) -> None:
    assert said("mixtral", "clip56", *sets)["experts"] == expected
