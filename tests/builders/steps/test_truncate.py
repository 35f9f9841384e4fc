"""Truncation: counted in words by a tokenizer made for it, and as properties with the shipped one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split, Whitespace

from mix665k.builders.steps.truncate import texts
from mix665k.schemas.conversation import Conversation, is_blank
from mix665k.schemas.tokens import TokenCounter, text_encoder
from tests.builders.building import Result, build, flow, run_step, talk


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer that gives one token for each word and each sign."""
    folder = tmp_path_factory.mktemp("words")
    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "</s>": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens([AddedToken("</s>", normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return str(folder)


def _cut(conversation: Conversation, tokenizer: str, max_tokens: int, **params: Any) -> Result:
    return run_step("truncate", [conversation], max_tokens=max_tokens, tokenizer=tokenizer, **params)


def _talk() -> Conversation:
    return talk("a", ("q1 q2", "a1 a2 a3"), ("q3", "a4 a5"), ("q4", "a6 a7 a8"))


def test_words_and_signs_are_counted_with_the_template(words: str) -> None:
    # 31 for the system text and `USER:`, 3 for `ASSISTANT:` and `</s>`, 5 for those two and `USER:` in later pairs
    assert TokenCounter(words, "v1").ends([texts(_talk())]) == [[39, 47, 56]]
    assert TokenCounter(words, "plain").ends([[("<image>\nx", "a b")]]) == [[578]]
    assert TokenCounter(words, "plain", tokens_per_image=729).ends([[("<image>\nx", "a b")]]) == [[731]]


@pytest.mark.parametrize(
    ("max_tokens", "kept"),
    [(100, 3), (56, 3), (55, 2), (47, 2), (46, 1), (39, 1)],
)
def test_whole_pairs_that_fit_are_kept(words: str, max_tokens: int, kept: int) -> None:
    [cut] = _cut(_talk(), words, max_tokens).conversations

    assert cut.pairs == _talk().pairs[:kept]
    assert cut.history == ((f"cut after {kept} of 3 pairs",) if kept < 3 else ())


@pytest.mark.parametrize(
    ("max_tokens", "answers"),
    [
        (55, ["a1 a2 a3", "a4 a5", "a6 a7"]),
        (54, ["a1 a2 a3", "a4 a5", "a6"]),
        (53, ["a1 a2 a3", "a4 a5"]),
        (46, ["a1 a2 a3", "a4"]),
        (45, ["a1 a2 a3"]),
        (38, ["a1 a2"]),
        (37, ["a1"]),
    ],
)
def test_inside_keeps_the_part_of_an_answer_that_fits(words: str, max_tokens: int, answers: list[str]) -> None:
    [cut] = _cut(_talk(), words, max_tokens, at="inside").conversations

    assert [pair.answer for pair in cut.pairs] == answers


def test_an_image_is_as_many_tokens_as_are_said(words: str) -> None:
    seen = talk("a", ("<image> q1", "a1"), ("q2", "a2"))
    first = TokenCounter(words, "v1").ends([texts(seen)])[0][0]
    for tokens_per_image, kept in ((576, 1), (64, 2)):
        [cut] = _cut(seen, words, first, tokens_per_image=tokens_per_image).conversations
        assert len(cut.pairs) == kept


@pytest.mark.parametrize("at", ["pair", "inside"])
def test_a_first_pair_that_is_too_long_is_cut_in_its_answer(words: str, at: str) -> None:
    result = _cut(_talk(), words, 38, at=at)

    assert [(p.question, p.answer, p.origin) for p in result.conversations[0].pairs] == [("q1 q2", "a1 a2", "a/0")]
    assert result.conversations[0].history == ("cut after 1 of 3 pairs, inside the last answer",)
    assert result.funnel[0].pairs == flow(3, 1, cut_off=-2)
    assert result.funnel[0].noted == {"answer cut": 1, "conversation cut": 1}


@pytest.mark.parametrize("at", ["pair", "inside"])
@pytest.mark.parametrize("max_tokens", [1, 36])
def test_a_question_that_fills_the_limit_is_dropped_and_counted(words: str, at: str, max_tokens: int) -> None:
    result = _cut(_talk(), words, max_tokens, at=at)

    assert result.conversations == []
    assert result.funnel[0].conversations == flow(1, 0, question_fills_the_limit=-1)
    assert result.funnel[0].examples == {"question fills the limit": ["a"]}


def test_an_image_takes_its_576_tokens(words: str) -> None:
    seen = talk("a", ("q1", "a1"), ("q2", "a2"), image="a.jpg")
    [[first, second]] = TokenCounter(words, "v1").ends([texts(seen)])

    assert (first, second) == (36 + 576, 43 + 576)
    assert len(_cut(seen, words, second).conversations[0].pairs) == 2
    assert len(_cut(seen, words, second - 1).conversations[0].pairs) == 1
    assert _cut(seen, words, 576).conversations == []


def test_a_cut_answer_does_not_end_in_white_space(words: str) -> None:
    [cut] = _cut(talk("a", ("q", "a1 \n\n a2")), words, 36).conversations

    assert cut.pairs[0].answer == "a1"


def test_an_enormous_turn_is_cut(words: str) -> None:
    [cut] = _cut(talk("a", ("q", "word " * 400_000)), words, 2048).conversations

    assert cut.pairs[0].answer == ("word " * 2013).rstrip()


def test_a_long_conversation_that_still_fits_is_left_whole(words: str) -> None:
    long = talk("a", *[("x" * 9000, "y" * 9000)] * 50)

    assert _cut(long, words, 2048).conversations == [long]


def test_a_long_conversation_is_cut_where_it_grows_too_long(words: str) -> None:
    long = talk("a", ("x" * 99_000, "y" * 99_000), *[("q", "word " * 1200)] * 3)

    [cut] = _cut(long, words, 2048).conversations

    assert len(cut.pairs) == 2


def test_a_pair_that_counts_more_at_the_end_than_in_the_middle_is_cut(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex("###H|[^#]|#"), "isolated")  # a pair's end runs into the next question
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    counter = TokenCounter(str(tmp_path), "v0")
    pairs = talk("a", ("q", "answer"), ("q", "answer"))
    [[middle, _]], [[end]] = counter.ends([texts(pairs)]), counter.ends([texts(pairs)[:1]])

    [cut] = _cut(pairs, str(tmp_path), middle, template="v0").conversations

    assert (middle, end) == (185, 187)
    assert [pair.answer for pair in cut.pairs] == ["answ"]


def test_truncation_needs_a_tokenizer_and_a_known_template() -> None:
    with pytest.raises(TypeError, match="tokenizer"):
        run_step("truncate", [], max_tokens=5)


def test_the_samples_surviving_conversations_are_counted_in_the_samples_funnel(words: str) -> None:
    steps: list[Any] = [{"sample": {"count": 2, "surviving": [{"truncate": {"max_tokens": 40, "tokenizer": words}}]}}]

    result = build("sharegpt", steps=steps)

    assert [c.id for c in result.conversations] == ["mIll01a_7", "kItE22b_0"]
    assert result.funnel[1].conversations.changes == {"truncate: question fills the limit": -1}


TEXT = st.text(alphabet="ab Z9.,?!\n\t\r<>/s[]🌀é日\u200b\u0301", min_size=1, max_size=40).filter(
    lambda text: not is_blank(text) and "<image>" not in text
)
TALKS = st.builds(
    lambda pairs, seen: talk("t", *pairs, image="a.jpg" if seen else None),
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5),
    st.booleans(),
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    conversation=TALKS,
    room=st.integers(1, 160),
    template=st.sampled_from(["v1", "v0", "llama_2", "mistral_instruct", "mpt", "plain"]),
    at=st.sampled_from(["pair", "inside"]),
)
def test_truncation_never_exceeds_the_limit_and_keeps_a_beginning(
    conversation: Conversation, room: int, template: str, at: str
) -> None:
    before = list(conversation.pairs)
    max_tokens = room + (576 if conversation.image else 0)

    result = _cut(conversation, "tiny", max_tokens, template=template, at=at)

    for cut in result.conversations:
        assert TokenCounter("tiny", template).ends([texts(cut)])[0][-1] <= max_tokens
        assert cut.pairs[:-1] == before[: len(cut.pairs) - 1]
        last, whole = cut.pairs[-1], before[len(cut.pairs) - 1]
        assert (last.question, last.origin) == (whole.question, whole.origin)
        assert whole.answer.startswith(last.answer)
        assert last.answer.strip()


@settings(deadline=None, derandomize=True, max_examples=100)
@given(conversation=TALKS, room=st.integers(40, 200))
def test_one_pair_more_would_not_have_fitted(conversation: Conversation, room: int) -> None:
    whole = texts(conversation)
    max_tokens = room + (576 if conversation.image else 0)

    result = _cut(conversation, "tiny", max_tokens)

    num_kept = sum(len(cut.pairs) for cut in result.conversations)
    if num_kept < len(whole):
        [ends] = TokenCounter("tiny", "v1").ends([whole])
        assert ends[num_kept] > max_tokens


def teardown_module() -> None:
    text_encoder.cache_clear()
