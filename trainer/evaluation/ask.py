"""Greedy answers of a model to many questions at once; each is the answer that it gives to one question by itself.

What questions about a picture have in common is computed once, and its keys and values are kept; the rest of each is a
row of a batch, padded on the left.
"""

import copy
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from mix665k.trainer.evaluation.batches import Group, Prompt, Unit

_ROWS_WITHOUT_GPU = 32
_MOST_ROWS = 256
_SHARE_OF_MEMORY = 0.5
"""What keys and values may take; they are there twice while rows leave a batch, and layers need room."""
_ROOM = 32
"""Tokens that a cache has room for before it is copied into a larger one."""
_FEW = 0.75
"""The share of a batch's rows still being answered below which the others leave it."""


class Answered(NamedTuple):
    """Token ids of the answer to a question, with the end token if it was reached."""

    number: int
    ids: list[int]


class Limits(NamedTuple):
    """When an answer ends: at one of these tokens, or after so many."""

    ends: frozenset[int]
    max_new_tokens: int


def can_share(model: Any, longest: int) -> bool:
    """Whether questions of up to `longest` tokens with their answers can be padded and share their beginnings.

    Not where a language model counts the tokens in memory instead of positions (MPT), sees a window of fewer tokens, or
    remembers by other means than keys and values: padding would change its answers.
    """
    language_model = model.model.language_model
    if "position_ids" not in inspect.signature(language_model.forward).parameters:
        return False
    layers = DynamicCache(config=model.config.text_config).layers
    windows = [layer.sliding_window for layer in layers if type(layer) is DynamicSlidingWindowLayer]
    plain = all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
    return plain and min(windows, default=longest) >= longest


def rows_that_fit(model: Any, longest: int) -> int:
    """The largest batch, a power of two: on a GPU as many rows as half of its memory without the weights holds."""
    if model.device.type != "cuda":
        return _ROWS_WITHOUT_GPU
    text = model.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    row = 2 * text.num_hidden_layers * heads * size * model.dtype.itemsize * longest
    total = torch.cuda.get_device_properties(model.device).total_memory - model.get_memory_footprint()
    fitting = max(1, min(_MOST_ROWS, int(_SHARE_OF_MEMORY * total / row)))
    return 1 << (fitting.bit_length() - 1)


class Asker:
    """Asks a model; `rows` is the largest batch. The model's own settings of generation are not heeded.

    `agree` may replace the next tokens of a batch, int64 [B]: ranks that compute the same must also choose the same.
    """

    def __init__(
        self,
        model: Any,
        *,
        limits: Limits,
        rows: int,
        pad_id: int,
        agree: Callable[[torch.Tensor], torch.Tensor] = lambda tokens: tokens,
    ) -> None:
        self._model = model
        self._limits = limits
        self._rows = rows
        self._pad_id = pad_id
        self._agree = agree

    def ask(
        self, unit: Unit, pictures: Mapping[str, torch.Tensor], *, done: Collection[int] = ()
    ) -> Iterator[list[Answered]]:
        """The answers to a unit, a batch at a time; a batch whose questions are all `done` is left out.

        pictures  float [3, S, S] of each picture's name
        """
        kept: _Beginnings | None = None
        for rows in _batches(unit, rows=self._rows):
            if all(prompt.number in done for _, prompt in rows):
                continue
            with torch.no_grad():
                if kept is None:
                    kept = self._begin(unit.groups, pictures)
                yield self._answer(rows, unit.groups, kept)

    def _begin(self, groups: Sequence[Group], pictures: Mapping[str, torch.Tensor]) -> "_Beginnings":
        """Compute what the questions of each group have in common."""
        ids, mask = self._padded([group.prompts[0].ids[: group.shared] for group in groups])
        images = [pictures[group.image] for group in groups if group.image is not None]
        given = {"pixel_values": torch.stack(images).to(self._device, self._dtype)} if images else {}
        cache = DynamicCache(config=self._model.config.text_config)
        if mask.shape[1]:
            self._forward(ids, mask, cache, **given)
        return _Beginnings(cache, mask)

    def _answer(
        self, rows: Sequence[tuple[int, Prompt]], groups: Sequence[Group], kept: "_Beginnings"
    ) -> list[Answered]:
        """Answer questions that are given with the number of their group."""
        of_rows = torch.tensor([place for place, _ in rows], device=self._device)
        ids, mask = self._padded([prompt.ids[groups[place].shared :] for place, prompt in rows])
        cache = _for_rows(kept.cache, of_rows, room=ids.shape[1] + _ROOM)
        mask = torch.cat([kept.mask.index_select(0, of_rows), mask], dim=1)
        answers: list[list[int]] = [[] for _ in rows]
        running = list(range(len(rows)))  # the question of each row of the batch
        while True:
            tokens = self._agree(self._forward(ids, mask, cache).argmax(dim=-1))
            for row, token in zip(running, tokens.tolist(), strict=True):
                if not self._ended(answers[row]):
                    answers[row].append(token)
            alive = [place for place, row in enumerate(running) if not self._ended(answers[row])]
            if not alive:
                return [Answered(prompt.number, ids) for (_, prompt), ids in zip(rows, answers, strict=True)]
            if len(alive) <= _FEW * len(running):
                staying = torch.tensor(alive, device=self._device)
                cache = _for_rows(cache, staying, room=_ROOM)
                mask, tokens = mask.index_select(0, staying), tokens.index_select(0, staying)
                running = [running[place] for place in alive]
            ids = tokens[:, None]
            mask = torch.cat([mask, mask.new_ones(len(running), 1)], dim=1)

    def _ended(self, answer: Sequence[int]) -> bool:
        return bool(answer) and (len(answer) >= self._limits.max_new_tokens or answer[-1] in self._limits.ends)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: Any, **given: Any) -> torch.Tensor:
        """The logits of the last position, float [B, V]; `ids` [B, T] follow what the cache holds, `mask` is of all."""
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **given,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and their mask, int64 [B, T] each, padded on the left: an answer begins at the right edge."""
        length = max(map(len, rows))
        ids = [[self._pad_id] * (length - len(row)) + list(row) for row in rows]
        mask = [[0] * (length - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)

    @property
    def _device(self) -> torch.device:
        device: torch.device = self._model.device
        return device

    @property
    def _dtype(self) -> torch.dtype:
        dtype: torch.dtype = self._model.dtype
        return dtype


class _Beginnings(NamedTuple):
    """Keys and values of what questions have in common, a row for each group, and the mask of its tokens."""

    cache: Any
    mask: torch.Tensor


def _batches(unit: Unit, *, rows: int) -> list[list[tuple[int, Prompt]]]:
    """The questions of a unit with the number of their group, in batches of `rows`."""
    every = [(place, prompt) for place, group in enumerate(unit.groups) for prompt in group.prompts]
    return [every[at : at + rows] for at in range(0, len(every), rows)]


def _for_rows(cache: Any, rows: torch.Tensor, *, room: int) -> Any:
    """A cache of these rows of another one, with repetitions; it grows by itself, the other stays as it is."""
    chosen = copy.copy(cache)
    chosen.layers = [_layer_for_rows(layer, rows, room=room) for layer in cache.layers]
    return chosen


def _layer_for_rows(layer: Any, rows: torch.Tensor, *, room: int) -> Any:
    if isinstance(layer, _Roomy) or (type(layer) is DynamicLayer and layer.is_initialized):
        return _Roomy(layer, rows, room=room)
    own = copy.deepcopy(layer)
    if own.is_initialized:
        own.batch_select_indices(rows)
    return own


class _Roomy(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's keys and values [B, heads, T, D] with room for later tokens, so that no step copies them all."""

    def __init__(self, layer: Any, rows: torch.Tensor, *, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lazy_initialization(layer.keys, layer.values)
        self._buffers = [_roomy(states, rows, room=room) for states in (layer.keys, layer.values)]
        self._show(layer.keys.shape[-2])

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_others: Any, **_given: Any) -> Any:
        """See DynamicLayer."""
        begin, count = self.get_seq_length(), key_states.shape[-2]
        if begin + count > self._buffers[0].shape[-2]:
            every = torch.arange(len(key_states), device=key_states.device)
            shown = [buffer[:, :, :begin] for buffer in self._buffers]
            self._buffers = [_roomy(states, every, room=count + _ROOM) for states in shown]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, begin : begin + count] = states
        self._show(begin + count)
        return self.keys, self.values

    def _show(self, length: int) -> None:
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)


def _roomy(states: torch.Tensor, rows: torch.Tensor, *, room: int) -> torch.Tensor:
    _, heads, length, size = states.shape
    buffer = states.new_empty((len(rows), heads, length + room, size))
    buffer[:, :, :length] = states.index_select(0, rows)
    return buffer
