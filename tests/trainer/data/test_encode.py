"""Encoding: ids, labels and truncation."""

import pickle
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mix665k.schemas.errors import StageError, TokenizerError, UserError
from mix665k.schemas.template import TEMPLATES, Template, place_image, render
from mix665k.trainer.data.encode import IGNORED, Encoded, Encoder
from tests.trainer.parts import IMAGE_TOKEN_ID, TOKENS_PER_IMAGE, encoder, new_tokenizer, row, tokenizer

TEXTS = st.text(alphabet="abcxyz 019.,:?#\n[]é日", min_size=1, max_size=30).filter(str.strip)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)


def _learned(encoded: Encoded) -> list[str]:
    """The texts that are learned, one per unbroken run of labels."""
    runs = groupby(encoded.labels.tolist(), key=lambda label: label != IGNORED)
    return [tokenizer().decode(list(run)) for learned, run in runs if learned]


def _llava(question: str) -> str:
    return f"<image>\n{question}"


def test_answers_are_learned_with_their_ends() -> None:
    encoded = encoder("v1").encode(row(("What is this?", "A cat."), ("How many?", "3")))

    assert _learned(encoded) == ["A cat.</s>", "3</s>"]
    assert (
        tokenizer()
        .decode(encoded.input_ids)
        .endswith(
            "answers to the user's questions. USER: What is this? ASSISTANT: A cat.</s>USER: How many? ASSISTANT: 3</s>"
        )
    )


def test_an_answer_that_starts_with_a_digit_keeps_the_label_of_its_space() -> None:
    encoded = encoder("v1").encode(row(("How many?", "3")))

    learned = encoded.labels[encoded.labels != IGNORED]
    assert tokenizer().convert_ids_to_tokens(learned.tolist()) == ["▁", "3", "</s>"]


def test_an_image_is_its_placeholders_and_stands_in_front_of_its_turn() -> None:
    first = encoder("v1").encode(row((_llava("What is this?"), "A cat."), image="a.jpg"))
    last = encoder("v1").encode(row(("What is this?\n<image>", "A cat."), image="a.jpg"))

    assert first.num_images == 1
    assert np.count_nonzero(first.input_ids == IMAGE_TOKEN_ID) == TOKENS_PER_IMAGE
    assert np.all(first.labels[first.input_ids == IMAGE_TOKEN_ID] == IGNORED)
    assert first.input_ids.tolist() == last.input_ids.tolist()


def test_plain_is_image_caption_and_newline() -> None:
    encoded = encoder("plain").encode(row((_llava("Describe it."), "a cat"), image="a.jpg"))

    caption = tokenizer().encode("a cat\n", add_special_tokens=False)
    bos = tokenizer().bos_token_id
    assert encoded.input_ids.tolist() == [bos] + [IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE + caption
    assert encoded.labels.tolist() == [IGNORED] * (1 + TOKENS_PER_IMAGE) + caption


def test_mmtag_puts_the_image_between_tags() -> None:
    encoded = encoder("v1_mmtag").encode(row((_llava("What?"), "A cat."), image="a.jpg"))

    text = tokenizer().decode(encoded.input_ids[encoded.input_ids != IMAGE_TOKEN_ID])
    assert "USER: <Image> </Image>\nWhat? ASSISTANT: A cat.</s>" in text


def test_an_empty_answer_is_not_learned() -> None:
    assert _learned(encoder("v1").encode(row(("What?", ""), ("And now?", "yes")))) == ["yes</s>"]


@pytest.mark.parametrize("template", sorted(TEMPLATES))
@settings(max_examples=20, deadline=None)
@given(pairs=PAIRS)
def test_labels_cover_exactly_the_answers(template: str, pairs: list[tuple[str, str]]) -> None:
    encoded = encoder(template).encode(row(*pairs))

    text, spans = render(TEMPLATES[template], pairs)
    expected = [text[span.start : span.stop] for span in spans]
    if not TEMPLATES[template].keeps_question:  # nothing stands between two answers
        expected = ["".join(expected)]
    assert [learned.strip() for learned in _learned(encoded)] == [answer.strip() for answer in expected]


@settings(max_examples=60, deadline=None)
@given(
    pairs=PAIRS, with_image=st.booleans(), template=st.sampled_from(["v1", "plain", "llama_2"]), share=st.floats(0, 1)
)
def test_truncation_gives_the_beginning_and_never_cuts_an_image(
    pairs: list[tuple[str, str]], with_image: bool, template: str, share: float
) -> None:
    if with_image:
        pairs = [(_llava(pairs[0][0]), pairs[0][1]), *pairs[1:]]
    whole = encoder(template).encode(row(*pairs))
    needed = max(np.flatnonzero(whole.input_ids == IMAGE_TOKEN_ID), default=0) + 1
    max_tokens = int(needed + share * (len(whole.input_ids) - needed))

    cut = encoder(template, max_tokens).encode(row(*pairs))

    assert len(cut.input_ids) == max_tokens
    assert cut.input_ids.tolist() == whole.input_ids[:max_tokens].tolist()
    assert cut.labels.tolist() == whole.labels[:max_tokens].tolist()
    assert np.count_nonzero(cut.input_ids == IMAGE_TOKEN_ID) == with_image * TOKENS_PER_IMAGE
    assert cut.tokens_cut == len(whole.input_ids) - max_tokens
    assert 0 <= cut.answers_cut <= len(pairs)


def test_truncation_counts_the_answers_it_cuts() -> None:
    pairs = [("One?", "1"), ("Two?", "2"), ("Three?", "3")]
    length = len(encoder("v1").encode(row(*pairs)).input_ids)

    cut = encoder("v1", length - 1).encode(row(*pairs))
    assert (cut.tokens_cut, cut.answers_cut) == (1, 1)
    cut = encoder("v1", 20).encode(row(*pairs))
    assert (cut.answers_cut, cut.num_supervised) == (3, 0)


def test_an_image_that_does_not_fit_is_an_error() -> None:
    with_image = row((_llava("What?"), "A cat."), image="a.jpg")
    needed = int(np.flatnonzero(encoder("v1").encode(with_image).input_ids == IMAGE_TOKEN_ID)[-1]) + 1

    assert len(encoder("v1", needed).encode(with_image).input_ids) == needed
    with pytest.raises(
        UserError, match=rf"made/1: its image ends at token {needed}, max_tokens is {needed - 1}; raise max_tokens"
    ):
        encoder("v1", needed - 1).encode(with_image)


def test_the_first_token_counts_as_unsupervised() -> None:
    encoded = encoder("plain").encode(row(("", "a cat")))

    assert encoded.num_supervised == len(encoded.input_ids) - 1


def test_an_unknown_template_is_an_error() -> None:
    with pytest.raises(StageError, match="template 'v2': no such template, expected chat or one of default, v0, v1"):
        encoder("v2")


def test_a_slow_tokenizer_is_an_error() -> None:
    class Slow:
        name_or_path = "slow"

    slow: Any = Slow()
    with pytest.raises(TokenizerError, match="slow: a slow tokenizer"):
        Encoder(slow, "v1", image_token_id=0, tokens_per_image=576, max_tokens=8)


def test_padding_and_truncation_of_the_tokenizer_change_nothing() -> None:
    used = new_tokenizer()
    before = Encoder(used, "v1", image_token_id=IMAGE_TOKEN_ID, tokens_per_image=TOKENS_PER_IMAGE, max_tokens=2048)
    used("a b c d e f g h", padding="max_length", truncation=True, max_length=4)
    after = Encoder(used, "v1", image_token_id=IMAGE_TOKEN_ID, tokens_per_image=TOKENS_PER_IMAGE, max_tokens=2048)

    long = row(("What is this?", "A cat that sleeps in the sun."))
    assert before.fingerprint == after.fingerprint
    assert before.encode(long).input_ids.tolist() == after.encode(long).input_ids.tolist()


def test_fingerprints_differ_by_template_and_limit() -> None:
    assert len({encoder(t, n).fingerprint for t in ("v0", "v1", "default") for n in (100, 200)}) == 4


def test_a_pickled_encoder_encodes_alike() -> None:
    again = pickle.loads(pickle.dumps(encoder("v1")))

    some = row((_llava("What?"), "A cat."), image="a.jpg")
    assert again.encode(some).labels.tolist() == encoder("v1").encode(some).labels.tolist()


class Backend:
    """What an encoder needs of a tokenizer."""

    name_or_path = "made up"

    def __init__(self, backend: Tokenizer) -> None:
        self.backend_tokenizer = backend


def _made_up(backend: Tokenizer, template: str) -> Encoder:
    some: Any = Backend(backend)
    return Encoder(some, template, image_token_id=999, tokens_per_image=1, max_tokens=99)


@pytest.mark.parametrize(("reply", "lead"), [(": ", ""), (":", " ")])
def test_a_space_is_learned_with_its_answer_only_where_a_tokenizer_leaves_spaces_out_of_its_offsets(
    monkeypatch: pytest.MonkeyPatch, reply: str, lead: str
) -> None:
    monkeypatch.setitem(TEMPLATES, "spaced", Template(start="", human="", reply=reply, lead=lead, end="\n"))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.ByteLevel(trim_offsets=True)

    encoded = _made_up(backend, "spaced").encode(row(("Q", "a cat")))

    assert (encoded.labels == IGNORED).tolist() == [True] * len(f"Q{reply}") + [False] * len(f"{lead}a cat\n")


def test_a_token_over_the_edge_of_an_answer_is_learned_but_not_one_over_an_empty_answer() -> None:
    backend = Tokenizer(models.WordLevel({"": 0}, unk_token=""))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()

    encoded = _made_up(backend, "v0").encode(row(("Q", ""), ("Q", "a cat")))

    tail = ["###Assistant:Human:", "Q###Assistant:", "a", "cat###"]
    assert (encoded.labels[-len(tail) :] == IGNORED).tolist() == [True, True, False, False]
    encoded = _made_up(backend, "v0").encode(row(("Q", "a cat"), ("Q", "a cat")))
    tail = ["a", "cat###Human:", "Q###Assistant:", "a", "cat###"]
    assert (encoded.labels[-len(tail) :] == IGNORED).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("text", "placed"),
    [
        ("What?", "What?"),
        ("<image>\nWhat?", "<image>\nWhat?"),
        ("What?\n<image>", "<image>\nWhat?"),
        ("  What <image> is it? ", "<image>\nWhat  is it?"),
        ("<image>", "<image>"),
    ],
)
def test_place_image_moves_it_to_the_front(text: str, placed: str) -> None:
    assert place_image(text) == placed
