"""Files that people write by hand, recipes and stages: YAML, read strictly, and explained by line and column."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from mix665k.schemas.errors import UserError, did_you_mean, one_line
from mix665k.schemas.files import fault, os_errors, regular_file

if TYPE_CHECKING:
    from yaml import MarkedYAMLError, Node

T = TypeVar("T")
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""How a file begins that a Windows editor saved, and its encoding."""
_MAX_VALUES = 100_000
_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def read_handwritten(path: Path, *, kind: type[UserError], where: object) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark.

    Raises:
        UserError: of `kind`, when it cannot be read, or has another encoding.
    """
    with os_errors(kind, where):
        content = regular_file(path).read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise kind(f"{where}: not UTF-8 at byte {error.start:,}, expected text; re-save the file as UTF-8") from None


def parse_yaml(text: str, *, kind: type[UserError], where: object, expected: str = "") -> Any:
    """What a YAML text says; `expected` describes what was asked for. A date is text.

    Raises:
        UserError: of `kind`, on one line. PyYAML raises Python's own errors where a tag does not fit its value, and for
            deep nesting.
    """
    import yaml

    wanted = f", expected {expected}" if expected else ""
    try:
        loader = yaml.SafeLoader(text)
        loader.yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in loader.yaml_implicit_resolvers.items()
        }
        node = loader.get_single_node()
        if node is None:
            return None
        if _num_values(node) > _MAX_VALUES:
            raise kind(f"{where}: its aliases unfold to more than {_MAX_VALUES:,} values, or a value holds itself")
        if (odd := _half_pair(node)) is not None:
            line, column = odd.start_mark.line + 1, odd.start_mark.column + 1
            raise kind(f"{where}, line {line}, column {column}: half of a surrogate pair, expected Unicode text")
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise kind(f"{where}: not YAML{wanted}: {_marked(error)}") from None
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise kind(f"{where}: not YAML{wanted}: {one_line(error)}") from None


def convert_yaml(text: str, form: type[T], *, kind: type[UserError], where: object) -> T:
    """A YAML text as a value of `form`.

    Raises:
        UserError: of `kind`, with line, column and path of what does not fit, and the field that was meant.
    """
    content = parse_yaml(text, kind=kind, where=where)
    try:
        return msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        at, why = fault(error)
        at = _with_key(content, form, at)
        unknown = why.rpartition(" ")[2] if "unknown field" in why else None
        meant = did_you_mean(unknown, _fields_at(form, at)) if unknown else ""
        raise kind(f"{where}{place_of(text, at, field=unknown)}: {at or '$'}: {why}{meant}") from None


def _with_key(content: Any, form: Any, at: str) -> str:
    """The path of a fault with the key for the `[...]` that msgspec writes for the values of a mapping."""
    before, dots, after = at.partition("[...]")
    keys = [name or int(index) for name, index in _PART.findall(before)]
    mapping = content
    for key in keys if dots else ():
        mapping = mapping[key]
    for key, value in mapping.items() if dots else ():
        alone = _put(content, keys, {key: value})
        try:
            msgspec.convert(alone, form)
        except msgspec.ValidationError as error:
            if fault(error)[0] == at:
                return _with_key(alone, form, f"{before}.{key}{after}")
    return at


def _put(content: Any, keys: Sequence[str | int], value: Any) -> Any:
    """The content with another value at a path."""
    if not keys:
        return value
    copy = content.copy()
    copy[keys[0]] = _put(content[keys[0]], keys[1:], value)
    return copy


def place_of(text: str, at: str, *, field: str | None = None) -> str:
    """Where a path such as `$.sources[0].steps` is in a YAML text: `, line 7, column 5`; or its key `field`."""
    import yaml

    node: Node | None = yaml.compose(text, yaml.SafeLoader)
    for name, index in _PART.findall(at):
        below = _values(node, name or int(index)) if node else None
        if below is None:
            break
        node = below
    if field is not None and isinstance(node, yaml.MappingNode):
        node = next((key for key, _ in node.value if key.value == field), node)
    return f", line {node.start_mark.line + 1}, column {node.start_mark.column + 1}" if node else ""


def _values(node: "Node", key: str | int) -> "Node | None":
    """The value below a key or an index."""
    import yaml

    if isinstance(key, int):
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        return items[key] if key < len(items) else None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _num_values(root: "Node") -> float:
    """The values of a tree with its aliases written out; infinite for one that holds itself."""
    sizes: dict[int, float] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            sizes[id(node)] = 1 + sum(sizes.get(id(child), float("inf")) for child in _children(node))
        elif id(node) not in sizes:
            sizes[id(node)] = float("inf")  # until its children are counted: what refers to it meanwhile is in itself
            stack.append((node, True))
            stack += [(child, False) for child in _children(node)]
    return sizes[id(root)]


def _half_pair(root: "Node") -> "Node | None":
    """The first text that no UTF-8 can hold, as an escape such as `"\\ud83d"` writes it."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node.value, str) and any("\ud800" <= char <= "\udfff" for char in node.value):
            return node
        if id(node) not in seen:
            seen.add(id(node))
            stack += _children(node)
    return None


def _children(node: "Node") -> "Iterator[Node]":
    import yaml

    for item in node.value if isinstance(node, yaml.CollectionNode) else ():
        yield from item if isinstance(item, tuple) else (item,)


def _marked(error: "MarkedYAMLError") -> str:
    """The error with its place, and the line that YAML marks."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return one_line(error)
    snippet = (mark.get_snippet(indent=0) or "").partition("\n")[0].strip()
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}, at {snippet!r}"


def _fields_at(form: Any, at: str) -> list[str]:
    """The fields of the struct at a path of a form; none where the path leads elsewhere."""
    from msgspec import inspect

    kinds: list[Any] = [inspect.type_info(form)]
    for name, index in _PART.findall(at):
        below: list[Any] = []
        for one in _flat(kinds):
            if isinstance(one, inspect.StructType) and name:
                below += [field.type for field in one.fields if field.encode_name == name]
            elif isinstance(one, inspect.ListType) and index:
                below.append(one.item_type)
            elif isinstance(one, inspect.DictType):
                below.append(one.value_type)
        kinds = below
    return [field.encode_name for one in _flat(kinds) if isinstance(one, inspect.StructType) for field in one.fields]


def _flat(kinds: list[Any]) -> Iterator[Any]:
    """These types, the members of unions and what annotations wrap among them."""
    from msgspec import inspect

    for kind in kinds:
        if isinstance(kind, inspect.UnionType):
            yield from _flat(list(kind.types))
        elif isinstance(kind, inspect.Metadata):
            yield from _flat([kind.type])
        else:
            yield kind
