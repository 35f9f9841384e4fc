"""Which records belong together: the stages, one before the other, on records of small numbers."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.diff.matching import match, match_left, unmatched
from tests.mixtures.diff.digested import Row, side

Rows = list[Row]


def matched(a: Rows, b: Rows, *, keyed: bool = False) -> list[tuple[int, int]]:
    """The places of the records that belong together."""
    return sorted(match(side(*a), side(*b), keyed=keyed).rows())


Q1, Q2, Q3, Q4 = (10, 20), (11, 21), (12, 22), (13, 23)
SAME_QUESTION = (10, 99)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(
            [Row(pairs=(Q1, Q2))],
            [Row(pairs=(Q1, SAME_QUESTION)), Row(pairs=(Q1, Q2))],
            [(0, 1)],
            id="the same record before one that shares a pair",
        ),
        pytest.param(
            [Row(pairs=(Q1, Q2))],
            [Row(pairs=(Q1, Q3)), Row(pairs=(Q2, Q1))],
            [(0, 1)],
            id="the same pairs in another order before one that shares a pair",
        ),
        pytest.param(
            [Row(pairs=(Q1, Q2)), Row(pairs=(Q2, Q1))],
            [Row(pairs=(Q2, Q1)), Row(pairs=(Q1, Q2))],
            [(0, 1), (1, 0)],
            id="the same record before the same pairs in another order",
        ),
        pytest.param(
            [Row(pairs=(Q1, Q2, Q3))],
            [Row(pairs=(Q1, Q4)), Row(pairs=(Q1, Q2))],
            [(0, 1)],
            id="most shared pairs",
        ),
        pytest.param(
            [Row(pairs=((10, 20), (11, 21)))],
            [Row(pairs=((10, 90), (11, 91))), Row(pairs=((10, 20), (13, 23)))],
            [(0, 1)],
            id="one shared pair before two shared questions",
        ),
        pytest.param(
            [Row(pairs=((10, 20), (11, 21)))],
            [Row(pairs=((10, 90), (13, 23))), Row(pairs=((10, 90), (11, 91)))],
            [(0, 1)],
            id="most shared questions",
        ),
        pytest.param(
            [Row(pairs=(Q1, Q2))],
            [Row(id=2, pairs=(Q1, Q3)), Row(pairs=(SAME_QUESTION, Q4))],
            [(0, 1)],
            id="id and image before the image alone, however much it shares",
        ),
        pytest.param(
            [Row(pairs=(Q1, Q2))],
            [Row(image=2, pairs=(Q1, Q3)), Row(id=2, pairs=(SAME_QUESTION, Q4))],
            [(0, 1)],
            id="the image before the id",
        ),
        pytest.param([Row(pairs=(Q1, Q2))], [Row(image=2, pairs=(Q1, Q3))], [(0, 0)], id="the id and a question"),
        pytest.param([Row(pairs=(Q1,))], [Row(image=2, pairs=(Q2,))], [], id="the id and no question"),
        pytest.param([Row(pairs=(Q1,))], [Row(id=2, pairs=(Q2,))], [], id="the image and no question"),
        pytest.param([Row(pairs=(Q1,))], [Row(pairs=(Q2,))], [(0, 0)], id="id and image and no question"),
        pytest.param(
            [Row(pairs=(Q1,))],
            [Row(pairs=(Q2,)), Row(id=2, pairs=(SAME_QUESTION,))],
            [(0, 1)],
            id="a shared question before the id and image that share nothing",
        ),
        pytest.param(
            [Row(pairs=(Q1,))],
            [Row(pairs=(Q2,)), Row(id=2, image=2, pairs=(Q1,))],
            [(0, 1)],
            id="the same content before the id and image that share nothing",
        ),
        pytest.param(
            [Row(image=0, pairs=(Q1, Q2))],
            [Row(id=2, image=0, pairs=(Q1, Q3))],
            [],
            id="having no image relates no text-only records",
        ),
        pytest.param(
            [Row(image=0, pairs=(Q1, Q2))],
            [Row(image=0, pairs=(Q1, Q3))],
            [(0, 0)],
            id="text-only records of one id are related",
        ),
        pytest.param(
            [Row(id=1, image=0), Row(id=2, image=0)],
            [Row(id=3, image=0), Row(id=4, image=0)],
            [(0, 0), (1, 1)],
            id="repeated text-only records under other ids, one for one",
        ),
        pytest.param([Row()], [Row(source="mine")], [], id="never across sources"),
        pytest.param([Row(first=7)], [Row(id=2, image=2, first=8)], [], id="the content includes the prompt"),
        pytest.param([], [Row()], [], id="nothing on one side"),
    ],
)
def test_records_belong_together_by_the_nearest_relation(a: Rows, b: Rows, expected: list[tuple[int, int]]) -> None:
    assert matched(a, b) == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param([Row()], [Row(id=2, image=2)], [(0, 0)], id="once on both sides"),
        pytest.param([Row()], [Row(id=2, image=2), Row(id=3, image=3)], [], id="twice on the other"),
        pytest.param([Row(id=2, image=2), Row(id=3, image=3)], [Row()], [], id="twice on the one"),
        pytest.param(
            [Row(), Row(id=2, image=2)],
            [Row(), Row(id=3, image=3)],
            [(0, 0)],
            id="a second one that has been matched counts too",
        ),
        pytest.param(
            [Row(), Row(id=2, image=2)],
            [Row(pairs=(SAME_QUESTION,)), Row(id=3, image=3)],
            [(0, 0)],
            id="a second one that has been matched to other content counts too",
        ),
        pytest.param(
            [Row(), Row(id=5, image=5, source="mine")],
            [Row(id=2, image=2)],
            [(0, 0)],
            id="a second one of another source does not count",
        ),
    ],
)
def test_content_under_another_id_and_image_is_matched_only_where_it_occurs_once(
    a: Rows, b: Rows, expected: list[tuple[int, int]]
) -> None:
    assert matched(a, b) == expected


@pytest.mark.parametrize(("number", "by_question"), [(32, True), (33, False)])
def test_a_question_of_more_than_32_records_of_one_id_and_image_does_not_tell(
    number: int, *, by_question: bool
) -> None:
    a = [Row(pairs=((10, 100 + i),)) for i in range(number)]
    b = [Row(pairs=((10, 100 + i), (500 + i, 7))) for i in reversed(range(number))]
    assert matched(a, b) == [(i, number - 1 - i if by_question else i) for i in range(number)]


def test_a_pair_that_a_record_repeats_counts_once() -> None:
    a = [Row(pairs=(Q1, Q2, Q3))]
    assert matched(a, [Row(pairs=(Q1, Q1, Q1)), Row(pairs=(Q2, Q3, Q4))]) == [(0, 1)]


def test_equally_near_records_are_matched_in_their_order() -> None:
    a = [Row(pairs=(Q1, (i, 1))) for i in (100, 200, 300)]
    b = [Row(pairs=(Q1, (i, 1))) for i in (400, 500)]
    assert matched(a, b) == [(0, 0), (1, 1)]


def test_the_best_match_of_all_comes_first_even_where_another_record_stands_before() -> None:
    a = [Row(pairs=(Q1, (100, 1))), Row(pairs=(Q1, Q2, (200, 1)))]
    assert matched(a, [Row(pairs=(Q1, Q2, Q3))]) == [(1, 0)]


def test_unique_ids_come_before_everything_where_both_sides_have_them() -> None:
    a = [Row(key=1, pairs=(Q1,)), Row(key=2, pairs=(Q2,))]
    b = [Row(key=1, pairs=(Q2,), source="mine", image=9, id=9), Row(key=2, pairs=(Q1,))]
    assert matched(a, b, keyed=True) == [(0, 0), (1, 1)]
    assert matched(a, b, keyed=False) == [(0, 1)]


def test_a_record_whose_unique_id_the_other_side_has_not_is_matched_like_any_other() -> None:
    assert matched([Row(key=1), Row(key=2, id=2)], [Row(key=2, id=3), Row(key=3)], keyed=True) == [(0, 1), (1, 0)]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(Row(key=1), Row(key=2, id=2, image=2, origins=2), [], id="content alone"),
        pytest.param(Row(key=1, image=0), Row(key=2, id=2, image=0, origins=2), [], id="content alone without image"),
        pytest.param(Row(key=1), Row(key=2, id=2, image=2), [(0, 0)], id="content and origins"),
        pytest.param(Row(key=1), Row(key=2, id=2, image=2, pairs=(Q2,)), [], id="origins alone"),
        pytest.param(Row(key=1), Row(key=2, id=2, image=2, source="mine"), [], id="another source"),
        pytest.param(Row(key=1), Row(key=2, id=2, origins=2), [(0, 0)], id="content and image"),
        pytest.param(Row(key=1), Row(key=2, image=2, origins=2, pairs=(Q1, Q2)), [(0, 0)], id="raw id and a question"),
    ],
)
def test_records_of_two_mixtures_have_more_than_content_in_common(
    a: Row, b: Row, expected: list[tuple[int, int]]
) -> None:
    assert matched([a], [b], keyed=True) == expected


def test_matches_that_there_are_stay_when_more_are_looked_for() -> None:
    a, b = side(Row(), Row(id=2), Row(id=3)), side(Row(), Row(id=2), Row(id=3))
    given = pl.DataFrame({"a": [0], "b": [2]}, schema={"a": pl.UInt32, "b": pl.UInt32})
    found = match_left(a, b, given).rows()
    assert found[0] == (0, 2)
    assert sorted(found) == [(0, 2), (1, 1), (2, 0)]


def test_unmatched_records_keep_their_places() -> None:
    records = side(Row(id=5), Row(id=6), Row(id=7)).records
    left = unmatched(records, pl.Series([1], dtype=pl.UInt32))
    assert left.select("row", "id").rows() == [(0, 5), (2, 7)]


PAIRS = st.lists(st.tuples(st.integers(10, 12), st.integers(20, 21)), min_size=1, max_size=3).map(tuple)
ROWS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(0, 2), PAIRS, st.sampled_from(["gqa", "mine"])).map(
        lambda one: Row(id=one[0], image=one[1], pairs=one[2], source=one[3])
    ),
    max_size=6,
)


@settings(max_examples=15, deadline=None)
@given(a=ROWS, b=ROWS, keyed=st.booleans(), data=st.data())
def test_every_record_is_matched_at_most_once_whatever_the_order(
    a: Rows, b: Rows, *, keyed: bool, data: st.DataObject
) -> None:
    a = [row._replace(key=number) for number, row in enumerate(a)]
    b = [row._replace(key=number) for number, row in enumerate(b, start=3)]
    found = matched(a, data.draw(st.permutations(b)), keyed=keyed)
    ours, theirs = [one for one, _ in found], [other for _, other in found]
    assert len(set(ours)) == len(ours) <= len(a)
    assert len(set(theirs)) == len(theirs) <= len(b)
    assert set(ours) <= set(range(len(a)))
    assert set(theirs) <= set(range(len(b)))


@settings(max_examples=15, deadline=None)
@given(rows=ROWS, data=st.data())
def test_every_record_finds_an_equal_one_in_the_same_records_in_another_order(rows: Rows, data: st.DataObject) -> None:
    others = data.draw(st.permutations(rows))
    found = matched(rows, others)
    assert len(found) == len(rows)
    assert [rows[a] for a, _ in found] == [others[b] for _, b in found]


@settings(max_examples=15, deadline=None)
@given(a=ROWS, b=ROWS)
def test_as_many_equal_records_are_matched_from_either_side(a: Rows, b: Rows) -> None:
    def equal(found: list[tuple[int, int]], ours: Rows, theirs: Rows) -> list[Row]:
        pairs = [(ours[i], theirs[j]) for i, j in found]
        return sorted((one for one, other in pairs if one == other), key=str)

    assert equal(matched(a, b), a, b) == equal(matched(b, a), b, a)
