"""Writing a mixture without what overlaps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.contamination.findings import Kind
from mix665k.mixtures.contamination.run import ContaminationRequest, find_contamination
from mix665k.mixtures.select import derived
from mix665k.mixtures.storage.parquet import read_shard
from mix665k.mixtures.verify.intact import verify_mixture
from mix665k.mixtures.verify.verification import require_passed
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import Manifest, load_manifest
from tests.mixtures.contamination.contaminated import bar, lines, look
from tests.mixtures.small import run


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Shares image 42 and a question about it, and a text."""
    name = "COCO_val2014_000000000042.jpg"
    return lines(tmp_path, "set.jsonl", {"image": name, "question": "Who?"}, {"question": "what is this"})


def dropped(mixture: Path, asked: Path, out: Path, *by: Kind) -> Manifest:
    """The manifest of the clean mixture."""
    look(mixture, asked, drop_to=out, drop_by=by)
    return load_manifest(out)


def ids(mixture: Path) -> list[str]:
    """The ids of all records."""
    shards = [shard for entry in load_manifest(mixture).sources for shard in entry.shards]
    return [name for one in shards for rows in read_shard(mixture / one.path) for name in rows["id"].to_pylist()]


def whole(mixture: Path) -> None:
    """The mixture is whole by all that `mix inspect` and `mix verify` check."""
    assert run("inspect", mixture).exit_code == 0
    require_passed(verify_mixture(mixture, advance=lambda share: None))


@pytest.mark.parametrize(
    ("by", "gone"),
    [
        ((Kind.PAIRS,), {"vqa/000000000042#0": "pair"}),
        ((Kind.IMAGES,), {"vqa/000000000042#0": "image", "options/42#0": "image"}),
        ((Kind.TEXT,), {"mine/7#0": "text"}),
        ((Kind.PAIRS, Kind.TEXT), {"vqa/000000000042#0": "pair", "mine/7#0": "text"}),
    ],
)
def test_records_go_whole_and_the_funnel_tells_why(
    contaminated: Path, asked: Path, tmp_path: Path, by: tuple[Kind, ...], gone: dict[str, str]
) -> None:
    manifest = dropped(contaminated, asked, tmp_path / "clean", *by)
    assert ids(tmp_path / "clean") == [name for name in ids(contaminated) if name not in gone]
    assert manifest.conversations == 7 - len(gone)
    steps = [entry.funnel[-1] for entry in manifest.sources]
    assert {step.step for step in steps} == {"contamination"}
    examples = {name: reason for step in steps for reason, names in step.examples.items() for name in names}
    assert examples == {name: f"in set by {how}" for name, how in gone.items()}
    whole(tmp_path / "clean")


def test_pairs_are_counted_with_their_records(contaminated: Path, asked: Path, tmp_path: Path) -> None:
    manifest = dropped(contaminated, asked, tmp_path / "clean", Kind.PAIRS)
    [step] = [entry.funnel[-1] for entry in manifest.sources if entry.name == "vqa"]
    assert (step.conversations.entered, step.conversations.left) == (2, 1)
    assert step.conversations.changes == {"in set by pair": -1}
    assert (step.pairs.entered, step.pairs.left, step.pairs.changes) == (3, 1, {"in set by pair": -2})


def test_the_manifest_tells_what_it_was_made_of(contaminated: Path, asked: Path, tmp_path: Path) -> None:
    manifest = dropped(contaminated, asked, tmp_path / "clean", Kind.PAIRS)
    origin = load_manifest(contaminated)
    against = [{"name": "set", "file": "set.jsonl", "sha256": sha256_of(asked)}]
    once = {"made_from": origin.row_hash, "drop_by": ["pairs"], "against": against}
    assert manifest.overrides == {"contamination": [once]}
    assert manifest.row_hash != origin.row_hash
    again = dropped(tmp_path / "clean", asked, tmp_path / "cleaner", Kind.IMAGES)
    twice = {"made_from": manifest.row_hash, "drop_by": ["images"], "against": against}
    assert again.overrides == {"contamination": [once, twice]}
    whole(tmp_path / "cleaner")
    assert "(see manifest.json)" in run("inspect", tmp_path / "cleaner").stdout
    assert (
        "Records that overlap with evaluation sets were dropped: `set`." in (tmp_path / "clean/README.md").read_text()
    )


def test_a_source_may_lose_every_record(contaminated: Path, tmp_path: Path) -> None:
    path = lines(tmp_path, "set.jsonl", {"question": "what is this"}, {"question": "is it dry"})
    manifest = dropped(contaminated, path, tmp_path / "clean", Kind.TEXT)
    left = {entry.name: entry.conversations for entry in manifest.sources}
    assert left == {"vqa": 0, "options": 1, "regions": 2, "talk": 0, "mine": 0}
    whole(tmp_path / "clean")


def test_nothing_to_drop_leaves_every_row_as_it_was(contaminated: Path, tmp_path: Path) -> None:
    path = lines(tmp_path, "set.jsonl", {"question": "never asked"})
    manifest = dropped(contaminated, path, tmp_path / "clean", *Kind)
    assert manifest.row_hash == load_manifest(contaminated).row_hash
    whole(tmp_path / "clean")


def test_running_again_gives_the_same_files(contaminated: Path, asked: Path, tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        paths = (tmp_path / "clean").rglob("*")
        return {path.name: path.read_bytes() for path in paths if path.is_file()}

    dropped(contaminated, asked, tmp_path / "clean", Kind.TEXT)
    dropped(contaminated, asked, tmp_path / "clean", Kind.PAIRS)
    first = files()
    dropped(contaminated, asked, tmp_path / "clean", Kind.PAIRS)
    assert files() == first


def test_what_was_interrupted_looks_unfinished_and_is_written_over(
    contaminated: Path, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "clean"
    dropped(contaminated, asked, out, Kind.PAIRS)

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device", str(out))

    for step in ("_move", "write_manifest"):
        with monkeypatch.context() as patch:
            patch.setattr(derived, step, fail)
            with pytest.raises(MixtureError, match="no space left on device"):
                dropped(contaminated, asked, out, Kind.IMAGES)
        assert not (out / ".build" / "work").exists()
    with pytest.raises(MixtureError, match="`mix contamination --drop-to` did not finish; run it again"):
        load_manifest(out)
    (out / ".build" / "work").mkdir()
    assert dropped(contaminated, asked, out, Kind.IMAGES).conversations == 5
    whole(out)


def nothing(contaminated: Path, out: Path) -> Path:
    out.mkdir()
    (out / "thesis.txt").write_text("")
    return out


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (nothing, "not empty and no clean mixture; name another"),
        (lambda mixture, out: mixture, "expected another folder"),
    ],
)
def test_a_folder_that_holds_something_else_is_left_alone(
    contaminated: Path, asked: Path, tmp_path: Path, target: Callable[[Path, Path], Path], message: str
) -> None:
    out = target(contaminated, tmp_path / "out")
    before = sorted(out.iterdir())
    with pytest.raises(MixtureError, match=message):
        dropped(contaminated, asked, out, Kind.PAIRS)
    assert sorted(out.iterdir()) == before


def test_the_clean_form_of_another_mixture_is_left_alone(
    contaminated: Path, small: Path, asked: Path, tmp_path: Path
) -> None:
    dropped(contaminated, asked, tmp_path / "clean", Kind.PAIRS)
    with pytest.raises(MixtureError, match="holds a clean mixture that was made of another one"):
        dropped(small, asked, tmp_path / "clean", Kind.PAIRS)
    assert load_manifest(tmp_path / "clean").conversations == 6


def test_only_a_mixtures_folder_and_a_set_can_be_dropped_by(contaminated: Path, asked: Path, tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match="is no mixture's folder"):
        find_contamination(asked, ContaminationRequest((str(asked),), drop_to=tmp_path / "clean"), bar=bar)
    with pytest.raises(MixtureError, match="no evaluation set to drop by"):
        look(contaminated, raw=tmp_path, drop_to=tmp_path / "clean")


def test_the_command_tells_what_it_dropped(contaminated: Path, asked: Path, tmp_path: Path) -> None:
    shown = run("contamination", contaminated, "--eval-set", asked, "--drop-to", tmp_path / "clean")
    assert shown.exit_code == 0
    assert "in set by pair" in shown.stdout
    manifest = load_manifest(tmp_path / "clean")
    assert f"clean, 6 records, row hash {manifest.row_hash[:16]}" in " ".join(shown.stdout.split())
