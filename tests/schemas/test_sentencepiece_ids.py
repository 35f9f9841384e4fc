"""Token ids against those of the SentencePiece model itself, on any text."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.schemas.errors import TokenizerError
from mix665k.schemas.tokenizer import TINY
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.schemas.tokens import TextEncoder
from tests.schemas.sentencepiece_folders import MODELS, NAMED, SlowTokenizer, model_of, write_folder

WORDS = "f(x): |    return|\treturn x|USER: |ASSISTANT:|the|ing|--|====|</s>|<s>|<unk>|<0x0A>|日本語|中|🙂|👩\u200d👧|é"
ATOMS = st.sampled_from([*" \t\n▁\u200b", "\n\n", "\r\n", *(" " * n for n in (2, 3, 5, 8, 17)), *WORDS.split("|")])
TEXTS = st.lists(ATOMS | st.text(max_size=4), max_size=12).map("".join).filter(lambda text: "<image>" not in text)


@cache
def _encoder(name: str, legacy: bool) -> TextEncoder:
    with TemporaryDirectory() as folder:
        return TextEncoder(load_tokenizer(write_folder(Path(folder), name, legacy=legacy)).backend_tokenizer)


@cache
def _slow(name: str, legacy: bool) -> SlowTokenizer:
    return SlowTokenizer(name, legacy=legacy)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None, derandomize=True, max_examples=150)
@given(text=TEXTS)
def test_ids_are_those_of_the_sentencepiece_model_on_any_text(name: str, legacy: bool, text: str) -> None:
    [part] = _encoder(name, legacy).encode(text)

    assert part.ids == _slow(name, legacy).ids(text)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(text=TEXTS)
def test_the_shipped_tokenizer_has_the_ids_of_the_model_that_it_was_made_from(text: str) -> None:
    [part] = _shipped().encode(text)

    assert part.ids == _slow("tiny", False).ids(text)


@cache
def _shipped() -> TextEncoder:
    return TextEncoder(load_tokenizer("tiny").backend_tokenizer)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("    return", "▁▁▁▁ ▁return"), ("a  b", "▁a ▁ ▁b"), ("one</s>USER: x", "▁one </s> USER : ▁x"), (" x", "▁ ▁x")],
)
def test_pieces_are_those_that_vicuna_and_llava_see(text: str, pieces: str) -> None:
    [part] = _encoder("k32", False).encode(text)

    assert part.tokens == pieces.split()


def test_a_configuration_that_is_silent_about_legacy_means_legacy_as_in_transformers_4(tmp_path: Path) -> None:
    silent = load_tokenizer(write_folder(tmp_path / "silent", "tiny"))
    stated = load_tokenizer(write_folder(tmp_path / "stated", "tiny", legacy=True))

    assert silent.backend_tokenizer.to_str() == stated.backend_tokenizer.to_str()


@pytest.mark.parametrize(
    ("config", "ids"),
    [({}, [1]), ({"add_bos_token": False}, []), ({"add_bos_token": True, "add_eos_token": True}, [1, 2])],
)
def test_marks_around_a_text_are_those_of_the_configuration(
    tmp_path: Path, config: dict[str, bool], ids: list[int]
) -> None:
    tokenizer = load_tokenizer(write_folder(tmp_path, "tiny", **config))

    assert tokenizer("")["input_ids"] == ids


def test_tokens_that_the_folders_other_files_add_are_in_the_vocabulary(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "tiny", legacy=False, pad_token="[PAD]")
    (tmp_path / "added_tokens.json").write_text('{"[PAD]": 2000, "<mark>": 2001}')
    tokenizer = load_tokenizer(folder)

    ids = tokenizer("a[PAD]b<mark>c", add_special_tokens=False)["input_ids"]
    assert [tokenizer.convert_tokens_to_ids(text) for text in ("[PAD]", "<mark>")] == [2000, 2001]
    assert tokenizer.convert_ids_to_tokens(ids) == ["▁a", "[PAD]", "b", "<mark>", "c"]
    assert (tokenizer.pad_token_id, len(tokenizer)) == (2000, 2002)


def _changed(change: str) -> bytes:
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    model = messages.ModelProto.FromString(model_of("tiny"))
    if change == "unigram":
        model.trainer_spec.model_type = 1
    else:
        model.normalizer_spec.remove_extra_whitespaces = True
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize(("change", "why"), [("unigram", "that is not BPE"), ("spaces", "that rewrites texts")])
def test_a_model_whose_ids_could_not_be_reproduced_is_refused(tmp_path: Path, change: str, why: str) -> None:
    folder = write_folder(tmp_path, "tiny")
    (tmp_path / "tokenizer.model").write_bytes(_changed(change))

    with pytest.raises(TokenizerError, match=f"a SentencePiece model {why}, expected its tokenizer.json"):
        load_tokenizer(folder)


def _with_json(folder: Path, **config: Any) -> str:
    """A folder with the `tokenizer.json` that transformers 4 makes of the tiny model."""
    from tokenizers import normalizers

    tokenizer = load_tokenizer(str(TINY)).backend_tokenizer
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    content = json.loads(tokenizer.to_str())
    content["pre_tokenizer"] = None
    for token in content["added_tokens"]:
        token["normalized"] = False
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({**NAMED, **config}), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("config", "model_type", "legacy"),
    [
        ({"tokenizer_class": "LlamaTokenizer", "legacy": False}, "llama", False),
        ({"tokenizer_class": "LlamaTokenizerFast", "legacy": True}, "llama", True),
        ({"tokenizer_class": "LlamaTokenizer"}, "llama", True),
        ({"tokenizer_class": "LlamaTokenizer", "legacy": False}, "mistral", True),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "legacy": False}, "llama", True),
    ],
)
def test_a_tokenizer_json_is_followed_unless_a_llamas_configuration_says_otherwise(
    tmp_path: Path, config: dict[str, Any], model_type: str, legacy: bool
) -> None:
    folder = _with_json(tmp_path, **config)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))

    ids = load_tokenizer(folder)("a</s>USER:  b", add_special_tokens=False)["input_ids"]

    assert ids == _slow("tiny", legacy).ids("a</s>USER:  b")


@pytest.mark.parametrize("named", ["GPT2Tokenizer", "LlamaTokenizerFast", "Qwen2Tokenizer"])
def test_no_class_of_transformers_replaces_what_a_tokenizer_json_splits_at(tmp_path: Path, named: str) -> None:
    from tests.trainer.tokenizers import byte_level

    splits_digits = byte_level("<|endoftext|>")
    splits_digits.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": named}))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')

    tokenizer = load_tokenizer(str(tmp_path))

    for text in ("It has 123456 windows", "  x\n\n  y"):
        assert tokenizer(text)["input_ids"] == splits_digits.encode(text).ids
    assert tokenizer.eos_token == "<|endoftext|>"
