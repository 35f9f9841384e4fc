"""Conversation templates as data, and the one function that renders them.

The texts and their separators are those of LLaVA's `conversation.py`; `tests/schemas/test_template.py` compares
all of them with what that code renders.
"""

from collections.abc import Iterable
from typing import NamedTuple

from mix665k.schemas.conversation import IMAGE_TOKEN

_CURIOUS = "A chat between a curious {who} and an artificial intelligence assistant. "
_POLITE = "The assistant gives helpful, detailed, and polite answers to the {who}'s questions."
_TAGGED = (
    "The assistant is able to understand the visual content that the user provides, and assist the user with a variety "
    "of tasks using natural language.The visual content will be provided with the following format: "
    "<Image>visual content</Image>."
)
_LLAMA_2 = (
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  "
    "Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. "
    "Please ensure that your responses are socially unbiased and positive in nature.\n\n"
    "If a question does not make any sense, or is not factually coherent, explain why instead of answering something "
    "not correct. If you don't know the answer to a question, please don't share false information."
)
_LLAVA_LLAMA_2 = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
_MPT = "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers."


class Template(NamedTuple):
    """What stands around questions and answers.

    start question reply lead answer end, then for each later pair: human question reply lead answer end. An empty
    answer, as in a prompt to be answered, drops `lead` and `end`. Where `keeps_question` is off, only the image token
    of a question is rendered. `image` is what `place_image` writes for an image.
    """

    start: str
    human: str
    reply: str
    lead: str
    end: str
    keeps_question: bool = True
    image: str = IMAGE_TOKEN


class Span(NamedTuple):
    """A piece of the rendered text: characters start to stop."""

    start: int
    stop: int


class Rendered(NamedTuple):
    """The text of a conversation and, for each pair, the span that is learned: lead, answer and end."""

    text: str
    answers: list[Span]


def _words(system: str, *, human: str = "USER") -> Template:
    return Template(start=f"{system} {human}: ", human=f"{human}: ", reply=" ASSISTANT:", lead=" ", end="</s>")


def _hashes(system: str) -> Template:
    return Template(start=f"{system}###Human: ", human="Human: ", reply="###Assistant:", lead=" ", end="###")


def _tagged(template: Template) -> Template:
    return template._replace(image=f"<Image>{IMAGE_TOKEN}</Image>")


def _chatml(system: str) -> Template:
    human = "<|im_start|>user\n"
    return Template(
        start=f"<|im_start|>system\n{system}<|im_end|>{human}",
        human=human,
        reply="<|im_end|><|im_start|>assistant\n",
        lead="",
        end="<|im_end|>",
    )


def _instruct(system: str = "", *, bos: str = "") -> Template:
    preface = f"<<SYS>>\n{system}\n<</SYS>>\n\n" if system else ""
    return Template(start=f"[INST] {preface}", human=f"{bos}[INST] ", reply=" [/INST]", lead=" ", end=" </s>")


_V0 = _hashes((_CURIOUS + _POLITE).format(who="human"))
_V1 = _words((_CURIOUS + _POLITE).format(who="user"))
_DIRECT = _chatml("Answer the questions.")
_PLAIN = Template(start="", human="", reply="", lead="", end="\n", keeps_question=False)

TEMPLATES: dict[str, Template] = {
    "default": _V0,
    "v0": _V0,
    "v1": _V1,
    "vicuna_v1": _V1,
    "llama_2": _instruct(_LLAMA_2, bos="<s>"),
    "mistral_instruct": _instruct(),
    "chatml_direct": _DIRECT,
    "mistral_direct": _DIRECT,
    "plain": _PLAIN,
    "v0_plain": _PLAIN,
    "llava_v0": _V0,
    "v0_mmtag": _tagged(_hashes(_CURIOUS.format(who="user") + _TAGGED)),
    "llava_v1": _words((_CURIOUS + _POLITE).format(who="human")),
    "v1_mmtag": _tagged(_words(_CURIOUS.format(who="user") + _TAGGED)),
    "llava_llama_2": _instruct(_LLAVA_LLAMA_2, bos="<s>"),
    "mpt": _chatml(_MPT),
}


def render(template: Template, pairs: Iterable[tuple[str, str]]) -> Rendered:
    """The text a model is trained on, without the tokenizer's own first token.

    `pairs` are (question, answer) texts as they are in the mixture. The image of a question comes first, see
    `place_image`; nothing else is stripped or moved.
    """
    parts: list[str] = []
    answers: list[Span] = []
    length = 0
    for i, (question, answer) in enumerate(pairs):
        if template.keeps_question:
            asked = place_image(question, image=template.image)
        else:
            asked = IMAGE_TOKEN * question.count(IMAGE_TOKEN)
        head = f"{template.start if i == 0 else template.human}{asked}{template.reply}"
        tail = f"{template.lead}{answer}{template.end}" if answer else ""
        start = length + len(head)
        length = start + len(tail)
        parts += (head, tail)
        answers.append(Span(start, length))
    return Rendered("".join(parts), answers)


def place_image(text: str, *, image: str = IMAGE_TOKEN) -> str:
    """A question with its image in front, on a line of its own; a text without image as it is.

    As LLaVA's `preprocess_multimodal` (train.py) changes a turn before it is rendered; the mixture keeps the token
    where the source has it.
    """
    if IMAGE_TOKEN not in text:
        return text
    rest = text.replace(IMAGE_TOKEN, "").strip()
    return f"{image}\n{rest}" if rest else image
