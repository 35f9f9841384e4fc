"""The chat templates of today's families: what is learned, and what an exported processor writes."""

import itertools
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.schemas.errors import StageError
from mix665k.trainer.data.chat import ChatTemplate, exported_chat_template, resolve_template
from mix665k.trainer.data.encode import IGNORED, Encoder
from tests.trainer.families import FAMILIES, language_model
from tests.trainer.parts import row

CHATS = [name for name, family in FAMILIES.items() if family.template]
TWO_ENDS = {"gptoss": {"<|end|>", "<|return|>"}}
LEADS = {"gptoss": "<|channel|>final<|message|>"}
PAIRS = [("What is it? 日\n<image>", " A cat.\n"), ("How many?", "3"), ("Sure?", "yes 🌀")]
TEXTS = st.text(alphabet="ab Z9.,?\n\té日🌀\u200b\u0301", min_size=1, max_size=14).filter(str.strip)
TALKS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3)
SYSTEMLESS = {"gemma", "gemma2", "gptoss", "cohere"}
"""Whose templates, as they are here, refuse or leave out a system message."""


@lru_cache
def _tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(language_model(name))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    return tokenizer


@lru_cache
def _encoder(name: str, template: str = "auto") -> Encoder:
    tokenizer = _tokenizer(name)
    return Encoder(
        tokenizer,
        resolve_template(template, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tokens_per_image=2,
        max_tokens=4096,
    )


def _learned(name: str, pairs: list[tuple[str, str]]) -> list[list[int]]:
    """The ids of each answer: runs of labels, which may touch."""
    encoder, ends = _encoder(name), set(_encoder(name).end_tokens.values())
    runs: list[list[int]] = []
    for learned, run in itertools.groupby(encoder.encode(row(*pairs)).labels.tolist(), lambda label: label != IGNORED):
        if learned:
            runs.append(list(run))
    assert all(sum(one in ends for one in run) == 1 for run in runs), runs
    return runs


@pytest.mark.parametrize("name", CHATS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(pairs=TALKS)
def test_what_is_learned_is_each_answer_and_one_end_token(name: str, pairs: list[tuple[str, str]]) -> None:
    encoder, tokenizer = _encoder(name), _tokenizer(name)
    ends = TWO_ENDS.get(name, {FAMILIES[name].end})
    assert set(encoder.end_tokens) == ends

    runs = _learned(name, pairs)

    assert len(runs) == len(pairs)
    for run, (_, answer) in zip(runs, pairs, strict=True):
        assert tokenizer.convert_ids_to_tokens(run[-1]) in ends
        shown = tokenizer.decode(run[:-1], clean_up_tokenization_spaces=False).removeprefix(LEADS.get(name, ""))
        # each tokenizer's own normal form of the text; that of Qwen composes letters and accents
        normal = tokenizer.backend_tokenizer.normalizer
        wanted = normal.normalize_str(answer) if "qwen" in name and normal else answer
        assert shown.strip() == wanted.strip()


def test_phi_ends_each_answer_with_its_own_token_and_not_with_the_eos_after_the_last() -> None:
    for name in ("phi3", "phi4mini"):
        rendered = ChatTemplate(_tokenizer(name)).render(PAIRS)

        learned = [rendered.text[span.start : span.stop] for span in rendered.answers]
        assert learned == [" A cat.\n<|end|>", "3<|end|>", "yes 🌀<|end|>"]
        assert rendered.text.endswith("<|endoftext|>")


def test_gpt_oss_ends_the_last_answer_with_another_token_and_both_are_known() -> None:
    chat = ChatTemplate(_tokenizer("gptoss"))
    rendered = chat.render([("Q", "a"), ("Q", "b")])

    assert chat.ends == ["<|end|>", "<|return|>"]
    assert [rendered.text[span.start : span.stop] for span in rendered.answers] == [
        "<|channel|>final<|message|>a<|end|>",
        "<|channel|>final<|message|>b<|return|>",
    ]


def test_qwen3_learns_no_thoughts_and_is_asked_for_none() -> None:
    tokenizer = _tokenizer("qwen3")
    rendered = ChatTemplate(tokenizer).render([("Q", "a"), ("Q", "b")])
    exported = exported_chat_template("chat", tokenizer)
    asked = [{"role": "user", "content": "Q"}]

    assert [rendered.text[span.start : span.stop] for span in rendered.answers] == ["a<|im_end|>", "b<|im_end|>"]
    assert rendered.text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\nb<|im_end|>\n")
    prompt, thinking = (
        tokenizer.apply_chat_template(
            asked, chat_template=exported, tokenize=False, add_generation_prompt=True, **extra
        )
        for extra in ({}, {"enable_thinking": True})
    )
    assert prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert thinking.endswith("<|im_start|>assistant\n")


def test_llama_3_is_asked_on_the_day_on_which_it_was_trained() -> None:
    tokenizer = _tokenizer("llama3")

    assert "Today: 26 Jul 2024\n" in tokenizer.apply_chat_template(
        [{"role": "user", "content": "Q"}], chat_template=exported_chat_template("chat", tokenizer), tokenize=False
    )


def _messages(pairs: list[tuple[str, str]], *, system: str | None, parts: bool) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]
    for question, answer in pairs:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    for message in messages:
        if parts:
            images = [{"type": "image"}] * message["content"].count("<image>")
            text = message["content"].replace("\n<image>", "")
            message["content"] = [{"type": "text", "text": text}, *images]
    return messages


@pytest.mark.parametrize("parts", [False, True], ids=["strings", "parts"])
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS[:1], PAIRS[1:]], ids=["image", "one", "text"])
@pytest.mark.parametrize("name", CHATS)
def test_an_exported_chat_template_writes_what_training_read(
    name: str, pairs: list[tuple[str, str]], parts: bool
) -> None:
    tokenizer, encoder = _tokenizer(name), _encoder(name)
    exported = exported_chat_template(encoder.template, tokenizer)
    for system in (None, "Be brief."):
        if system and name in SYSTEMLESS:
            continue
        messages = _messages(pairs, system=system, parts=parts)
        expected, spans = ChatTemplate(tokenizer).render(pairs, system=system)

        assert tokenizer.apply_chat_template(messages, chat_template=exported, tokenize=False) == expected
        prompt = tokenizer.apply_chat_template(
            messages[:-1], chat_template=exported, tokenize=False, add_generation_prompt=True
        )
        assert prompt == expected[: spans[-1].start]
        assert ("Be brief." in expected) is bool(system)


@pytest.mark.parametrize("name", CHATS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(pairs=TALKS, system=st.sampled_from([None, "Be brief."]))
def test_the_generation_marks_of_an_exported_chat_template_are_the_labels_of_training(
    name: str, pairs: list[tuple[str, str]], system: str | None
) -> None:
    tokenizer, encoder = _tokenizer(name), _encoder(name)
    system = None if name in SYSTEMLESS else system
    ids, labels = encoder.labelled(row(*pairs))
    learned = (labels != IGNORED).astype(int).tolist()
    start = learned.index(1)

    given = tokenizer.apply_chat_template(
        _messages(pairs, system=system, parts=False),
        chat_template=exported_chat_template("chat", tokenizer),
        return_dict=True,
        return_assistant_tokens_mask=True,
    )

    before = len(given["input_ids"]) - len(ids[start:])  # as many as without a system text, or more
    assert given["input_ids"][before:] == ids[start:].tolist()
    assert given["assistant_masks"] == [0] * before + learned[start:]
    assert (system is not None) or before == start


@pytest.mark.parametrize("name", CHATS)
def test_the_ids_of_a_prompt_are_those_of_its_text(name: str) -> None:
    tokenizer, encoder = _tokenizer(name), _encoder(name)
    text = encoder.prompt_text(row(*PAIRS[1:]))

    assert encoder.prompt_ids(row(*PAIRS[1:])).tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
    image = tokenizer.convert_tokens_to_ids("<image>")
    assert encoder.prompt_ids(row(*PAIRS)).tolist().count(image) == 2


@pytest.mark.parametrize("name", CHATS)
def test_a_start_models_chat_template_is_that_of_the_language_model(name: str) -> None:
    tokenizer, encoder = _tokenizer(name), _encoder(name)
    exported = exported_chat_template("chat", tokenizer)
    original, tokenizer.chat_template = tokenizer.chat_template, exported
    try:
        again = Encoder(
            tokenizer,
            resolve_template("auto", tokenizer),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            tokens_per_image=2,
            max_tokens=4096,
        )
        assert exported_chat_template("chat", tokenizer) == exported
    finally:
        tokenizer.chat_template = original
    assert again.fingerprint == encoder.fingerprint


@pytest.mark.parametrize("name", ["qwen25", "llama3", "gemma3", "smollm2", "olmo2", "phi4mini", "cohere", "granite"])
def test_llavas_templates_are_refused_where_their_ends_are_no_tokens(name: str) -> None:
    for template in ("v1", "llama_2", "mistral_instruct"):
        with pytest.raises(
            StageError, match=rf"template {template}: ends answers with ' ?</s>', \d tokens here.*=chat"
        ):
            _encoder(name, template).require_end_tokens()


@pytest.mark.parametrize("name", ["vicuna", "mistral", "mixtral"])
def test_llavas_templates_end_answers_for_the_tokenizers_they_are_made_for(name: str) -> None:
    for template in ("v1", "llama_2", "mistral_instruct", "v1_mmtag", "llava_llama_2"):
        encoder = _encoder(name, template)
        encoder.require_end_tokens()
        assert encoder.end_tokens == {"</s>": 2}
