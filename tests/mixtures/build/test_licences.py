"""Leaving sources out by name or by licence: what goes, what it costs, and what is told of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.selection import Choice, Offered, select
from mix665k.mixtures.verify.intact import verify_mixture
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.small import run

OFFERED = {"gqa": Offered("gqa", 72_140), "sharegpt": Offered("sharegpt", 40_688), "okvqa": Offered("okvqa", 8_998)}


def test_the_lines_say_what_goes_why_and_what_is_left() -> None:
    found = select(OFFERED, Choice(("gqa",), commercial_only=True), where="recipe x")
    assert found.lines() == [
        "left out gqa, 72,140 records: named by --exclude-source",
        "left out sharegpt, 40,688 records: commercial use of its texts: unclear, conversations that people shared; "
        "no licence was stated for them",
        "121,826 → 8,998 records",
        "kept for their texts, while commercial use of their images is not clear: okvqa",
    ]
    assert found.overrides() == {"exclude_source": ["gqa"], "commercial_only": ["sharegpt"]}


def test_images_count_where_they_go_out() -> None:
    choice = Choice(commercial_only=True, with_images=True)
    found = select(OFFERED, choice, where="recipe x")
    assert (found.names, found.images_unclear) == ({"sharegpt", "okvqa"}, ())


def test_no_choice_leaves_nothing_out_and_says_nothing() -> None:
    found = select(OFFERED, Choice(), where="recipe x")
    assert (found.names, found.lines(), found.overrides()) == (set(), [], {})


def test_unknown_numbers_are_not_made_up() -> None:
    found = select({**OFFERED, "vg": Offered("vg", None)}, Choice(("vg",)), where="recipe x")
    assert found.lines() == ["left out vg: named by --exclude-source"]


def test_a_source_that_nobody_knows_is_unclear() -> None:
    found = select({**OFFERED, "new": Offered("new", 1)}, Choice(commercial_only=True), where="mixture x")
    assert "texts: unclear, this version does not know the source 'new'" in found.lines()[1]


def test_nothing_left_and_unknown_names_are_errors() -> None:
    with pytest.raises(MixtureError, match="--exclude-source gq: recipe x has no such source; did you mean 'gqa'"):
        select(OFFERED, Choice(("gq",)), where="recipe x")
    with pytest.raises(MixtureError, match="recipe x: no source is left, expected one or more"):
        select(OFFERED, Choice(tuple(OFFERED)), where="recipe x")


@given(
    st.dictionaries(st.sampled_from(sorted(SOURCES)), st.integers(0, 10**6), min_size=1),
    st.sets(st.sampled_from(sorted(SOURCES))),
    st.booleans(),
    st.booleans(),
)
def test_what_stays_and_what_goes_is_the_whole(
    counts: dict[str, int], exclude: set[str], commercial_only: bool, with_images: bool
) -> None:
    offered = {name: Offered(name, count) for name, count in counts.items()}
    choice = Choice(tuple(sorted(exclude & counts.keys())), commercial_only, with_images)
    try:
        found = select(offered, choice, where="recipe x")
    except MixtureError:
        assert not any(_may_stay(name, choice) for name in counts)
        return
    assert found.names == {name for name in counts if not _may_stay(name, choice)}
    if found.names:
        before, _, after = found.lines()[len(found.names)].removesuffix(" records").partition(" → ")
        assert int(before.replace(",", "")) == sum(counts.values())
        assert int(after.replace(",", "")) == sum(counts[name] for name in counts.keys() - found.names)


def _may_stay(name: str, choice: Choice) -> bool:
    about = SOURCES[name].about
    sold = about.licence.commercial == "yes" and (about.image_licence.commercial == "yes" or not choice.with_images)
    return name not in choice.exclude and (sold or not choice.commercial_only)


def test_a_build_leaves_them_out_and_says_so(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "few.yaml"
    recipe.write_text("""
name: few
sources:
  - {source: okvqa, expect: {count: 5, because: it was made up so}}
  - {source: aokvqa, expect: {count: 9, because: it was made up so}}
  - {source: ocrvqa, expect: {count: 7, because: it was made up so}}
""")
    asked: list[str | Path] = ["build", recipe, "--raw", made_up_raw, "--out", tmp_path / "out"]
    asked += ["--commercial-only", "--exclude-source", "aokvqa"]
    shown = run(*asked)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[:4] == [
        "left out aokvqa, 9 records: named by --exclude-source",
        "left out ocrvqa, 7 records: commercial use of its texts: no, given for research only",
        "21 → 5 records",
        "kept for their texts, while commercial use of their images is not clear: okvqa",
    ]
    manifest = load_manifest(tmp_path / "out")
    assert manifest.overrides == {"exclude_source": ["aokvqa"], "commercial_only": ["ocrvqa"]}
    assert [entry.name for entry in manifest.sources] == ["okvqa"]
    assert verify_mixture(tmp_path / "out", advance=lambda share: None).ok
    card = (tmp_path / "out" / "README.md").read_text()
    assert "> **In part.** Left out of the recipe's sources: `ocrvqa` (`--commercial-only`)." in card


def test_a_source_that_is_left_out_needs_no_raw_files(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "few.yaml"
    recipe.write_text(
        "{name: few, seed: 1, sources: [{source: okvqa}, {source: vg, files: {regions: none.json, images: none.json}}]}"
    )
    plan = make_plan(str(recipe), Options(made_up_raw, tmp_path / "out", exclude_source=("vg",)))
    assert [bound.block.label for bound in plan.sources] == ["okvqa"]
