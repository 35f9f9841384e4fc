"""The tokenizer of a composed model: what it adds, and files that give training's ids to whoever loads them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mix665k.schemas.template import TEMPLATES
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.schemas.tokens import TextEncoder
from mix665k.trainer.data.jinja import jinja_of
from mix665k.trainer.model.tokenizer import composed_tokenizer, leave_bos_to, save_tokenizer
from tests.schemas.sentencepiece_folders import MODELS, write_folder
from tests.trainer.families import FAMILIES, language_model

PARTS = [
    "<image>",
    "\nWhat?",
    "  two",
    " ",
    "\t",
    "    return x\n",
    "</s>",
    "USER: ",
    "日本",
    "🙂",
    "<unk>",
    "a",
    "▁",
    "<pad",
]
PROMPTS = st.lists(st.sampled_from(PARTS), max_size=10).map("".join)


def _saved(llm: str, out: Path) -> Any:
    """The composed tokenizer as somebody loads it who has transformers only."""
    from transformers import AutoTokenizer

    save_tokenizer(composed_tokenizer(llm), out)
    (out / "config.json").write_text('{"model_type": "llava"}')
    return AutoTokenizer.from_pretrained(out)


def _by_parts(encoder: TextEncoder, text: str) -> list[int]:
    """The ids that training gives a text: each part around images tokenised alone."""
    first, *others = encoder.encode(text)
    image: Any = encoder.tokenizer.token_to_id("<image>")
    return encoder.prefix + first.ids + [i for part in others for i in (image, *part.ids)]


@pytest.fixture(scope="module", params=[(name, legacy) for name in MODELS for legacy in (True, False)], ids=str)
def llama(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TextEncoder, Any]:
    """Training's encoder over such a folder's tokenizer, and the one that was saved and loaded again."""
    name, legacy = request.param
    folder = tmp_path_factory.mktemp("llama")
    llm = write_folder(folder / "llm", name, legacy=legacy)
    return TextEncoder(composed_tokenizer(llm).backend_tokenizer), _saved(llm, folder / "out")


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=PROMPTS)
def test_a_prompt_tokenised_as_a_unit_has_the_ids_of_its_parts(llama: tuple[TextEncoder, Any], text: str) -> None:
    encoder, loaded = llama

    assert loaded(text)["input_ids"] == _by_parts(encoder, text)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_tokenizers_of_other_families_give_a_prompt_the_ids_of_its_parts_too(family: str, tmp_path: Path) -> None:
    llm = str(language_model(family))
    composed, loaded = composed_tokenizer(llm), _saved(llm, tmp_path)
    encoder, own = TextEncoder(composed.backend_tokenizer), load_tokenizer(llm)

    for text in (
        "<image>\nWhat is  it?",
        "a <image>  b<image>",
        f"x{composed.eos_token} y",
        "It has 12345 windows\n\n",
    ):
        without = text.replace("<image>", "")
        assert loaded(text)["input_ids"] == _by_parts(encoder, text)
        assert loaded(without)["input_ids"] == own(without)["input_ids"]


@pytest.mark.parametrize("legacy", [True, False])
def test_legacy_survives_being_saved_and_loaded_twice(tmp_path: Path, legacy: bool) -> None:
    llm = write_folder(tmp_path / "llm", "tiny", legacy=legacy)
    save_tokenizer(composed_tokenizer(llm), tmp_path / "start")
    save_tokenizer(load_tokenizer(str(tmp_path / "start")), tmp_path / "export")

    ids = [load_tokenizer(str(tmp_path / name))("one</s>USER: two")["input_ids"] for name in ("llm", "start", "export")]

    assert ids[0] == ids[1] == ids[2]
    other = write_folder(tmp_path / "other", "tiny", legacy=not legacy)
    assert load_tokenizer(other)("one</s>USER: two")["input_ids"] != ids[0]


def test_what_transformers_saves_again_has_the_same_ids(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    loaded = _saved(write_folder(tmp_path / "llm", "tiny", legacy=False), tmp_path / "out")
    loaded.save_pretrained(tmp_path / "again")

    text = "USER: <image>\nWhat?</s>USER: x"
    assert AutoTokenizer.from_pretrained(tmp_path / "again")(text)["input_ids"] == loaded(text)["input_ids"]


@pytest.mark.parametrize(
    ("family", "pad"),
    [
        ("vicuna", "<pad>"),
        ("qwen25", "<|endoftext|>"),
        ("cohere", "<PAD>"),
        ("gemma2", "<pad>"),
        ("olmo2", "<|pad|>"),
        ("smollm2", "<pad>"),  # its own is the end token
        ("phi3", "<pad>"),
    ],
)
def test_a_padding_token_is_kept_unless_it_is_the_end_token(family: str, pad: str) -> None:
    own = load_tokenizer(str(language_model(family)))
    composed = composed_tokenizer(str(language_model(family)))

    assert composed.pad_token == pad
    assert composed.pad_token_id != composed.eos_token_id
    assert len(composed) - len(own) == 1 + (pad not in own.get_vocab())


def test_a_padding_token_of_the_vocabulary_that_no_file_names_is_used(tmp_path: Path) -> None:
    folder = shutil.copytree(language_model("gemma"), tmp_path / "llm", ignore=shutil.ignore_patterns("*.safetensors"))
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    assert config.pop("pad_token") == "<pad>"
    path.write_text(json.dumps(config))

    composed = composed_tokenizer(str(folder))

    assert (composed.pad_token, composed.pad_token_id) == (
        "<pad>",
        composed.get_vocab()["<pad>"],
    )


def test_batches_of_prompts_are_padded_on_the_left(tmp_path: Path) -> None:
    loaded = _saved("tiny", tmp_path)

    short, _ = loaded(["a", "a longer one"], padding=True)["input_ids"]
    assert short[0] == loaded.pad_token_id
    assert short[-1] != loaded.pad_token_id


@pytest.mark.parametrize("family", ["llama3", "gemma3", "mistral", "cohere", "olmo2", "qwen25"])
def test_a_rendered_chat_begins_with_one_first_token(family: str) -> None:
    composed = composed_tokenizer(str(language_model(family)))
    leave_bos_to(composed.chat_template, composed)
    messages = [{"role": "user", "content": "What?"}]

    render: Any = composed.apply_chat_template
    text = render(messages, tokenize=False)
    ids = composed(text)["input_ids"]

    assert ids == render(messages, tokenize=True)["input_ids"]
    assert ids.count(composed.bos_token_id) == text.count(composed.bos_token or "\0")


def test_the_first_token_stays_where_a_template_of_ours_does_not_write_it() -> None:
    composed = composed_tokenizer("tiny")
    leave_bos_to(jinja_of(TEMPLATES["v1"]), composed)

    assert composed("a")["input_ids"][0] == composed.bos_token_id


def test_text_after_an_image_token_that_a_folder_brings_begins_as_any_other(tmp_path: Path) -> None:
    llm = write_folder(tmp_path / "llm", "tiny", legacy=False, additional_special_tokens=["<image>"])
    (tmp_path / "llm/added_tokens.json").write_text('{"<image>": 2000}')
    loaded = load_tokenizer(llm)

    text = "USER: <image>\nWhat?</s>USER:"
    assert loaded(text)["input_ids"] == _by_parts(TextEncoder(loaded.backend_tokenizer), text)


def test_files_name_nothing_that_transformers_4_does_not_know(tmp_path: Path) -> None:
    save_tokenizer(composed_tokenizer("tiny"), tmp_path)

    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "extra_special_tokens" not in config
    assert config["legacy"] is False
    assert config["added_tokens_decoder"]["2000"]["content"] == "<image>"
    named = json.loads((tmp_path / "special_tokens_map.json").read_text())
    assert [named[key]["content"] for key in ("bos_token", "eos_token", "pad_token")] == ["<s>", "</s>", "<pad>"]


def test_the_chat_template_that_a_processor_wrote_is_left(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}")
    composed = composed_tokenizer("tiny")
    composed.chat_template = "own"

    save_tokenizer(composed, tmp_path)

    assert load_tokenizer(str(tmp_path)).chat_template == "{{ messages[0].content }}"
