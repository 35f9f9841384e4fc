"""The card: what `datasets` and the Hub read of it, and what it tells of a mixture that is not whole."""

from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.card.card import card
from mix665k.mixtures.card.front_matter import PICTURED_SCHEMA, Place, Size, features, size_category
from mix665k.mixtures.card.limits import limits
from mix665k.mixtures.card.sizes import source_size
from mix665k.mixtures.storage.parquet import SCHEMA
from mix665k.schemas.manifest import Manifest, load_manifest
from mix665k.schemas.recipe import Expect
from tests.mixtures.small import run


def sizes_of(mixture: Path) -> dict[str, Size]:
    return {entry.name: source_size(mixture, entry) for entry in load_manifest(mixture).sources}


def front(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return loaded


def without(mixture: Path, *names: str) -> Manifest:
    manifest = load_manifest(mixture)
    manifest.sources = [entry for entry in manifest.sources if entry.name not in names]
    return manifest


@pytest.mark.parametrize(
    ("records", "category"),
    [
        *[(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (9_999, "1K<n<10K"), (10_000, "10K<n<100K")],
        *[(99_999, "10K<n<100K"), (665_298, "100K<n<1M"), (1_000_000, "1M<n<10M"), (10**8, "n>100M")],
    ],
)
def test_a_border_belongs_to_the_larger_category(records: int, category: str) -> None:
    assert size_category(records) == category


def test_the_columns_are_written_as_datasets_writes_them() -> None:
    plain = datasets.Features.from_arrow_schema(SCHEMA)
    assert features() == plain._to_yaml_list()
    pictured = {"image": datasets.Image(), "more_images": datasets.List(datasets.Image())}
    assert features(PICTURED_SCHEMA) == datasets.Features({**plain, **pictured})._to_yaml_list()


def test_datasets_finds_every_config_and_what_it_would_count(tiny_mixture: Path, tmp_path: Path) -> None:
    told = front((tiny_mixture / "README.md").read_text())
    for name in ("all", "vg"):
        builder = datasets.load_dataset_builder(str(tiny_mixture), name, cache_dir=str(tmp_path))
        assert builder.info.features == datasets.Features.from_arrow_schema(SCHEMA)
        expected = builder.info.splits["train"]
        loaded = datasets.load_dataset(str(tiny_mixture), name, split="train", cache_dir=str(tmp_path))
        assert loaded.num_rows == expected.num_examples
        assert loaded.info.splits["train"].num_bytes == pytest.approx(expected.num_bytes, rel=0.05)
    names = [entry.name for entry in load_manifest(tiny_mixture).sources]
    assert [config["config_name"] for config in told["configs"]] == ["all", *names]
    assert [config.get("default") for config in told["configs"]][:2] == [True, None]
    assert [info["config_name"] for info in told["dataset_info"]] == ["all", *names]


def test_the_licence_of_the_whole_is_one_only_where_the_sources_agree(tiny_mixture: Path) -> None:
    sizes = sizes_of(tiny_mixture)
    manifest = load_manifest(tiny_mixture)
    names = {entry.name for entry in manifest.sources}

    def licence(*kept: str, place: Place | None = None) -> list[Any]:
        told = front(card(without(tiny_mixture, *(names - set(kept))), {name: sizes[name] for name in kept}, place))
        return [told["license"], told.get("license_name"), told.get("license_link")]

    assert licence("vqav2", "gqa") == ["cc-by-4.0", None, None]
    assert licence("aokvqa") == ["apache-2.0", None, None]
    assert licence("aokvqa", "gqa") == ["other", "per-source", None]
    assert licence("sharegpt", place=Place("me/mix")) == ["other", "per-source", "LICENSE.md"]


def test_what_a_card_tells_of_its_records_follows_its_sources(tiny_mixture: Path) -> None:
    sizes, manifest = sizes_of(tiny_mixture), load_manifest(tiny_mixture)
    text = card(without(tiny_mixture, *({entry.name for entry in manifest.sources} - {"sharegpt"})), sizes)
    assert front(text)["task_categories"] == ["text-generation"]
    assert front(text)["language"] == ["en", "multilingual"]
    assert "## Personal data" in text
    assert "Where the images come from" not in text
    text = card(without(tiny_mixture, "sharegpt"), sizes)
    assert front(text)["task_categories"] == ["image-text-to-text", "visual-question-answering"]
    assert front(text)["language"] == ["en"]
    assert "Personal data" not in text
    assert "- `coco/train2017`: http" in text


def test_one_card_stands_in_the_folder_and_on_the_hub(small: Path) -> None:
    manifest, sizes = load_manifest(small), sizes_of(small)
    here = (small / "README.md").read_text()
    assert here == card(manifest, sizes)
    there = card(manifest, sizes, Place("me/mix", "v2"))
    assert 'load_dataset("me/mix", "all", split="train", revision="v2")' in there
    assert "hf download me/mix --repo-type dataset --revision v2 --local-dir mixture" in there
    changed = [line for line in here.splitlines() if line not in there.splitlines()]
    assert len(changed) == 4
    assert all("path/to/this/folder" in line or "The recipe is in" in line for line in changed)


def test_every_source_is_cited_and_says_what_may_be_done_with_it(tiny_mixture: Path) -> None:
    text = (tiny_mixture / "README.md").read_text()
    assert "@inproceedings{liu2024llava15," in text
    for source in SOURCES.values():
        about = source.about
        assert all(licence.because for licence in (about.licence, about.image_licence)), source.name
        assert about.papers or source.name == "llava_json"
        for paper in about.papers if source.name != "lcs558k" else ():
            assert text.count(f"{{{paper.key},\n  author = {{") == 1
            assert paper.bibtex().count("{") == paper.bibtex().count("}")


def test_what_is_not_whole_is_said(small: Path) -> None:
    manifest = load_manifest(small)
    manifest.overrides = {
        "limit": 2_000,
        "source": ["gqa", "mine"],
        "commercial_only": ["sharegpt"],
        "tokenizer": "tiny",
        "draws_from": "mix.json",
        "on_bad_record": "drop",
        "later": 1,
    }
    manifest.sources[0].expect = Expect(4, "the paper says so")
    manifest.sources[0].not_found = ["7"]
    told = limits(manifest, with_images=False)
    assert told[:9] == [
        "Only the first 2,000 conversations of each source entered its steps (`--limit`).",
        "Of the recipe's sources only `gqa`, `mine` were built (`--source`).",
        "Left out of the recipe's sources: `sharegpt` (`--commercial-only`).",
        "Lengths were counted with the tokenizer `tiny`, not the recipe's.",
        "What the recipe draws was taken from the ids of `mix.json` instead.",
        "Raw records with faults were dropped.",
        "Built with `later`: `1`.",
        "`gqa` has 3 records, the recipe expects 4 (the paper says so).",
        "`gqa`: 1 ids that were asked for are not in its raw files.",
    ]
    text = card(manifest, sizes_of(small))
    assert text.count("> **In part.** ") == 3
    assert all(f"- {sentence}" in text for sentence in told)


def test_records_that_steps_dropped_are_in_the_card(small: Path) -> None:
    assert "| `mine` | drop_by_length | over 2 pairs | lost | 1 | 3 |" in (small / "README.md").read_text()


def test_names_and_texts_of_a_recipe_do_not_break_the_card(small: Path) -> None:
    manifest = load_manifest(small)
    manifest.name = 'a "name": |\nof two lines'
    manifest.sources[0].inputs[0].path = "a|b<c>.json"
    text = card(manifest, sizes_of(small), Place("me/mix"))
    assert front(text)["pretty_name"] == 'a "name": | of two lines'
    assert "| `a\\|b&lt;c>.json` |" in text


def test_a_source_that_is_called_all_is_part_of_all(small: Path) -> None:
    manifest, sizes = load_manifest(small), sizes_of(small)
    manifest.sources[0].name = "all"
    told = front(card(manifest, {"all": sizes["gqa"], "sharegpt": sizes["sharegpt"], "mine": sizes["mine"]}))
    for key in ("configs", "dataset_info"):
        assert [one["config_name"] for one in told[key]] == ["all", "sharegpt", "mine"]


def test_sources_tells_what_may_be_sold() -> None:
    shown = run("sources", "ocrvqa").stdout
    assert "commercial use: texts no, given for research only; images no, book covers, © their publishers" in shown
