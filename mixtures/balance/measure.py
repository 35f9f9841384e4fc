"""The records of a mixture with their sizes, and the rank that draws go by."""

from typing import Any

import numpy as np
import polars as pl

from mix665k.builders.draw import Draw
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.parquet import to_dicts
from mix665k.schemas.recipe import Unit
from mix665k.schemas.tokens import TokenCounter

_TEMPLATE = "v1"
_SCHEMA = {"row": pl.Int64, "source": pl.String, "rank": pl.UInt64, "size": pl.Int64}


def rank_key(row: dict[str, Any]) -> str:
    """What the rank of a row is of: what it was made of, not its number, which other records may change."""
    return "/".join([row["source"], row["reference_id"], *row["origins"][:1], *row["steps"]])


def measured(mixture: Mixture, *, unit: Unit, draw: Draw, tokenizer: str | None = None) -> pl.DataFrame:
    """For each record its `row`, `source`, `rank` and `size`; tokens are those of template v1, with the image's.

    Raises:
        TokenizerError: for a tokenizer that is nowhere.
    """
    counter = TokenCounter(str(tokenizer), _TEMPLATE) if unit == "tokens" else None
    parts = [pl.DataFrame(schema=_SCHEMA)]
    for batch in mixture.batches():
        rows = to_dicts(batch.rows)
        texts = [[turn["value"] for turn in row["conversations"]] for row in rows]
        if counter is not None:
            pairs = [list(zip(turns[::2], turns[1::2], strict=True)) for turns in texts]
            sizes = [ends[-1] for ends in counter.ends(pairs, systems=[row["system"] for row in rows])]
        elif unit == "characters":
            sizes = [sum(map(len, turns)) for turns in texts]
        else:
            sizes = [len(turns) // 2 if unit == "pairs" else 1 for turns in texts]
        sources = batch.sources.to_list()
        ranks = [draw.rank(rank_key(row)) for row in rows]
        parts.append(
            pl.DataFrame(
                {
                    "row": pl.Series(list(batch.places), dtype=pl.Int64),
                    "source": sources,
                    "rank": pl.Series(np.array(ranks, np.uint64)),
                    "size": sizes,
                },
                schema=_SCHEMA,
            )
        )
    return pl.concat(parts)
