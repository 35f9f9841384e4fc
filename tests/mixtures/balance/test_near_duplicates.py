"""Which records are near-duplicates: texts by MinHash, pictures by name or looks, and both must agree."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mix665k.mixtures.balance.near_duplicates import minima, near_duplicates
from mix665k.mixtures.balance.pictures import MAX_DISTANCE, bits_of, looks_of, parts
from mix665k.mixtures.mixture import Mixture
from mix665k.schemas.recipe import Deduplicate
from tests.mixtures.small import change_rows

WORDS = [f"w{i}" for i in range(200)]


def share(a: str, b: str) -> float:
    return float((minima(a, {}) == minima(b, {})).mean())


def test_these_minima_are_the_same_in_every_version() -> None:
    assert minima("The quick brown Fox, jumps!", {})[:2].tolist() == [1539854878984968763, 5116982532327750283]


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert share("A cat sat on the mat.", "a  CAT, sat on the\nmat") == 1
    assert share("一只猫坐在垫子上", "一只猫坐在垫子上。") > 0.6
    assert share("one", "one two") == 0
    assert share("one", "one") == 1


@pytest.mark.parametrize("changed", [0, 2, 10, 60])
def test_the_share_of_equal_minima_is_that_of_equal_runs(changed: int) -> None:
    other = ["x" + word if i % (200 // changed) == 0 else word for i, word in enumerate(WORDS)] if changed else WORDS
    runs = [{tuple(words[i : i + 3]) for i in range(198)} for words in (WORDS, other)]
    exact = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
    assert abs(share(" ".join(WORDS), " ".join(other)) - exact) < 0.15


def picture(seed: int, width: int = 90, height: int = 64) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    return blocks.repeat(height // 8, axis=0).repeat(width // 9, axis=1)


def distance(a: np.ndarray, b: np.ndarray) -> int:
    first, second = bits_of(a), bits_of(b)
    assert first is not None
    assert second is not None
    return (first ^ second).bit_count()


def test_a_resized_brighter_or_noisy_copy_looks_the_same_and_another_picture_does_not() -> None:
    noise = np.random.default_rng(0).integers(-3, 4, (64, 90, 3))
    assert distance(picture(1), picture(1, 360, 320)) <= MAX_DISTANCE
    assert distance(picture(1), (picture(1) // 2 + 60).astype(np.uint8)) <= MAX_DISTANCE
    assert distance(picture(1), (picture(1).astype(int) + noise).clip(0, 255).astype(np.uint8)) <= MAX_DISTANCE
    assert min(distance(picture(1), picture(other)) for other in range(2, 30)) > 10


def test_hashes_that_differ_in_three_bits_have_a_part_in_common() -> None:
    first, second = 0x0123456789ABCDEF, 0x0123456789ABCDEF ^ (1 | 1 << 20 | 1 << 40)
    assert set(parts(first)) & set(parts(second)) == {(3, 0x0123)}


def test_uniform_tiny_and_broken_pictures_have_no_hash(tmp_path: Path) -> None:
    assert bits_of(np.zeros((64, 64, 3), np.uint8)) is None
    assert bits_of(np.zeros((4, 64, 3), np.uint8)) is None
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    Image.fromarray(picture(1)).save(tmp_path / "sound.png")
    found = looks_of(["broken.png", "gone.png", "sound.png"], folder=tmp_path)
    assert [look.bits is None for look in found] == [True, True, False]


@pytest.mark.parametrize(
    ("changes", "twins"),
    [({}, 1), ({"more_images": ["c.jpg"]}, 0), ({"system": "Answer at length, in rhymes, as a pirate would."}, 0)],
)
def test_records_of_other_later_images_or_system_texts_are_no_near_duplicates(
    copy: Path, changes: dict[str, Any], twins: int
) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        turns = [{"from": "human", "value": "Is <image> like <image>?"}, {"from": "gpt", "value": "No."}]
        same = {"image": "a.jpg", "more_images": ["b.jpg"], "conversations": turns, "origins": ["1"]}
        one, other = (row for row in rows if len(row["origins"]) == 1)
        one.update(same)
        other.update(same | changes)

    change_rows(copy, "gqa", change, hashes="all")
    found, _ = near_duplicates(Mixture.open(copy), Deduplicate(), seed=1, images=None, jobs=1)
    assert len(found) == twins
