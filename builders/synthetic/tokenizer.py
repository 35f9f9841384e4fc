"""Makes the shipped `tiny` tokenizer: 2,000 pieces learned from made-up text, built like Vicuna's.

`python -m mix665k.builders.synthetic.tokenizer` writes it; the demo and the tests use it. No model was trained with it.
"""

import io
import tempfile
from pathlib import Path
from random import Random

from mix665k.builders.synthetic.text import caption, phrase, scene_question, scene_sentence, sentence
from mix665k.schemas.template import TEMPLATES
from mix665k.schemas.tokenizer import TINY

NUM_PIECES = 2_000
NUM_LINES = 20_000


def make(folder: Path) -> None:
    """Train the SentencePiece model and store it as a fast tokenizer that transformers loads."""
    from transformers import LlamaTokenizer

    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "tokenizer.model").write_bytes(sentencepiece_model())
        tokenizer = LlamaTokenizer.from_pretrained(
            work, legacy=False, add_bos_token=True, pad_token="<unk>", model_max_length=2048
        )
        tokenizer.save_pretrained(folder)


def sentencepiece_model() -> bytes:
    """The model of 2,000 pieces, the same on every call."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_lines()),
        model_writer=model,
        vocab_size=NUM_PIECES,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def _lines() -> list[str]:
    rng = Random("tiny tokenizer")
    makers = (sentence, scene_sentence, scene_question, caption, phrase)
    lines = [makers[i % len(makers)](rng) for i in range(NUM_LINES)]
    return [*lines, *(template.opening() + template.reply for template in TEMPLATES.values() for _ in range(100))]


if __name__ == "__main__":
    make(TINY)
