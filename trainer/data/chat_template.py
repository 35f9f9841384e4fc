"""A conversation template as the Jinja text that processors render chats with."""

import json

from mix665k.schemas.template import Template

_CHAT = """{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{- START if loop.first else HUMAN -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content if part.type == 'image' -%}{{- '<image>\\n' -}}{%- endfor -%}
{%- for part in message.content if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
{%- endif -%}
{{- REPLY -}}
{%- else -%}
{{- LEAD -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
{%- endif -%}
{{- END -}}
{%- endif -%}
{%- endfor -%}"""


def chat_template(template: Template) -> str:
    """Jinja that renders `messages` as `schemas.template.render` renders pairs; images stand first in their turn."""
    text = _CHAT
    pieces = {"START": template.start, "HUMAN": template.human, "REPLY": template.reply, "LEAD": template.lead}
    for name, value in (pieces | {"END": template.end}).items():
        text = text.replace(name, json.dumps(value))
    return text
