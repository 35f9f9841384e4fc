"""Which evidence tells a record's source, one rule at a time, on records of small numbers."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.diff.source_guess import guess_from_unmatched, guess_sources
from tests.mixtures.diff.digested import Row, side

BOTH = "coco, short answer"
EITHER = "vqav2 or okvqa"


def coco(*pairs: tuple[int, int], image: int = 1, identifier: int = 1, source: str = "", told: str = BOTH) -> Row:
    """A record with an image of the folder that several sources share."""
    return Row(id=identifier, image=image, pairs=pairs, source=source, told=told, folder="coco")


def guessed(file: list[Row], other: list[Row] | None) -> list[tuple[str, str]]:
    """The source of each record of a file, and the evidence for it."""
    found = guess_sources(side(*file), side(*other) if other is not None else None)
    return found.records.select("source", "by").rows()


@pytest.mark.parametrize(
    ("record", "other", "source", "by"),
    [
        pytest.param(
            coco((10, 20)),
            [coco((10, 20), source="mine"), coco((11, 21), source="vqav2")],
            "mine",
            "the same record",
            id="the same record before everything, whatever its folder says",
        ),
        pytest.param(
            coco((10, 20)),
            [coco((10, 20), source="vqav2"), coco((10, 20), source="okvqa")],
            EITHER,
            "undecided",
            id="the same record of two sources tells nothing",
        ),
        pytest.param(
            coco((10, 20)),
            [coco((10, 99), source="vqav2"), coco((11, 21), source="okvqa")],
            "vqav2",
            "questions about the image",
            id="a question about the image",
        ),
        pytest.param(
            coco((10, 20), (11, 21), (12, 22)),
            [coco((10, 99), source="vqav2"), coco((11, 99), (12, 99), source="okvqa")],
            "okvqa",
            "questions about the image",
            id="the source that asks most of the questions about the image",
        ),
        pytest.param(
            coco((10, 20), (11, 21), (12, 22)),
            [coco((10, 99), source="vqav2"), coco((11, 99), (12, 99), source="gqa", told="gqa")],
            "vqav2",
            "questions about the image",
            id="one question of a candidate before most of another source",
        ),
        pytest.param(
            coco((10, 20), (11, 21), (12, 22)),
            [coco((11, 99), (12, 99), source="aokvqa", told="aokvqa")],
            "aokvqa",
            "questions about the image",
            id="more than half of the questions for a source that is no candidate",
        ),
        pytest.param(
            coco((10, 20), (11, 21)),
            [coco((11, 99), source="aokvqa", told="aokvqa")],
            EITHER,
            "undecided",
            id="half of the questions are too few for a source that is no candidate",
        ),
        pytest.param(
            coco((10, 20)),
            [coco((10, 99), image=2, source="okvqa")],
            "okvqa",
            "question texts",
            id="a question about another image",
        ),
        pytest.param(
            coco((10, 20), (11, 21)),
            [coco((10, 99), image=2, source="okvqa"), coco((11, 99), image=3, source="vqav2")],
            EITHER,
            "undecided",
            id="as many questions of one source as of the other",
        ),
        pytest.param(
            coco((10, 20), (11, 21)),
            [
                coco((10, 99), (11, 99), image=2, source="okvqa"),
                coco((11, 99), image=3, source="vqav2"),
            ],
            "okvqa",
            "question texts",
            id="a question that both sources ask does not count",
        ),
        pytest.param(
            coco((10, 20)),
            [coco((10, 99), image=2, source="aokvqa", told="aokvqa")],
            EITHER,
            "undecided",
            id="a question about another image of a source that is no candidate",
        ),
        pytest.param(
            coco((10, 20)),
            [coco((11, 21), image=2, source="vqav2")],
            EITHER,
            "undecided",
            id="a lookalike stays possible where the other side has only one of the two",
        ),
        pytest.param(
            coco((10, 20), told="llava_instruct"),
            [coco((11, 21), image=2, source="my_instruct", told="llava_instruct")],
            "my_instruct",
            "image folder and prompt",
            id="the name that the other side has for what folder and prompt tell",
        ),
        pytest.param(
            coco((10, 20), told="llava_instruct"),
            [coco((10, 99), source="aokvqa", told="aokvqa")],
            "aokvqa",
            "questions about the image",
            id="the questions about the image before a folder that other sources use",
        ),
    ],
)
def test_a_source_is_told_by_the_surest_evidence(record: Row, other: list[Row], source: str, by: str) -> None:
    assert guessed([record], other) == [(source, by)]


def test_without_another_side_folder_prompt_and_number_of_pairs_tell() -> None:
    file = [Row(), coco((10, 20)), Row(image=0, told="sharegpt", folder="")]
    assert guessed(file, None) == [
        ("gqa", "image folder and prompt"),
        ("okvqa", "number of pairs"),
        ("sharegpt", "image folder and prompt"),
    ]


def test_a_file_without_records_has_no_sources() -> None:
    assert guessed([], [coco((10, 20), source="vqav2")]) == []
    assert guessed([], None) == []


FILE = [
    coco((10, 20), identifier=1),
    coco((11, 21), identifier=2),
    coco((12, 22), identifier=3, image=3),
    coco((13, 23), identifier=4, image=4),
    Row(image=5, pairs=((14, 24),), told="vg", folder="vg"),
]
OTHER = [
    coco((10, 20), identifier=1, source="vqav2"),
    coco((11, 99), identifier=9, source="okvqa"),
    coco((12, 99), identifier=9, image=8, source="okvqa"),
]
GUESSES = [
    ("vqav2", "the same record"),
    ("okvqa", "questions about the image"),
    ("okvqa", "question texts"),
    (EITHER, "undecided"),
    ("vg", "image folder and prompt"),
]


@settings(deadline=None, derandomize=True, max_examples=8)
@given(order=st.permutations(range(5)))
def test_each_record_keeps_its_guess_and_its_place_in_whatever_order_the_file_is(order: list[int]) -> None:
    assert guessed([FILE[i] for i in order], OTHER) == [GUESSES[i] for i in order]


def left(*rows: tuple[int, int, int, str]) -> pl.DataFrame:
    """What found no counterpart: row, id, image and source of each."""
    schema = {"row": pl.UInt32, "id": pl.UInt64, "image": pl.UInt64, "source": pl.String}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


@pytest.mark.parametrize(
    ("mixture", "source"),
    [
        ([(0, 1, 1, "okvqa")], "okvqa"),
        ([(0, 1, 1, "okvqa"), (1, 1, 1, "okvqa")], "okvqa"),
        ([(0, 1, 1, "okvqa"), (1, 2, 1, "vqav2")], "okvqa"),
        ([(0, 1, 1, "okvqa"), (1, 1, 1, "gqa")], "okvqa"),
        ([(0, 1, 1, "okvqa"), (1, 1, 1, "vqav2")], None),
        ([(0, 1, 2, "okvqa")], None),
        ([(0, 2, 1, "okvqa")], None),
        ([(0, 1, 1, "gqa")], None),
        ([], None),
    ],
)
def test_what_is_left_of_one_possible_source_under_the_same_id_and_image_tells(
    mixture: list[tuple[int, int, int, str]], source: str | None
) -> None:
    file = left((7, 1, 1, EITHER)).with_columns(by=pl.lit("undecided"))
    expected = [(7, source, "id and image of what is left")] if source else []
    assert guess_from_unmatched(left(*mixture), file).rows() == expected


def test_what_is_left_does_not_change_a_source_that_is_told() -> None:
    file = left((7, 1, 1, "vqav2")).with_columns(by=pl.lit("question texts"))
    assert guess_from_unmatched(left((0, 1, 1, "vqav2")), file).is_empty()
