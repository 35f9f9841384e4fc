"""Where a file of the Hugging Face hub lies, and what the hub says it is.

huggingface_hub gives the address, the token and the hash; the bytes come like all others, since its own download starts
over after each run that was ended.
"""

import re
from typing import Any, NamedTuple

from huggingface_hub import constants, get_hf_file_metadata, get_token, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from mix665k.builders.registry import Download
from mix665k.mixtures.fetch.web import MAY_PASS, Patience, RefusedError, TransientError
from mix665k.schemas.errors import one_line

_NETWORK: Any = HfHubHTTPError.__bases__[0]
"""HTTPError of httpx or of httpx2, whichever the library uses."""
_SHA256 = re.compile("[0-9a-f]{64}")


class HubFile(NamedTuple):
    """A file at one commit of its data set; the hash is known of large files."""

    url: str
    headers: dict[str, str]
    num_bytes: int | None
    sha256: str | None


def locate(download: Download, patience: Patience) -> HubFile:
    """A file of the hub, with the token of the environment or the login if there is one.

    Raises:
        RefusedError: when it is not there, or not for this token.
        TransientError: when the hub cannot be asked now.
    """
    assert download.hub is not None
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    url = hf_hub_url(download.hub, download.name, repo_type="dataset")
    try:
        found = get_hf_file_metadata(url, token=token or False, timeout=patience.silence_s)
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status is None or status in MAY_PASS:
            raise TransientError(f"{url}: the hub answers with HTTP {status}") from None
        hint = "; a token of yours may be needed: set HF_TOKEN" if status in (401, 403) else ""
        raise RefusedError(f"{url}: the hub answers with HTTP {status}{hint}", status=status) from None
    except OfflineModeIsEnabled:
        raise RefusedError(f"{url}: HF_HUB_OFFLINE is set, unset it to fetch") from None
    except _NETWORK as error:
        raise TransientError(f"{url}: {str(error).lower() or type(error).__name__}") from None
    except (ValueError, RecursionError) as error:  # a host that cannot be, a size that is no number, a deep answer
        raise RefusedError(f"{url}: the hub's answer cannot be used: {one_line(error)}") from None
    if found.commit_hash:
        url = hf_hub_url(download.hub, download.name, repo_type="dataset", revision=found.commit_hash)
    sha256 = found.etag if found.etag and _SHA256.fullmatch(found.etag) else None
    return HubFile(
        url=url, headers={"Authorization": f"Bearer {token}"} if token else {}, num_bytes=found.size, sha256=sha256
    )
