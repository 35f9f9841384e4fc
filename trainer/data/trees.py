"""Which records of a mixture show the same picture, and how many tokens they begin with alike."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby, takewhile
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mix665k.schemas.addresses import resolved
from mix665k.schemas.cache import cached
from mix665k.schemas.images.folder import Images
from mix665k.schemas.images.places import images_at
from mix665k.trainer.data.encode import Encoder, Ids
from mix665k.trainer.data.lengths import ROWS_PER_BLOCK, Block, measure_rows
from mix665k.trainer.data.mixture import Mixture

Share = Literal["path", "content"]


class Trees(NamedTuple):
    """A tree is a picture with the records that show it, first if they show several; others are trees of their own.

    numbers  int64 [N]  the tree of each row, from 0
    shared   int64 [N]  tokens that all rows of the tree begin with; 0 in a tree of one
    aliases  the path that stands for a picture known by others too
    """

    numbers: NDArray[np.int64]
    shared: NDArray[np.int64]
    aliases: Mapping[str, str]


def find_trees(mixture: Mixture, encoder: Encoder, *, share: Share, images: Path | None, jobs: int) -> Trees:
    """The trees of all rows, from caches beside the mixture where they hold them.

    With `share` `content` files of `images` of the same bytes are the same picture, else those of one path.

    Raises:
        UserError: when a row cannot be encoded, see `Encoder.encode`.
        OSError: when a cache cannot be written.
    """
    paths = mixture.images
    aliases = {}
    if share == "content":
        assert images is not None, share
        aliases = same_bytes(images, sorted(mixture.image_names()), mixture=mixture)
    numbers = number_trees([aliases.get(path, path) if path else None for path in paths])
    known = hashlib.sha256(numbers.tobytes()).hexdigest()
    name = f"trees-1-{mixture.row_hash[:16]}-{encoder.fingerprint[:16]}-{known[:16]}.npy"
    write = partial(_write_shared, numbers=numbers, mixture=mixture, encoder=encoder, jobs=jobs)
    shared = cached(mixture.folder, name, write=write, read=partial(_load, count=len(numbers)))
    return Trees(numbers=numbers, shared=shared, aliases=aliases)


def common_beginning(
    conversations: Sequence[Ids], pictures: Sequence[Sequence[str]], *, image_token_id: int, tokens_per_image: int
) -> int:
    """The number of tokens with which conversations begin that show these pictures, in reading order.

    It ends before a picture that is not the same in all, or not all of whose placeholders are at the same positions.
    """
    first, length = conversations[0], len(conversations[0])
    for other in conversations[1:]:
        length = min(length, len(other))
        differ = np.flatnonzero(first[:length] != other[:length])
        length = int(differ[0]) if len(differ) else length
    same = len(list(takewhile(lambda names: len(set(names)) == 1, zip(*pictures, strict=False))))
    placeholders = np.flatnonzero(first[:length] == image_token_id)
    complete = min(len(placeholders) // tokens_per_image, same) * tokens_per_image
    return int(placeholders[complete]) if complete < len(placeholders) else length


def number_trees(pictures: Sequence[str | None]) -> NDArray[np.int64]:
    """int64 [N]: the same number for the same picture, another one for each row without."""
    known: dict[str | int, int] = {}
    keys = (row if picture is None else picture for row, picture in enumerate(pictures))
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def same_bytes(folder: Path, names: Sequence[str], *, mixture: Mixture) -> dict[str, str]:
    """For each of the sorted names of a file with the same bytes as an earlier one: the first of them.

    A file that cannot be read is like no other. What was found is kept beside the mixture until a file changes.
    """
    images = images_at(folder)
    looked = [images.stamp(name) for name in names]
    facts = hashlib.sha256(repr((str(resolved(folder)), names, looked)).encode()).hexdigest()
    name = f"pictures-1-{mixture.row_hash[:16]}-{facts[:16]}.npy"
    write = partial(_write_first, images=images, names=names)
    first = cached(mixture.folder, name, write=write, read=partial(_load, count=len(names)))
    return {names[k]: names[i] for k, i in enumerate(first.tolist()) if i != k}


def _write_first(part: Path, *, images: Images, names: Sequence[str]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing and reading happen outside the interpreter's lock
        digests = list(pool.map(partial(_digest, images), names))
    known: dict[str, int] = {}
    keys = [digest or str(k) for k, digest in enumerate(digests)]
    with part.open("wb") as file:
        np.save(file, np.array([known.setdefault(key, k) for k, key in enumerate(keys)], dtype=np.int64))


def _digest(images: Images, name: str) -> str | None:
    try:
        return hashlib.sha256(images.read(name)).hexdigest()
    except OSError:
        return None


def _load(path: Path, *, count: int) -> NDArray[np.int64] | None:
    """int64 [count] of a file; None when it is damaged."""
    try:
        values: NDArray[np.int64] = np.load(path)
    except (ValueError, EOFError, OSError):
        return None
    return values if values.shape == (count,) else None


def _write_shared(part: Path, *, numbers: NDArray[np.int64], mixture: Mixture, encoder: Encoder, jobs: int) -> None:
    by_tree = np.argsort(numbers, kind="stable").tolist()
    groups = [list(rows) for _, rows in groupby(by_tree, key=numbers.tolist().__getitem__)]
    several = [rows for rows in groups if len(rows) > 1]
    ends = np.cumsum([len(rows) for rows in several]) // ROWS_PER_BLOCK
    blocks = [[rows for _, rows in block] for _, block in groupby(zip(ends.tolist(), several, strict=True), key=_first)]
    found = measure_rows(blocks, _measure, mixture=mixture, encoder=encoder, jobs=jobs)
    shared = np.zeros(len(numbers), dtype=np.int64)
    for rows, tokens in zip(several, np.concatenate([shared[:0], *found]).tolist(), strict=True):
        shared[rows] = tokens
    with part.open("wb") as file:
        np.save(file, shared)


def _first(pair: tuple[int, list[int]]) -> int:
    return pair[0]


def _measure(block: Block, mixture: Mixture, encoder: Encoder) -> NDArray[np.int64]:
    """int64 [groups of rows]: how many tokens the rows of each group begin with alike."""
    return np.array([_shared_by(rows, mixture, encoder) for rows in block], dtype=np.int64)


def _shared_by(numbers: Sequence[int], mixture: Mixture, encoder: Encoder) -> int:
    rows = [mixture[number] for number in numbers]
    return common_beginning(
        [encoder.encode(row).input_ids for row in rows],
        [["the tree's", *row.images[1:]] for row in rows],  # by content the paths of the first may differ
        image_token_id=encoder.image_token_id,
        tokens_per_image=encoder.tokens_per_image,
    )
