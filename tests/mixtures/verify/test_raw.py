"""Verifying against raw files: what the recipe would not give from them is found, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mix665k.builders.synthetic import draw_images
from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.derived import Leaving, write_derived
from mix665k.mixtures.verify.intact import examine
from mix665k.mixtures.verify.raw import RawRequest, check_raw, require_request
from mix665k.mixtures.verify.verification import Check
from mix665k.schemas.errors import MixtureError, RawDataError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import CONTAMINATION, SELECTION, Manifest
from tests.mixtures.build.test_build import run, written
from tests.mixtures.small import change_manifest, change_rows
from tests.mixtures.small import run as mix

RECIPE = """
name: fast
seed: 1
tokenizer: tiny
sources:
  - source: okvqa
    steps: [merge_by_image]
  - source: aokvqa
    name: options
  - source: ocrvqa
    steps: [sample: {count: 9}]
"""
NAMES = ["raw files", "builder", "sources rebuilt", "rows rebuilt", "sample rebuilt", "draws repeated"]


@pytest.fixture(scope="module")
def fast(made_up_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture of three sources; read only."""
    folder = tmp_path_factory.mktemp("fast")
    run(written(folder, RECIPE), Options(made_up_raw, folder / "mixture"))
    return folder / "mixture"


@pytest.fixture
def forged(fast: Path, tmp_path: Path) -> Path:
    """A copy of it to forge."""
    return shutil.copytree(fast, tmp_path / "forged")


def checks(mixture: Path, raw: Path, *sources: str, sample: int = 100, **where: Any) -> dict[str, Check]:
    request = RawRequest(raw=raw, sample=sample, sources=sources, **where)
    require_request(mixture, request)
    examined = examine(mixture, sample=sample, jobs=1, advance=lambda share: None)
    assert examined.verification.ok, examined.verification
    return {one.name: one for one in check_raw(examined, request, jobs=1, advance=lambda share: None)}


def outcomes(found: dict[str, Check]) -> list[str]:
    assert list(found) == NAMES
    return [one.outcome for one in found.values() if one.outcome != "not applicable"]


def copy_raw(raw: Path, folder: Path, *sources: str) -> Path:
    for source in sources:
        shutil.copytree(raw / source, folder / source)
    return folder


@pytest.mark.slow
def test_every_source_is_built_again_as_it_was(tiny_mixture: Path, made_up_raw: Path) -> None:
    found = checks(tiny_mixture, made_up_raw, sample=3)
    assert outcomes(found) == ["ok"] * 5
    assert found["sources rebuilt"].seen == "10 of 10 sources"
    assert found["sample rebuilt"].seen == "30 records, field by field"


def without(mixture: Path, out: Path, places: list[int], step: str) -> Path:
    """The mixture without the records at these places."""
    whole = Mixture.open(mixture)
    why = pl.DataFrame({"record": places}).with_columns(reason=pl.lit("unwanted"))
    leaving, about = Leaving(why, step, "chosen"), whole.require_manifest()
    write_derived(whole, leaving, out, about=about, advance=lambda share: None)
    return out


def test_a_mixture_of_some_records_of_another_is_built_again(fast: Path, made_up_raw: Path, tmp_path: Path) -> None:
    once = without(fast, tmp_path / "once", [0, 1, 5], SELECTION)
    twice = without(once, tmp_path / "twice", [2], CONTAMINATION)
    assert outcomes(checks(twice, made_up_raw)) == ["ok"] * 5
    change_rows(twice, "okvqa", answer, hashes="all")
    assert outcomes(checks(twice, made_up_raw)) == ["ok", "ok", "ok", "failed", "failed"]


@pytest.mark.parametrize("overrides", [{"limit": 3}, {"on_bad_record": "drop"}])
def test_a_build_with_options_is_built_again_with_them(
    made_up_raw: Path, tmp_path: Path, overrides: dict[str, Any]
) -> None:
    run(written(tmp_path, RECIPE), Options(made_up_raw, tmp_path / "out", **overrides))
    assert outcomes(checks(tmp_path / "out", made_up_raw, "options")) == ["ok"] * 5


def test_a_source_of_several_shards_is_built_again_with_as_many(made_up_raw: Path, tmp_path: Path) -> None:
    manifest, _ = run(written(tmp_path, RECIPE), Options(made_up_raw, tmp_path / "out", rows_per_shard=4))
    assert max(len(entry.shards) for entry in manifest.sources) > 2
    assert outcomes(checks(tmp_path / "out", made_up_raw)) == ["ok"] * 5


def test_images_that_were_missing_are_missing_again(made_up_raw: Path, tmp_path: Path) -> None:
    raw, images = copy_raw(made_up_raw, tmp_path / "raw", "okvqa"), tmp_path / "images"
    draw_images(raw, images, seed=0)
    min(images.rglob("*.jpg")).unlink()
    recipe = written(tmp_path, "{name: one, sources: [{source: okvqa}]}")
    run(recipe, Options(raw, tmp_path / "out", images=images, on_missing_image="drop"))
    shutil.rmtree(images)
    assert outcomes(checks(tmp_path / "out", raw)) == ["ok"] * 5


def test_ids_of_a_file_are_taken_again_wherever_it_is(made_up_raw: Path, tmp_path: Path) -> None:
    text = '[{"id": "gone", "image": "ocr_vqa/images/gone.jpg"}, {"id": 5, "image": "gqa/images/5.jpg"}]'
    named = written(tmp_path, text, "named.json")
    run(written(tmp_path, RECIPE), Options(made_up_raw, tmp_path / "out", sources=("ocrvqa",), draws_from=named))
    assert outcomes(checks(tmp_path / "out", made_up_raw, draws_from=named)) == ["ok"] * 5
    lost = checks(tmp_path / "out", made_up_raw)
    assert outcomes(lost) == ["ok", "ok", "not checked", "not checked", "not checked"]
    assert "draws_from: " in lost["sources rebuilt"].lines.first[0]


def answer(rows: list[dict[str, Any]]) -> None:
    rows[0]["conversations"][1]["value"] = "Something else"


def test_a_forged_answer_is_found_though_every_hash_fits(forged: Path, made_up_raw: Path) -> None:
    change_rows(forged, "okvqa", answer, hashes="all")
    found = checks(forged, made_up_raw)
    assert outcomes(found) == ["ok", "ok", "ok", "failed", "failed"]
    [line] = found["rows rebuilt"].lines.first
    assert line.startswith("okvqa: data/okvqa-00000-of-00001.parquet.row hash: '")
    [line] = found["sample rebuilt"].lines.first
    assert line.startswith("okvqa/0")
    assert ": conversations[1].value: 'Something else', rebuilt '" in line


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": "coco/train2017/000000000001.jpg"}, "image: 'coco/train2017/000000000001.jpg', rebuilt 'coco/"),
        ({"reference_id": "7"}, "reference_id: '7', rebuilt '0"),
        ({"steps": ["merged 9"]}, "steps[0]: 'merged 9', rebuilt "),
        ({"id": "options/9"}, "options/9: not among the records built again"),
    ],
)
def test_each_field_of_a_drawn_record_is_compared(
    forged: Path, made_up_raw: Path, change: dict[str, Any], told: str
) -> None:
    change_rows(forged, "options", lambda rows: rows[0].update(change), hashes="all")
    assert any(told in line for line in checks(forged, made_up_raw, "options")["sample rebuilt"].lines.first)


def test_a_record_that_was_taken_out_is_missed(forged: Path, made_up_raw: Path) -> None:
    lost: list[dict[str, Any]] = []

    def change(manifest: Manifest) -> None:
        entry = manifest.sources[2]
        for flows, count in ((entry.funnel[-1].conversations, 1), (entry.funnel[-1].pairs, len(lost[0]["origins"]))):
            flows.left -= count
            flows.changes["forged"] = -count
        entry.funnel[-1].kinds["forged"] = "lost"
        entry.conversations, entry.shards[0].rows = entry.conversations - 1, entry.shards[0].rows - 1
        entry.pairs -= len(lost[0]["origins"])
        manifest.conversations, manifest.pairs = manifest.conversations - 1, manifest.pairs - len(lost[0]["origins"])

    change_rows(forged, "ocrvqa", lambda rows: lost.append(rows.pop()), hashes="all")
    change_manifest(forged, change)
    found = checks(forged, made_up_raw, "ocrvqa")
    assert found["sample rebuilt"].lines.first == [f"{lost[0]['id']}: built again, but not in the mixture"]
    assert "ocrvqa: records: 8, rebuilt 9" in found["rows rebuilt"].lines.first


def test_another_raw_file_is_told_and_the_rest_compared(fast: Path, made_up_raw: Path, tmp_path: Path) -> None:
    raw = copy_raw(made_up_raw, tmp_path / "raw", "aokvqa", "okvqa")
    path = raw / "aokvqa" / "aokvqa_v1p0_train.json"
    text = path.read_text()
    path.write_text(text + "\n")
    found = checks(fast, raw, "options", "okvqa")
    assert outcomes(found) == ["failed", "ok", "ok", "ok", "ok"]
    assert found["raw files"].lines.first == [
        f"{path}: {len(text) + 1:,} bytes, the mixture was built from {len(text):,}"
    ]
    path.write_text(text.replace("0", "1", 1))
    assert found["raw files"].lines.count == 1
    [line] = checks(fast, raw, "options")["raw files"].lines.first
    assert line.startswith(f"{path}: sha256 {sha256_of(path)[:16]}…, the mixture was built from ")


def test_a_missing_raw_file_leaves_its_source_unchecked(fast: Path, made_up_raw: Path, tmp_path: Path) -> None:
    raw = copy_raw(made_up_raw, tmp_path / "raw", "okvqa", "ocrvqa")
    found = checks(fast, raw)
    assert outcomes(found) == ["failed", "ok", "not checked", "ok", "ok"]
    assert found["sources rebuilt"].seen == "2 of 3 sources"
    path = raw / "aokvqa" / "aokvqa_v1p0_train.json"
    assert found["raw files"].lines.first == [f"{path}: no such file"]
    assert found["sources rebuilt"].lines.first == [f"options: {path}: no such file or directory"]


def test_a_damaged_raw_file_leaves_its_source_unchecked(fast: Path, made_up_raw: Path, tmp_path: Path) -> None:
    raw = copy_raw(made_up_raw, tmp_path / "raw", "aokvqa")
    path = raw / "aokvqa" / "aokvqa_v1p0_train.json"
    path.write_bytes(path.read_bytes()[:-9])
    found = checks(fast, raw, "options")
    assert outcomes(found) == ["failed", "ok", "not checked", "not checked", "not checked"]
    assert "not a complete JSON file" in found["sources rebuilt"].lines.first[0]


@pytest.mark.slow
def test_a_tokenizer_must_be_at_hand_and_the_same(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = "{name: one, tokenizer: tiny, sources: [{source: sharegpt, steps: [truncate]}]}"
    run(written(tmp_path, recipe), Options(made_up_raw, tmp_path / "out", limit=5))

    def change(manifest: Manifest) -> None:
        manifest.overrides["tokenizer"] = "/no/such/folder"
        next(file for file in manifest.sources[0].inputs if file.role == "tokenizer").sha256 = "0" * 64

    change_manifest(tmp_path / "out", change)
    found = checks(tmp_path / "out", made_up_raw)
    assert outcomes(found)[2:] == ["not checked"] * 3
    assert "sharegpt: tokenizer /no/such/folder: neither a folder" in found["sources rebuilt"].lines.first[0]
    found = checks(tmp_path / "out", made_up_raw, tokenizer="tiny")
    assert outcomes(found)[2:] == ["ok"] * 3
    assert found["raw files"].lines.first == [
        "tokenizer tiny: its files are not those of tiny, with which sharegpt was built"
    ]


def other_code(manifest: Manifest) -> None:
    manifest.sources[0].key = "0" * 64


def other_parameter(manifest: Manifest) -> None:
    manifest.sources[0].params["capitalize"] = False


def new_parameter(manifest: Manifest) -> None:
    del manifest.sources[0].params["capitalize"]


@pytest.mark.parametrize(
    ("change", "outcome", "told"),
    [
        (other_code, "differs", "other code or libraries built okvqa (mix665k "),
        (new_parameter, "differs", "okvqa: params.capitalize: nothing, rebuilt True"),
        (other_parameter, "failed", "okvqa: params.capitalize: False, rebuilt True"),
    ],
)
def test_another_builder_is_told_and_other_parameters_fail(
    forged: Path, made_up_raw: Path, change: Callable[[Manifest], None], outcome: str, told: str
) -> None:
    change_manifest(forged, change)
    found = checks(forged, made_up_raw, "okvqa")
    assert outcomes(found) == ["ok", outcome, "ok", "ok", "ok"]
    assert any(line.startswith(told) for line in found["builder"].lines.first)


def test_a_recipe_that_no_longer_fits_leaves_its_source_unchecked(forged: Path, made_up_raw: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.recipe = manifest.recipe.replace("merge_by_image", "join_by_image")

    change_manifest(forged, change)
    found = checks(forged, made_up_raw)
    assert outcomes(found)[2] == "not checked"
    assert "no step 'join_by_image'" in found["sources rebuilt"].lines.first[0]


def test_nothing_is_checked_without_a_manifest(forged: Path, made_up_raw: Path) -> None:
    (forged / "manifest.json").unlink()
    shown = mix("verify", forged, "--raw", made_up_raw, "--jobs", "1")
    assert shown.exit_code == 1
    assert shown.stdout.count("not checked") == 10 + 6


def test_nothing_is_written(fast: Path, made_up_raw: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in [*fast.rglob("*"), *made_up_raw.rglob("*")])
    shown = mix("verify", fast, "--raw", made_up_raw, "--source", "okvqa", "--sample", "2")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "2 records, field by field" in shown.stdout
    assert sorted((path, path.stat().st_mtime_ns) for path in [*fast.rglob("*"), *made_up_raw.rglob("*")]) == before


def test_what_cannot_be_asked_for_is_told_before_the_work(fast: Path, made_up_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"--raw .*none: no such folder"):
        checks(fast, tmp_path / "none")
    with pytest.raises(MixtureError, match=r"--source aokvqa: .* has no such source; did you mean 'okvqa'"):
        checks(fast, made_up_raw, "aokvqa")
