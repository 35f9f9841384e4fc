"""Conversation templates as data, and the one function that renders them.

The texts and their separators are those of LLaVA's `conversation.py`; `tests/schemas/test_template.py` compares
all of them with what that code renders.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

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


CHAT = "chat"
"""The name of the tokenizer's own chat template."""
AUTO = "auto"
"""The name of `chat` for a tokenizer that has a chat template, and of `v1` for another."""
SYSTEM = "{system}"
"""Where the system text is in a template's `start`."""


class Template(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What stands around questions and answers; a stage file may bring its own.

    start question reply lead answer end, then for each later pair: human question reply lead answer end. An empty
    answer, as in a prompt to be answered, drops `lead` and `end`. `{system}` in `start` is replaced by `system`, in the
    form `system_form` where it is not empty. Where `keeps_question` is off, only the image token of a question is
    rendered. `image` is what `place_image` writes for an image.
    """

    start: str
    human: str
    reply: str
    lead: str = ""
    end: str
    system: str = ""
    system_form: str = SYSTEM
    keeps_question: bool = True
    image: str = IMAGE_TOKEN

    def opening(self, system: str | None = None) -> str:
        """What stands before the first question, with another system text if one is given."""
        text = self.system if system is None else system
        return self.start.replace(SYSTEM, self.system_form.replace(SYSTEM, text) if text else "")


class Span(NamedTuple):
    """A piece of the rendered text: characters start to stop."""

    start: int
    stop: int


class Rendered(NamedTuple):
    """The text of a conversation and, for each pair, the span that is learned: lead, answer and end."""

    text: str
    answers: list[Span]


def _words(system: str) -> Template:
    return Template(start=f"{SYSTEM} USER: ", human="USER: ", reply=" ASSISTANT:", lead=" ", end="</s>", system=system)


def _hashes(system: str) -> Template:
    return Template(
        start=f"{SYSTEM}###Human: ", human="Human: ", reply="###Assistant:", lead=" ", end="###", system=system
    )


def _tagged(template: Template) -> Template:
    return msgspec.structs.replace(template, image=f"<Image>{IMAGE_TOKEN}</Image>")


def _chatml(system: str) -> Template:
    human = "<|im_start|>user\n"
    return Template(
        start=f"<|im_start|>system\n{SYSTEM}<|im_end|>{human}",
        human=human,
        reply="<|im_end|><|im_start|>assistant\n",
        end="<|im_end|>",
        system=system,
    )


def _instruct(system: str = "", *, bos: str = "") -> Template:
    return Template(
        start=f"[INST] {SYSTEM}",
        human=f"{bos}[INST] ",
        reply=" [/INST]",
        lead=" ",
        end=" </s>",
        system=system,
        system_form=f"<<SYS>>\n{SYSTEM}\n<</SYS>>\n\n",
    )


_V0 = _hashes((_CURIOUS + _POLITE).format(who="human"))
_V1 = _words((_CURIOUS + _POLITE).format(who="user"))
_DIRECT = _chatml("Answer the questions.")
_PLAIN = Template(start="", human="", reply="", end="\n", keeps_question=False)

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


def render(template: Template, pairs: Iterable[tuple[str, str]], *, system: str | None = None) -> Rendered:
    """The text a model is trained on, without the tokenizer's own first token.

    `pairs` are (question, answer) texts as they are in the mixture. An only image of a question comes first, see
    `place_image`; nothing else is stripped or moved. `system` replaces the template's own system text.
    """
    opening = template.opening(system)
    parts: list[str] = []
    answers: list[Span] = []
    length = 0
    for i, (question, answer) in enumerate(pairs):
        if template.keeps_question:
            asked = place_image(question, image=template.image)
        else:
            asked = IMAGE_TOKEN * question.count(IMAGE_TOKEN)
        head = f"{template.human if i else opening}{asked}{template.reply}"
        tail = f"{template.lead}{answer}{template.end}" if answer else ""
        start = length + len(head)
        length = start + len(tail)
        parts += (head, tail)
        answers.append(Span(start, length))
    return Rendered("".join(parts), answers)


def is_jinja(template: str) -> bool:
    """Whether this is the text of a Jinja template, and not the name of a template."""
    return "{{" in template or "{%" in template


def place_image(text: str, *, image: str = IMAGE_TOKEN) -> str:
    """A question with its only image in front, on a line of its own; a text without image as it is.

    As LLaVA's `preprocess_multimodal` (train.py) changes a turn before it is rendered; the mixture keeps the token
    where the source has it. Several images stay where they are: the text between them says which is which.
    """
    count = text.count(IMAGE_TOKEN)
    if count != 1:
        return text.replace(IMAGE_TOKEN, image)
    rest = text.replace(IMAGE_TOKEN, "").strip()
    return f"{image}\n{rest}" if rest else image
