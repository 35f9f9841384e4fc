"""One token count: `truncate`, `mix inspect --tokenizer` and the trainer agree on every record."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.builders.steps.truncate import texts
from mix665k.mixtures.inspect.measure import measure_tokens
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation
from mix665k.schemas.template import TEMPLATES
from mix665k.schemas.tokens import TOKENS_PER_IMAGE, TokenCounter
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.mixture import Mixture, Row
from mix665k.trainer.model.tokenizer import composed_tokenizer
from tests.builders.building import run_step, talk

MANY = 1_000_000
TEXTS = st.text(alphabet="ab Z9.,?!#\n\t\r<>/s[]🌀é日\u200b\u0301", min_size=1, max_size=30).filter(
    lambda text: bool(text.strip()) and IMAGE_TOKEN not in text
)
MORE = ["{}", f"{{}}\n{IMAGE_TOKEN}", f"{IMAGE_TOKEN}{{}} {IMAGE_TOKEN}", f"{IMAGE_TOKEN}\n{{}}"]
PLACES = [f"{IMAGE_TOKEN}\n{{}}", f"{{}}\n{IMAGE_TOKEN}", f"{{}} {IMAGE_TOKEN} {{}}", f"{IMAGE_TOKEN}{{}}"]


@st.composite
def _talks(draw: st.DrawFn) -> Conversation:
    """Conversations of several turns, their image first, last, in the middle, not written yet, or absent."""
    pairs = draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
    place = draw(st.sampled_from([None, "{}", *PLACES]))
    question = (place or "{}").replace("{}", pairs[0][0])
    made = talk("t", (question, pairs[0][1]), *pairs[1:], image="a.jpg" if place else None)
    return msgspec.structs.replace(made, system=draw(st.none() | TEXTS))


@st.composite
def _talks_about_several(draw: st.DrawFn) -> Conversation:
    """Conversations whose images are anywhere in their questions, with a system text or without."""
    pairs = draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
    shown = [(draw(st.sampled_from(MORE)).replace("{}", question), answer) for question, answer in pairs]
    images = [f"{i}.jpg" for i in range(sum(question.count(IMAGE_TOKEN) for question, _ in shown))]
    made = talk("t", *shown, image=images[0] if images else None)
    return msgspec.structs.replace(made, more_images=tuple(images[1:]), system=draw(st.none() | TEXTS))


@lru_cache
def _encoder(template: str) -> Encoder:
    """The trainer's encoder, over the tokenizer of a composed model."""
    tokenizer: Any = composed_tokenizer("tiny")
    return Encoder(
        tokenizer,
        template,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        tokens_per_image=TOKENS_PER_IMAGE,
        max_tokens=MANY,
    )


def _row(conversation: Conversation) -> dict[str, Any]:
    """A conversation as `mix inspect` reads it."""
    turns = [{"value": text} for pair in texts(conversation) for text in pair]
    return {"conversations": turns, "system": conversation.system}


@pytest.mark.parametrize("template", sorted(TEMPLATES))
@settings(deadline=None, derandomize=True, max_examples=40)
@given(conversation=_talks() | _talks_about_several())
def test_truncate_inspect_and_the_trainer_count_the_same_tokens(template: str, conversation: Conversation) -> None:
    row = Row("t", "t", conversation.image, texts(conversation), conversation.more_images, system=conversation.system)
    trained = len(_encoder(template).encode(row).input_ids)

    [inspected] = measure_tokens([_row(conversation)], TokenCounter("tiny", template))["tokens"].to_list()
    fits, cut = (
        run_step("truncate", [conversation], max_tokens=limit, tokenizer="tiny", template=template)
        for limit in (trained, trained - 1)
    )

    assert inspected == trained
    assert fits.conversations == [conversation]
    assert cut.conversations != [conversation]


def test_every_row_of_a_mixture_counts_the_same_when_inspected_and_trained_on(tiny_mixture: Path) -> None:
    mixture = Mixture(tiny_mixture)
    rows = list(mixture.rows(0, len(mixture)))
    shown = [{"conversations": [{"value": text} for pair in row.pairs for text in pair]} for row in rows]

    inspected = measure_tokens(shown, TokenCounter("tiny", "v1"))["tokens"].to_list()

    assert len(rows) > 300
    assert any(row.pairs[0][0].endswith(f"\n{IMAGE_TOKEN}") for row in rows)
    assert inspected == [len(_encoder("v1").encode(row).input_ids) for row in rows]
