"""Reading parts of models from the Hub or a folder; what cannot be read is one line."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mix665k.schemas.errors import ModelError, cause, one_line

_PATIENCE_S = 1.5
"""For the Hub's first answer; the libraries that load models try five more times, for half a minute."""


def require_model(name: str) -> None:
    """Refuse at once a model that is neither a folder nor to be had from the Hub.

    Raises:
        ModelError: with what to name instead.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    if Path(name).is_dir():
        return
    network: Any = HfHubHTTPError.__bases__[0]  # HTTPError of httpx or of httpx2, whichever the library uses
    try:
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=_PATIENCE_S)
    except GatedRepoError:
        raise ModelError(f"{name}: gated; ask for access on its page and log in with `hf auth login`") from None
    except RepositoryNotFoundError:
        raise ModelError(f"{name}: neither a folder nor a model on the Hub; check the name") from None
    except OfflineModeIsEnabled:
        raise ModelError(f"{name}: neither a folder nor in the Hub's cache, and HF_HUB_OFFLINE is set") from None
    except (network, OSError) as error:
        why = one_line(error)[:120]
        raise ModelError(f"{name}: neither a folder nor reachable on the Hub ({why}); check the network") from None
    except ValueError:
        raise ModelError(f"{name}: no such folder, and not the form of a Hub name such as OWNER/NAME") from None


def load(read: Callable[..., Any], name: str, what: str) -> Any:
    """`read(name)`, where `read` is a `from_pretrained`; code that comes with a model is never run.

    Raises:
        ModelError: when `name` cannot be loaded as `what`.
    """
    # Left unset, transformers asks on the terminal whether to run it.
    try:
        return read(name, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(f"{name}: cannot be loaded as {what}: {cause(error)}") from None


def load_weights(kind: Any, name: str, what: str) -> Any:
    """A model in the dtype its weights were saved in; `kind` is a class of transformers.

    Raises:
        ModelError: when `name` cannot be loaded as `what`.
    """
    return load(partial(kind.from_pretrained, dtype="auto"), name, what)
