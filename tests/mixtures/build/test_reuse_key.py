"""The key of a built source: whatever could change its rows changes it, and nothing else does."""

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.bind import BoundSource, bind
from mix665k.mixtures.build import reuse_key
from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.build.reuse_key import hash_inputs, input_fault, key_by_this_code, key_of
from mix665k.mixtures.mixture import Mixture
from mix665k.schemas.recipe import Block, Recipe

TRUNCATE: Any = {"truncate": {"max_tokens": 100, "template": "v1"}}


def bound(raw: Path, seed: int | None = None, **changes: Any) -> BoundSource:
    """A source of a recipe, with changes to its block."""
    block = Block(**({"source": "okvqa", "steps": ["merge_by_image"]} | changes))
    [found] = bind(Recipe("x", [block], seed=seed, tokenizer="tiny"), raw=raw)
    return found


def key(source: BoundSource, raw: Path, **options: Any) -> str:
    return key_of(source, hash_inputs(source, raw), Options(raw, raw / "out", **options))


def test_the_same_facts_give_the_same_key(made_up_raw: Path) -> None:
    first = key(bound(made_up_raw), made_up_raw)
    assert key(bound(made_up_raw), made_up_raw) == first
    elsewhere = Options(made_up_raw, made_up_raw / "elsewhere")
    source = bound(made_up_raw)
    assert key_of(source, hash_inputs(source, made_up_raw), elsewhere) == first


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": []},
        {"steps": ["merge_by_image", {"repeat": {"times": 2}}]},
        {"name": "other"},
        {"source": "aokvqa"},
        {"steps": ["merge_by_image", {"sample": {"count": 2}}], "seed": 1},
    ],
)
def test_another_recipe_has_another_key(made_up_raw: Path, changes: dict[str, Any]) -> None:
    assert key(bound(made_up_raw, **changes), made_up_raw) != key(bound(made_up_raw), made_up_raw)


@pytest.mark.parametrize("options", [{"limit": 3}, {"on_bad_record": "drop"}])
def test_options_that_change_rows_change_the_key(made_up_raw: Path, options: dict[str, Any]) -> None:
    source = bound(made_up_raw)
    assert key(source, made_up_raw, **options) != key(source, made_up_raw)


def test_another_seed_has_another_key(made_up_raw: Path) -> None:
    steps: Any = [{"sample": {"count": 2}}]
    one, other = (key(bound(made_up_raw, steps=steps, seed=seed), made_up_raw) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
def test_another_version_of_a_library_that_counts_tokens_has_another_key(
    made_up_raw: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    source = bound(made_up_raw)
    before = key(source, made_up_raw)
    known = importlib.metadata.version
    monkeypatch.setattr(reuse_key, "version", lambda name: "0.0" if name == library else known(name))
    assert key(source, made_up_raw) != before


def test_other_code_has_another_key(made_up_raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(bound(made_up_raw), made_up_raw)
    monkeypatch.setattr(reuse_key, "_code_hash", lambda: "other")
    assert key(bound(made_up_raw), made_up_raw) != before


def test_a_tokenizer_is_an_input_of_what_is_tokenised_only(made_up_raw: Path) -> None:
    plain, cut = bound(made_up_raw), bound(made_up_raw, steps=[TRUNCATE])
    assert [file.role for file in hash_inputs(plain, made_up_raw)] == ["questions", "annotations"]
    assert [file.role for file in hash_inputs(cut, made_up_raw)] == ["questions", "annotations", "tokenizer"]


def test_an_input_is_named_below_the_raw_folder_with_its_size(made_up_raw: Path) -> None:
    for file in hash_inputs(bound(made_up_raw), made_up_raw):
        assert (made_up_raw / file.path).stat().st_size == file.bytes
        assert input_fault(file, made_up_raw / file.path) is None


def test_an_input_that_changed_is_told_by_size_and_by_hash(made_up_raw: Path, tmp_path: Path) -> None:
    file = hash_inputs(bound(made_up_raw), made_up_raw)[0]
    path = tmp_path / "questions.json"
    assert input_fault(file, path) == f"{path}: no such file"
    path.write_bytes(b"[]")
    assert f"2 bytes, the mixture was built from {file.bytes:,}" in str(input_fault(file, path))
    path.write_bytes(b" " * file.bytes)
    assert f"the mixture was built from {file.sha256[:16]}…" in str(input_fault(file, path))


def test_a_manifest_gives_the_key_its_source_was_built_under(tiny_mixture: Path) -> None:
    mixture = Mixture.open(tiny_mixture)
    for entry in mixture.entries():
        assert key_by_this_code(entry, mixture.require_manifest().overrides) == entry.key
