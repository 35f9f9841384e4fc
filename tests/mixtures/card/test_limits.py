"""What a card warns of, and how large it says a mixture is."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.card.card import card, licence_table
from mix665k.mixtures.card.front_matter import Place, Size, about_of, front_matter, total
from mix665k.mixtures.card.limits import limits, partial
from mix665k.mixtures.card.sizes import source_size
from mix665k.schemas.manifest import HELD_OUT, Flow, FunnelStep, HeldOut, Manifest, load_manifest
from mix665k.schemas.recipe import Expect

CONTAMINATED = [
    {"made_from": "x", "against": [{"name": "pope"}, {"name": "vqav2"}]},
    {"made_from": "y", "against": [{"name": "pope"}]},
]


@pytest.fixture
def manifest(small: Path) -> Manifest:
    """The manifest of the small mixture, to change."""
    return load_manifest(small)


@pytest.mark.parametrize(
    ("overrides", "in_part"),
    [
        ({}, []),
        ({"limit": 10}, ["Only the first 10 conversations of each source entered its steps (`--limit`)."]),
        ({"source": ["gqa"]}, ["Of the recipe's sources only `gqa` were built (`--source`)."]),
        ({"exclude_source": ["vg"]}, ["Left out of the recipe's sources: `vg` (`--exclude-source`)."]),
        ({"fraction": 0.1}, ["Of each source only a part of 0.1 was drawn (`--fraction`)."]),
        ({"set": ["seed=1"]}, []),
        ({"tokenizer": "tiny"}, []),
        ({"on_bad_record": "drop"}, []),
    ],
)
def test_only_what_leaves_sources_or_records_out_makes_a_mixture_a_part(
    manifest: Manifest, overrides: dict[str, Any], in_part: list[str]
) -> None:
    manifest.overrides = overrides
    assert partial(manifest) == in_part
    assert limits(manifest, with_images=False)[: len(in_part)] == in_part


def test_what_was_held_out_and_which_values_were_set_is_said(manifest: Manifest) -> None:
    manifest.held_out = HeldOut(row_hash="ab" * 32, seed=1, drawn=20, of=2000, records=31)
    manifest.overrides = {"set": ["seed=1", "name=x"]}
    assert limits(manifest, with_images=False)[:2] == [
        "20 of 2,000 images (or texts without one) are held out with their 31 records, row hash `abababababababab`: "
        "no image of them is in here.",
        "Values of the recipe were replaced: `seed=1`, `name=x`.",
    ]
    flow = Flow(9, 3, {"trained on": -6})
    manifest.held_out, manifest.sources[0].funnel = None, [FunnelStep(HELD_OUT, flow, flow)]
    assert partial(manifest) == [
        "This is what the recipe holds out, for validation: it trains on none of these images."
    ]


def test_evaluation_sets_that_records_were_dropped_for_are_named_once(manifest: Manifest) -> None:
    manifest.overrides = {"contamination": CONTAMINATED}
    told = limits(manifest, with_images=False)
    assert told[0] == "Records that overlap with evaluation sets were dropped: `pope`, `vqav2`."


@pytest.mark.parametrize(("with_images", "start"), [(True, "The images are the files"), (False, "The images are not")])
def test_where_the_images_are_is_always_said(manifest: Manifest, with_images: bool, start: str) -> None:
    assert any(line.startswith(start) for line in limits(manifest, with_images=with_images))


@pytest.mark.parametrize(("count", "told"), [(3, False), (4, True), (2, True)])
def test_a_number_is_told_where_it_is_not_the_expected_one(manifest: Manifest, count: int, told: bool) -> None:
    manifest.sources[0].expect = Expect(count, "the paper says so")
    line = f"`gqa` has 3 records, the recipe expects {count} (the paper says so)."
    assert (line in limits(manifest, with_images=False)) is told


def test_a_source_that_this_version_does_not_know_is_unclear(manifest: Manifest) -> None:
    manifest.sources[0].source = "later"
    about = about_of(manifest.sources[0])
    assert (about.title, about.licence.commercial, about.files) == ("later", "unclear", ())
    assert "| `gqa` | unclear | unclear | unclear / unclear |" in licence_table(manifest)
    assert any("Commercial use is not clearly allowed" in line for line in limits(manifest, with_images=False))


def test_sizes_add_up() -> None:
    assert total([Size(1, 2, 3), Size(10, 20, 30)]) == Size(11, 22, 33)


def test_a_repository_with_images_offers_them_first_and_sources_without_any_only_plain(small: Path) -> None:
    manifest = load_manifest(small)
    manifest.sources[1].source = "sharegpt"
    sizes = {entry.name: source_size(small, entry) for entry in manifest.sources}
    pictured = {entry.name: Size(entry.conversations, 100, 50) for entry in manifest.sources}
    told = front_matter(manifest, sizes, Place("me/mix", pictured=pictured))
    names = [config["config_name"] for config in told["configs"]]
    assert names == [
        *["all-with-images", "gqa-with-images", "mine-with-images"],
        *["all", "gqa", "sharegpt", "mine"],
    ]
    assert [info["config_name"] for info in told["dataset_info"]] == names
    assert told["configs"][0]["default"]
    assert told["dataset_info"][0]["dataset_size"] == 300
    assert {column["name"]: column["dtype"] for column in told["dataset_info"][0]["features"] if "dtype" in column}[
        "image"
    ] == "image"
    text = card(manifest, sizes, Place("me/mix", pictured=pictured))
    assert "The images are the files as they were at hand" in text
