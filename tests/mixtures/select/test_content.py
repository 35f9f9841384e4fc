"""What tells records apart: the same number for the same record, in every version and however its rows are cut."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.content import record_hashes, text_digests
from mix665k.mixtures.storage.parquet import from_dicts
from tests.mixtures.small import record


def test_hashes_are_those_that_were_published(small: Path) -> None:
    """Lists of hashes lie in other people's repositories: another hash would make them useless."""
    found = [name for batch in Mixture.open(small).batches() for name in record_hashes(batch.rows)]
    assert found[0] == "6d3e3d3ba9a5ba52"
    assert found[3:] == ["df7e60e269c42e48", "44a903a240ab0d1f"]


def test_a_row_has_one_hash_wherever_its_batch_begins(small: Path) -> None:
    batch = next(iter(Mixture.open(small).batches()))
    whole = record_hashes(batch.rows)
    assert [record_hashes(batch.rows.slice(i, 1)) for i in range(3)] == [[one] for one in whole]
    assert len(set(whole)) == 3


TEXTS = st.lists(st.text(max_size=3), min_size=1, max_size=4)


@given(TEXTS, TEXTS)
def test_only_the_same_texts_in_the_same_turns_have_one_digest(first: list[str], second: list[str]) -> None:
    rows = [
        {**record("1", None, *texts), "source": "s", "origins": [], "steps": [], "reference_id": "1"}
        for texts in (first, second)
    ]
    a, b = text_digests(from_dicts(rows))
    assert (a == b) == (first == second)


@pytest.mark.parametrize("change", [{"image": "b.jpg"}, {"image": None}, {"reference_id": "2"}])
def test_image_and_id_are_of_a_record_too(change: dict[str, str | None]) -> None:
    row = {"id": "s/1", "source": "s", "image": "a.jpg", "origins": [], "steps": [], "reference_id": "1"}
    row["conversations"] = record("1", None, "q", "a")["conversations"]
    [a, b] = record_hashes(from_dicts([row, row | change]))
    assert a != b
