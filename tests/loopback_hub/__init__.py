"""A Hugging Face Hub on loopback: as much of its API as publishing and loading need, with failures on demand.

It keeps repositories in memory. Only `TOKEN`, of user `me`, can write; private repositories answer nobody else.
"""

import time
from pathlib import Path

import pytest

from tests.loopback_hub.server import serve
from tests.loopback_hub.state import TOKEN, Hub

__all__ = ["TOKEN", "Hub", "environment", "serve", "turn_to"]


def environment(hub: Hub, home: Path, *, token: str | None = TOKEN) -> dict[str, str]:
    """Variables that turn the hub's libraries to this Hub; they read them when they are imported."""
    found = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    found |= {"HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_SYMLINKS_WARNING": "1"}
    return found | ({} if token is None else {"HF_TOKEN": token})


def turn_to(hub: Hub, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """The same inside this process, where the hub's own library is imported already; waits between tries are left out.

    Other libraries keep the addresses that they took from it, so loading is a matter of another process.
    """
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_OIDC_RESOURCE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    changed = {"ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": True, "HF_HUB_OFFLINE": False}
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    changed |= {"HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_HUB_CACHE": str(home / "hub")}
    changed |= {"HF_TOKEN_PATH": str(home / "token"), "HF_STORED_TOKENS_PATH": str(home / "stored")}
    for name, value in changed.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setattr("huggingface_hub.utils._http.time", Impatient)


class Impatient:
    """Time as `huggingface_hub` tells it, without its waits."""

    time, perf_counter, monotonic = time.time, time.perf_counter, time.monotonic

    @staticmethod
    def sleep(seconds: float) -> None:
        """Go on."""
