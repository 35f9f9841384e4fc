"""Asking at once, with a model whose next token depends on every token that it may see and on its position."""

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from mix665k.trainer.evaluation.ask import Asker, Limits, can_share, rows_that_fit
from mix665k.trainer.evaluation.batches import Group, Prompt, plan, shared_beginning

VOCABULARY, END, NUM_TOKENS = 97, 3, 12


def following(ids: Sequence[int]) -> int:
    return sum((31 * token + 7) * (position + 1) ** 2 for position, token in enumerate(ids)) % VOCABULARY


def one_by_one(ids: Sequence[int]) -> list[int]:
    seen, answer = list(ids), list[int]()
    while len(answer) < NUM_TOKENS and END not in answer:
        answer.append(following(seen))
        seen.append(answer[-1])
    return answer


class Exact:
    """Keeps tokens and positions as keys, as a layer of attention would."""

    device, dtype = torch.device("cpu"), torch.float32
    config = SimpleNamespace(text_config=LlamaConfig(num_hidden_layers=1))

    def __init__(self) -> None:
        self.computed = 0

    def __call__(self, *, input_ids: Any, attention_mask: Any, position_ids: Any, **given_too: Any) -> Any:
        self.computed += input_ids.numel()
        given = torch.stack([input_ids, position_ids], dim=-1)[:, None].double()
        keys, _values = given_too["past_key_values"].update(given, given, 0)
        token, position = keys[:, 0].long().unbind(-1)
        sums = (((31 * token + 7) * (position + 1) ** 2) * attention_mask).sum(dim=1) % VOCABULARY
        return SimpleNamespace(logits=torch.nn.functional.one_hot(sums, VOCABULARY)[:, None])


def prompts(*, pictures: int, per_picture: int, texts: int) -> list[Prompt]:
    draw = random.Random(0)
    made = []
    for number in range(pictures * per_picture + texts):
        picture = number // per_picture if number < pictures * per_picture else None
        begin = [1, 5, 5, 60 + picture, 9] if picture is not None else [1, 5]
        words = [draw.randrange(10, 50) for _ in range(draw.randrange(1, 9))]
        made.append(Prompt(number, tuple(begin + words), None if picture is None else f"{picture}"))
    draw.shuffle(made)
    return made


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
@pytest.mark.parametrize(("pictures", "per_picture"), [(3, 7), (9, 1), (0, 1), (1, 20)])
def test_every_answer_is_the_one_to_that_question_alone(rows: int, pictures: int, per_picture: int) -> None:
    asked = prompts(pictures=pictures, per_picture=per_picture, texts=6)
    asker = Asker(Exact(), limits=Limits(frozenset([END]), NUM_TOKENS), rows=rows, pad_id=0)
    pixels = {f"{picture}": torch.zeros(3, 2, 2) for picture in range(pictures)}
    units = plan(asked, rows=rows)
    found = {one.number: one.ids for unit in units for batch in asker.ask(unit, pixels) for one in batch}
    assert found == {prompt.number: one_by_one(prompt.ids) for prompt in asked}


def test_some_of_these_answers_end_early_and_some_do_not() -> None:
    lengths = {len(one_by_one(prompt.ids)) for prompt in prompts(pictures=3, per_picture=7, texts=6)}
    assert NUM_TOKENS in lengths
    assert len(lengths) > 2


def test_what_questions_share_is_computed_once_and_a_batch_that_is_done_not_at_all() -> None:
    asked = [Prompt(number, (*range(50, 70), number), "a") for number in range(4)]
    [unit] = plan(asked, rows=2)
    model = Exact()
    asker = Asker(model, limits=Limits(frozenset(), 1), rows=2, pad_id=0)
    batches = list(asker.ask(unit, {"a": torch.zeros(3, 2, 2)}, done={0, 1}))
    assert [one.number for batch in batches for one in batch] == [2, 3]
    assert model.computed == 20 + 2


def test_the_questions_of_a_picture_stay_together_and_the_longest_are_asked_first() -> None:
    asked = prompts(pictures=3, per_picture=4, texts=5)
    units = plan(asked, rows=4)
    assert sorted(number for unit in units for number in unit.numbers) == list(range(17))
    of_pictures = [{group.image for group in unit.groups} for unit in units]
    assert sorted(map(str, of_pictures)) == ["{'0'}", "{'1'}", "{'2'}", "{None}", "{None}"]
    longest = [max(len(prompt.ids) for group in unit.groups for prompt in group.prompts) for unit in units]
    assert longest == sorted(longest, reverse=True)
    assert plan(list(reversed(asked)), rows=4) == units


def test_a_shared_beginning_leaves_each_question_a_token() -> None:
    assert shared_beginning([(1, 2, 3), (1, 2, 4)]) == 2
    assert shared_beginning([(1, 2, 3), (1, 2)]) == 1
    assert shared_beginning([(1, 2, 3)]) == 2
    assert plan([Prompt(0, (1, 2), None)], rows=8, shares=False)[0].groups == (
        Group(None, (Prompt(0, (1, 2), None),), shared=1),
    )


def test_a_window_shorter_than_a_prompt_is_asked_one_by_one() -> None:
    from transformers import MistralConfig

    def language_model(**given: Any) -> Any:
        config = MistralConfig(num_hidden_layers=1, **given)
        forward = SimpleNamespace(forward=lambda input_ids, position_ids: None)
        return SimpleNamespace(
            config=SimpleNamespace(text_config=config),
            model=SimpleNamespace(language_model=forward),
            device=Exact.device,
        )

    assert can_share(language_model(sliding_window=None), 700)
    assert can_share(language_model(sliding_window=700), 700)
    assert not can_share(language_model(sliding_window=699), 700)
    assert rows_that_fit(language_model(sliding_window=None), 700) == 32
