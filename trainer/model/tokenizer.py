"""The tokenizer of a composed model: the language model's with an image and a padding token; and its files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.data.jinja import is_of_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD_TOKEN = "<pad>"
_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
_OF_VERSION_5 = ("backend", "is_local", "local_files_only", "extra_special_tokens")
_FLAGS = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")


def composed_tokenizer(llm: str) -> "PreTrainedTokenizerFast":
    """The tokenizer of a language model with the image token, a padding token of its own, and padding on the left.

    A padding token that is there is kept, unless it is the end token or the unknown one (Vicuna's): neither the end of
    a text nor a sign that is not in the vocabulary is padding. On the left, because a model generates from the right
    edge of a batch; the trainer pads its own batches.

    Raises:
        TokenizerError: when it is not found or its files cannot be read.
    """
    tokenizer = load_tokenizer(llm)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]}, replace_extra_special_tokens=False)
    if tokenizer.pad_token in {None, tokenizer.eos_token, tokenizer.unk_token}:
        tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})  # takes the one of the vocabulary, where there is one
    tokenizer.padding_side = "left"
    return tokenizer


def leave_bos_to(chat_template: str | None, tokenizer: "PreTrainedTokenizerFast") -> None:
    """Let the tokenizer put no first token before a text, unless the chat template is one of ours without it.

    `processor(text=processor.apply_chat_template(...))` would have it twice, and training has it once; or once where a
    language model's own chat template wants none.
    """
    bos = tokenizer.bos_token
    if chat_template is None or bos is None:
        return
    message = [{"role": "user", "content": "a"}]
    text = tokenizer.apply_chat_template(message, chat_template=chat_template, tokenize=False)
    if str(text).startswith(bos) or not is_of_template(chat_template):
        settable: Any = tokenizer
        settable.add_bos_token = False


def save_tokenizer(tokenizer: "PreTrainedTokenizerFast", out: Path) -> None:
    """Write a tokenizer's files so that transformers from 4.49 on give its ids; over what a processor wrote of it.

    `tokenizer.json` says all that ids depend on, and the class is the one that takes it as it is written in all these
    versions: version 5 names `TokenizersBackend`, which 4 does not know, and writes `extra_special_tokens` as a list,
    which 4 cannot read. Added tokens are listed with their flags, which the end token takes from there: as a plain word
    it would be found before the `▁` is written, and one would follow it.

    Raises:
        OSError: when the folder cannot be written.
    """
    writer: Any = tokenizer
    writer.save_pretrained(out, save_jinja_files=False)  # the language model's own would replace the processor's
    path = out / "tokenizer_config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    config = {key: value for key, value in config.items() if key not in _OF_VERSION_5 and value is not None}
    found: dict[int, Any] = tokenizer.backend_tokenizer.get_added_tokens_decoder()
    added = {i: {flag: getattr(token, flag) for flag in _FLAGS} for i, token in sorted(found.items())}
    by_text = {token["content"]: token for token in added.values()}
    named = {key: by_text[text] for key in _NAMED if (text := getattr(tokenizer, key)) in by_text}
    special = {key: {flag: token[flag] for flag in _FLAGS[:-1]} for key, token in named.items()}
    extra = [str(text) for text in tokenizer.extra_special_tokens]
    config |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "padding_side": tokenizer.padding_side,
        "clean_up_tokenization_spaces": bool(config.get("clean_up_tokenization_spaces")),
        "added_tokens_decoder": {str(i): token for i, token in added.items()},
        "additional_special_tokens": extra,
    }
    if (out / "chat_template.jinja").is_file():  # one template, whether the processor renders or the tokenizer
        config["chat_template"] = (out / "chat_template.jinja").read_text(encoding="utf-8")
    _write(path, config)
    _write(out / "special_tokens_map.json", {**special, "additional_special_tokens": extra})


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
