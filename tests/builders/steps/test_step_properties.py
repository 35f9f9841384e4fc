"""What general steps promise for any conversations."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.schemas.conversation import Conversation, fault, is_blank, values
from tests.builders.building import run_step, talk

PROPERTY = settings(deadline=None, derandomize=True, max_examples=80)
TEXT = st.text(min_size=1, max_size=8).filter(lambda text: not is_blank(text) and "<image>" not in text)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=12)


@st.composite
def _talks(draw: st.DrawFn) -> list[Conversation]:
    """Conversations about few images or none, with origins of their own, some with an image token in their text."""
    shapes = draw(st.lists(st.tuples(st.sampled_from([None, "a.jpg", "b/ä.jpg", "c"]), PAIRS), max_size=8))
    talks = []
    for i, (image, pairs) in enumerate(shapes):
        if image and draw(st.booleans()):
            pairs = [(f"{pairs[0][0]}\n<image>", pairs[0][1]), *pairs[1:]]
        talks.append(talk(f"id/{i}", *pairs, image=image, several=draw(st.booleans())))
    return talks


def _origins(talks: list[Conversation]) -> Counter[str]:
    return Counter(pair.origin for one in talks for pair in one.pairs)


def _sound(talks: list[Conversation]) -> bool:
    return all(fault(list(values(one)), num_images=len(one.images), boxes=True) is None for one in talks)


@PROPERTY
@given(talks=_talks())
def test_merging_loses_and_doubles_no_pair_and_groups_by_image(talks: list[Conversation]) -> None:
    before = _origins(talks)
    images = [one.image for one in talks if one.image]

    merged = run_step("merge_by_image", talks).conversations

    assert _origins(merged) == before
    assert [one.image for one in merged if one.image] == list(dict.fromkeys(images))
    assert _sound(merged)


@PROPERTY
@given(talks=_talks())
def test_merging_twice_changes_nothing(talks: list[Conversation]) -> None:
    once = run_step("merge_by_image", talks).conversations

    assert run_step("merge_by_image", once).conversations == once


@PROPERTY
@given(talks=_talks(), max_pairs=st.integers(1, 13))
def test_splitting_loses_and_doubles_no_pair(talks: list[Conversation], max_pairs: int) -> None:
    before = [(one.image, pair) for one in talks for pair in one.pairs]

    segments = run_step("split", talks, max_pairs=max_pairs).conversations

    assert [(one.image, pair) for one in segments for pair in one.pairs] == before
    assert all(1 <= len(one.pairs) <= max_pairs for one in segments)
    assert _sound(segments)


@PROPERTY
@given(talks=_talks(), times=st.integers(1, 4))
def test_repeating_gives_every_pair_so_many_times(talks: list[Conversation], times: int) -> None:
    before = _origins(talks)

    copies = run_step("repeat", talks, times=times).conversations

    assert _origins(copies) == Counter({origin: times * number for origin, number in before.items()})


@PROPERTY
@given(talks=_talks(), text=TEXT)
def test_a_prompt_is_the_last_line_of_the_first_question_only(talks: list[Conversation], text: str) -> None:
    before = [[pair.question for pair in one.pairs] for one in talks]

    prompted = run_step("add_prompt", talks, text=text).conversations

    for one, questions in zip(prompted, before, strict=True):
        assert one.pairs[0].question == f"{questions[0]}\n{text}"
        assert [pair.question for pair in one.pairs[1:]] == questions[1:]


@PROPERTY
@given(talks=_talks(), low=st.integers(0, 6), high=st.integers(0, 12), chars=st.integers(0, 80))
def test_what_is_dropped_by_length_is_out_of_bounds(talks: list[Conversation], low: int, high: int, chars: int) -> None:
    kept = run_step("drop_by_length", talks, min_pairs=low, max_pairs=high, max_chars=chars).conversations

    for one in talks:
        length = sum(len(pair.question) + len(pair.answer) for pair in one.pairs)
        assert (one in kept) == (low <= len(one.pairs) <= high and length <= chars)
