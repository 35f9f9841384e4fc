"""The last steps of a source: images looked for, ids given, records checked; and whether it was built before."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mix665k.builders.bind import BoundSource, bind
from mix665k.builders.raw import OnBadRecord
from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.build.reuse_key import hash_inputs, require_unchanged
from mix665k.mixtures.build.source import begin, build_source, finished_rows, make_entry, was_there
from mix665k.mixtures.storage.parquet import to_dicts
from mix665k.schemas.conversation import Conversation, Pair
from mix665k.schemas.errors import MixtureError, RawDataError
from mix665k.schemas.manifest import STATE, SourceEntry, funnel_fault
from mix665k.schemas.recipe import Block, Recipe
from tests.builders.building import FIXTURES
from tests.mixtures.small import record, written


def silent(num_bytes: int, records: int) -> None:
    """Report to nobody."""


def bound(raw: Path, **block: Any) -> BoundSource:
    [found] = bind(Recipe("x", [Block("llava_json", **block)]), raw=raw)
    return found


def asked(identifier: str, *questions: str, image: str | None = None) -> dict[str, Any]:
    return record(identifier, image, *(text for question in questions for text in (question, "a")))


class Finished:
    """The rows and the funnel of a source over these records."""

    def __init__(self, raw: Path, on_bad_record: OnBadRecord = "fail", there: set[str] | None = None) -> None:
        options = Options(raw, raw / "out", on_bad_record=on_bad_record)
        run = begin(bound(raw, name="mine"), options, silent)
        is_there = None if there is None else lambda conversation: conversation.image in there
        self.rows = [row for batch in finished_rows(run, "mine", options, is_there=is_there) for row in to_dicts(batch)]
        self.funnel = run.funnel()

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows]


def test_ids_are_numbered_where_a_raw_id_may_give_several(tmp_path: Path) -> None:
    written(tmp_path, [asked("7", "a"), asked("8", "b"), asked("7", "c")])
    finished = Finished(tmp_path)
    assert finished.ids == ["mine/7#0", "mine/8#0", "mine/7#1"]
    assert [row["reference_id"] for row in finished.rows] == ["7", "8", "7"]


def test_an_id_that_occurs_twice_is_an_error(tmp_path: Path) -> None:
    source = bound(tmp_path, name="mine")
    twice = Conversation(id="7", image=None, pairs=[Pair("q", "a", "7/0")])
    repeating = source.source._replace(function=lambda raw, **params: iter([twice, twice]))
    written(tmp_path, [])
    options = Options(tmp_path, tmp_path / "out")
    run = begin(source._replace(source=repeating), options, silent)
    with pytest.raises(MixtureError, match="mine: id 'mine/7' occurs twice, expected once; is a raw file repeated"):
        list(finished_rows(run, "mine", options, is_there=None))


def test_a_record_that_is_not_valid_stops_the_build_with_its_origins(tmp_path: Path) -> None:
    written(tmp_path, [asked("7", "a"), asked("8", "b <image>")])
    with pytest.raises(
        MixtureError,
        match=r"mine: mine/8#0 \(from 8#0/0\): 1 <image> in the human turns, expected 0; fix the raw record or",
    ):
        Finished(tmp_path)


def test_a_pooled_record_that_is_not_valid_names_the_file_of_its_data_set(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "refcoco", tmp_path / "refcoco")
    refs = tmp_path / "refcoco/refcoco+/refs(unc).p"
    content = pickle.loads(refs.read_bytes(), encoding="latin1")
    for ref in content:
        ref["sentences"] = [said | {"sent": "the <image>"} for said in ref["sentences"]]
    refs.write_bytes(pickle.dumps(content, protocol=2))
    [source] = bind(Recipe("x", [Block("refcoco")], seed=1), raw=tmp_path)
    options = Options(tmp_path, tmp_path / "out")
    with pytest.raises(MixtureError, match=r"^\S+/refcoco/refs\S+, \S+/refcoco\+/refs\(unc\)\.p: refcoco: refcoco/"):
        list(finished_rows(begin(source, options, silent), "refcoco", options, is_there=None))


def test_records_that_are_not_valid_are_dropped_where_that_is_asked(tmp_path: Path) -> None:
    written(tmp_path, [asked("7", "a"), asked("8", "<image>\na", "b <image>"), asked("9", "c <image>")])
    finished = Finished(tmp_path, on_bad_record="drop")
    assert finished.ids == ["mine/7#0"]
    check = finished.funnel[-1]
    assert (check.step, check.conversations.changes, check.pairs.changes) == (
        "check",
        {"bad record": -2},
        {"bad record": -3},
    )
    assert check.examples["bad record"][0] == "mine/8#0: 2 <image> in the human turns, expected 0"


def test_records_whose_image_is_not_there_are_left_out_and_text_stays(tmp_path: Path) -> None:
    pictured = [asked(name, "<image>\nq", image=f"{name}.jpg") for name in ("7", "8", "9")]
    written(tmp_path, [*pictured, asked("text", "q")])
    finished = Finished(tmp_path, there={"8.jpg"})
    assert finished.ids == ["mine/8#0", "mine/text#0"]
    [images] = [step for step in finished.funnel if step.step == "images"]
    assert images.conversations.changes == {"image missing": -2}
    assert images.examples["image missing"] == ["7: 7.jpg", "9: 9.jpg"]


def test_a_funnel_tells_later_which_images_were_there(tmp_path: Path) -> None:
    written(tmp_path, [asked("7", "<image>\nq", image="7.jpg"), asked("8", "<image>\nq", image="8.jpg")])
    is_there = was_there(Finished(tmp_path, there={"8.jpg"}).funnel)
    assert is_there
    made = [Conversation(id=name, image=f"{name}.jpg", pairs=[]) for name in ("7", "8")]
    assert [is_there(one) for one in made] == [False, True]
    assert was_there(Finished(tmp_path).funnel) is None


def test_rows_come_in_batches_no_larger_than_a_shard(tmp_path: Path) -> None:
    written(tmp_path, [asked(str(k), "q") for k in range(5)])
    options = Options(tmp_path, tmp_path / "out", rows_per_shard=2)
    run = begin(bound(tmp_path, name="mine"), options, silent)
    assert [len(batch) for batch in finished_rows(run, "mine", options, is_there=None)] == [2, 2, 1]


def test_an_entry_adds_up_and_takes_ids_that_were_not_found_out_of_the_funnel(tmp_path: Path) -> None:
    written(tmp_path, [asked("7", "a", "b")])
    finished = Finished(tmp_path)
    finished.funnel[0].examples["not found"] = ["9"]
    entry = make_entry(bound(tmp_path, name="mine"), finished.funnel, [], key="k", inputs=[])
    assert (entry.conversations, entry.pairs, entry.not_found) == (1, 2, ["9"])
    assert "not found" not in entry.funnel[0].examples
    assert funnel_fault(entry) is None


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., bool]:
    """Builds the same source again and again; says whether it was there."""
    written(tmp_path, [asked("7", "a")])
    (tmp_path / "out" / STATE).mkdir(parents=True)
    (tmp_path / "out" / "data").mkdir()

    def again(**options: Any) -> bool:
        made = Options(tmp_path, tmp_path / "out", **options)
        return build_source(bound(tmp_path, name="mine"), made, silent).reused

    return again


def test_a_raw_file_that_changes_while_it_is_read_stops_the_build(
    build: Callable[..., bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = written(tmp_path, [asked("7", "a")])

    def hashed(*given: Any) -> Any:
        found = hash_inputs(*given)
        os.utime(raw, ns=(1, 1))  # as another program that writes does
        return found

    monkeypatch.setattr("mix665k.mixtures.build.source.hash_inputs", hashed)
    with pytest.raises(RawDataError, match=r"\.json: changed while the mixture was built from it; build again when it"):
        build()
    assert not [*(tmp_path / "out/data").iterdir(), *(tmp_path / "out" / STATE).glob("*.json")]
    monkeypatch.undo()
    assert not build()


def test_a_raw_file_that_is_removed_while_it_is_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match="gone: was removed while"):
        require_unchanged({tmp_path: 1, tmp_path / "gone": 2}, {tmp_path: 1})


@pytest.mark.parametrize("image", ["x" * 300 + ".jpg", "folder/" * 900 + "x.jpg", "Ж" * 200])
def test_an_image_with_a_name_that_no_file_system_takes_is_missing(build: Any, tmp_path: Path, image: str) -> None:
    written(tmp_path, [asked("7", "a"), asked("8", "<image>\nb", image=image)])
    assert not build(images=tmp_path, on_missing_image="drop")
    entry = msgspec.json.decode((tmp_path / "out" / STATE / "mine.json").read_bytes(), type=SourceEntry)
    assert entry.conversations == 1
    with pytest.raises(MixtureError, match="mine: 1 records have no image under"):
        build(images=tmp_path)


def test_a_source_is_kept_as_long_as_its_shards_and_its_key_are(build: Callable[..., bool], tmp_path: Path) -> None:
    assert [build(), build()] == [False, True]
    assert [build(limit=1), build(limit=1), build()] == [False, True, False]


def test_a_lost_shard_is_built_again(build: Callable[..., bool], tmp_path: Path) -> None:
    build()
    next((tmp_path / "out" / "data").glob("*.parquet")).unlink()
    assert [build(), build()] == [False, True]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": 1}'])
def test_an_entry_that_cannot_be_read_is_built_again(
    build: Callable[..., bool], tmp_path: Path, content: bytes
) -> None:
    build()
    (tmp_path / "out" / STATE / "mine.json").write_bytes(content)
    assert [build(), build()] == [False, True]


def test_a_build_leaves_no_unfinished_work(build: Callable[..., bool], tmp_path: Path) -> None:
    build()
    assert [path.name for path in (tmp_path / "out" / STATE).iterdir()] == ["mine.json"]
    entry = msgspec.json.decode((tmp_path / "out" / STATE / "mine.json").read_bytes())
    assert [step["step"] for step in entry["funnel"]] == ["read", "check"]
