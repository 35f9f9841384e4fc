"""A shard of a mixture, opened: the one place that does it, for `mix` and `train`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mix665k.schemas.errors import MixtureError, one_line, os_reason
from mix665k.schemas.files import regular_file

AGAIN = "build the mixture again"


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
