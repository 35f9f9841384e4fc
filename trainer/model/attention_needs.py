"""What a language model asks of attention, and which kinds of attention give it that."""

from typing import Any, NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface, AttentionMaskInterface, AutoModel

from mix665k.schemas.errors import StageError, one_line
from mix665k.schemas.stage import Stage
from mix665k.trainer.data.tree_rows import Tree, TreeRow, lay_out
from mix665k.trainer.model.attention import FLASH_SEGMENTS, MASKED, SEGMENTS, has_flash_attn, inputs_of
from mix665k.trainer.model.proof import VOCABULARY, draw, same, small

LENGTHS = (13, 6, 9)
"""Of the conversations that a proof compares: longer than the copy's window, shorter, and longer again."""
IN_A_ROW = ("padding_free", "shared_images")
"""The ways to batch that put several conversations in one row."""
_LOOK = "looked_at"
_MODEL: Any = AutoModel
_KNOWN = ("scaling", "dropout", "position_ids", "sliding_window", "softcap", "s_aux", "is_causal", "use_cache")
"""What our own kinds of attention take, or may leave."""


class Needs(NamedTuple):
    """What the layers of a language model ask of attention besides that no token sees a later one."""

    windows: tuple[int | None, ...]
    """How many tokens back each layer sees, its own counted; none sees all."""
    softcap: float | None
    sinks: bool
    known: bool
    """Whether that is all, so that our own kinds of attention need no proof."""

    @property
    def plain(self) -> bool:
        """Whether every causal kernel will do."""
        return self.known and not self.sinks and self.softcap is None and not any(self.windows)


def needs_of(config: Any) -> Needs:
    """Look at the attention of a language model, on the meta device, where nothing is computed.

    What transformers passes to an attention function is what the model asks; configurations name it by many fields,
    which layers heed or not.
    """
    given: list[dict[str, Any]] = []
    local: set[int] = set()

    def look(module: Any, query: torch.Tensor, *states: Any, **how: Any) -> Any:
        given.append(how | {"is_causal": getattr(module, "is_causal", True)})
        return query.new_empty((query.shape[0], query.shape[2], query.shape[1], states[1].shape[3])), None

    AttentionInterface.register(_LOOK, look)
    AttentionMaskInterface.register(_LOOK, lambda **how: local.add(how.get("local_size") or 0))
    ids = torch.ones((1, 4), dtype=torch.long, device="meta")
    try:
        with torch.device("meta"):
            model = _MODEL.from_config(config, attn_implementation=_LOOK, dtype=torch.bfloat16)
            model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    except (RuntimeError, NotImplementedError, KeyError, ValueError, TypeError, AttributeError):
        given.clear()  # layers that are no attention, or attention that is not transformers' own
    windows = tuple(one.get("sliding_window") for one in given)
    strange = [name for one in given for name, value in one.items() if name not in _KNOWN and value is not None]
    return Needs(
        windows=windows,
        softcap=next((one["softcap"] for one in given if one.get("softcap")), None),
        sinks=any(one.get("s_aux") is not None for one in given),
        known=len(given) == config.num_hidden_layers
        and not strange
        and local - {0} <= set(windows)
        and all(one["is_causal"] for one in given),
    )


def choose(stage: Stage, config: Any) -> str:
    """The kind of attention for a stage's language model; the vision tower always takes sdpa.

    `auto` is flash-attn where it can run, else `segments`, which is torch's own kernels without any mask of padding.
    """
    if stage.attention == "auto":
        return FLASH_SEGMENTS if stage.bf16 and has_flash_attn() and not needs_of(config).sinks else SEGMENTS
    return FLASH_SEGMENTS if stage.attention == "flash_attention_2" else stage.attention


def require_fit(stage: Stage, config: Any) -> None:
    """Refuse a language model that the stage's attention would compute otherwise than the model itself does.

    config  of the language model

    Raises:
        StageError: with what to do.
    """
    needs, kind = needs_of(config), choose(stage, config)
    how = f"attention {stage.attention} with batching {stage.batching}"
    if kind == FLASH_SEGMENTS and needs.sinks:
        raise StageError(f"{how}: flash-attn 2 has no sinks, which {config.model_type} has; say --set attention=auto")
    if kind in MASKED and stage.batching == "shared_images":
        raise StageError(f"{how}: its masks do not know what conversations share; say --set attention=auto")
    if needs.plain and kind not in MASKED:
        return
    # flash-attn cannot be run without a GPU; it takes what `segments` takes, but for sinks.
    if why := _difference(config, kind=SEGMENTS if kind == FLASH_SEGMENTS else kind, mode=stage.batching):
        other = "batching=grouped" if stage.batching in IN_A_ROW else "attention=eager"
        raise StageError(f"{how}: {why}; say --set {'attention=auto' if kind in MASKED else other}")


def in_words(needs: Needs) -> str:
    """For a person: `a window of 4,096 tokens in 16 of 32 layers, scores capped at 50, sinks`."""
    sizes = sorted({size for size in needs.windows if size})
    parts = [
        f"a window of {size:,} tokens in {needs.windows.count(size):,} of {len(needs.windows):,} layers"
        for size in sizes
    ]
    parts += [f"scores capped at {needs.softcap:g}"] if needs.softcap else []
    parts += ["sinks"] if needs.sinks else []
    return ", ".join(parts) or ("causal" if needs.known else "of its own")


def _difference(config: Any, *, kind: str, mode: str) -> str | None:
    """Why a kind of attention is not right for a model, found on a small random copy; None where it is."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        try:
            copy = draw(small(config))
            alike = torch.randint(VOCABULARY, (min(LENGTHS) - 1,))
            texts = [torch.cat([alike, torch.randint(VOCABULARY, (n - len(alike),))]) for n in LENGTHS]
            expected = torch.cat([copy(input_ids=text[None]).logits[0] for text in texts])
            copy.set_attn_implementation(kind)
            row = lay_out([Tree(texts, len(alike))] if mode == "shared_images" else [Tree([one], 0) for one in texts])
            found = copy(**inputs_of(_batch(texts, row, mode=mode), kind)).logits
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            return f"{config.model_type} cannot take it ({one_line(error).partition('. ')[0]})"
    if mode in IN_A_ROW:
        rows = [found[0, places] for places in row.places]
    else:
        rows = [of[:length] for of, length in zip(found, LENGTHS, strict=True)]
    if same(torch.cat(rows), expected):
        return None
    return f"{config.model_type} gives other logits than for one conversation at a time"


def _batch(texts: list[torch.Tensor], row: TreeRow, *, mode: str) -> dict[str, Any]:
    """As `collate` makes them: conversations in rows, or in one."""
    if mode not in IN_A_ROW:
        inside = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
        return {"input_ids": pad_sequence(texts, batch_first=True), "attention_mask": inside.long()}
    longest = {"max_length_q": int(row.starts_q.diff().max()), "max_length_k": int(row.starts_k.diff().max())}
    starts = {"cu_seq_lens_q": row.starts_q, "cu_seq_lens_k": row.starts_k}
    keys = {"key_positions": row.key_positions} if mode == "shared_images" else {}
    return {"input_ids": row.input_ids, "position_ids": row.position_ids, **starts, **longest, **keys}
