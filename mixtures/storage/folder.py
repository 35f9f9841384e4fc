"""A mixture's folder while something is written into it: one writer at a time, and nothing unfinished left."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from mix665k.mixtures.storage.parquet import SHARD_NAME
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import held
from mix665k.schemas.manifest import STATE, Manifest


@contextmanager
def locked(out: Path, *, keep: Collection[str] = ()) -> Iterator[None]:
    """Keep other runs out of the folder; the system frees it when a run is killed.

    A block that ends with an error, which may be a full disk, leaves nothing unfinished except folders to `keep`.

    Raises:
        MixtureError: when another run writes there.
    """
    busy = MixtureError(f"{out}: another run is writing into this folder; wait for it or name another")
    with held(out / STATE / "lock", busy=busy):
        try:
            yield
        except BaseException:
            clear_work(out, keep=keep)
            raise


def clear_work(out: Path, *, keep: Collection[str] = ()) -> None:
    """Remove what killed runs left unfinished, except the folders of these names."""
    for folder in (out / STATE).iterdir():
        if folder.is_dir() and folder.name not in keep:
            shutil.rmtree(folder)


def sweep(out: Path, manifest: Manifest) -> None:
    """Remove shards that this mixture does not name, and what killed runs left; a file of the user's stays."""
    clear_work(out)
    named = {shard.path for entry in manifest.sources for shard in entry.shards}
    for path in shards_in(out):
        if f"data/{path.name}" not in named:
            path.unlink()


def shards_in(out: Path) -> list[Path]:
    """The files of a folder that are called as shards are."""
    return [path for path in (out / "data").glob("*.parquet") if SHARD_NAME.fullmatch(path.name)]
