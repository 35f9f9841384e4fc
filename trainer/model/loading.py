"""Reading parts of models from the Hub or a folder; what cannot be read is one line."""

from collections.abc import Callable
from functools import partial
from typing import Any

from mix665k.schemas.errors import ModelError, one_line


def load(read: Callable[[str], Any], name: str, what: str) -> Any:
    """`read(name)`, where `read` is a `from_pretrained`.

    Raises:
        ModelError: when `name` cannot be loaded as `what`.
    """
    try:
        return read(name)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(f"{name}: cannot be loaded as {what}: {one_line(error)[:300]}") from None


def load_weights(kind: Any, name: str, what: str) -> Any:
    """A model in the dtype its weights were saved in; `kind` is a class of transformers.

    Raises:
        ModelError: when `name` cannot be loaded as `what`.
    """
    return load(partial(kind.from_pretrained, dtype="auto"), name, what)
