"""A shard of a mixture, opened: the one place that does it, for `mix` and `train`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mix665k.schemas.errors import MixtureError, one_line, os_reason
from mix665k.schemas.files import regular_file

AGAIN = "build the mixture again"
OPTIONAL = pa.schema([pa.field("more_images", pa.list_(pa.string())), pa.field("system", pa.string())])
"""The columns that shards have since manifest format 3; null where a record has no second image, or no system turn."""


def with_optional(rows: pa.RecordBatch, *, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of a shard of any format as those of this one: columns of `OPTIONAL` that it does not have are null."""
    if rows.schema.equals(schema):
        return rows
    missing = {name: pa.nulls(len(rows), OPTIONAL.field(name).type) for name in schema.names if name in OPTIONAL.names}
    columns = {**missing, **dict(zip(rows.schema.names, rows.columns, strict=True))}
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


@contextmanager
def open_shard(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file to read from; what goes wrong meanwhile is one line that names it.

    Raises:
        MixtureError: when it is missing, cannot be read, or is damaged.
    """
    try:
        with pq.ParquetFile(regular_file(path).absolute()) as file:  # a relative path may look like an address
            yield file
    except FileNotFoundError:
        raise MixtureError(f"{path}: no such file; {AGAIN}") from None
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter for the name of a column
        raise MixtureError(f"{path}: damaged: {one_line(error)}; {AGAIN}") from None
    except OSError as error:
        if error.errno is not None:
            raise MixtureError(f"{path}: {os_reason(error)}") from None
        raise MixtureError(f"{path}: damaged: {one_line(error)}; {AGAIN}") from None  # what cannot be unpacked
