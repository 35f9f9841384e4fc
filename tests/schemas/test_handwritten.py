"""What people write by hand: read as they meant it, or refused with line, column and the field that was meant."""

from pathlib import Path

import msgspec
import pytest

from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.schemas.errors import RecipeError, StageError
from mix665k.schemas.handwritten import convert_yaml, parse_yaml, place_of, read_handwritten


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: [1, é]", {"a": [1, "é"]}),
        ("- 2020-01-01x", ["2020-01-01x"]),
        ("\ufeffa: 1", {"a": 1}),
        ("day: 2023-02-30\nat: 99:99:99", {"day": "2023-02-30", "at": "99:99:99"}),
    ],
)
def test_yaml_is_read_as_it_says(text: str, value: object) -> None:
    assert parse_yaml(text, kind=RecipeError, where="r.yaml") == value


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "\tb: 1",
        "a: b: c",
        "{[1]: 2}",
        "!!python/object/apply:os.system [true]",
        "!!int a",
        "!!timestamp x",
        "a: *none",
        "\x00",
        "[" * 2_000,
    ],
)
def test_what_is_no_yaml_is_one_line(text: str) -> None:
    with pytest.raises(StageError, match=r"^s\.yaml: not YAML, expected a stage: \S") as caught:
        parse_yaml(text, kind=StageError, where="s.yaml", expected="a stage")
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", ['a: ["\\ud83d"]', '"\\udc00": 1', '- "x\\ud83d\\ud83d"'])
def test_half_of_a_surrogate_pair_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(RecipeError, match=r"^r\.yaml, line 1, column \d: half of a surrogate pair, expected Unicode"):
        parse_yaml(text, kind=RecipeError, where="r.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_as_windows_editors_save_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes("# café 日本\nname: x\n".encode(encoding))
    text = read_handwritten(path, kind=RecipeError, where=path)
    assert parse_yaml(text, kind=RecipeError, where=path) == {"name": "x"}


@pytest.mark.parametrize("content", ["# café\n".encode("latin-1"), b"\xff\xfea", b"a: \x80"])
def test_a_file_of_another_encoding_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=r"^r: not UTF-8 at byte \d+, expected text; re-save the file as UTF-8$"):
        read_handwritten(tmp_path / "r.yaml", kind=RecipeError, where="r")


def test_a_syntax_error_shows_the_line_that_yaml_marks() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_yaml("name: x\nsources:\n  - source: gqa\n   steps: [sample\n", kind=RecipeError, where="r.yaml")
    assert str(caught.value).startswith("r.yaml: not YAML: line 4, column 4: ")
    assert str(caught.value).endswith(", at 'steps: [sample'")


def test_aliases_that_unfold_to_millions_are_refused_at_once() -> None:
    levels = [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    with pytest.raises(RecipeError, match=r"^r: its aliases unfold to more than 100,000 values"):
        parse_yaml("\n".join(["a: &a [1]", *levels]), kind=RecipeError, where="r")


@pytest.mark.parametrize("text", ["a: &a [*a]", "steps: &s [{sample: {steps: *s}}]", "&m {b: *m}"])
def test_a_value_that_holds_itself_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="or a value holds itself"):
        parse_yaml(text, kind=RecipeError, where="r")


def test_an_alias_used_twice_is_no_fault() -> None:
    assert parse_yaml("a: &a [1]\nb: [*a, *a]", kind=RecipeError, where="r") == {"a": [1], "b": [[1], [1]]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x\nsources: gqa\n", "r, line 2, column 10: $.sources: expected array, got str"),
        (
            "name: x\nsources:\n  - source: gqa\n    expects: {}\n",
            "r, line 4, column 5: $.sources[0]: object contains unknown field expects; did you mean 'expect'?",
        ),
        (
            "name: x\nsources:\n  - source: gqa\n  - source: vg\n    expect: {cuont: 1, because: no}\n",
            "r, line 5, column 14: $.sources[1].expect: object contains unknown field cuont; did you mean 'count'?",
        ),
        ("- 1\n", "r, line 1, column 1: $: expected object, got array"),
        ("", "r: $: expected object, got null"),
    ],
)
def test_what_does_not_fit_is_named_by_line_and_column(text: str, line: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(text, where="r")
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("text", "at", "field", "place"),
    [
        ("a: 1\nb: [x, {c: 2}]\n", "$.b[1].c", None, ", line 2, column 12"),
        ("a: 1\nb: [x, {c: 2}]\n", "$.b[1]", "c", ", line 2, column 9"),
        ("a: 1\nb: [x, {c: 2}]\n", "$.b[7].c", None, ", line 2, column 4"),
        ("a: 1\nb: [x, {c: 2}]\n", "$.none.at.all", None, ", line 1, column 1"),
        ("a: 1\nb: [x, {c: 2}]\n", "$.a[0]", None, ", line 1, column 4"),
        ("a: {b: 1}\n", "$.a[...]", None, ", line 1, column 4"),
        ("a: &x {b: 1}\nc: *x\n", "$.c.b", None, ", line 1, column 11"),
        ("", "$", None, ""),
    ],
)
def test_a_path_leads_to_its_line_and_column_as_far_as_it_goes(
    text: str, at: str, field: str | None, place: str
) -> None:
    assert place_of(text, at, field=field) == place


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A struct in a struct."""

    depth: int = 0


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    """A form with every kind of nesting."""

    one: Inner | None = None
    many: list[Inner] = []
    named: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one: {dept: 1}", "r, line 1, column 7: $.one: object contains unknown field dept; did you mean 'depth'?"),
        (
            "many: [{}, {dept: 1}]",
            "r, line 1, column 13: $.many[1]: object contains unknown field dept; did you mean 'depth'?",
        ),
        ("manny: []", "r, line 1, column 1: $: object contains unknown field manny; did you mean 'many'?"),
        ("one: {depth: x}", "r, line 1, column 14: $.one.depth: expected int, got str"),
        (
            "named: {a: {dept: 1}}",
            "r, line 1, column 13: $.named.a: object contains unknown field dept; did you mean 'depth'?",
        ),
    ],
)
def test_the_field_that_was_meant_is_named_wherever_it_is(text: str, line: str) -> None:
    with pytest.raises(StageError) as caught:
        convert_yaml(text, Outer, kind=StageError, where="r")
    assert str(caught.value) == line
