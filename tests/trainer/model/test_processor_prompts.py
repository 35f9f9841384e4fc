"""Prompts that anybody makes with a composed model's processor: the ids that training has, in one step or in two."""

import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mix665k.schemas.template import TEMPLATES
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.model.compose import describe
from mix665k.trainer.model.probe import mask_fault
from mix665k.trainer.model.tokenizer import save_tokenizer
from tests.schemas.sentencepiece_folders import write_folder
from tests.trainer.families import FAMILIES, language_model, made
from tests.trainer.parts import row
from tests.trainer.towers import tower

TURNS = [("What is\n\nit?", "A kettle."), ("  And the café 你?", "No."), ("1?", "7")]
PICTURE = Image.new("RGB", (80, 60), (200, 30, 30))
REFUSED = {"gemma2", "cohere", "granite"}
"""Language models that LLaVA would change."""
CHATTING = sorted(name for name, family in FAMILIES.items() if family.template and name not in REFUSED)
QUICK = {"llama3", "qwen25", "gemma3", "mistral", "phi3"}


@cache
def _llama(legacy: bool) -> str:
    """A Llama of Vicuna's form, without weights."""
    folder = made() / f"legacy-{legacy}"
    write_folder(folder, "tiny", legacy=legacy)
    config = json.loads((language_model("vicuna") / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 2000}))
    return str(folder)


def _require_equal_prompts(llm: str, template: str, *, folder: Path) -> None:
    """Fail where prompts of one to three turns, with a picture or without, are not training's."""
    from transformers import AutoProcessor

    processor, config = describe(llm, str(tower("clip56")), template)
    processor.save_pretrained(folder)
    save_tokenizer(processor.tokenizer, folder)
    (folder / "config.json").write_text('{"model_type": "llava"}')
    sizes = {"image_token_id": config.image_token_index, "tokens_per_image": config.image_seq_length}
    encoder = Encoder(processor.tokenizer, template, **sizes, max_tokens=4096)
    load: Any = AutoProcessor.from_pretrained
    loaded = load(folder)
    assert mask_fault(loaded, encoder) is None
    for shown, num_turns in product((False, True), (1, 2, 3)):
        (question, answer), *others = TURNS[:num_turns]
        trained = row(
            (f"<image>\n{question}" if shown else question, answer), *others, image="a.jpg" if shown else None
        )
        messages = _messages(TURNS[:num_turns], shown=shown)
        expected = encoder.prompt_ids(trained).tolist()

        text = loaded.apply_chat_template(messages, add_generation_prompt=True)
        in_two = loaded(images=PICTURE if shown else None, text=text)["input_ids"]
        render: Any = loaded.apply_chat_template
        in_one = render(messages, add_generation_prompt=True, tokenize=True, return_dict=True)["input_ids"]

        assert [in_two[0], in_one[0]] == [expected, expected], text


def _require_equal_prompts_of_several(llm: str, template: str, *, folder: Path) -> None:
    """Fail where a prompt of three pictures and a system text is not training's."""
    processor, config = describe(llm, str(tower("clip56")), template)
    sizes = {"image_token_id": config.image_token_index, "tokens_per_image": config.image_seq_length}
    encoder = Encoder(processor.tokenizer, template, **sizes, max_tokens=4096)
    pairs = [("<image>\n<image>\nThe same?", "No."), ("<image>\nThis?", "Yes.")]
    trained = row(*pairs, image="a.jpg")._replace(more_images=["b.jpg", "c.jpg"], system="Be brief.")
    image = {"type": "image", "image": PICTURE}
    messages: list[dict[str, Any]] = [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}]
    messages += _messages([("The same?", "No."), ("This?", "")], shown=True)
    messages[1]["content"].insert(0, image)
    messages[3]["content"].insert(0, image)
    render: Any = processor.apply_chat_template
    given = render(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    assert given["input_ids"][0] == encoder.prompt_ids(trained).tolist()
    assert len(given["pixel_values"]) == 3


def _messages(turns: list[tuple[str, str]], *, shown: bool) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for question, answer in turns:
        messages.append({"role": "user", "content": [{"type": "text", "text": question}]})
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    if shown:
        messages[0]["content"].insert(0, {"type": "image", "image": PICTURE})
    return messages[:-1]


@pytest.mark.parametrize("legacy", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("template", sorted(name for name, one in TEMPLATES.items() if one.keeps_question))
def test_prompts_of_shipped_templates_are_those_of_training(template: str, legacy: bool, tmp_path: Path) -> None:
    _require_equal_prompts(_llama(legacy), template, folder=tmp_path)


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in CHATTING]
)
def test_prompts_of_a_language_models_own_chat_template_are_those_of_training(family: str, tmp_path: Path) -> None:
    _require_equal_prompts(str(language_model(family)), "chat", folder=tmp_path)


@pytest.mark.parametrize("template", ["v1", "chatml_direct"])
def test_prompts_of_several_images_and_a_system_text_are_those_of_training(template: str, tmp_path: Path) -> None:
    _require_equal_prompts_of_several(_llama(False), template, folder=tmp_path)
    _require_equal_prompts_of_several(str(language_model("qwen25")), "chat", folder=tmp_path)
