"""Our templates as Jinja: whatever messages come in, the text is that of training."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError

from mix665k.schemas.template import TEMPLATES, Template, render
from mix665k.trainer.data.chat import exported_chat_template
from mix665k.trainer.data.encode import IGNORED, Encoder
from mix665k.trainer.data.jinja import is_of_template, jinja_of
from tests.trainer.parts import encoder, new_tokenizer, row, tokenizer

Pairs = list[tuple[str, str]]
V1 = TEMPLATES["v1"]
ASKING = [name for name, template in TEMPLATES.items() if template.keeps_question]
WITH_SYSTEM = [name for name in ASKING if "{system}" in TEMPLATES[name].start]
PAIRS = [("<image>\nWhat is “this”?", "A mill.\n\nIt turns. 🌀"), ("{{ And }} that?", " {% no %} code\\n")]
TEXT = st.text(alphabet="ab é日🌀\n\t.'\"{%}\\<>", max_size=12)


def _shown(template: Template, messages: list[dict[str, Any]], *, asks: bool = False) -> str:
    text = tokenizer().apply_chat_template(
        messages, chat_template=jinja_of(template), tokenize=False, add_generation_prompt=asks
    )
    assert isinstance(text, str)
    return text


def _as_strings(pairs: Pairs, *, system: str | None = None) -> list[dict[str, Any]]:
    first = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant")
    return first + [{"role": role, "content": text} for pair in pairs for role, text in zip(roles, pair, strict=True)]


def _as_parts(pairs: Pairs, *, system: str | None = None) -> list[dict[str, Any]]:
    """The image behind its text, as some clients have it."""
    messages = _as_strings(pairs, system=system)
    for message in messages:
        text = message["content"]
        images = [{"type": "image"}] if "<image>" in text else []
        message["content"] = [{"type": "text", "text": text.replace("<image>\n", "")}, *images]
    return messages


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS[:1], PAIRS[1:], PAIRS[::-1]], ids=["two", "image", "text", "later"])
def test_messages_render_as_pairs_do(name: str, pairs: Pairs) -> None:
    expected, spans = render(TEMPLATES[name], pairs)

    for messages in (_as_strings(pairs), _as_parts(pairs)):
        assert _shown(TEMPLATES[name], messages) == expected
        prompt = _shown(TEMPLATES[name], messages[:-1], asks=True)
        assert prompt == expected[: spans[-1].start]


@pytest.mark.parametrize("name", WITH_SYSTEM)
def test_a_system_message_replaces_the_system_text(name: str) -> None:
    expected = render(TEMPLATES[name], PAIRS, system="Be brief.").text

    assert _shown(TEMPLATES[name], _as_strings(PAIRS, system="Be brief.")) == expected
    assert _shown(TEMPLATES[name], _as_parts(PAIRS, system="Be brief.")) == expected
    assert expected.count("Be brief.") == 1
    assert not TEMPLATES[name].system or TEMPLATES[name].system not in expected


def test_a_system_message_is_literally_where_vicuna_has_it() -> None:
    messages = _as_strings([("Hi", "Yes.")], system="Be brief.")

    assert _shown(V1, messages[:2], asks=True) == "Be brief. USER: Hi ASSISTANT:"
    assert _shown(V1, messages) == "Be brief. USER: Hi ASSISTANT: Yes.</s>"
    assert _shown(TEMPLATES["mistral_instruct"], messages[:2], asks=True) == (
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]"
    )


def test_the_generation_prompt_is_written_only_where_it_is_asked_for() -> None:
    question = [{"role": "user", "content": "Hi"}]

    assert _shown(V1, question, asks=True) == _shown(V1, question) + " ASSISTANT:"


def test_a_message_that_has_no_place_is_an_error() -> None:
    hi = {"role": "user", "content": "Hi"}
    for messages in ([hi, {"role": "system", "content": "Be brief."}], [{"role": "tool", "content": "3"}]):
        with pytest.raises(TemplateError, match="expected a system message first, if any, then user and assistant"):
            _shown(V1, messages)
    with pytest.raises(TemplateError, match="no place for a system message"):
        _shown(TEMPLATES["plain"], [{"role": "system", "content": "Be brief."}, hi])


def test_several_images_stay_in_their_order_those_of_parts_each_on_its_line() -> None:
    parts = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Which? This: "}, {"type": "image"}]
    text = "<image>\n<image>\nWhich? This: <image>"

    assert _shown(V1, [{"role": "user", "content": parts}]).endswith(f"USER: {text}")
    assert _shown(V1, [{"role": "user", "content": text}]).endswith(f"USER: {text}")
    assert render(V1, [(text, "")]).text.endswith(f"USER: {text} ASSISTANT:")


def test_the_names_of_pieces_in_a_templates_own_texts_are_texts() -> None:
    own = Template(start="{system}FOUND ", human="END ", reply=' "REPLY"\\', end="<|im_end|>", system="HUMAN")

    assert _shown(own, _as_strings(PAIRS[1:] * 2)) == render(own, PAIRS[1:] * 2).text


@pytest.mark.parametrize("name", ["v1", "chatml_direct", "llama_2", "v0", "plain"])
@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3))
def test_generation_marks_are_the_labels_of_training(name: str, pairs: Pairs) -> None:
    given_ids = tokenizer().apply_chat_template(
        _as_strings(pairs),
        chat_template=jinja_of(TEMPLATES[name]),
        return_dict=True,
        return_assistant_tokens_mask=True,
    )

    encoded = encoder(name).encode(row(*pairs))

    assert given_ids["input_ids"] == encoded.input_ids[1:].tolist()
    assert given_ids["assistant_masks"] == (encoded.labels[1:] != IGNORED).astype(int).tolist()


@pytest.mark.parametrize("name", [*ASKING])
def test_a_model_that_goes_on_to_be_trained_with_its_own_chat_template_has_the_same_ids(name: str) -> None:
    tokenizer = new_tokenizer(jinja_of(TEMPLATES[name]))
    chat, fixed = (
        Encoder(tokenizer, template, image_token_id=2002, tokens_per_image=2, max_tokens=999)
        for template in ("chat", name)
    )
    answers = [("<image>\nWhat?", "A mill."), ("And that?", "Another.")]

    again, first = chat.encode(row(*answers)), fixed.encode(row(*answers))

    assert again.input_ids.tolist() == first.input_ids.tolist()
    if fixed.end_tokens:
        assert again.labels.tolist() == first.labels.tolist()
        assert chat.end_tokens == fixed.end_tokens


def test_a_model_with_texts_of_its_own_that_is_continued_keeps_its_template_as_it_is() -> None:
    # wrapped as another's template is, it would no longer leave the first token to the tokenizer
    own = jinja_of(msgspec.structs.replace(V1, system="Another."))

    assert exported_chat_template("chat", new_tokenizer(own)) == own


def test_only_our_own_templates_leave_the_first_token_to_the_tokenizer() -> None:
    assert is_of_template(jinja_of(msgspec.structs.replace(V1, system="Another.")))
    assert not is_of_template("{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}")
