"""The tokenizer's own chat template."""

from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from mix665k.schemas.errors import TokenizerError
from mix665k.trainer.data.chat import ChatTemplate, exported_chat_template
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.jinja import without_marks
from tests.trainer.parts import IMAGE_TOKEN_ID, TOKENS_PER_IMAGE, new_tokenizer, row

_LOOP = "{% for m in messages %}"
CHATML = (
    _LOOP + "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_2 = (
    _LOOP + "{% if m.role == 'user' %}<s>[INST] {{ m.content | trim }} [/INST]"
    "{% else %} {{ m.content | trim }} </s>{% endif %}{% endfor %}"
)
QWEN_3 = (
    _LOOP + "<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ONE_SIDE = CHATML.replace("m.content", "(m.content.lstrip('\\n') if m.role == 'assistant' else m.content)")
DATED = "Today Date: {{ strftime_now('%d %b %Y') }}\n" + CHATML
PAIRS = [("<image>\nWhat is this?", "A cat.\n"), ("How many?", " 3"), ("Sure?", "cat")]


@pytest.mark.parametrize(
    ("template", "learned"),
    [
        (CHATML, ["A cat.\n<|im_end|>", " 3<|im_end|>", "cat<|im_end|>"]),
        (LLAMA_2, [" A cat. </s>", " 3 </s>", " cat </s>"]),
        (QWEN_3, ["A cat.\n<|im_end|>", " 3<|im_end|>", "<think>\n\n</think>\n\ncat<|im_end|>"]),
    ],
    ids=["chatml", "llama_2", "qwen_3"],
)
def test_answers_are_found_with_what_a_model_writes_around_them(template: str, learned: list[str]) -> None:
    tokenizer = new_tokenizer(template)
    messages = [
        {"role": role, "content": text}
        for pair in PAIRS
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]

    text, answers = ChatTemplate(tokenizer).render(PAIRS)

    assert text == tokenizer.apply_chat_template(messages, tokenize=False)
    assert [text[span.start : span.stop] for span in answers] == learned


MARKED = (
    "{%- macro shown(m) %}\n  {{- m.role + '\n' + m.content }}\n{%- endmacro %}\n"
    + _LOOP
    + "\n<|im_start|>{% if m.role == 'assistant' %}{%- generation %}\n  {{ shown(m) }}  {%- set m = 'gone' %}"
    "{% endgeneration -%}\n {% else %}{{ shown(m) }}{% endif %}<|im_end|>{{ m.role == 'assistant' }}  \n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>  assistant\n{% endif %}\n\n"
)
"""Its own marks leave the end out and hold the role; white space and names are handled with care."""


def _marked(template: str, messages: list[dict[str, str]]) -> Any:
    """The text of a conversation, and where its template marks answers: of one in a list."""
    return render_jinja_template([messages], chat_template=template, return_assistant_tokens_mask=True)


@pytest.mark.parametrize("template", [CHATML, CHATML + "\n", ONE_SIDE, LLAMA_2, QWEN_3, DATED, MARKED, MARKED.strip()])
def test_marks_for_answers_change_no_text_and_are_what_is_learned(template: str) -> None:
    tokenizer = new_tokenizer(template)
    pairs = [("Now?", "\n\n no\t\n"), *PAIRS]
    messages = [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    chat, exported = ChatTemplate(tokenizer), exported_chat_template("chat", tokenizer)
    text, answers = chat.render(pairs)

    [shown], [spans] = _marked(exported, messages)

    assert shown == text
    assert [tuple(span) for span in spans] == [tuple(answer) for answer in answers]
    unmarked = tokenizer.apply_chat_template(messages, chat_template=without_marks(exported), tokenize=False)
    assert (unmarked, "generation %}" in without_marks(exported)) == (text, False)
    assert "Today" in template or text == tokenizer.apply_chat_template(messages, tokenize=False)
    assert ChatTemplate(new_tokenizer(exported)).source == chat.source


def test_a_message_that_no_answer_is_trained_on_is_written_without_marks() -> None:
    tokenizer = new_tokenizer(CHATML)
    messages = [{"role": role, "content": "x"} for role in ("assistant", "tool", "assistant", "user", "assistant")]

    exported = exported_chat_template("chat", tokenizer)
    [text], [spans] = _marked(exported, messages)

    assert text == tokenizer.apply_chat_template(messages, tokenize=False)
    assert [text[start:stop] for start, stop in spans] == ["x<|im_end|>"]
    assert spans[0][0] > text.rindex("user")


def test_a_template_that_writes_the_date_renders_the_same_every_day() -> None:
    text, _ = ChatTemplate(new_tokenizer(DATED)).render([("What?", "A cat.")])

    assert text.startswith("Today Date: 26 Jul 2024\n<|im_start|>user\nWhat?")


def test_chat_is_a_template_of_the_encoder() -> None:
    tokenizer = new_tokenizer(CHATML)
    encoder = Encoder(
        tokenizer, "chat", image_token_id=IMAGE_TOKEN_ID, tokens_per_image=TOKENS_PER_IMAGE, max_tokens=2048
    )

    encoded = encoder.encode(row(("What?\n<image>", "A cat."), image="a.jpg"))

    learned = encoded.labels[encoded.labels >= 0]
    assert tokenizer.decode(learned) == "A cat.<|im_end|>"
    shown = tokenizer.decode(encoded.input_ids[encoded.input_ids != IMAGE_TOKEN_ID])
    assert shown == "<|im_start|>user\n \nWhat?<|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n"
    assert encoded.num_images == 1


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (None, "has no chat template"),
        (_LOOP + "{{ m.content | upper }}\n{% endfor %}", "does not write an answer after its generation prompt"),
        (_LOOP + "{{ m.content }}{% endfor %}", "ends an answer with nothing"),
        (
            _LOOP + "{{ m.content }}{% if loop.last %}</s>{% endif %}{% endfor %}",
            "changes the beginning of a conversation",
        ),
        (
            _LOOP + "{{ m.content }} {% if loop.last and m.role == 'assistant' %}</s>{% endif %}{% endfor %}",
            "not the others",
        ),
        ("{{ raise_exception('no') }}", "fails: no"),
        (
            "{{ messages | length }}" + _LOOP + "{{ m.content }}\n{% endfor %}",
            "changes the beginning of a conversation",
        ),
    ],
)
def test_a_template_whose_answers_cannot_be_told_is_an_error(template: str | None, why: str) -> None:
    with pytest.raises(TokenizerError, match=why):
        ChatTemplate(new_tokenizer(template))


def test_a_changed_answer_is_an_error_that_names_the_row() -> None:
    encoder = Encoder(
        new_tokenizer(CHATML.replace("m.content", "m.content.split('=')[-1]")),
        "chat",
        image_token_id=0,
        tokens_per_image=16,
        max_tokens=99,
    )

    with pytest.raises(TokenizerError, match=r"made/1: .* its chat template changes the answer '1 \+ 1 = 2'"):
        encoder.encode(row(("What?", "1 + 1 = 2")))


def test_a_lost_image_is_an_error() -> None:
    template = ChatTemplate(new_tokenizer(CHATML.replace("m.content", "m.content.replace('<image>', '')")))

    with pytest.raises(TokenizerError, match="loses the <image> of a question"):
        template.render([("<image>\nWhat?", "A cat.")])
