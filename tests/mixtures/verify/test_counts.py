"""The counts that a recipe expects: held, unless the build was asked for less."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.manifest import Manifest
from mix665k.schemas.recipe import Expect
from tests.mixtures.small import change_manifest
from tests.mixtures.verify.damaging import check, verify


def expecting(mixture: Path, expect: Expect, overrides: dict[str, Any]) -> None:
    """As if the recipe had expected another number of `mine`."""

    def change(manifest: Manifest) -> None:
        strict = "true" if expect.strict else "false"
        text = f"expect: {{count: {expect.count}, because: {expect.because}, strict: {strict}}}"
        manifest.recipe = manifest.recipe.rstrip() + f"\n    {text}\n"
        manifest.sources[2].expect = expect
        manifest.overrides = overrides

    change_manifest(mixture, change)


@pytest.mark.parametrize(
    ("expect", "overrides", "outcome"),
    [
        (Expect(1, "a test", strict=True), {}, "ok"),
        (Expect(7, "a test", strict=True), {}, "failed"),
        (Expect(7, "a test", strict=False), {}, "differs"),
        (Expect(7, "a test", strict=True), {"limit": 3}, "differs"),
        (Expect(7, "a test", strict=True), {"on_bad_record": "drop"}, "differs"),
        (Expect(7, "a test", strict=True), {"tokenizer": "tiny"}, "failed"),
    ],
)
def test_a_strict_expectation_is_held_unless_the_build_was_asked_for_less(
    copy: Path, expect: Expect, overrides: dict[str, Any], outcome: str
) -> None:
    expecting(copy, expect, overrides)
    found = check(verify(copy), "recipe's counts")
    assert found.outcome == outcome
    if outcome != "ok":
        assert found.lines.first == ["mine: 1 records, the recipe expects 7 (a test)"]


@pytest.mark.parametrize(
    ("overrides", "outcome"),
    [
        ({}, "failed"),
        ({"source": ["gqa", "sharegpt", "mine"]}, "not applicable"),
        ({"exclude_source": ["okvqa"]}, "not applicable"),
        ({"commercial_only": ["okvqa"]}, "not applicable"),
    ],
)
def test_a_build_of_some_sources_need_not_have_the_others(copy: Path, overrides: dict[str, Any], outcome: str) -> None:
    def change(manifest: Manifest) -> None:
        manifest.recipe += "  - {source: okvqa}\n"
        manifest.overrides = overrides

    change_manifest(copy, change)
    assert check(verify(copy), "recipe's counts").outcome == outcome
