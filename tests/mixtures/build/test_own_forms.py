"""Mixtures of people's own files: a folder that `datasets` saved, another mixture, a data set of the Hub."""

import gzip
import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from mix665k import verify
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.mixture import Mixture
from mix665k.schemas.errors import HubError, RawDataError
from mix665k.schemas.manifest import Manifest
from tests.conftest import SilentWatcher
from tests.loopback_hub import Hub
from tests.mixtures.small import RECORDS, run

ALL = [*RECORDS["gqa"], *RECORDS["sharegpt"], *RECORDS["mine"]]
LINES = "".join(f"{json.dumps(one)}\n" for one in ALL).encode()


def built(raw: Path, out: Path, *records: str | list[str]) -> Manifest:
    blocks = [{"source": "llava_json", "name": f"own{i}", "files": {"records": one}} for i, one in enumerate(records)]
    (raw / "own.yaml").write_text(json.dumps({"name": "own", "sources": blocks}))
    plan = make_plan(str(raw / "own.yaml"), Options(raw, out))
    return build(plan, jobs=1, overwrite=False, listener=SilentWatcher())[0]


def said(mixture: Path) -> list[tuple[Any, ...]]:
    return [(one.reference_id, one.image, one.conversations) for one in Mixture.open(mixture).records()]


def test_saved_folders_and_mixtures_are_built_verified_and_traced(small: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "mixture").symlink_to(small)
    datasets.Dataset.from_list([one | {"id": str(one["id"])} for one in ALL]).save_to_disk(raw / "saved", num_shards=2)
    (raw / "own.jsonl.gz").write_bytes(gzip.compress(LINES))
    manifest = built(raw, tmp_path / "out", "mixture", ["saved", "own.jsonl.gz"])
    texts = said(tmp_path / "out")
    assert texts[:5] == texts[5:10] == texts[10:] == said(small)
    own = manifest.sources[1]
    assert [file.path for file in own.inputs] == [
        *(f"saved/data-0000{i}-of-00002.arrow" for i in (0, 1)),
        "own.jsonl.gz",
    ]
    assert own.funnel[0].noted == {"read as Arrow": 2, "read as JSON Lines in gzip": 1}
    assert verify(Mixture.open(tmp_path / "out"), raw=raw, jobs=1).ok
    shown = run("trace", tmp_path / "out", "own1/0012#0", "--raw", raw, "--format", "json")
    assert '"saved/data-0000' in shown.stdout


def test_a_data_set_of_the_hub_becomes_a_raw_file(loopback: Hub, small: Path, tmp_path: Path) -> None:
    assert run("publish", small, "me/own", "--jobs", "1").exit_code == 0
    own = "hf://datasets/me/own"
    files = loopback.files("datasets/me/own")
    files |= {"deep/train-0.jsonl": LINES, "deep/train-1.jsonl": LINES[: LINES.index(b"\n")], "deep/test.jsonl": LINES}
    (tmp_path / "raw").mkdir()
    manifest = built(tmp_path / "raw", tmp_path / "out", own, f"{own}/deep/train-*.jsonl")
    assert said(tmp_path / "out")[:10] == said(small) * 2
    assert [file.path for file in manifest.sources[1].inputs] == [f"hub/me/own/deep/train-{i}.jsonl" for i in (0, 1)]
    loopback.fail("GET", "/api/", status=503)  # from now on what is below --raw is enough
    assert verify(Mixture.open(tmp_path / "out"), raw=tmp_path / "raw", jobs=1).ok
    make_plan(str(tmp_path / "raw/own.yaml"), Options(tmp_path / "raw", tmp_path / "again"))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("hf://datasets/me/none", "me/none: no such dataset, or a private one"),
        ("hf://datasets/me/own/x*.json", "the dataset has no x*.json; check the address"),
        ("hf://models/me/own", "expected hf://datasets/OWNER/NAME"),
        ("hf://datasets/me/own", "holds files of several splits or forms: deep/*test*.jsonl, deep/*train*.jsonl; name"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(
    loopback: Hub, small: Path, tmp_path: Path, named: str, message: str
) -> None:
    assert run("publish", small, "me/own", "--jobs", "1").exit_code == 0
    files = loopback.files("datasets/me/own")
    for name in list(files):
        del files[name]
    files |= {"deep/train.jsonl": LINES, "deep/test.jsonl": LINES}
    (tmp_path / "raw").mkdir()
    with pytest.raises((HubError, RawDataError)) as caught:
        built(tmp_path / "raw", tmp_path / "out", named)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
