"""A reference altered in known ways: a comparison finds exactly those alterations."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.alterations import Altered, altered, found_by
from mix665k.mixtures.diff.comparison import Comparison, to_json
from mix665k.mixtures.export.export import ExportRequest, export
from mix665k.mixtures.mixture import Mixture
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.diff.comparing import compared


@pytest.fixture(scope="module")
def reference(tiny_mixture: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Altered]:
    """The tiny mixture in LLaVA's form, one record of each source altered in each way it can be."""
    path = tmp_path_factory.mktemp("reference") / "reference.json"
    export(Mixture.open(tiny_mixture), ExportRequest("llava", path), advance=lambda share: None)
    lines = [line.rstrip(b",") for line in path.read_bytes().splitlines()[1:-1]]
    counts = {entry.name: entry.conversations for entry in load_manifest(tiny_mixture).sources}
    made = altered(lines, counts, each=1)
    path.write_bytes(b"[\n" + b",\n".join(made.lines) + b"\n]\n")
    return path, made


def as_found(comparison: Comparison) -> dict[str, Counter[str]]:
    return found_by(json.loads(to_json(comparison)))


def test_exactly_the_alterations_are_found(tiny_mixture: Path, reference: tuple[Path, Altered]) -> None:
    path, made = reference
    comparison = compared(tiny_mixture, path)
    assert not comparison.equal
    assert comparison.b.faults == made.faults == 8
    assert as_found(comparison) == made.expected
    assert dict(as_found(comparison)["gqa"]) == {
        "reordered": 1,
        "moved": 1,
        "differing in answers": 1,
        "differing in id": 1,
        "differing in id type": 1,
        "differing in image": 1,
        "differing in image token": 1,
        "differing in number of pairs": 1,
        "differing in prompt": 1,
        "differing in prompt, answers": 1,
        "differing in questions": 1,
        "only in A": 2,
        "only in B": 3,
    }
    assert dict(as_found(comparison)["vqav2 or okvqa"]) == {"only in B": 1}


def test_the_other_way_round_only_here_and_only_there_change_places(
    tiny_mixture: Path, reference: tuple[Path, Altered]
) -> None:
    path, made = reference
    turned = {"only in A": "only in B", "only in B": "only in A"}
    expected = {
        name: Counter({turned.get(what, what): count for what, count in counts.items()})
        for name, counts in made.expected.items()
    }
    comparison = compared(path, tiny_mixture)
    assert as_found(comparison) == expected


def test_a_source_that_is_asked_for_is_the_only_one_told_about(
    tiny_mixture: Path, reference: tuple[Path, Altered]
) -> None:
    path, made = reference
    comparison = compared(tiny_mixture, path, sources=("vg", "okvqa"), examples=1)
    assert as_found(comparison) == {name: made.expected[name] for name in ("okvqa", "vg")}
    assert [len(source.examples) for source in comparison.sources] == [1, 1]
    assert comparison.total.a == sum(source.a for source in comparison.sources)


def test_an_export_is_equal_to_its_mixture(tiny_mixture: Path, tmp_path: Path) -> None:
    export(Mixture.open(tiny_mixture), ExportRequest("llava", tmp_path / "llava.json"), advance=lambda share: None)
    comparison = compared(tiny_mixture, tmp_path / "llava.json")
    assert comparison.equal
    assert comparison.total.identical == comparison.a.records == comparison.b.records
    assert comparison.b.source_evidence == {"the same record": comparison.b.records}
    assert comparison.total.pairs_shared == comparison.total.pairs_in_a
