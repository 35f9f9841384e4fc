"""Two mixtures beside each other: records by their unique ids, and what their manifests say."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.diff.comparison import Change, Example
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import Manifest
from tests.mixtures.diff.comparing import by_source, compared
from tests.mixtures.small import change_manifest, change_rows


def test_a_mixture_is_equal_to_its_copy(small: Path, copy: Path) -> None:
    comparison = compared(small, copy)
    assert comparison.equal
    assert (comparison.total.identical, comparison.total.pairs_shared) == (5, 7)
    assert comparison.total.percent["identical"] == 100
    assert comparison.manifests == []


def test_equal_rows_are_equal_whatever_the_recipes_say(small: Path, copy: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.recipe = manifest.recipe.replace("name: small", "name: other")
        manifest.sources[2].inputs[0].sha256 = "0" * 64

    change_manifest(copy, change)
    comparison = compared(small, copy)
    assert comparison.equal
    assert [change.what for change in comparison.manifests] == ["recipe, line 2", "records"]
    assert comparison.manifests[0] == Change("recipe, line 2", "name: small", "name: other")
    assert comparison.manifests[1].b == "mine.json 0000000000000000"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"origins": ["0012#0/9"]}, "origins"),
        ({"steps": ["prompt added"]}, "steps"),
        ({"reference_id": "12"}, "reference id"),
        ({"reference_id": "0013"}, "reference id"),
        ({"image": "gqa/images/13.jpg"}, "image"),
    ],
)
def test_a_record_is_found_by_its_id_whatever_has_changed(
    small: Path, copy: Path, change: dict[str, Any], what: str
) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update(change), hashes="all")
    comparison = compared(small, copy)
    assert not comparison.equal
    assert by_source(comparison)["gqa"] == {"identical": 2, what: 1}
    (example,) = comparison.sources[0].examples
    assert (example.a, example.b) == ("gqa/0012#0", "gqa/0012#0")


def test_a_changed_answer_is_shown(small: Path, copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows[0]["conversations"][3].update(value="Yes"), hashes="all")
    change = Change("answers", "No", "Yes", "And the sack?")
    example = Example("differing", "2327515", "gqa/2327515#0", "gqa/2327515#0", [change])
    assert compared(small, copy).sources[0].examples == [example]


def test_removed_and_added_records_are_counted(small: Path, copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1] |= {"id": "gqa/9#0", "reference_id": "9", "image": "gqa/images/9.jpg"}
        rows[1]["conversations"][1]["value"] = "A woman"

    change_rows(copy, "gqa", change, hashes="all")
    assert by_source(compared(small, copy))["gqa"] == {"identical": 2, "only in A": 1, "only in B": 1}


def test_a_record_of_another_image_is_another_one_whatever_it_says(small: Path, copy: Path) -> None:
    other = {"id": "gqa/9#0", "reference_id": "9", "image": "gqa/images/9.jpg", "origins": ["9#0/0"]}
    change_rows(copy, "gqa", lambda rows: rows[1].update(other), hashes="all")
    assert by_source(compared(small, copy))["gqa"] == {"identical": 2, "only in A": 1, "only in B": 1}


def test_a_record_under_another_id_is_the_same_one(small: Path, copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update(id="gqa/0012#1"), hashes="all")
    comparison = compared(small, copy)
    assert by_source(comparison)["gqa"] == {"identical": 2, "id": 1}
    assert comparison.sources[0].examples[0].changes == [Change("id", "gqa/0012#0", "gqa/0012#1")]


def test_the_order_of_records_counts(small: Path, copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows.reverse(), hashes="all")
    comparison = compared(small, copy)
    assert by_source(comparison)["gqa"] == {"identical": 3, "moved": 2}
    assert not comparison.equal


def test_ids_that_an_export_writes_as_integers_count(small: Path, copy: Path) -> None:
    change_manifest(copy, lambda manifest: manifest.integer_ids.clear())
    comparison = compared(small, copy)
    assert by_source(comparison)["gqa"] == {"identical": 2, "id type": 1}
    assert Change("integer ids", '["gqa"]', "none") in comparison.manifests


def test_a_source_that_the_other_has_not_is_told_about(small: Path, copy: Path) -> None:
    def change(manifest: Manifest) -> None:
        entry = manifest.sources.pop()
        (copy / entry.shards[0].path).unlink()
        manifest.conversations -= entry.conversations
        manifest.pairs -= entry.pairs
        manifest.row_hash = hash_of_all(manifest.sources)

    change_manifest(copy, change)
    assert by_source(compared(small, copy))["mine"] == {"only in A": 1}
    assert by_source(compared(copy, small))["mine"] == {"only in B": 1}
    assert by_source(compared(copy, small, sources=("mine",))) == {"mine": {"only in B": 1}}
    with pytest.raises(MixtureError, match="--source mne: neither side has such a source; did you mean 'mine'"):
        compared(copy, small, sources=("mne",))


@pytest.mark.parametrize("equal_hashes", [True, False])
def test_a_damaged_mixture_is_an_error(small: Path, copy: Path, *, equal_hashes: bool) -> None:
    if not equal_hashes:
        change_rows(copy, "mine", lambda rows: rows[0].update(steps=["x"]), hashes="all")
    shard = next((copy / "data").glob("gqa-*.parquet"))
    shard.write_bytes(shard.read_bytes() + b"\0")
    for sides in ((small, copy), (copy, small)):
        with pytest.raises(MixtureError, match=r"gqa-00000-of-00001\.parquet: file hash: .*, expected"):
            compared(*sides)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "vqa"}, r"gqa/0012#0: \$\.source: 'vqa', expected 'gqa'"),
        ({"image": None}, r"gqa/0012#0: 1 <image> in the human turns, expected 0"),
        ({"origins": []}, r"gqa/0012#0: \$\.origins: "),
        ({"conversations": [{"from": "human", "value": "<image>\na"}]}, r"gqa/0012#0: \$\.conversations: "),
        ({"id": "gqa/2327515#0"}, "1 ids occur twice, the first is 'gqa/2327515#0', expected each once"),
    ],
)
def test_a_row_that_breaks_a_rule_is_an_error(small: Path, copy: Path, changes: dict[str, Any], message: str) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update(changes), hashes="all")
    with pytest.raises(MixtureError, match=message):
        compared(small, copy)


def test_a_lost_pair_is_an_error(small: Path, copy: Path) -> None:
    def lose(rows: list[dict[str, Any]]) -> None:
        del rows[0]["conversations"][2:], rows[0]["origins"][1:]

    change_rows(copy, "gqa", lose, hashes="all")
    with pytest.raises(MixtureError, match="gqa: 3 pairs, expected 4 as manifest"):
        compared(small, copy)
