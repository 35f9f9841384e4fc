"""Reading parts of models from the Hub or a folder; what cannot be read is one line."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from mix665k.schemas.errors import ModelError, cause, one_line
from mix665k.trainer.model.shards import WEIGHT_FILES, weight_files

_SHOWN = 3
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


def load_weights(
    kind: Any, name: str, what: str, *, config: Any = None, on_meta: bool = False, takes_part: bool = False
) -> Any:
    """A model with all its weights in the dtype they were saved in; `kind` is a class of transformers.

    With `on_meta` names and shapes are read, and no weight. With `takes_part` a file may hold weights of other parts.

    Raises:
        ModelError: when `name` cannot be loaded as `what`, or weights are missing, cut short, unknown or of another
            shape: nothing of a model is drawn, and nothing is left out.
    """
    from safetensors import SafetensorError

    if Path(name).is_dir() and not weight_files(Path(name)):
        raise ModelError(f"{name}: no weights, expected {WEIGHT_FILES}; download the model again")
    given = {"config": config, "device_map": "meta" if on_meta else None}
    read = partial(
        kind.from_pretrained,
        dtype="auto",
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are errors below, with their names
        **{key: value for key, value in given.items() if value is not None},
    )
    try:
        model, info = load(read, name, what)
    except SafetensorError as error:
        raise ModelError(
            f"{name}: its weights cannot be read, are they whole? ({one_line(error)}); download the model again"
        ) from None
    shapes = [f"{key} is {list(is_)}, expected {list(should)}" for key, is_, should in info["mismatched_keys"]]
    unknown = () if takes_part else info["unexpected_keys"]
    require_all(name, missing=info["missing_keys"], unknown=unknown, shapes=shapes)
    return model


def require_all(name: str, *, missing: Collection[str], unknown: Collection[str], shapes: Collection[str]) -> None:
    """Refuse weights that do not fit.

    Raises:
        ModelError: with the first of each kind.
    """
    kinds = {"missing": missing, "unknown": unknown, "of another shape": shapes}
    faults = [
        f"{len(names)} {kind} ({', '.join(sorted(names)[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})"
        for kind, names in kinds.items()
        if names
    ]
    if faults:
        raise ModelError(f"{name}: its weights are not those that its configuration says: {'; '.join(faults)}")
