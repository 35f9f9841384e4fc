"""What holds of every comparison, whatever the records: digests, a side against itself, the sides exchanged."""

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mix665k.builders.llava_records import LlavaRecord
from mix665k.mixtures.diff.comparison import SourceComparison
from mix665k.mixtures.diff.digests import digest, with_pair_sums
from mix665k.mixtures.storage.llava_json import to_rows
from tests.mixtures.diff.comparing import by_source, two_files
from tests.mixtures.small import SHORT, record

PROPERTY = settings(
    deadline=None, derandomize=True, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
QUESTIONS = st.sampled_from(["Who?", "Where?", f"Who?\n{SHORT}", "Who?\nWhere?"])
PAIRS = st.lists(st.tuples(QUESTIONS, st.sampled_from(["yes", "no"])), min_size=1, max_size=3)


@st.composite
def records(draw: st.DrawFn, *, number: int | None = None) -> dict[str, Any]:
    """A record of few possible texts, so that equal ones are common; its image is the only one of its `number`."""
    turns = [text for pair in draw(PAIRS) for text in pair]
    place = draw(st.sampled_from(["<image>\n{}", "{}\n<image>"]))
    turns[0] = place.format(turns[0])
    image = draw(st.sampled_from(["1", "2"])) if number is None else str(number)
    identifiers: list[str | int] = ["1", "2", 1]
    return record(draw(st.sampled_from(identifiers)), f"gqa/{image}.jpg", *turns)


@st.composite
def sides(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to four records, each with an image of its own."""
    numbers = draw(st.lists(st.integers(1, 5), unique=True, min_size=1, max_size=4))
    return [draw(records(number=number)) for number in numbers]


def digested(one: dict[str, Any]) -> tuple[Any, ...]:
    """Everything by which a record is compared with another."""
    made = msgspec.convert(one, LlavaRecord)
    found = digest(to_rows([(0, made)]), [isinstance(one["id"], int)], (SHORT,), provenance=False)
    columns = ("id", "integer", "image", "first", "token", "prompts", "ordered")
    return with_pair_sums(found).records.select(columns).row(0)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(a=records(), b=records())
def test_records_have_equal_digests_exactly_where_they_are_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    same = a == b and type(a["id"]) is type(b["id"])
    assert (digested(a) == digested(b)) == same


@PROPERTY
@given(a=st.lists(records(), min_size=1, max_size=5))
def test_a_file_is_equal_to_itself_whatever_its_records(tmp_path: Path, a: list[dict[str, Any]]) -> None:
    comparison = two_files(tmp_path, a, a)
    assert comparison.equal
    assert by_source(comparison) == {"gqa": {"identical": len(a)}}
    assert comparison.sources[0].examples == []


@PROPERTY
@given(a=st.lists(records(), min_size=1, max_size=5), data=st.data())
def test_another_order_of_the_same_records_changes_only_the_order(
    tmp_path: Path, a: list[dict[str, Any]], data: st.DataObject
) -> None:
    b = data.draw(st.permutations(a))
    comparison = two_files(tmp_path, a, b)
    assert comparison.total.identical == len(a)
    assert comparison.equal == (comparison.total.moved == 0)


def mirrored(one: SourceComparison) -> dict[str, Any]:
    """The numbers of a source as they are with the sides exchanged."""
    fields = msgspec.structs.asdict(one)
    for name in ("{}", "only_in_{}", "pairs_in_{}", "lengths_in_{}"):
        ours, theirs = name.format("a"), name.format("b")
        fields[ours], fields[theirs] = fields[theirs], fields[ours]
    percent = fields["percent"]
    fields["percent"] = percent | {"only_in_a": percent["only_in_b"], "only_in_b": percent["only_in_a"]}
    fields["prompts"] = {prompts.form: (prompts.b, prompts.a) for prompts in one.prompts}
    return fields


def numbers(one: SourceComparison) -> dict[str, Any]:
    """The numbers of a source as they are."""
    return msgspec.structs.asdict(one) | {"prompts": {prompts.form: (prompts.a, prompts.b) for prompts in one.prompts}}


@PROPERTY
@given(a=sides(), b=sides())
def test_exchanging_the_sides_exchanges_the_numbers(
    tmp_path: Path, a: list[dict[str, Any]], b: list[dict[str, Any]]
) -> None:
    there, back = two_files(tmp_path, a, b), two_files(tmp_path, b, a)
    there.total.examples = back.total.examples = []
    assert numbers(back.total) == mirrored(there.total)
    assert (back.same_order, back.equal) == (there.same_order, there.equal)
