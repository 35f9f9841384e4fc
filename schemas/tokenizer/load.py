"""Loading a tokenizer: the one way in which `mix` counts tokens and `train` makes them."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mix665k.schemas.errors import TokenizerError, cause
from mix665k.schemas.tokenizer import tokenizer_folder
from mix665k.schemas.tokenizer.prefix import FLAGS, is_legacy, write_no_prefix, write_prefix
from mix665k.schemas.tokenizer.sentencepiece_model import SentencePieceModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    Content = dict[str, Any]
    """That of a file of JSON."""

_UNLOADABLE = (OSError, ValueError, AttributeError, LookupError, TypeError, RecursionError)
_JSON, _MODEL, _CONFIG = "tokenizer.json", "tokenizer.model", "tokenizer_config.json"
_USUAL = {"bos_token": ["<s>"], "eos_token": ["</s>", "<|endoftext|>"], "unk_token": ["<unk>"]}
"""Tokens that the classes of transformers name themselves where a tokenizer's configuration does not."""
_SAID_IN_JSON = ("added_tokens_decoder", "extra_special_tokens", "additional_special_tokens", "add_bos_token")
"""What `tokenizer.json` says as well; transformers would add the tokens again, with other flags."""


def load_tokenizer(name: str) -> "PreTrainedTokenizerFast":
    """The tokenizer of a name, each time another one.

    A `tokenizer.json` is taken as it is written. transformers' own classes replace its pre-tokenizer by that of their
    kind (huggingface/transformers#45488, #45920: other ids for Llama-3 distillates, OLMo-2, Granite), so none is asked.
    Without one it is rebuilt from `tokenizer.model`, with the ids of the SentencePiece model itself.

    A tokenizer of Llama's kind writes its first `▁` as `prefix` says. Its `legacy` is that of `tokenizer_config.json`;
    for a `tokenizer.model` it is true where that is silent, as in transformers 4, of which Vicuna and LLaVA are.

    Raises:
        TokenizerError: when it is not found or its files cannot be read.
    """
    folder = tokenizer_folder(name)
    try:
        tokenizer = _load(folder)
    except Exception as error:
        if type(error) is not Exception and not isinstance(error, _UNLOADABLE):  # tokenizers raises the bare class
            raise
        raise TokenizerError(f"tokenizer {folder}: cannot be loaded: {cause(error)}; give another folder") from None
    tokenizer.name_or_path = name
    return tokenizer


def _load(folder: Path) -> "PreTrainedTokenizerFast":
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    loaded: PreTrainedTokenizerFast
    config = _read(folder / _CONFIG)
    named = {**_read(folder / "special_tokens_map.json"), **config}
    if (folder / _JSON).is_file():
        content = _read(folder / _JSON)
        legacy = _legacy(content, folder, config)
        missing = {key: token for key, token in _usual_tokens(content).items() if key not in named}
        if legacy is None:
            of_file: Any = PreTrainedTokenizerFast.from_pretrained
            loaded = of_file(folder, **missing)
            return loaded
    elif (folder / _MODEL).is_file():
        model = SentencePieceModel(folder / _MODEL)
        content, missing = model.tokenizer_json(), {**model.named_tokens, **named}
        content["post_processor"] = _post_processor(content, missing)
        legacy = config.get("legacy") is not False if model.adds_prefix else None
    else:
        of_parts: Any = AutoTokenizer.from_pretrained  # of vocab.json and merges.txt
        loaded = of_parts(folder, trust_remote_code=False)
        return loaded
    _add_tokens(content, folder, named)
    if legacy is None:
        write_no_prefix(content)
    else:
        write_prefix(content, legacy=legacy)
        config["legacy"] = legacy
    return _wrap(content, folder, {**missing, **config})


def _legacy(content: "Content", folder: Path, config: "Content") -> bool | None:
    """The rule of a `tokenizer.json` for its first `▁`; None where the file is to be left as it is.

    That of its form, unless a Llama's configuration says otherwise: there transformers heeds `legacy`, and so does
    LLaVA. For Mistral and Phi-3 all versions of transformers follow the file.
    """
    form, stated = is_legacy(content), config.get("legacy")
    of_llama = str(config.get("tokenizer_class")).startswith("Llama")
    of_llama = of_llama and _read(folder / "config.json").get("model_type", "llama") == "llama"
    return stated if form is not None and of_llama and isinstance(stated, bool) else form


def _usual_tokens(content: "Content") -> dict[str, str]:
    known = {token["content"] for token in content["added_tokens"]}
    found = {key: next((token for token in tokens if token in known), None) for key, tokens in _USUAL.items()}
    return {key: token for key, token in found.items() if token}


def _add_tokens(content: "Content", folder: Path, named: "Content") -> None:
    """Add what the other files of the folder add to the vocabulary."""
    special = {_text(token) for key, token in named.items() if key.endswith("_token")}
    special |= {_text(token) for token in named.get("additional_special_tokens") or []}
    tokens = [
        {"content": token, "id": i, **FLAGS, "special": token in special}
        for token, i in _read(folder / "added_tokens.json").items()
    ]
    tokens += [{**FLAGS, **token, "id": int(i)} for i, token in named.get("added_tokens_decoder", {}).items()]
    known = {token["content"] for token in content["added_tokens"]}
    for token in tokens:
        if token["content"] not in known:
            content["added_tokens"].append(token)
            known.add(token["content"])
    content["added_tokens"].sort(key=lambda token: token["id"])


def _post_processor(content: "Content", named: "Content") -> "Content":
    """What Llama's tokenizer puts around a text: the first token unless told not to, the last if told to."""
    ids = content["model"]["vocab"]
    before = [_text(named["bos_token"])] * bool(named.get("add_bos_token", True)) if named.get("bos_token") else []
    after = [_text(named["eos_token"])] * bool(named.get("add_eos_token")) if named.get("eos_token") else []

    def around(sequence: str, type_id: int) -> list["Content"]:
        marks = [[{"SpecialToken": {"id": token, "type_id": type_id}} for token in side] for side in (before, after)]
        return [*marks[0], {"Sequence": {"id": sequence, "type_id": type_id}}, *marks[1]]

    return {
        "type": "TemplateProcessing",
        "single": around("A", 0),
        "pair": around("A", 0) + around("B", 1),
        "special_tokens": {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in before + after},
    }


def _wrap(content: "Content", folder: Path, config: "Content") -> "PreTrainedTokenizerFast":
    """The tokenizer of such files, with the folder's chat templates."""
    from transformers import PreTrainedTokenizerFast

    config = {key: value for key, value in config.items() if key not in _SAID_IN_JSON}
    with TemporaryDirectory() as work:
        for file in folder.glob("*.jinja"):
            shutil.copy(file, work)
        (Path(work) / _JSON).write_text(json.dumps(content), encoding="utf-8")
        (Path(work) / _CONFIG).write_text(json.dumps(config), encoding="utf-8")
        loaded: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(work)
        return loaded


def _read(path: Path) -> "Content":
    """The content of a file of JSON; nothing where there is none."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(content, dict):
        raise ValueError(f"{path.name}: expected an object")
    return content


def _text(token: Any) -> Any:
    return token["content"] if isinstance(token, dict) else token
