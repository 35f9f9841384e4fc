"""A published mixture without some of its sources, and the lines that close the command."""

from pathlib import Path

import msgspec
import pytest

from mix665k.mixtures.build.selection import Choice
from mix665k.mixtures.publish.published import Published, closing_lines
from mix665k.mixtures.publish.repository import choose, without
from mix665k.mixtures.storage.integrity import funnel_faults, hash_of_all, sum_faults
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import load_manifest


def test_what_is_left_is_a_mixture_that_adds_up(small: Path) -> None:
    manifest = load_manifest(small)
    left = without(manifest, choose(manifest, Choice(exclude=("gqa",))))
    assert [entry.name for entry in left.sources] == ["sharegpt", "mine"]
    assert [*sum_faults(left), *funnel_faults(left)] == []
    assert left.row_hash == hash_of_all(left.sources) != manifest.row_hash
    assert left.conversations == manifest.conversations - manifest.sources[0].conversations


def test_a_mixture_that_keeps_all_is_the_same_manifest(small: Path) -> None:
    manifest = load_manifest(small)
    assert without(manifest, choose(manifest, Choice())) is manifest


def test_what_an_earlier_build_left_out_stays_named(small: Path) -> None:
    manifest = load_manifest(small)
    earlier = msgspec.structs.replace(manifest, overrides={"exclude_source": ["vg"], "limit": 3})
    left = without(earlier, choose(earlier, Choice(exclude=("gqa",))))
    assert left.overrides == {"exclude_source": ["vg", "gqa"], "limit": 3}


def test_a_source_that_is_not_there_cannot_be_left_out(small: Path) -> None:
    manifest = load_manifest(small)
    with pytest.raises(MixtureError, match="gqaa"):
        choose(manifest, Choice(exclude=("gqaa",)))


PUBLISHED = Published(
    repository="me/mix",
    revision="main",
    folder=None,
    url="https://hub/me/mix",
    commit="0123456789abcdef",
    changed=True,
    conversations=1_234,
    files=8,
    bytes=2_500_000,
    left_out=[],
    notes=["vg is left out"],
)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, "published 1,234 records in 8 files, 2.5 MB: https://hub/me/mix (commit 0123456789ab)"),
        ({"changed": False}, "nothing new, 1,234 records in 8 files, 2.5 MB: https://hub/me/mix (commit 0123456789ab)"),
        ({"folder": "out", "url": None}, "wrote out, 1,234 records in 8 files, 2.5 MB; nothing was uploaded"),
    ],
)
def test_the_last_line_says_what_was_done(facts: dict[str, object], line: str) -> None:
    assert closing_lines(msgspec.structs.replace(PUBLISHED, **facts)) == ["vg is left out", line]
