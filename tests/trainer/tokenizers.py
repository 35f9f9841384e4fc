"""Tiny tokenizers of the kinds that language models have, trained on a short text."""

import json
from functools import lru_cache
from typing import Any

TEXT = """\
A large red car stands near a tall tree, and two people wait at the corner of the street.
What is in the picture? There are three apples, one knife and a blue bowl on the table.
The answer is on the left: a dog runs after the ball while the children laugh.
Where does the boat go? It goes up the river, under the bridge, to the small harbour.
How many windows does the house have? It has 12 windows, 4 doors and 1 chimney.
def area(width, height):
    return width * height

for number in range(10):
    print(number, "is", "even" if number % 2 == 0 else "odd")

The weather was cold (about -5 degrees), so they wore coats, hats and gloves.
Describe the image in detail. The image shows a kitchen with a white stove and a round clock.
Which of these is true?
A. The cat sleeps on the chair.
B. The cat drinks milk.
Answer with the letter of the right choice. The letter is B.
Read the sign: "No entry before 8:30". It means that nobody may go in before half past eight.
Provide the region: [0.12, 0.30, 0.45, 0.88]. The woman in the green dress holds an umbrella.
"""
WORDS = r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+"
"""Words with the space before them, up to three digits, marks, white space: where Llama-3 and Qwen split texts."""
NUM_MERGED = 300
"""Pieces that are learned besides bytes."""


def byte_level(*special: str, bos: str | None = None, by_words: bool = True, nfc: bool = False) -> Any:
    """A byte-level BPE as GPT-2's, Llama-3's and Qwen's: the special tokens come after the learned pieces."""
    from tokenizers import AddedToken, Tokenizer, normalizers, processors

    tokenizer = Tokenizer.from_str(_byte_level(by_words))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    if bos:
        tokenizer.post_processor = processors.Sequence(
            [processors.ByteLevel(trim_offsets=False), _starts(tokenizer, bos)]
        )
    return tokenizer


def sentencepiece_like(*first: str, more: tuple[str, ...] = (), bos: str = "<s>", gemma: bool = False) -> Any:
    """A BPE with bytes for what it lacks: ids are those of `first`, of 256 bytes, of the pieces, of `more`.

    Llama-2's puts a space before each text; Gemma's does not.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers

    content = json.loads(_metaspace())
    pieces = [*first, *(f"<0x{byte:02X}>" for byte in range(256)), *content["model"]["vocab"]]
    content["model"]["vocab"] = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    content["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(content))
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = spaces if gemma else normalizers.Sequence([normalizers.Prepend("▁"), spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous") if gemma else None
    decoded: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(decoded if gemma else [*decoded, decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in (*first, *more)])
    tokenizer.post_processor = _starts(tokenizer, bos)
    return tokenizer


def _starts(tokenizer: Any, bos: str) -> Any:
    from tokenizers import processors

    special = [(bos, tokenizer.token_to_id(bos))]
    return processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=special)


@lru_cache
def _byte_level(by_words: bool) -> str:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if by_words:
        split = pre_tokenizers.Split(Regex(WORDS), "isolated")
        letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, letters])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    letters_of_bytes = pre_tokenizers.ByteLevel.alphabet()
    size = len(letters_of_bytes) + NUM_MERGED
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=letters_of_bytes, show_progress=False)
    tokenizer.train_from_iterator(TEXT.splitlines(keepends=True), trainer)
    return tokenizer.to_str()


@lru_cache
def _metaspace() -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(vocab_size=NUM_MERGED, show_progress=False, special_tokens=["<unk>"])
    tokenizer.train_from_iterator(TEXT.splitlines(), trainer)
    return tokenizer.to_str()
