"""Loading from the loopback Hub as a stranger does: another process, an empty cache."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mix665k.mixtures.storage.parquet import read_shard, to_dicts
from mix665k.schemas.manifest import load_manifest
from tests.loopback_hub import Hub, environment

_LOAD = """
import json, sys
from datasets import load_dataset

found = []
for name, options in json.loads(sys.argv[2]):
    found.append(list(load_dataset(sys.argv[1], name, split="train", **options)))
print(json.dumps(found))
"""


def load(hub: Hub, home: Path, repository: str, *asked: tuple[str, dict[str, Any]]) -> list[Any]:
    """The rows that `datasets` gives for each config and its options."""
    cache = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, repository, json.dumps(asked)],
        env=dict(os.environ) | environment(hub, home) | cache,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded: list[Any] = json.loads(done.stdout)
    return loaded


def rows_of(mixture: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each source, and of `all`, as they stand in the shards."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in load_manifest(mixture).sources:
        batches = (batch for shard in entry.shards for batch in read_shard(mixture / shard.path))
        found[entry.name] = [row for batch in batches for row in to_dicts(batch)]
    return {"all": [row for rows in found.values() for row in rows], **found}


def unpack(files: dict[str, bytes], folder: Path) -> Path:
    """Files of a repository as a folder."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@contextmanager
def silent(what: str) -> Iterator[Callable[[float], None]]:
    """A bar that nobody sees."""
    yield lambda share: None
