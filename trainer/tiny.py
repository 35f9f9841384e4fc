"""A tiny random language model and vision tower, for the demo and the tests.

`python -m mix665k.trainer.tiny OUT --tokenizer NAME` writes `OUT/llm` and `OUT/vision`.
"""

import argparse
from pathlib import Path

from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.model.tokenizer import save_tokenizer
from mix665k.trainer.run.ranks import quieten


def write_tiny(
    out: Path, *, tokenizer: str, seed: int = 0, image_px: int = 56, hidden: int = 64, spread: float = 0.02
) -> None:
    """Write two random models that load like any others; an image is (image_px / 14) squared tokens.

    `spread` is the standard deviation of the language model's weights. The usual one, 0.02, is made for some thousand
    units; with a hundred it lets so little through that learning starts slowly, and `hidden ** -0.5` learns sooner.
    """
    import torch

    torch.manual_seed(seed)
    _write_llm(out / "llm", tokenizer, hidden=hidden, spread=spread)
    _write_vision(out / "vision", image_px, hidden)


def _write_llm(out: Path, tokenizer: str, *, hidden: int, spread: float) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    words = load_tokenizer(tokenizer)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=4096,
        initializer_range=spread,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(out)
    save_tokenizer(words, out)


def _write_vision(out: Path, image_px: int, hidden: int) -> None:
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=image_px,
        patch_size=14,
    )
    CLIPVisionModel(config).save_pretrained(out)
    square = {"height": image_px, "width": image_px}
    CLIPImageProcessorPil(size={"shortest_edge": image_px}, crop_size=square).save_pretrained(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--image-px", type=int, default=56)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--spread", type=float, default=0.02, help="standard deviation of the language model's weights")
    given = parser.parse_args()
    quieten()
    write_tiny(
        given.out,
        tokenizer=given.tokenizer,
        seed=given.seed,
        image_px=given.image_px,
        hidden=given.hidden,
        spread=given.spread,
    )
