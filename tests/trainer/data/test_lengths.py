"""Lengths of a mixture's rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mix665k.schemas import cache
from mix665k.schemas.errors import UserError
from mix665k.trainer.data import lengths as module
from mix665k.trainer.data.encode import IGNORED, Encoded, Encoder
from mix665k.trainer.data.lengths import lengths
from mix665k.trainer.data.mixture import Mixture, Row
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.parts import encoder

ROWS = [
    record("b/1", "<image>\nWhat?", "A cat.", "How many?", "3", image="b/1.jpg"),
    record("b/2", "Hello", "Hi"),
    record("a/1", "Why?", "So it is. " * 20),
]


def test_lengths_are_those_of_the_encodings(tiny_mixture: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    mixture = Mixture(tiny_mixture)

    found = lengths(mixture, encoder("v1", 100), jobs=1)

    assert {len(column) for column in found} == {len(mixture)}
    assert found.has_image.dtype == bool
    for index in range(0, len(mixture), 37):
        row = mixture[index]
        encoded = encoder("v1", 100).encode(row)
        assert found.tokens[index] == len(encoded.input_ids) <= 100
        assert found.supervised[index] == np.count_nonzero(encoded.labels != IGNORED)
        assert found.has_image[index] == (row.image is not None)
        assert found.tokens_cut[index] == encoded.tokens_cut
        assert found.answers_cut[index] == encoded.answers_cut
    assert found.tokens_cut.any()
    assert found.answers_cut.max() > 1


def test_several_processes_find_the_same(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_FEW_ROWS", 0)
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", 1)
    some = [Mixture(write_mixture(tmp_path / name, ROWS)) for name in ("one", "two")]

    alone, together = (lengths(mixture, encoder("v1"), jobs=jobs) for mixture, jobs in zip(some, (1, 2), strict=True))

    assert all((a == b).all() for a, b in zip(alone, together, strict=True))


def test_lengths_are_counted_once_per_encoder(tmp_path: Path, monkeypatch: Any) -> None:
    mixture = Mixture(write_mixture(tmp_path / "few", ROWS))
    counted: list[str] = []
    encode = Encoder.encode

    def encode_and_count(self: Encoder, row: Row) -> Encoded:
        counted.append(row.id)
        return encode(self, row)

    monkeypatch.setattr(Encoder, "encode", encode_and_count)

    first = lengths(mixture, encoder("v1"), jobs=1)
    again = lengths(Mixture(mixture.folder), encoder("v1"), jobs=1)
    assert counted == ["b/1", "b/2", "a/1"]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))

    lengths(mixture, encoder("v1", 60), jobs=1)
    lengths(mixture, encoder("plain"), jobs=1)
    assert len(counted) == 9


def _other_rows(path: Path) -> None:
    np.save(path, np.zeros((5, 2), dtype=np.int64))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _no_array(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and no more")


@pytest.mark.parametrize("harm", [_cut, _emptied, _no_array, _other_rows])
def test_damaged_lengths_are_counted_anew(tmp_path: Path, harm: Any) -> None:
    mixture = Mixture(write_mixture(tmp_path / "few", ROWS))
    first = lengths(mixture, encoder("v1"), jobs=1)
    [kept] = (mixture.folder / ".cache").glob("*.npy")
    whole = kept.read_bytes()
    harm(kept)

    again = lengths(mixture, encoder("v1"), jobs=1)

    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert kept.read_bytes() == whole


def test_a_row_that_cannot_be_encoded_is_an_error_and_nothing_is_kept(tmp_path: Path) -> None:
    mixture = Mixture(write_mixture(tmp_path / "few", ROWS))

    with pytest.raises(UserError, match="b/1: its image ends at token"):
        lengths(mixture, encoder("v1", 20), jobs=1)
    assert not list((mixture.folder / ".cache").glob("*.npy"))


def test_an_answer_that_is_wholly_cut_leaves_nothing_to_learn(tmp_path: Path) -> None:
    mixture = Mixture(write_mixture(tmp_path / "few", [record("a/1", "Why? " * 200, "So.")]))

    found = lengths(mixture, encoder("v1", 100), jobs=1)

    assert (found.tokens.tolist(), found.supervised.tolist(), found.answers_cut.tolist()) == ([100], [0], [1])
