"""The weights that lie in a model's folder, by the names they have there."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from mix665k.schemas.errors import ModelError, one_line

if TYPE_CHECKING:
    from torch import Tensor

_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLE = ("model.safetensors", "pytorch_model.bin")
WEIGHT_FILES = f"one of {', '.join((*_SINGLE, *_INDEXES))}"
_PATTERNS = ["*.json", "*.jinja", "tokenizer*", "*.safetensors", "pytorch_model*.bin"]


def model_folder(name: str) -> Path:
    """A model's folder; one on the Hub is downloaded to its cache.

    Raises:
        ModelError: when there is no such folder and the Hub does not have it.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS))
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: neither a folder nor to be had from the Hub: {one_line(error)[:200]}") from None


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights, safetensors where both forms are there; none in a folder without.

    Raises:
        ModelError: when a file is missing that the folder's index names.
    """
    for index in (folder / name for name in _INDEXES):
        if index.is_file():
            try:
                names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                raise ModelError(f"{index}: no index of weights, expected a weight_map; download it again") from None
            if missing := [name for name in names if not (folder / name).is_file()]:
                raise ModelError(
                    f"{folder}: {len(missing)} of {len(names)} files of weights are missing, the first is "
                    f"{missing[0]}; download the model again"
                )
            return [folder / name for name in names]
    return [folder / name for name in _SINGLE if (folder / name).is_file()][:1]


def read_weights(folder: Path) -> "dict[str, Tensor]":
    """All weights of a folder in the dtypes they have; files are mapped into memory, not read.

    Raises:
        ModelError: when there are none, or a file is missing, cut short or damaged.
    """
    files = weight_files(folder)
    if not files:
        raise ModelError(f"{folder}: no weights, expected {WEIGHT_FILES}")
    return {name: value for file in files for name, value in _read(file).items()}


def _read(file: Path) -> "dict[str, Tensor]":
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            found: dict[str, Tensor] = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except (SafetensorError, pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{file}: cannot be read, is it whole? ({one_line(error)[:150]}); download the model again"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ModelError(f"{file}: expected tensors by name, as torch.save or safetensors writes them")
    return found
