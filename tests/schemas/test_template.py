"""Templates: what LLaVA's own code renders, and where the answers stand."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.schemas.template import TEMPLATES, Span, render

PROMPTS = Path(__file__).parents[3] / "shared" / "data" / "golden" / "prompts.jsonl"
V1 = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def _pairs(turns: list[dict[str, str]]) -> list[tuple[str, str]]:
    texts = [turn["value"] for turn in turns]
    return list(zip(texts[::2], texts[1::2], strict=True))


@pytest.mark.skipif(not PROMPTS.is_file(), reason=f"what LLaVA's templates render is not at {PROMPTS}")
def test_every_template_renders_what_llavas_code_renders() -> None:
    rendered: list[dict[str, Any]] = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]

    for sample in rendered:
        text, answers = render(TEMPLATES[sample["template"]], _pairs(sample["conversations"]))
        assert text == sample["prompt"], sample["template"]
        assert len(answers) == len(sample["conversations"]) // 2
    assert {sample["template"] for sample in rendered} == set(TEMPLATES) - {"plain", "v0_plain"}


def test_v1_renders_two_turns() -> None:
    text, answers = render(TEMPLATES["v1"], [("<image>\nWho?", "Odo."), ("When?", "Now.")])

    assert text == f"{V1} USER: <image>\nWho? ASSISTANT: Odo.</s>USER: When? ASSISTANT: Now.</s>"
    assert [text[span.start : span.stop] for span in answers] == [" Odo.</s>", " Now.</s>"]


def test_an_empty_answer_leaves_the_bare_assistant() -> None:
    text, answers = render(TEMPLATES["v1"], [("Who?", "Odo."), ("When?", "")])

    assert text == f"{V1} USER: Who? ASSISTANT: Odo.</s>USER: When? ASSISTANT:"
    assert answers[1] == Span(len(text), len(text))


def test_plain_renders_image_and_caption_only() -> None:
    assert render(TEMPLATES["plain"], [("Write a caption.\n<image>", "rye")]).text == "<image>rye\n"


def test_nothing_renders_to_nothing() -> None:
    assert render(TEMPLATES["v1"], []) == ("", [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mistral_instruct", "[INST] a [/INST] b </s>[INST] c [/INST] d </s>"),
        (
            "chatml_direct",
            "<|im_start|>system\nAnswer the questions.<|im_end|><|im_start|>user\na<|im_end|><|im_start|>assistant\n"
            "b<|im_end|><|im_start|>user\nc<|im_end|><|im_start|>assistant\nd<|im_end|>",
        ),
    ],
)
def test_other_templates_render_literally(name: str, text: str) -> None:
    assert render(TEMPLATES[name], [("a", "b"), ("c", "d")]).text == text


TEXT = st.text(max_size=8).filter(lambda text: "<image>" not in text)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(name=st.sampled_from(sorted(TEMPLATES)), pairs=st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_spans_cover_lead_answer_and_end(name: str, pairs: list[tuple[str, str]]) -> None:
    template = TEMPLATES[name]

    text, answers = render(template, pairs)

    learned = [text[span.start : span.stop] for span in answers]
    assert learned == [f"{template.lead}{answer}{template.end}" if answer else "" for _, answer in pairs]
    assert all(a.stop <= b.start for a, b in pairwise(answers))


@pytest.mark.parametrize("question", ["<image>\nWho?", "Who?\n<image>", " Who? <image>", "<image>Who?"])
@pytest.mark.parametrize(
    ("name", "placed"), [("v1", "<image>\nWho?"), ("v1_mmtag", "<Image><image></Image>\nWho?"), ("plain", "<image>")]
)
def test_the_image_of_a_question_comes_first_wherever_the_mixture_has_it(name: str, placed: str, question: str) -> None:
    template = TEMPLATES[name]

    text, [answer] = render(template, [(question, "Odo.")])

    assert text == f"{template.opening()}{placed}{template.reply}{template.lead}Odo.{template.end}"
    assert text[answer.start : answer.stop] == f"{template.lead}Odo.{template.end}"


def test_nothing_but_an_image_is_asked_without_a_line_of_its_own() -> None:
    assert render(TEMPLATES["v1"], [("<image>", "rye")]).text == f"{V1} USER: <image> ASSISTANT: rye</s>"


def test_a_text_without_image_is_rendered_with_its_white_space() -> None:
    assert render(TEMPLATES["v1"], [(" a \n", " b\n")]).text == f"{V1} USER:  a \n ASSISTANT:  b\n</s>"
