"""What is known of the published file in numbers, beside those of some records."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from mix665k.builders.published import MIX665K_FIGURES, UNSURE
from mix665k.mixtures.inspect.fingerprint import Measured, Tally, fingerprint
from mix665k.mixtures.storage.published_counts import IN_MIX665K


def tally(
    count: int, *pairs: tuple[str, str], image: Callable[[int], str | None] = lambda k: f"a/{k}.jpg", copies: int = 1
) -> Tally:
    """Of `count` records of these pairs, each of which occurs `copies` times with its id and image."""
    turns = [{"from": who, "value": text} for pair in pairs for who, text in zip(("human", "gpt"), pair, strict=True)]
    numbers = [k // copies for k in range(count)]
    frame = pl.DataFrame(
        {"reference_id": [str(k) for k in numbers], "image": [image(k) for k in numbers]},
        schema={"reference_id": pl.String, "image": pl.String},
    )
    found = Tally()
    others = pl.lit(None, pl.List(pl.String))
    found.add(frame.with_columns(conversations=pl.Series([turns] * count), more_images=others))
    return found


def test_numbers_are_counted_of_records_pairs_ids_images_and_characters() -> None:
    one = tally(4, ("12345", "123"), ("1", "1"), copies=2)
    one.merge(tally(1, ("12", "1234567"), image=lambda k: f"b/{k}.jpg"))
    one.merge(tally(1, *[("é", "")] * 7, image=lambda _: None))
    assert one.numbers() == {
        "records": 6,
        "pairs": 16,
        "fewest pairs": 1,
        "most pairs": 7,
        "distinct ids": 2,
        "repeated ids": 2,
        "distinct images": 2,
        "image paths": 3,
        "question chars": 2.1,
        "answer chars": 1.4,
        "median answer": 1,
        "cut at 6 pairs": 7,
        "cut at 12 pairs": 6,
    }
    assert Tally().numbers()["fewest pairs"] == 0


def of(name: str, measured: list[Measured]) -> dict[str, tuple[float, float, float, bool]]:
    return {one.measure: (one.published, one.ours, one.difference, one.equal) for one in measured if one.source == name}


def test_a_source_is_compared_where_it_has_about_its_published_records() -> None:
    found = fingerprint({"okvqa": tally(8_998, ("q", "a")), "mine": tally(3, ("q", "a"))})
    assert {one.source for one in found.measured} == {"okvqa"}
    assert of("okvqa", found.measured) == {
        "records": (8_998, 8_998, 0, True),
        "pairs": (9_009, 8_998, -11, False),
        "distinct ids": (8_998, 8_998, 0, True),
        "fewest pairs": (1, 1, 0, True),
        "most pairs": (2, 1, -1, False),
    }
    assert fingerprint({"okvqa": tally(8_000, ("q", "a"))}).measured == []


def test_pictures_of_gqa_are_those_of_visual_genome_in_another_folder() -> None:
    found = fingerprint(
        {
            "vg": tally(86_417, ("q", "a"), image=lambda k: f"vg/VG_100K/{k}.jpg"),
            "gqa": tally(72_140, ("q", "a"), image=lambda k: f"gqa/images/{k + 80_000}.jpg"),
        }
    )
    assert of("vg", found.measured)["shared images"] == (57_350, 6_417, -50_933, False)


class Said(Tally):
    """A tally of these numbers."""

    def __init__(self, numbers: dict[str, float]) -> None:
        super().__init__()
        self.said = numbers

    def numbers(self) -> dict[str, float]:
        """A copy of what is said."""
        return dict(self.said)


@pytest.fixture
def all_ten() -> dict[str, Any]:
    """Tallies of what is published, and of as many pairs of VG as the total leaves for the sources nobody counted."""
    sure = sum(one.figures["pairs"].value for name, one in IN_MIX665K.items() if name not in UNSURE)
    pairs = dict.fromkeys(UNSURE, 0.0) | {"vg": MIX665K_FIGURES["pairs"].value - sure}
    return {
        name: Said(
            {"records": one.num_records, "pairs": pairs.get(name, 0)}
            | {measure: figure.value for measure, figure in one.figures.items()}
        )
        for name, one in IN_MIX665K.items()
    }


def test_the_pairs_that_the_total_leaves_for_three_sources_close_the_sum(all_ten: dict[str, Any]) -> None:
    [line] = fingerprint(all_ten).remarks
    assert line == (
        "refcoco, vg, sharegpt together have 1,212,741 pairs; the published total leaves 1,212,741 for them, "
        "give or take 4,515"
    )


def test_a_sum_that_does_not_close_is_said_with_the_readings_that_are_possible(all_ten: dict[str, Any]) -> None:
    all_ten["refcoco"].said["pairs"] = 110_000
    first, *readings = fingerprint(all_ten).remarks
    assert first.startswith(
        "refcoco, vg, sharegpt together have 1,322,741 pairs, +110,000: the published total leaves 1,212,741 for them"
    )
    assert [line.split(" has ")[0] for line in readings] == ["refcoco", "vg", "sharegpt"]
    assert readings[0].startswith("refcoco has 110,000 pairs; possible: all train sentences at nine a record, or ")
    del all_ten["gqa"]
    assert fingerprint(all_ten).remarks == []
