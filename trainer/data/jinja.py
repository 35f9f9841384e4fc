"""Templates as the Jinja text that processors render: the same text as training, for whatever messages come in."""

import json
import re
from typing import NamedTuple

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.template import SYSTEM, Template

FIXED = (
    "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro -%}"
    "{%- if enable_thinking is not defined -%}{%- set enable_thinking = false -%}{%- endif -%}"
)
"""Goes before a tokenizer's own chat template: what it renders must not change overnight, nor ask for thoughts that
were not trained. The date is Llama 3.2's fallback; `enable_thinking` is the switch of Qwen3, SmolLM3 and GLM 4.5."""

# `found` is the text of a message and its images. A content is a string or a list of parts. An only image comes first,
# on a line of its own; several stay in their order, those of a list on lines of their own: see `place_image`. The loop
# is over `message.content` itself, not in a macro: vLLM looks for it there to tell which of the two a template takes.
_FOUND = """{%- set found = namespace(text='', images='', inline='', count=0) -%}
{%- if message.content is string -%}
{%- set found.text = message.content -%}
{%- elif message.content -%}
{%- for part in message.content -%}
{%- if part.type == 'text' -%}
{%- set found.text = found.text + part.text -%}
{%- set found.inline = found.inline + (part.text | replace(IMAGE_TOKEN, '')) -%}
{%- elif part.type == 'image' or part.type == 'image_url' -%}
{%- set found.images = found.images + IMAGE_LINE -%}
{%- set found.inline = found.inline + IMAGE_LINE -%}
{%- set found.count = found.count + 1 -%}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message.role == 'user' and not found.count and IMAGE_TOKEN in found.text -%}
{%- set found.inline = found.text | replace(IMAGE_TOKEN, ONE_IMAGE) -%}
{%- for token in found.text.split(IMAGE_TOKEN)[1:] -%}
{%- set found.images = found.images + IMAGE_LINE -%}
{%- set found.count = found.count + 1 -%}
{%- endfor -%}
{%- endif -%}
{%- if message.role == 'user' and found.count == 1 -%}
{%- set found.text = (found.images + (found.text | replace(IMAGE_TOKEN, '') | trim)) | trim -%}
{%- elif message.role == 'user' and found.count -%}
{%- set found.text = found.inline if message.content is string else found.inline | trim -%}
{%- endif -%}
"""

_FLATTEN = """{%- set flat = namespace(messages=[]) -%}
{%- for message in messages -%}
FOUND{%- set flat.messages = flat.messages + [dict(message, content=found.text)] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""
"""Goes before a tokenizer's own chat template, most of which take strings only. Qwen3's takes a list for an empty text,
Llama-3's writes it as Python shows it."""

_WRITE, _WRITTEN = "{%- macro write(messages, add_generation_prompt) -%}", "{%+ endmacro -%}"
# Each answer is looked for where `ChatTemplate.render` finds it: after the text of what is before it and its generation
# prompt. A template's own text is not touched: whatever is not an answer of this form is written as it is.
_MARK = """{%- set whole = write(messages, add_generation_prompt) -%}
{%- set written = namespace(stop=0) -%}
{%- for message in messages -%}
{%- if message.role == 'assistant' and not loop.first and messages[loop.index0 - 1].role == 'user' -%}
{%- set marks = LAST if loop.last and not add_generation_prompt else OTHERS -%}
{%- set prompt = write(messages[:loop.index0], true) -%}
{%- if marks.dropped and prompt.endswith(marks.dropped) -%}
{%- set prompt = prompt[:prompt | length - marks.dropped | length] -%}
{%- endif -%}
{%- set start = prompt | length -%}
{%- for left in [message.content, message.content.lstrip('\\n'), message.content.lstrip()] -%}
{%- for answer in [left, left.rstrip('\\n'), left.rstrip()] -%}
{%- set learned = marks.lead + answer + marks.end -%}
{%- if start >= written.stop and whole.startswith(prompt + learned) -%}
{{- whole[written.stop:start] -}}{% generation %}{{- learned -}}{% endgeneration %}
{%- set written.stop = start + learned | length -%}
{%- endif -%}
{%- endfor -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{{- whole[written.stop:] -}}"""
_GENERATION = re.compile(r"(\{%[-+]?\s*)(end)?generation(\s*[-+]?%\})")

# `{% generation %}` is written without minus signs, the one form that TGI takes out again.
_SHIPPED = """{%- set talk = namespace(system=SYSTEM_TEXT, begun=false) -%}
{%- for message in messages -%}
FOUND{%- if message.role == 'system' and loop.first -%}
SET_SYSTEM
{%- elif message.role == 'user' -%}
{%- if talk.begun -%}{{- HUMAN -}}{%- else -%}{{- OPENING -}}{%- endif -%}
{%- set talk.begun = true -%}
{{- QUESTION -}}
{%- elif message.role == 'assistant' -%}
{{- REPLY -}}
{%- if found.text -%}{% generation %}{{- LEAD + found.text + END -}}{% endgeneration %}{%- endif -%}
{%- else -%}
{{- raise_exception('expected a system message first, if any, then user and assistant, got ' + message.role) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- REPLY -}}{%- endif -%}"""


def jinja_of(template: Template) -> str:
    """Jinja that renders `messages` as `schemas.template.render` renders pairs.

    A system message replaces the template's system text; `add_generation_prompt` is heeded; `{% generation %}` marks
    what is learned. A template without a place for a system text refuses one.
    """
    before, place, after = template.start.partition(SYSTEM)
    leading, _, following = template.system_form.partition(SYSTEM)
    system = f"({_text(leading)} + talk.system + {_text(following)} if talk.system else '')"
    asks = template.keeps_question
    pieces = {
        "FOUND": _found(f"{template.image}\n" if asks else IMAGE_TOKEN),
        "SYSTEM_TEXT": _text(template.system),
        "SET_SYSTEM": "{%- set talk.system = found.text -%}"
        if place
        else "{{- raise_exception('this template has no place for a system message') -}}",
        "OPENING": f"{_text(before)} + {system} + {_text(after)}" if place else _text(before),
        "HUMAN": _text(template.human),
        "QUESTION": "found.text" if asks else "found.images",
        "REPLY": _text(template.reply),
        "LEAD": _text(template.lead),
        "END": _text(template.end),
    }
    return _filled(_SHIPPED, pieces)


def is_of_template(source: str) -> bool:
    """Whether `jinja_of` made it, as when a model goes on to be trained: it leaves the bos token to the tokenizer."""
    return source.removeprefix(FIXED).startswith(_SHIPPED.partition("SYSTEM_TEXT")[0])


class Marks(NamedTuple):
    """What a template writes around an answer: `dropped` is what it takes back of the generation prompt."""

    dropped: str
    lead: str
    end: str


def flattened(source: str) -> str:
    """A tokenizer's own chat template that takes contents as strings and as lists, images as their tokens in front."""
    return _filled(_FLATTEN, {"FOUND": _found(f"{IMAGE_TOKEN}\n")}) + source


def marked(source: str, *, others: Marks, last: Marks) -> str:
    """The same with `{% generation %}` around what is learned: all answers but the last, and the last.

    The text that it renders stays the same. `source` has no such marks of its own.
    """
    pieces = {name: _dict(marks) for name, marks in (("OTHERS", others), ("LAST", last))}
    return flattened(f"{_WRITE}{source}{_WRITTEN}") + _filled(_MARK, pieces)


def unflattened(source: str) -> str:
    """A tokenizer's own chat template without what `flattened` and `marked` put around it.

    And without the line break at its end, which Jinja would take off, but not within a macro.
    """
    source = source.removeprefix(flattened(""))
    if source.startswith(_WRITE):
        return source.removeprefix(_WRITE).rpartition(_WRITTEN)[0]
    return source.removesuffix("\n")


def without_marks(source: str) -> str:
    """A template that renders the same text and marks nothing."""
    # `with` has a scope of its own, too, and the same signs for white space.
    return _GENERATION.sub(r"\1\2with\3", source)


def _found(image_line: str) -> str:
    pieces = {"IMAGE_TOKEN": IMAGE_TOKEN, "IMAGE_LINE": image_line, "ONE_IMAGE": image_line.removesuffix("\n")}
    return _filled(_FOUND, {name: _text(value) for name, value in pieces.items()})


def _filled(text: str, pieces: dict[str, str]) -> str:
    # In one go: a template's own texts may hold the name of another piece.
    return re.sub(rf"\b({'|'.join(pieces)})\b", lambda found: pieces[found[0]], text)


def _text(value: str) -> str:
    # Not escaped to ASCII: Jinja reads JSON's two halves of a character above U+FFFF as two characters.
    return json.dumps(value, ensure_ascii=False)


def _dict(marks: Marks) -> str:
    return f"{{{', '.join(f'{_text(name)}: {_text(value)}' for name, value in marks._asdict().items())}}}"
