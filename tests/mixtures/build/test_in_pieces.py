"""A large source is built in pieces, and gives what one process gives, whatever it is cut into."""

import gc
import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mix665k.mixtures.build import in_pieces
from mix665k.mixtures.build.in_pieces import is_built_in_pieces
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.engine.tasks import Failed, Task, outcome
from mix665k.schemas.errors import UserError
from mix665k.schemas.manifest import Manifest, Shard
from tests.conftest import SilentWatcher

RECIPE = """
name: own
seed: 3
sources:
  - source: llava_json
    name: own
    files: {records: %s}
    steps: %s
"""
STEPS = "[drop_by_pattern: {pattern: worse}, sample: {fraction: 0.7}, split: {max_pairs: 1}, sample: {count: 90}]"
_PIECE = 3_000


def records(count: int) -> list[dict[str, Any]]:
    """Records of which ids, images and lengths repeat here and there; the fortieth and some more are left out."""
    return [
        {
            "id": f"r{i % 70}" if i % 3 else f"only{i}",
            "image": f"a/{i % 50}.jpg" if i % 4 else None,
            "conversations": [
                {
                    "from": side,
                    "value": ("<image>\n" if i % 4 and side == "human" and not k else "") + f"text {i} {k}, 'x\\\"[{{'",
                }
                for k in range(1 + i % 2)
                for side in ("human", "gpt")
            ],
        }
        for i in range(count)
    ]


def written(folder: Path, rows: list[dict[str, Any]], kind: str) -> str:
    """The rows in a file, or files, of this kind; gives what a recipe names them by."""
    lines = [json.dumps({name: one for name, one in row.items() if one is not None}) for row in rows]
    if kind == "lines":
        lines[20:20] = ["", "  "]
        (folder / "own.jsonl").write_text("\n".join(lines))
        return "own.jsonl"
    if kind == "list":
        (folder / "own.json").write_text("[\n" + " ,\n".join(lines) + "\n]\n")
        return "own.json"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "own.parquet", row_group_size=25)
        return "own.parquet"
    (folder / "own").mkdir()
    for i in range(0, len(rows), 30):
        (folder / "own" / f"part_{i // 30}.jsonl").write_text("\n".join(lines[i : i + 30]))
    return "own"


def built(raw: Path, out: Path, recipe: str, *, pieces: bool, jobs: int = 2, **more: Any) -> Manifest:
    """The manifest of a recipe that is built in pieces, or by one process."""
    path = raw.parent / f"{out.name}.yaml"
    path.write_text(recipe)
    options = Options(raw, out, rows_per_shard=40, piece_bytes=_PIECE if pieces else 10**9, **more)
    plan = make_plan(str(path), options)
    assert is_built_in_pieces(plan.sources[0], options) == pieces
    return build(plan, jobs=jobs, overwrite=False, listener=SilentWatcher())[0]


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for raw files; the tasks of pieces are pickled and run here, as a process for each takes seconds."""

    def run_here(tasks: list[Task], **_: Any) -> dict[str, Any]:
        found = {}
        for task in tasks:
            gave = outcome(pickle.loads(pickle.dumps(task)), lambda *_: None)
            if isinstance(gave, Failed):
                raise gave.raised
            found[task.label] = gave.result
        return found

    monkeypatch.setattr(in_pieces, "gather", run_here)
    monkeypatch.setattr(gc, "disable", lambda: None)
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


@pytest.mark.parametrize("kind", ["lines", "list", "parquet", "files"])
def test_pieces_give_the_manifest_and_the_bytes_of_one_process(kind: str, raw: Path, tmp_path: Path) -> None:
    recipe = RECIPE % (written(raw, records(150), kind), STEPS)
    one = built(raw, tmp_path / "one", recipe, pieces=False)
    many = built(raw, tmp_path / "many", recipe, pieces=True)
    assert many == one
    assert len(one.sources[0].shards) == 3


@pytest.mark.parametrize(
    "steps",
    [
        "[sample: {count: 40, prefer: first}]",
        "[sample: {count: 40, prefer: shortest}]",
        "[sample: {fraction: 0.3, prefer: longest}, repeat: {times: 2}]",
        "[sample: {count: 1000, at_most: true}]",
        "[listed_in: names.txt]",
        "[cut: {max_chars: 40}, add_prompt: short_answer]",
    ],
)
def test_every_kind_of_step_sees_what_it_needs(steps: str, raw: Path, tmp_path: Path) -> None:
    (raw / "names.txt").write_text("r1\nr2\na/3.jpg\nnone\n")
    recipe = RECIPE % (written(raw, records(150), "lines"), steps.replace("listed_in:", "keep_listed:"))
    one = built(raw, tmp_path / "one", recipe, pieces=False)
    assert built(raw, tmp_path / "many", recipe, pieces=True) == one


@pytest.mark.parametrize(
    ("source", "steps", "change"),
    [
        ("llava_json", "[]", {11: {"conversations": 3}, 120: {"id": []}, 140: {"image": 5}}),
        ("llava_json", "[sample: {count: 1000}]", {}),
        ("llava_json", "[drop_by_pattern: {pattern: text}]", {}),
        ("lcs558k", "[]", {140: {"id": "only3"}}),
    ],
    ids=["bad records", "too few", "nothing left", "an id twice"],
)
def test_what_is_wrong_is_said_as_one_process_says_it(
    source: str, steps: str, change: dict[int, dict[str, Any]], raw: Path, tmp_path: Path
) -> None:
    rows = [
        row | change.get(i, {}) | ({} if source == "llava_json" or i in change else {"id": f"only{i}"})
        for i, row in enumerate(records(150))
    ]
    recipe = (RECIPE % (written(raw, rows, "lines"), steps)).replace("llava_json", source)
    said = []
    for name, pieces in (("one", False), ("many", True)):
        with pytest.raises(UserError) as caught:
            built(raw, tmp_path / name, recipe, pieces=pieces)
        said.append(str(caught.value))
        assert not (tmp_path / name / "manifest.json").exists()
    assert said[0] == said[1]


def test_a_list_that_is_odd_is_read_as_one(raw: Path, tmp_path: Path) -> None:
    recipe = RECIPE % (written(raw, records(150), "list"), "[]")
    text = (raw / "own.json").read_text()
    (raw / "own.json").write_text(text.replace('"id": "only12"', '"id": "only12", "score": NaN'))
    one = built(raw, tmp_path / "one", recipe, pieces=False)
    assert built(raw, tmp_path / "many", recipe, pieces=True) == one


def test_a_finished_source_is_kept_and_left_as_it_is(raw: Path, tmp_path: Path) -> None:
    recipe = RECIPE % (written(raw, records(150), "lines"), "[]")
    first = built(raw, tmp_path / "out", recipe, pieces=True)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "data").iterdir()}
    assert built(raw, tmp_path / "out", recipe, pieces=True) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "data").iterdir()} == before


def test_steps_that_need_all_conversations_are_not_built_in_pieces(raw: Path, tmp_path: Path) -> None:
    for steps in ("[merge_by_image]", "[sample: {count: 3, surviving: [cut: {max_pairs: 1}]}]"):
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE % (written(raw, records(150), "lines"), steps))
        options = Options(raw, tmp_path / "out", piece_bytes=_PIECE)
        assert not is_built_in_pieces(make_plan(str(path), options).sources[0], options)


def test_the_manifest_grows_with_shards_and_not_with_records() -> None:
    """A shard takes under 400 bytes of it, so that 10^8 records, in 1,526 shards, take well under 50 MB."""
    shard = Shard("data/own-00000-of-01526.parquet", rows=65_536, bytes=10**7, sha256="a" * 64, row_hash="b" * 64)
    size = len(msgspec.json.format(msgspec.json.encode([shard] * 1_000), indent=1))
    assert size < 400_000
