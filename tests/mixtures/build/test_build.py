"""Building: the same rows whatever happens, and nothing that looks finished when it is not."""

import re
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.storage.parquet import SCHEMA
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import CONTAMINATION, STATE, Manifest, load_manifest
from tests.conftest import SilentWatcher

TINY_ROW_HASH = "0ba53756b990dac5580f55061cba6308d746449493d30054e7559ffa82e2cfe5"
FAST = """
name: fast
seed: 1
sources:
  - source: okvqa
    steps: [merge_by_image]
  - source: ocrvqa
    steps: [sample: {fraction: 0.5}]
  - source: aokvqa
"""


def run(recipe: Path | str, options: Options, *, jobs: int = 2, overwrite: bool = False) -> tuple[Manifest, list[str]]:
    """The manifest, and the names of the sources that were not built again."""
    watcher = SilentWatcher()
    manifest, _ = build(make_plan(str(recipe), options), jobs=jobs, overwrite=overwrite, listener=watcher)
    return manifest, sorted(done.label for done in watcher.done if done.result.reused)


def written(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_tiny_mixture_has_the_recorded_row_hash(tiny_mixture: Path) -> None:
    assert load_manifest(tiny_mixture).row_hash == TINY_ROW_HASH


def test_one_process_and_four_give_the_same_rows(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, FAST)
    one, _ = run(recipe, Options(made_up_raw, tmp_path / "one"), jobs=1)
    four, _ = run(recipe, Options(made_up_raw, tmp_path / "four"), jobs=4)
    assert one == four


def test_a_second_build_reuses_what_did_not_change(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, FAST)
    first, reused = run(recipe, Options(made_up_raw, tmp_path / "out"))
    assert reused == []
    written(tmp_path, FAST.replace("fraction: 0.5", "fraction: 0.4"))
    second, reused = run(recipe, Options(made_up_raw, tmp_path / "out"))
    assert reused == ["aokvqa", "okvqa"]
    assert second.sources[1].conversations < first.sources[1].conversations


def test_a_changed_raw_file_is_built_anew(made_up_raw: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw" / "aokvqa"
    raw.mkdir(parents=True)
    text = (made_up_raw / "aokvqa" / "aokvqa_v1p0_train.json").read_text()
    written(raw, text, "aokvqa_v1p0_train.json")
    recipe = written(tmp_path, "{name: one, sources: [{source: aokvqa}]}")
    run(recipe, Options(raw.parent, tmp_path / "out"))
    written(raw, text + "\n", "aokvqa_v1p0_train.json")
    _, reused = run(recipe, Options(raw.parent, tmp_path / "out"))
    assert reused == []


def test_a_damaged_shard_is_built_anew(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, FAST)
    first, _ = run(recipe, Options(made_up_raw, tmp_path / "out"))
    shard = tmp_path / "out" / first.sources[0].shards[0].path
    shard.write_bytes(shard.read_bytes()[:-1])
    second, reused = run(recipe, Options(made_up_raw, tmp_path / "out"))
    assert reused == ["aokvqa", "ocrvqa"]
    assert second.row_hash == first.row_hash


def test_datasets_loads_a_mixture_as_it_is(tiny_mixture: Path, tmp_path: Path) -> None:
    vqav2 = datasets.load_dataset(str(tiny_mixture), "vqav2", split="train", cache_dir=str(tmp_path))
    everything = datasets.load_dataset(str(tiny_mixture), "all", split="train", cache_dir=str(tmp_path))
    manifest = load_manifest(tiny_mixture)
    assert set(vqav2["source"]) == {"vqav2"}
    assert len(vqav2) == next(entry.conversations for entry in manifest.sources if entry.name == "vqav2")
    assert len(everything) == manifest.conversations


def test_ids_are_unique_and_numbered_where_a_raw_id_gives_several(tiny_mixture: Path) -> None:
    ids = [str(i) for path in (tiny_mixture / "data").glob("*.parquet") for i in pq.read_table(path)["id"].to_pylist()]
    assert len(ids) == len(set(ids))
    numbered = {
        name: {"#" in i for i in ids if i.startswith(f"{name}/")} for name in ("vqav2", "aokvqa", "refcoco", "vg")
    }
    assert numbered == {"vqav2": {False}, "aokvqa": {True}, "refcoco": {True}, "vg": {False}}


def test_shards_have_the_columns_of_a_mixture(tiny_mixture: Path) -> None:
    for path in (tiny_mixture / "data").glob("*.parquet"):
        assert pq.read_schema(path).equals(SCHEMA)


def test_a_strict_count_that_differs_fails_with_both_numbers(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(
        tmp_path, "{name: x, sources: [{source: aokvqa, expect: {count: 7, because: a test, strict: true}}]}"
    )
    with pytest.raises(MixtureError, match=r"aokvqa: built \d+ conversations, the recipe expects 7 \(a test\)"):
        run(recipe, Options(made_up_raw, tmp_path / "out"))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_limit_is_told_and_not_held_to_the_count(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(
        tmp_path, "{name: x, sources: [{source: aokvqa, expect: {count: 7, because: a test, strict: true}}]}"
    )
    manifest, _ = run(recipe, Options(made_up_raw, tmp_path / "out", limit=3))
    assert manifest.conversations == 3
    assert manifest.overrides == {"limit": 3}
    assert manifest.sources[0].funnel[0].conversations.changes["beyond --limit"] < 0


def test_another_recipe_is_refused_and_can_overwrite(made_up_raw: Path, tmp_path: Path) -> None:
    options = Options(made_up_raw, tmp_path / "out")
    run(written(tmp_path, FAST), options)
    other = written(tmp_path, "{name: other, sources: [{source: aokvqa}]}")
    with pytest.raises(MixtureError, match="holds a mixture of recipe 'fast'; name another --out or pass --overwrite"):
        run(other, options)
    manifest, _ = run(other, options, overwrite=True)
    shards = sorted(path.name for path in (tmp_path / "out" / "data").glob("*.parquet"))
    assert shards == [Path(shard.path).name for shard in manifest.sources[0].shards]


def test_leaving_a_built_source_out_is_refused(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, FAST)
    run(recipe, Options(made_up_raw, tmp_path / "out"))
    with pytest.raises(MixtureError, match="holds ocrvqa, aokvqa, which this build leaves out"):
        run(recipe, Options(made_up_raw, tmp_path / "out", sources=("okvqa",)))
    assert load_manifest(tmp_path / "out").name == "fast"


def test_a_folder_with_other_files_is_refused_and_keeps_them(made_up_raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    note = written(out, "keep me", "note.txt")
    recipe = written(tmp_path, "{name: one, sources: [{source: aokvqa}]}")
    with pytest.raises(MixtureError, match="not empty and no mixture"):
        run(recipe, Options(made_up_raw, out))
    assert [path.name for path in out.iterdir()] == ["note.txt"]
    run(recipe, Options(made_up_raw, out), overwrite=True)
    assert note.read_text() == "keep me"


@pytest.mark.parametrize("name", ["README.md", "data/precious.parquet", ".build/debug.yaml", "manifest.json"])
def test_files_of_others_are_never_overwritten(made_up_raw: Path, tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "out" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"name": "precious"}')
    recipe = written(tmp_path, "{name: one, sources: [{source: aokvqa}]}")
    with pytest.raises(MixtureError, match=re.escape(name)):
        run(recipe, Options(made_up_raw, tmp_path / "out"), overwrite=True)
    assert theirs.read_text() == '{"name": "precious"}'
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [theirs]


def test_a_file_of_others_among_the_shards_is_not_swept_away(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, FAST)
    run(recipe, Options(made_up_raw, tmp_path / "out"))
    theirs = tmp_path / "out/data/precious.parquet"
    theirs.write_text("mine")
    other = written(tmp_path, "{name: other, sources: [{source: aokvqa}]}")
    run(other, Options(made_up_raw, tmp_path / "out"), overwrite=True)
    assert sorted(path.name for path in theirs.parent.iterdir()) == ["aokvqa-00000-of-00001.parquet", theirs.name]


def test_a_build_over_a_mixture_that_was_cleaned_is_no_cleaned_one(made_up_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / STATE).mkdir(parents=True)
    written(tmp_path / "out", "0" * 64, f"{STATE}/{CONTAMINATION}")
    run(written(tmp_path, FAST), Options(made_up_raw, tmp_path / "out"), overwrite=True)
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(MixtureError, match="unfinished build; run `mix build` again"):
        load_manifest(tmp_path / "out")


def test_two_builds_into_one_folder_cannot_run_at_once(made_up_raw: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, FAST)
    run(recipe, Options(made_up_raw, tmp_path / "out"))
    with (
        FileLock(tmp_path / "out" / STATE / "lock"),
        pytest.raises(MixtureError, match="another run is writing into this folder"),
    ):
        run(recipe, Options(made_up_raw, tmp_path / "out"))
    assert load_manifest(tmp_path / "out").name == "fast"


def test_an_out_that_is_a_file_is_an_error(made_up_raw: Path, tmp_path: Path) -> None:
    out = written(tmp_path, "", "out")
    with pytest.raises(MixtureError, match="out: "):
        run(written(tmp_path, FAST), Options(made_up_raw, out))
