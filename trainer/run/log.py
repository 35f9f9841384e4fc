"""The numbers that a run logs, read again; this module needs neither torch nor transformers."""

import json
from pathlib import Path
from typing import Any

LOG = "log.jsonl"


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, without one that a kill cut off and whatever else is not a step."""
    found = []
    if (folder / LOG).is_file():
        for text in (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except (json.JSONDecodeError, RecursionError):
                continue
            if isinstance(line, dict) and isinstance(line.get("step"), int):
                found.append(line)
    return found
