"""The README of a mixture, whose front matter `datasets` reads."""

from pathlib import Path
from typing import Any

import yaml

from mixtures.manifests import write_whole
from schemas.manifest import Manifest


def write_card(path: Path, manifest: Manifest) -> None:
    """Write the README: one config per source and `all`, and what stands in each."""
    configs: list[dict[str, Any]] = [{"config_name": "all", "default": True, "data_files": _files("*")}]
    configs += [{"config_name": entry.name, "data_files": _files(entry.name)} for entry in manifest.sources]
    front = yaml.safe_dump({"configs": configs}, sort_keys=False)
    rows = "\n".join(f"| {entry.name} | {entry.conversations:,} | {entry.pairs:,} |" for entry in manifest.sources)
    write_whole(
        path,
        f"""---
{front}---

# {manifest.name}

Built by {manifest.tool} from the raw annotation files that `manifest.json` lists, with the recipe it holds.
Row hash: `{manifest.row_hash}`

| source | conversations | question-answer pairs |
|---|---:|---:|
{rows}
| **all** | {manifest.conversations:,} | {manifest.pairs:,} |

```python
from datasets import load_dataset

mixture = load_dataset("path/to/this/folder", "all", split="train")
```
""",
    )


def _files(name: str) -> list[dict[str, str]]:
    return [{"split": "train", "path": f"data/{name}-*.parquet"}]
