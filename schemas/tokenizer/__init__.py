"""Finding tokenizers by name: the shipped `tiny`, a folder, or one on the Hub; `load` loads them."""

import hashlib
import os
from pathlib import Path

from mix665k.schemas.errors import TokenizerError
from mix665k.schemas.files import regular_file

TINY = Path(__file__).parent / "tiny"
"""The shipped tokenizer, for the demo, the tests and dry runs."""
_FILES = ("tokenizer.json", "tokenizer.model")
_ENOUGH = (*_FILES, "vocab.json")
_PATTERNS = ["tokenizer*", "*token*.json", "chat_template*", "vocab.json", "merges.txt", "config.json"]


def tokenizer_place(name: str) -> str:
    """Where a tokenizer is loaded from: the shipped one's folder for `tiny`, else the folder or Hub name itself."""
    return str(TINY) if name == "tiny" else name


def tokenizer_folder(name: str) -> Path:
    """The folder that holds a tokenizer's files; they are downloaded to the Hub's cache if need be.

    Raises:
        TokenizerError: when there is no such folder and the Hub does not have it.
    """
    folder = local_tokenizer_folder(name) or _download(name)
    if not any((folder / file).is_file() for file in _ENOUGH):
        raise TokenizerError(f"tokenizer {name}: no {' or '.join(_FILES)} in {folder}; give a folder that holds one")
    return folder


def local_tokenizer_folder(name: str) -> Path | None:
    """The same without asking the network: None where the files would have to be downloaded."""
    folder = Path(os.path.expanduser(tokenizer_place(name)))  # noqa: PTH111, Path's raises where there is no such user
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    try:
        cached = Path(snapshot_download(name, allow_patterns=_PATTERNS, local_files_only=True))
    except (OSError, ValueError):
        return None
    return cached if any((cached / file).is_file() for file in _ENOUGH) else None


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS))
    except (OSError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        raise TokenizerError(
            f"tokenizer {name}: neither a folder nor to be had from the hub ({why}); "
            "give a folder that holds a tokenizer.json or tokenizer.model"
        ) from None


def tokenizer_files(name: str) -> list[Path]:
    """The files that define a tokenizer, in order of their names.

    Raises:
        TokenizerError: when it is not found.
    """
    return sorted(tokenizer_folder(name).glob("*token*"))


def fingerprint(name: str) -> str:
    """A SHA-256 of the names and contents of the tokenizer's files, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in tokenizer_files(name):
        digest.update(file.name.encode() + b"\0" + regular_file(file).read_bytes())
    return digest.hexdigest()
