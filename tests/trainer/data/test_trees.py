"""Which records show the same picture, and how much they begin with alike."""

import os
from pathlib import Path

import numpy as np
import pytest

from mix665k.schemas import cache
from mix665k.trainer.data import lengths
from mix665k.trainer.data import trees as module
from mix665k.trainer.data.encode import Encoded, Encoder
from mix665k.trainer.data.mixture import Mixture, Row
from mix665k.trainer.data.trees import common_beginning, find_trees, number_trees, same_bytes
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.parts import IMAGE_TOKEN_ID, TOKENS_PER_IMAGE, encoder

ROWS = [
    record("a/1", "<image>\nWhat is it?", "A cat.", image="a/1.jpg"),
    record("a/2", "<image>\nWhat is it?", "A dog.", image="a/2.jpg"),
    record("b/1", "Why?", "So."),
    record("b/2", "Why?", "So."),
    record("c/1", "<image>\nHow many?", "3", image="a/1.jpg"),
    record("c/2", "<image>\nWhat is it?", "A cat.", image="a/1.jpg"),
    record("c/3", "<image>\nWhat is it?", "A dog.", image="copies/2.jpg"),
]


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    return Mixture(write_mixture(tmp_path / "few", ROWS))


def beginning_of(mixture: Mixture, template: str, *rows: int) -> int:
    """Counted token by token."""
    conversations = [encoder(template).encode(mixture[row]).input_ids.tolist() for row in rows]
    equal = [len(set(tokens)) == 1 for tokens in zip(*conversations, strict=False)]
    return equal.index(False) if False in equal else len(equal)


@pytest.mark.parametrize("template", ["v1", "plain", "mpt"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_tree_is_a_picture_with_its_records_and_shares_what_all_begin_with(
    mixture: Mixture, monkeypatch: pytest.MonkeyPatch, template: str, jobs: int
) -> None:
    if jobs > 1 and template == "v1":
        monkeypatch.setattr(lengths, "_FEW_ROWS", 0)
        monkeypatch.setattr(module, "ROWS_PER_BLOCK", 2)
    found = find_trees(mixture, encoder(template), share="path", images=None, jobs=jobs)
    assert found.numbers.tolist() == [0, 1, 2, 3, 0, 0, 4]
    shared = beginning_of(mixture, template, 0, 4, 5)
    assert shared >= 16
    assert found.shared.tolist() == [shared, 0, 0, 0, shared, shared, 0]
    assert not found.aliases


@pytest.mark.parametrize(("other", "same"), [("x.jpg", True), ("y.jpg", False)])
def test_records_that_go_on_to_another_picture_share_what_is_before_it(tmp_path: Path, other: str, same: bool) -> None:
    one = record("a/1", "Is <image> like <image>?", "No.", image="a.jpg")
    rows = [one | {"more_images": ["x.jpg"]}, one | {"id": "a/2", "more_images": [other]}]
    mixture = Mixture(write_mixture(tmp_path / "several", rows))
    found = find_trees(mixture, encoder("v1"), share="path", images=None, jobs=1)
    ids = encoder("v1").encode(mixture[0]).input_ids
    second = np.flatnonzero(ids == IMAGE_TOKEN_ID)[TOKENS_PER_IMAGE]
    assert found.numbers.tolist() == [0, 0]
    assert found.shared.tolist() == [len(ids) if same else second] * 2


def test_by_content_files_of_the_same_bytes_are_one_picture(mixture: Mixture, tmp_path: Path) -> None:
    for name, content in (("a/1.jpg", b"one"), ("a/2.jpg", b"two"), ("copies/2.jpg", b"two")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = find_trees(mixture, encoder("v1"), share="content", images=tmp_path, jobs=1)
    assert found.aliases == {"copies/2.jpg": "a/2.jpg"}
    assert found.numbers.tolist() == [0, 1, 2, 3, 0, 0, 1]
    assert found.shared[1] == found.shared[6] == len(encoder("v1").encode(mixture[1]).input_ids)


def test_records_of_several_pictures_share_what_comes_before_the_first_that_differs(tmp_path: Path) -> None:
    texts = ("<image>\n<image>\nWhat is it?", "A cat.")
    rows = [
        record(f"a/{k}", *texts, image="1.jpg") | {"more_images": [name]} for k, name in enumerate(("2.jpg", "3.jpg"))
    ]
    rows += [record(f"b/{k}", *texts, image="4.jpg") | {"more_images": ["2.jpg"]} for k in range(2)]
    mixture = Mixture(write_mixture(tmp_path / "few", rows))
    found = find_trees(mixture, encoder("v1"), share="path", images=None, jobs=1)
    ids = encoder("v1").encode(mixture[0]).input_ids
    assert found.numbers.tolist() == [0, 0, 1, 1]
    second = np.flatnonzero(ids == IMAGE_TOKEN_ID)[TOKENS_PER_IMAGE]
    assert found.shared.tolist() == [second, second, len(ids), len(ids)]


def test_a_file_that_changed_is_read_again_and_a_missing_one_is_like_no_other(mixture: Mixture, tmp_path: Path) -> None:
    names = ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    (tmp_path / "1.jpg").write_bytes(b"one")
    (tmp_path / "2.jpg").write_bytes(b"one")
    assert same_bytes(tmp_path, names, mixture=mixture) == {"2.jpg": "1.jpg"}
    (tmp_path / "2.jpg").write_bytes(b"two")
    os.utime(tmp_path / "2.jpg", ns=(1, 1))
    assert same_bytes(tmp_path, names, mixture=mixture) == {}


def test_each_row_is_encoded_once_per_encoder_and_a_damaged_cache_is_made_again(
    mixture: Mixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = Encoder.encode

    def encode_and_count(self: Encoder, row: Row) -> Encoded:
        encoded.append(row.id)
        return encode(self, row)

    monkeypatch.setattr(Encoder, "encode", encode_and_count)
    first = find_trees(mixture, encoder("v1"), share="path", images=None, jobs=1)
    assert encoded == ["a/1", "c/1", "c/2"]
    find_trees(mixture, encoder("v1"), share="path", images=None, jobs=1)
    assert len(encoded) == 3
    find_trees(mixture, encoder("mpt"), share="path", images=None, jobs=1)
    assert len(encoded) == 6
    for file in (mixture.folder / cache.FOLDER).glob("trees-*"):
        file.write_bytes(b"damaged")
    again = find_trees(mixture, encoder("v1"), share="path", images=None, jobs=1)
    assert len(encoded) == 9
    assert (again.shared == first.shared).all()


def test_trees_are_numbered_as_they_come() -> None:
    assert number_trees(["b", None, "a", "b", None]).tolist() == [0, 1, 2, 0, 3]


@pytest.mark.parametrize(
    ("conversations", "pictures", "length"),
    [
        ([[1, 2, 3]], [[]], 3),
        ([[1, 2, 3], [1, 2]], [[], []], 2),
        ([[1, 2, 3], [1, 9, 3], [1, 2, 3]], [[], [], []], 1),
        ([[1], [2]], [[], []], 0),
        ([[1], []], [[], []], 0),
        ([[1, 0, 0, 2], [1, 0, 0, 3]], ["a", "a"], 3),
        ([[1, 0, 0, 2], [1, 0, 0, 2]], ["a", "b"], 1),
        ([[1, 0, 0, 0, 0, 2], [1, 0, 0, 0, 0, 2]], ["ab", "ac"], 3),
        ([[1, 0, 0, 0, 0, 2], [1, 0, 0, 2]], ["ab", "a"], 3),
        ([[1, 0, 0, 2], [1, 1, 0, 0]], ["a", "a"], 1),
    ],
)
def test_the_common_beginning_is_the_longest_with_the_same_complete_pictures(
    conversations: list[list[int]], pictures: list[str], length: int
) -> None:
    ids = [np.array(one, dtype=np.int64) for one in conversations]
    assert common_beginning(ids, pictures, image_token_id=0, tokens_per_image=2) == length
