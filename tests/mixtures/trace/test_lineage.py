"""A record's trace: which files, ids and steps it names, and what it says of those that are gone."""

import json
from pathlib import Path

import pytest

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.trace.lineage import require_traced
from mix665k.schemas.errors import MixtureError, RawDataError
from mix665k.schemas.manifest import Manifest
from tests.mixtures.build.test_build import run, written
from tests.mixtures.small import change_manifest
from tests.mixtures.small import run as mix
from tests.mixtures.trace.signs import FILES, RECIPE, first_id, look


def test_a_trace_names_files_hashes_ids_and_steps(signs: Path) -> None:
    found = look(signs, "signs/a1")
    assert (found.image, found.reference_id) == ("textvqa/train_images/a1.jpg", "a1")
    assert [(step.done, step.words) for step in found.steps] == [
        ("prompt added", "a response-format prompt after the first question")
    ]
    [pair] = found.pairs
    assert (pair.answer, pair.origin) == ("a red sign.", "7")
    caption, ocr = pair.raw
    assert (caption.role, caption.path, caption.id_name, caption.id) == ("captions", "captions.json", "caption_id", "7")
    assert (ocr.role, ocr.path, ocr.id_name, ocr.id) == ("ocr", "ocr.json", "image_id", None)
    assert [one.sha256 for one in pair.raw] == [file.sha256 for file in found.files]
    assert caption.record is None


def test_with_the_raw_files_the_records_are_shown_whole(signs: Path, raw: Path) -> None:
    found = look(signs, "signs/a1", raw)
    caption, ocr = found.pairs[0].raw
    assert (caption.where, caption.record) == ("$.data[0]", FILES["captions"]["data"][0])
    assert (ocr.id, ocr.where, ocr.record) == ("a1", "$.data[0]", FILES["ocr"]["data"][0])
    assert found.faults == []
    require_traced(found)


def test_another_raw_file_is_a_fault_told_behind_the_trace(signs: Path, raw: Path) -> None:
    (raw / "ocr.json").write_text(json.dumps({"data": [{"image_id": "a1", "ocr_tokens": ["SLOW"], "ocr_info": []}]}))
    shown = mix("trace", signs, "signs/a1", "--raw", raw)
    assert shown.exit_code == 1
    assert "SLOW" in shown.stdout
    assert shown.stderr.startswith(f"error: {raw}/ocr.json: sha256 ")
    assert shown.stderr.endswith("; get the files that the mixture was built from\n")


def test_a_raw_file_of_another_size_is_a_fault(signs: Path, raw: Path) -> None:
    (raw / "ocr.json").write_text('{"data": []}')
    [fault] = look(signs, "signs/a1", raw).faults
    assert fault.endswith("ocr.json: 12 bytes, the mixture was built from 70")


def test_a_raw_file_that_is_gone_is_a_fault(signs: Path, raw: Path) -> None:
    (raw / "captions.json").unlink()
    found = look(signs, "signs/a1", raw)
    assert found.faults == [f"{raw}/captions.json: no such file"]
    assert [one.id for one in found.pairs[0].raw] == ["7", None]
    with pytest.raises(RawDataError, match=r"captions\.json: no such file; get the files"):
        require_traced(found)


def test_a_record_that_is_gone_is_a_fault(signs: Path, raw: Path) -> None:
    (raw / "captions.json").write_text(json.dumps(FILES["captions"]).replace(": 7,", ": 8,"))
    found = look(signs, "signs/a1", raw)
    assert f"{raw}/captions.json: no record of caption_id '7', expected it for origin '7'" in found.faults
    with pytest.raises(RawDataError, match=r"\(and 1 more\)"):
        require_traced(found)


def test_an_image_without_ocr_record_is_no_fault(raw: Path, tmp_path: Path) -> None:
    (raw / "ocr.json").write_text('{"data": []}')
    run(written(tmp_path, RECIPE), Options(raw, tmp_path / "mixture"))
    found = look(tmp_path / "mixture", "signs/a1", raw)
    assert found.faults == []
    assert found.pairs[0].raw[1].optional


def test_only_the_files_of_a_pairs_data_set_are_named(tiny_mixture: Path, made_up_raw: Path) -> None:
    found = look(tiny_mixture, first_id(tiny_mixture, "refcoco"), made_up_raw)
    for pair in found.pairs:
        name = pair.origin.partition("/")[0]
        assert [one.role for one in pair.raw] == [f"{name}/refs", f"{name}/annotations", f"{name}/images"]
        assert all(one.where for one in pair.raw)
    names = {pair.origin.partition("/")[0] for pair in found.pairs}
    assert {file.role.partition("/")[0] for file in found.files} == names


@pytest.mark.parametrize("name", ["gqa", "sharegpt", "mine"])
def test_the_only_record_of_a_reference_id_is_found_by_it(small: Path, name: str) -> None:
    identifiers = {"gqa": "0012", "sharegpt": "wgByO4Y_0", "mine": "7"}
    found = look(small, identifiers[name])
    assert found.id == f"{name}/{identifiers[name]}#0"
    assert look(small, f"{name}/{identifiers[name]}").id == found.id
    assert look(small, found.id) == found


def test_what_may_be_several_records_lists_them(tiny_mixture: Path) -> None:
    reference = first_id(tiny_mixture, "aokvqa").removeprefix("aokvqa/").partition("#")[0]
    several = rf"aokvqa/{reference}: may be any of 4 records: aokvqa/{reference}#0, .*#3; name one of them"
    with pytest.raises(MixtureError, match=several):
        look(tiny_mixture, f"aokvqa/{reference}")


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("gqa/2327514#0", r"no record 'gqa/2327514#0'; did you mean 'gqa/2327515#0'\?"),
        ("gqa/232751", r"no record 'gqa/232751'; did you mean 'gqa/2327515#0'\?"),
        ("gqq/2327515#0", r"no record 'gqq/2327515#0', and no source 'gqq'; did you mean 'gqa'\?"),
        ("gqa/n1660.8#0", r"no record 'gqa/n1660\.8#0'; did you mean 'gqa/n166008#0'\?"),
        ("gqa/(", r"no record 'gqa/\(', expected an id such as 'gqa/2327515#0'"),
        ("mine/9 9 9", r"no record 'mine/9 9 9', expected an id such as 'mine/7#0'"),
        ("", r"no record '', expected an id such as 'gqa/2327515#0'"),
        ("n16600", r"no record 'n16600'; did you mean 'gqa/n166008#0'\?"),
    ],
)
def test_an_id_that_is_not_there_names_the_nearest(small: Path, identifier: str, message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        look(small, identifier)


def test_a_damaged_shard_is_told(copy: Path) -> None:
    next((copy / "data").glob("gqa-*")).write_bytes(b"")
    with pytest.raises(MixtureError, match=r"gqa-00000-of-00001\.parquet: file hash: "):
        look(copy, "gqa/2327515#0")


def test_a_source_that_is_not_here_is_told(copy: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.sources[0].source = "vqa2"

    change_manifest(copy, change)
    with pytest.raises(MixtureError, match="gqa: made by source 'vqa2', which is not here; did you mean 'vqav2'"):
        look(copy, "gqa/2327515#0")


def test_a_source_without_a_trail_is_told(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "llava_json", SOURCES["llava_json"]._replace(lookups=()))
    with pytest.raises(MixtureError, match="gqa: source 'llava_json' does not say where an origin leads"):
        look(copy, "gqa/2327515#0")
