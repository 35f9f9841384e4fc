"""The published forms as tables, from the JSON Schemas that are generated from the types."""

from typing import Any

from docs.generator.tables import table
from mix665k.mixtures.storage.json_schemas import contracts


def form_table(text: str) -> str:
    """The fields of a published form, each of its parts under a heading; `a without b` leaves out parts of both."""
    name, _, other = text.partition(" without ")
    schema = contracts()[f"{name}.schema.json"]
    shown = contracts()[f"{other}.schema.json"]["$defs"] if other else {}
    parts = {title: part for title, part in schema["$defs"].items() if title not in shown}
    root = schema["$ref"].rpartition("/")[2]
    sections = [_fields(parts[root], None)]
    sections += [_fields(part, title) for title, part in parts.items() if title != root]
    return "\n\n".join(sections)


def raw_schema_list() -> str:
    """Links to the schemas of all raw files."""
    names = sorted(name for name in contracts() if name.startswith("raw/"))
    return "\n".join(
        f"- [{name.removeprefix('raw/').removesuffix('.schema.json')}](../../schemas/{name})" for name in names
    )


def _fields(part: dict[str, Any], title: str | None) -> str:
    needed = part.get("required", [])
    rows = [
        [f"`{name}`", _kind(field), "" if name in needed else "may be left out", _described(field)]
        for name, field in part["properties"].items()
    ]
    head = f"### {title}\n\n{part.get('description', '')}\n\n" if title else ""
    return head + table(["field", "value", "", "meaning"], rows)


def _described(field: dict[str, Any]) -> str:
    inner = [one.get("description", "") for one in field.get("anyOf", [])]
    return str(field.get("description", "") or " ".join(filter(None, inner)))


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in field:
        return " or ".join(f"`{one}`" for one in field["enum"])
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"object of {_kind(field['additionalProperties'])}"
    words = {"integer": "integer", "string": "text", "boolean": "true or false", "null": "null", None: "anything"}
    word = words.get(field.get("type"), str(field.get("type")))
    return f"{word} like `{field['pattern']}`" if "pattern" in field else word
