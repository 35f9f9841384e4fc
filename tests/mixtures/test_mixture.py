"""The one loop over a mixture's rows: what it checks, what it leaves out, and how far it says it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.storage import llava_json
from mix665k.mixtures.storage.llava_json import Faults
from mix665k.mixtures.storage.parquet import from_dicts, to_dicts
from mix665k.schemas.errors import MixtureError, RawDataError
from mix665k.schemas.manifest import Manifest
from tests.mixtures.small import RECORDS, change_manifest, change_rows, written

ALL = [record for records in RECORDS.values() for record in records]
EMPTY = {"id": "bad", "conversations": []}


def ids(mixture: Mixture, **options: Any) -> list[str]:
    """The reference ids of its rows."""
    return [text for batch in mixture.batches(**options) for text in batch.rows.column("reference_id").to_pylist()]


def read(mixture: Mixture, **options: Any) -> None:
    for _ in mixture.batches(**options):
        pass


def test_a_folder_comes_source_by_source_with_its_entries(small: Path) -> None:
    batches = list(Mixture.open(small).batches())
    assert [batch.entry and batch.entry.name for batch in batches] == ["gqa", "sharegpt", "mine"]
    assert [list(batch.places) for batch in batches] == [[0, 1, 2], [3], [4]]
    assert [batch.sources.to_list() for batch in batches] == [["gqa"] * 3, ["sharegpt"], ["mine"]]


def test_places_are_those_in_the_whole_mixture_whatever_is_read_of_it(small: Path) -> None:
    [mine, *rest] = Mixture.open(small).batches(sources=["mine"])
    assert (list(mine.places), rest) == ([4], [])


def test_sources_come_in_the_order_of_the_mixture_not_of_the_question(small: Path) -> None:
    assert ids(Mixture.open(small), sources=["mine", "sharegpt"]) == ["wgByO4Y_0", "7"]


def test_integer_ids_are_plain_numbers_of_sources_that_have_them(small: Path) -> None:
    integers = {batch.sources[0]: batch.integer_ids for batch in Mixture.open(small).batches()}
    assert integers == {"gqa": [True, False, False], "sharegpt": [False], "mine": [False]}


def test_integer_ids_of_a_file_are_those_it_has_as_integers(tmp_path: Path) -> None:
    [batch] = Mixture.open(written(tmp_path, [ALL[0], ALL[0] | {"id": "2327515"}])).batches()
    assert batch.integer_ids == [True, False]


@pytest.mark.parametrize("sources", [(), ("sharegpt", "mine")])
def test_progress_of_a_folder_is_the_share_of_its_records(small: Path, sources: tuple[str, ...]) -> None:
    shares: list[float] = []
    read(Mixture.open(small), sources=sources, advance=shares.append)
    assert shares == pytest.approx([0.5, 0.5] if sources else [3 / 5, 1 / 5, 1 / 5])


def test_progress_of_a_file_is_the_share_of_its_bytes(tmp_path: Path) -> None:
    shares: list[float] = []
    long = [{**ALL[0], "id": k, "conversations": ALL[0]["conversations"] * 40} for k in range(400)]
    read(Mixture.open(written(tmp_path, long)), advance=shares.append)
    assert len(shares) > 1
    assert sum(shares) == pytest.approx(1, abs=0.01)


def test_an_unknown_source_is_told_before_anything_is_read(copy: Path) -> None:
    next((copy / "data").glob("gqa-*")).unlink()
    with pytest.raises(MixtureError, match=r"--source gq: .* has no such source; did you mean 'gqa'"):
        Mixture.open(copy).batches(sources=["gq"])


def damage(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Path], None]:
    return lambda mixture: change_rows(mixture, "gqa", change, hashes="all")


def one_pair_more(manifest: Manifest) -> None:
    """As if a row had lost a pair: the funnel, the source and the whole agree with each other."""
    entry = manifest.sources[0]
    for step in entry.funnel:
        step.pairs.entered += 1
        step.pairs.left += 1
    entry.pairs += 1
    manifest.pairs += 1


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage(lambda rows: rows[1].update(id=rows[0]["id"])), "1 ids occur twice, the first is 'gqa/2327515#0'"),
        (lambda mixture: change_manifest(mixture, one_pair_more), "gqa: 4 pairs, expected 5 as manifest.json says"),
        (lambda mixture: next((mixture / "data").glob("mine-*")).unlink(), "mine-00000-of-00001.parquet: no such file"),
        (damage(lambda rows: rows.reverse()), None),
    ],
    ids=["ids", "pairs", "file", "order"],
)
def test_damage_is_found_whether_records_are_checked_or_not(
    copy: Path, harm: Callable[[Path], None], message: str | None
) -> None:
    harm(copy)
    for checked in (False, True):
        if message is None:  # the manifest follows: these rows were built so
            read(Mixture.open(copy), checked=checked)
        else:
            with pytest.raises(MixtureError, match=message):
                read(Mixture.open(copy), checked=checked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "vqa"}, r"gqa/0012#0: \$.source: 'vqa', expected 'gqa' there and in front of the id"),
        ({"id": "vqa/1", "source": "vqa"}, r"vqa/1: \$.source: 'vqa', expected 'gqa'"),
        ({"origins": []}, "gqa/0012#0: .*origins"),
        ({"image": None}, "gqa/0012#0: 1 <image> in the human turns, expected 0"),
        ({"steps": ["x"], "image": ""}, "gqa/0012#0: .*image"),
    ],
)
def test_a_record_with_a_fault_is_found_where_records_are_checked(
    copy: Path, change: dict[str, Any], message: str
) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update(change), hashes="all")
    with pytest.raises(MixtureError, match=message):
        read(Mixture.open(copy), checked=True)


def test_records_of_a_file_with_faults_are_left_out_and_counted(tmp_path: Path) -> None:
    mixture, faults = Mixture.open(written(tmp_path, [EMPTY, ALL[0], {"id": 1}, ALL[1]])), Faults()
    [batch] = mixture.batches(checked=True, faults=faults)
    assert batch.places == [1, 3]
    assert [(fault.where, fault.id) for fault in faults.examples] == [("$[0]", "bad"), ("$[2]", "1")]


def test_unchecked_rows_of_a_file_hold_whatever_can_be_read(tmp_path: Path) -> None:
    mixture, faults = Mixture.open(written(tmp_path, [EMPTY, ALL[0], {"id": 1}])), Faults()
    [batch] = mixture.batches(faults=faults)
    assert (batch.places, faults.count) == ([0, 1], 1)
    assert to_dicts(batch.rows)[0]["conversations"] == []


def test_without_a_place_for_them_faults_are_an_error_after_the_last_row(tmp_path: Path) -> None:
    batches = Mixture.open(written(tmp_path, [EMPTY, ALL[0]])).batches(checked=True)
    assert next(batches).places == [1]
    with pytest.raises(MixtureError, match=r"1 records with faults, expected none; the first is \$\[0\] \(id 'bad'\)"):
        next(batches)


def test_sources_of_a_file_are_told_and_chosen(tmp_path: Path) -> None:
    mixture = Mixture.open(written(tmp_path, ALL))
    [batch] = mixture.batches()
    assert batch.sources.to_list() == ["gqa", "gqa", "gqa", "sharegpt", "other images"]
    [chosen] = mixture.batches(sources=["sharegpt", "other images"])
    assert (chosen.places, chosen.sources.to_list()) == ([3, 4], ["sharegpt", "other images"])
    assert chosen.integer_ids == [False, False]


def test_a_source_that_does_not_occur_in_a_file_is_told_at_its_end(tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match=r"--source vqa: .*llava\.json has no such source; did you mean 'gqa'"):
        read(Mixture.open(written(tmp_path, ALL)), sources=["vqa"])


@pytest.mark.parametrize("text", ["", "{}", "[{}", "7"])
def test_a_file_that_is_no_list_is_raw_data_that_is_wrong(tmp_path: Path, text: str) -> None:
    with pytest.raises(RawDataError):
        read(Mixture.open(written(tmp_path, text)))


@pytest.mark.parametrize("rows_per_group", [1, 2, 3, 100])
def test_batches_of_a_file_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_group: int) -> None:
    records = [*ALL[:2], EMPTY, *ALL[2:], EMPTY]
    monkeypatch.setattr(llava_json, "ROWS_PER_GROUP", rows_per_group)
    mixture, faults = Mixture.open(written(tmp_path, records)), Faults()
    batches = list(mixture.batches(checked=True, faults=faults))
    assert [place for batch in batches for place in batch.places] == [0, 1, 3, 4, 5]
    assert [fault.where for fault in faults.examples] == ["$[2]", "$[6]"]
    assert ids(mixture, sources=["gqa"], faults=Faults()) == ["2327515", "0012", "n166008"]


def test_an_empty_file_has_no_source_and_no_record(tmp_path: Path) -> None:
    mixture = Mixture.open(written(tmp_path, []))
    assert (len(mixture), mixture.sources, list(mixture.records())) == (0, [], [])


def test_a_batch_of_a_file_keeps_the_rows_of_some_sources_only() -> None:
    about = {"source": "file", "conversations": [], "origins": [], "steps": [], "reference_id": "1"}
    rows = from_dicts([about | {"id": "file/1", "image": image} for image in ("gqa/1.jpg", None, "vg/1.jpg")])
    batch = Batch(rows, places=[5, 6, 7], entry=None, integers=[True, False, True])
    kept = batch.of(["gqa", "vg"])
    assert (kept.places, kept.integer_ids, kept.sources.to_list()) == ([5, 7], [True, True], ["gqa", "vg"])
    assert batch.of(["gqa", "vg", "sharegpt"]) is batch
    assert isinstance(kept.rows, pa.RecordBatch)
    assert len(batch.of(["refcoco"]).rows) == 0


def test_a_folder_is_required_in_one_line(tmp_path: Path) -> None:
    mixture = Mixture.open(written(tmp_path, ALL))
    for needs in (mixture.require_manifest, mixture.entries):
        with pytest.raises(MixtureError, match=r"llava\.json: is a file, expected the folder of a mixture"):
            needs()


def test_an_unfinished_folder_is_told_as_such(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    with pytest.raises(MixtureError, match="holds an unfinished build; run `mix build` again"):
        Mixture.open(copy)


def test_records_have_the_order_and_texts_of_the_rows(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(ALL))
    records = list(Mixture.open(tmp_path / "x.json").records())
    assert [record.reference_id for record in records] == [str(one["id"]) for one in ALL]
    assert [record.origins for record in records[:2]] == [["$[0]", "$[0]"], ["$[1]"]]
