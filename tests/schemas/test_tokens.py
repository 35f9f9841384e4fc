"""Tokens of rendered conversations: where images, pairs and the tokenizer's own marks count."""

import pickle
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from mix665k.schemas.errors import TokenizerError
from mix665k.schemas.template import TEMPLATES, render
from mix665k.schemas.tokens import TOKENS_PER_IMAGE, TextEncoder, TokenCounter, text_encoder

TEXT = st.text(alphabet="ab Z9.,?!\n\t<>/s[]🌀é日\u200b\u0301", max_size=30)


def _words(*, marks: str = "$A") -> Tokenizer:
    """One token for each word and sign, with such marks around a text."""
    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens([AddedToken("<s>", normalized=False), AddedToken("</s>", normalized=False)])
    tokenizer.post_processor = TemplateProcessing(single=marks, special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


@pytest.fixture
def words(tmp_path: Path) -> str:
    """A folder with such a tokenizer; it begins texts with `<s>` and ends them with `</s>`."""
    _words(marks="<s> $A </s>").save(str(tmp_path / "tokenizer.json"))
    text_encoder.cache_clear()
    return str(tmp_path)


@pytest.mark.parametrize(("marks", "prefix"), [("$A", []), ("<s> $A", [1]), ("<s> $A </s>", [1]), ("$A </s>", [])])
def test_the_prefix_is_what_a_tokenizer_puts_before_a_text_and_not_what_it_appends(
    marks: str, prefix: list[int]
) -> None:
    assert TextEncoder(_words(marks=marks)).prefix == prefix


def test_marks_that_a_tokenizer_would_add_are_in_no_part() -> None:
    [part] = TextEncoder(_words(marks="<s> $A </s>")).encode("a b")

    assert part.ids == [0, 0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a b", [["a", "b"]]),
        ("<image>", [[], []]),
        ("a <image> b c", [["a"], ["b", "c"]]),
        ("<image><image>a", [[], [], ["a"]]),
        ("", [[]]),
    ],
)
def test_text_around_images_is_encoded_part_by_part(text: str, parts: list[list[str]]) -> None:
    encoded = TextEncoder(_words()).encode(text)

    assert [len(part) for part in encoded] == [len(part) for part in parts]
    pieces = text.split("<image>")
    found = [[piece[a:b] for a, b in part.offsets] for piece, part in zip(pieces, encoded, strict=True)]
    assert found == parts


@settings(deadline=None, derandomize=True, max_examples=40)
@given(texts=st.lists(st.lists(TEXT, min_size=1, max_size=3).map("<image>".join), max_size=5))
def test_a_batch_gives_what_its_texts_give_one_by_one(texts: list[str]) -> None:
    encoder = text_encoder("tiny")

    batch = [[part.ids for part in parts] for parts in encoder.encode_batch(texts)]

    assert batch == [[part.ids for part in encoder.encode(text)] for text in texts]


def test_the_tokenizer_is_copied_so_that_padding_and_truncation_of_the_other_change_nothing() -> None:
    tokenizer = _words()
    encoder = TextEncoder(tokenizer)
    tokenizer.enable_truncation(1)
    tokenizer.enable_padding(length=9)

    assert [len(part) for part in encoder.encode("a b c")] == [3]
    assert [len(part) for part in TextEncoder(tokenizer).encode("a b c")] == [3]
    assert len(tokenizer.encode("a b c")) == 9


def test_a_pickled_encoder_encodes_alike() -> None:
    encoder = text_encoder("tiny")
    again = pickle.loads(pickle.dumps(encoder))

    assert [part.ids for part in again.encode("a <image> b")] == [part.ids for part in encoder.encode("a <image> b")]
    assert again.prefix == encoder.prefix


def test_pairs_end_where_their_end_mark_does(words: str) -> None:
    # `<s>`, 31 for the system text and `USER:`, 3 for `ASSISTANT:` and `</s>`, 5 for those and `USER:` later
    assert TokenCounter(words, "v1").ends([[("q", "a b"), ("q q", "a")]]) == [[1 + 31 + 1 + 3 + 2, 38 + 5 + 3]]


@pytest.mark.parametrize("question", ["<image>\nq r", "q r\n<image>", "q <image> r", "<image>q r"])
def test_an_image_counts_its_placeholders_wherever_the_mixture_has_it(words: str, question: str) -> None:
    counter = TokenCounter(words, "v1")
    [[bare]], [[seen]] = counter.ends([[("q r", "a")]]), counter.ends([[(question, "a")]])

    assert seen == bare + TOKENS_PER_IMAGE


def test_a_pair_before_later_images_ends_where_it_does_without_them(words: str) -> None:
    pairs = [("q", "a b"), ("<image> q <image>", "a"), ("q<image>", "a b c")]
    one = TOKENS_PER_IMAGE
    # 38 tokens of the first pair; 5 of marks around each later question and answer
    assert TokenCounter(words, "v0").ends([pairs[:1]])[0][0] == TokenCounter(words, "v0").ends([pairs])[0][0]
    assert TokenCounter(words, "v1").ends([pairs]) == [[38, 38 + 5 + 2 + 2 * one, 38 + 7 + 5 + 4 + 3 * one]]


def test_the_records_own_system_text_counts_instead_of_the_templates(words: str) -> None:
    counter = TokenCounter(words, "v1")
    pairs = [("q", "a b"), ("q q", "a")]
    assert counter.ends([pairs, pairs], systems=[None, "a b c"]) == [[38, 46], [12, 20]]
    assert counter.shorten([("q", "one two three")], max_tokens=10 + 2, system="a b c") == "one two"


def test_white_space_that_a_tokenizer_drops_ends_a_pair_at_the_token_before(words: str) -> None:
    # a caption ends in a newline, of which this tokenizer makes nothing
    assert TokenCounter(words, "plain").ends([[("<image>\nq", "a b"), ("q", "c")]]) == [[1 + 576 + 2, 1 + 576 + 3]]


def test_nothing_but_an_image_is_its_placeholders_and_the_prefix(words: str) -> None:
    assert TokenCounter(words, "plain").ends([[("<image>", "")]]) == [[1 + TOKENS_PER_IMAGE]]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    pairs=st.lists(st.tuples(TEXT, TEXT.filter(bool)), min_size=1, max_size=4),
    template=st.sampled_from(sorted(TEMPLATES)),
)
def test_ends_grow_and_the_last_is_the_whole_length(pairs: list[tuple[str, str]], template: str) -> None:
    [ends] = TokenCounter("tiny", template).ends([pairs])
    encoder = text_encoder("tiny")

    text = render(TEMPLATES[template], pairs).text
    assert len(ends) == len(pairs)
    assert all(a <= b for a, b in pairwise(ends))
    assert ends[-1] == len(encoder.prefix) + sum(map(len, encoder.encode(text)))


def test_many_conversations_are_counted_as_each_alone() -> None:
    counter = TokenCounter("tiny", "v1")
    talks = [[("<image>\nWhere?", "Here.")], [("Where?", "Here."), ("When?", "Now.")], [("é日🌀", "\u200b")]]

    assert counter.ends(talks) == [counter.ends([talk])[0] for talk in talks]
    assert counter.ends([]) == []


@pytest.mark.parametrize(("template", "special"), [("v1", True), ("llama_2", True), ("v0", False), ("plain", False)])
def test_pairs_end_in_a_special_token_where_the_tokenizer_knows_it(words: str, template: str, special: bool) -> None:
    assert TokenCounter(words, template).pairs_end_in_special_token is special


@pytest.mark.parametrize(
    ("max_tokens", "kept"),
    [(40, "one two three"), (39, "one two three"), (38, "one two"), (37, "one"), (36, ""), (1, "")],
)
def test_an_answer_is_shortened_to_the_words_that_fit(words: str, max_tokens: int, kept: str) -> None:
    counter = TokenCounter(words, "v1")

    assert counter.shorten([("q", "one two three")], max_tokens=max_tokens) == kept


def test_an_answer_behind_an_image_is_shortened_by_its_own_characters(words: str) -> None:
    pairs = [("see this\n<image>", "one two three")]

    assert TokenCounter(words, "v1").shorten(pairs, max_tokens=39 + TOKENS_PER_IMAGE) == "one two"
    assert TokenCounter(words, "v1").shorten(pairs, max_tokens=TOKENS_PER_IMAGE) == ""


@settings(deadline=None, derandomize=True, max_examples=30)
@given(answer=TEXT.filter(str.strip), room=st.integers(1, 30))
def test_no_longer_beginning_of_an_answer_would_fit(answer: str, room: int) -> None:
    counter = TokenCounter("tiny", "v1")
    max_tokens = counter.ends([[("q", "")]])[0][0] + room

    kept = counter.shorten([("q", answer)], max_tokens=max_tokens)

    assert answer.startswith(kept)
    longer = [answer[:end] for end in range(len(kept) + 1, len(answer) + 1) if answer[:end].strip()]
    following = [text for text in longer if text == text.rstrip()][:1]
    assert all(counter.ends([[("q", text)]])[0][0] > max_tokens for text in following)


def test_a_counter_loads_its_tokenizer_when_it_first_counts(words: str) -> None:
    counter = TokenCounter(words, "v1")
    (Path(words) / "tokenizer.json").unlink()

    with pytest.raises(TokenizerError, match=r"no tokenizer\.json or tokenizer\.model"):
        counter.ends([[("q", "a")]])


def teardown_module() -> None:
    text_encoder.cache_clear()
