"""Raw records as text to read: JSON on as few lines as fit, long texts and lists shortened."""

import json
from collections.abc import Mapping
from typing import Any

MAX_CHARS = 300
MAX_ITEMS = 6
_INDENT = 2


def narrowed(record: Any, items: Mapping[str, list[int]]) -> Any:
    """A record with the given items of its lists only."""
    if not isinstance(record, dict):
        return record
    return {
        key: [value[i] for i in items[key] if i < len(value)] if key in items else value
        for key, value in record.items()
    }


def shortened(value: Any) -> Any:
    """The same with the ends of long texts and lists left out, and how much that is."""
    if isinstance(value, str):
        return short_text(value)
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        more = [f"… {len(value) - MAX_ITEMS:,} more"] if len(value) > MAX_ITEMS else []
        return [shortened(one) for one in value[:MAX_ITEMS]] + more
    return value


def short_text(text: str) -> str:
    """A text, without its end where it is long."""
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}… {len(text) - MAX_CHARS:,} more characters"


def as_json(value: Any, *, width: int, indent: int = 0) -> str:
    """JSON whose objects, and lists of such, stand on one line where they fit in `width` characters."""
    flat = json.dumps(value, ensure_ascii=False, default=str)
    nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict | list) for one in value))
    if not nested or len(flat) + indent <= width:
        return flat
    inside = indent + _INDENT
    if isinstance(value, dict):
        keys = {json.dumps(str(key), ensure_ascii=False): one for key, one in value.items()}
        lines = [f"{key}: {as_json(one, width=width - len(key) - 2, indent=inside)}" for key, one in keys.items()]
    else:
        lines = [as_json(one, width=width, indent=inside) for one in value]
    left, right = "{}" if isinstance(value, dict) else "[]"
    body = ",\n".join(f"{' ' * inside}{line}" for line in lines)
    return f"{left}\n{body}\n{' ' * indent}{right}"
