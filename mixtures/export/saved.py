"""A folder as `datasets.Dataset.save_to_disk` writes it: rows of `messages` and `images`, the pictures in them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from mix665k.mixtures.export.export import SCHEMA, ImageToken, to_messages
from mix665k.mixtures.export.pictures import Chosen
from mix665k.mixtures.storage.parquet import SCHEMA as ROWS
from mix665k.mixtures.terminal import Advance

_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_saved(
    chosen: Chosen, out: Path, *, shard_bytes: int, image_token: ImageToken, advance: Advance
) -> dict[str, int]:
    """Write the Arrow files and the two that describe them into a folder; gives the records of each file.

    Raises:
        MixtureError: when the mixture or a picture is damaged.
        OSError: when there is no room.
    """
    import datasets

    columns = datasets.Features.from_arrow_schema(SCHEMA)
    columns["images"] = datasets.List(datasets.Image())
    schema = columns.arrow_schema
    counts: list[int] = []
    rows = chosen.rows(advance=advance)
    following: pa.RecordBatch | None = next(rows, pa.RecordBatch.from_pylist([], schema=ROWS))
    while following is not None:
        path = out / _name(len(counts))
        counts.append(0)
        with pa.OSFile(str(path.absolute()), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            while following is not None and (counts[-1] == 0 or file.tell() < shard_bytes):
                messages = to_messages(following, image_token=image_token)
                writer.write_batch(_with_pictures(messages, chosen, schema))
                counts[-1] += len(messages)
                following = next(rows, None)
    names = [f"data-{i:05d}-of-{len(counts):05d}.arrow" for i in range(len(counts))]
    for i, name in enumerate(names):
        (out / _name(i)).rename(out / name)
    datasets.DatasetInfo(features=columns).write_to_directory(str(out))
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": chosen.mixture.require_manifest().row_hash[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": "train",
    }
    (out / "state.json").write_text(json.dumps(state, indent=2))
    return dict(zip(names, counts, strict=True))


def _name(number: int) -> str:
    """What a file is called while it is not known how many there are."""
    return f"unfinished-{number}"


def _with_pictures(rows: pa.RecordBatch, chosen: Chosen, schema: pa.Schema) -> pa.RecordBatch:
    names = rows.column("images").to_pylist()
    pictures = [[{"bytes": chosen.picture(name).content, "path": name} for name in own] for own in names]
    columns = {"images": pa.array(pictures, pa.list_(_PICTURE))}
    return pa.RecordBatch.from_arrays([columns.get(name, rows.column(name)) for name in schema.names], schema=schema)
