"""The tokenizer that is shipped: `tiny`, for the demo, the tests and dry runs."""

from pathlib import Path

TINY = Path(__file__).parent / "tiny"


def tokenizer_place(name: str) -> str:
    """Where a tokenizer is loaded from: the shipped one's folder for `tiny`, else the folder or hub name itself."""
    return str(TINY) if name == "tiny" else name
