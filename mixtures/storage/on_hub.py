"""Mixtures and files on the Hugging Face Hub: downloaded by its own library into its own cache."""

import re
from pathlib import Path
from typing import Any

from mix665k.schemas.errors import HubError

_ADDRESS = re.compile(
    r"hf:/{1,2}datasets/(?P<name>[^/@]+/[^/@]+)(?:@(?P<revision>refs/\w+/[^/]+|[^/]+))?(?:/(?P<file>.+))?"
)
"""As `huggingface_hub` writes them; a path object keeps one of the two slashes."""
_PATTERNS = ["manifest.json", "data/*.parquet", "README.md", "recipe.yaml"]
"""The files of a mixture; the images that may be published with it are not among them."""


def downloaded(target: str) -> Path:
    """What `target` names on this machine: itself, or the copy of what `hf://datasets/OWNER/NAME` names.

    Raises:
        HubError: when the Hub cannot be reached or refuses.
    """
    if not target.startswith("hf:/"):
        return Path(target)
    found = _ADDRESS.fullmatch(target.rstrip("/"))
    if found is None:
        raise HubError(f"{target}: expected hf://datasets/OWNER/NAME or hf://datasets/OWNER/NAME@REVISION")
    return Path(_download(target, found["name"], revision=found["revision"], file=found["file"]))


def _download(target: str, name: str, *, revision: str | None, file: str | None) -> str:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    network: Any = HfHubHTTPError.__bases__[0]  # HTTPError of httpx or of httpx2, whichever the library uses
    try:
        if file is not None:
            return hf_hub_download(name, file, repo_type="dataset", revision=revision)
        return snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=_PATTERNS)
    except GatedRepoError:
        raise HubError(f"{target}: gated; ask for access on its page and log in with `hf auth login`") from None
    except RepositoryNotFoundError:
        why = "no such data set, or a private one that this token may not read"
        raise HubError(f"{target}: {why}; check the name, or run `hf auth login`") from None
    except LocalEntryNotFoundError:
        why = "the Hub cannot be reached and no complete copy is in the cache"
        raise HubError(f"{target}: {why}; check the network and HF_HUB_OFFLINE") from None
    except (network, ValueError, OSError) as error:
        why = " ".join(str(error).split("(Request ID")[0].split()) or type(error).__name__
        raise HubError(f"{target}: cannot be downloaded: {why[:1].lower()}{why[1:300]}") from None
