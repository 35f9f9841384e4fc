"""Writing made-up raw files: the publishers' forms, repeatable bytes, sources on their own."""

import io
import json
import pickle
import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.synthetic import WRITERS, write_raw
from mix665k.builders.synthetic.python2_pickle import pickled
from mix665k.schemas.errors import UserError

REAL = Path(__file__).parents[4] / "shared" / "data" / "raw"
EXCERPT = {  # made-up file: real excerpt, where the excerpt is of another split
    "gqa/train_balanced_questions.json": "gqa/testdev_balanced_questions.json",
    "aokvqa/aokvqa_v1p0_train.json": "aokvqa/aokvqa_v1p0_val.json",
}
FILES = (
    "vqav2/v2_OpenEnded_mscoco_train2014_questions.json",
    "vqav2/v2_mscoco_train2014_annotations.json",
    "gqa/train_balanced_questions.json",
    "okvqa/OpenEnded_mscoco_train2014_questions.json",
    "okvqa/mscoco_train2014_annotations.json",
    "aokvqa/aokvqa_v1p0_train.json",
    "ocrvqa/dataset.json",
    "textcaps/TextCaps_0.1_train.json",
    "textcaps/TextVQA_Rosetta_OCR_v0.2_train.json",
    "vg/region_descriptions.json",
    "vg/image_data.json",
    "refcoco/refcoco/refs(unc).p",
    "refcoco/refcoco/instances.json",
    "refcoco/refcoco+/refs(unc).p",
    "refcoco/refcoco+/instances.json",
    "refcoco/refcocog/refs(umd).p",
    "refcoco/refcocog/instances.json",
    "sharegpt/ShareGPT_V3_unfiltered_cleaned_split.json",
    "llava_instruct/llava_instruct_150k.json",
    "lcs558k/blip_laion_cc_sbu_558k.json",
)


class NoClasses(pickle.Unpickler):
    """Loads plain values and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")


def load(path: Path) -> Any:
    if path.suffix == ".p":
        return NoClasses(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    return json.loads(path.read_bytes())


def form(value: Any, path: str = "") -> set[tuple[str, str]]:
    """Every (path, type) in a value; list positions and keys that are data are `*`."""
    if isinstance(value, dict) and not path.endswith("segmentation/*"):
        items = (form(item, f"{path}/{re.sub(r'^[0-9].*|^B0.*', '*', key)}") for key, item in value.items())
    elif isinstance(value, list):
        items = (form(item, f"{path}/*") for item in value)
    else:
        return {(path, type(value).__name__.replace("float", "int"))}
    return set().union(*items)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    write_raw(root, scale=0.0005, seed=0)
    return root


def hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): blake2b(path.read_bytes()).hexdigest() for path in files}


def test_writes_these_files_and_no_other(raw: Path) -> None:
    assert set(hashes(raw)) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_form_is_that_of_the_real_file(raw: Path, name: str) -> None:
    excerpt = REAL / EXCERPT.get(name, name)
    if not excerpt.exists():
        pytest.skip(f"no real excerpt at {excerpt}")
    made, real = form(load(raw / name)), form(load(excerpt))
    keys = {path for path, _ in real if "/segmentation" not in path}
    assert {path for path, _ in made if "/segmentation" not in path} == keys
    assert not {entry for entry in real - made if "/segmentation" not in entry[0]}


def test_json_is_separated_as_json_dump_does(raw: Path) -> None:
    for name in FILES:
        if name.endswith(".json"):
            text = (raw / name).read_text()
            assert text in (json.dumps(load(raw / name)), json.dumps(load(raw / name), ensure_ascii=False)), name


def test_same_seed_gives_same_bytes_and_another_seed_others(raw: Path, tmp_path: Path) -> None:
    write_raw(tmp_path / "again", scale=0.0005, seed=0)
    write_raw(tmp_path / "other", scale=0.0005, seed=1)
    assert hashes(tmp_path / "again") == hashes(raw)
    other = hashes(tmp_path / "other")
    assert all(other[name] != value for name, value in hashes(raw).items())


def test_a_source_written_alone_is_the_same(raw: Path, tmp_path: Path) -> None:
    heard: list[tuple[Path, int]] = []
    write_raw(tmp_path, scale=0.0005, seed=0, only=["vg"], on_file=lambda *told: heard.append(told))
    assert hashes(tmp_path) == {name: value for name, value in hashes(raw).items() if name.startswith("vg/")}
    assert dict(heard) == {path: path.stat().st_size for path in (tmp_path / "vg").iterdir()}


@pytest.mark.parametrize("source", WRITERS)
def test_a_writer_can_be_sent_to_another_process(source: str) -> None:
    assert pickle.loads(pickle.dumps(WRITERS[source])) is WRITERS[source]


def test_unknown_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'vgx': no such source; expected one of llava_instruct, "):
        write_raw(tmp_path, scale=1, seed=0, only=["vgx"])


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_scale_must_be_a_number_above_zero(tmp_path: Path, scale: float) -> None:
    with pytest.raises(UserError, match="expected a number above 0"):
        write_raw(tmp_path, scale=scale, seed=0)


def test_pickle_is_what_python_2_wrote() -> None:
    written = b"".join(pickled([{"sent_ids": [0, 1], "raw": "caf\u00e9, don't"}]))
    assert written == (b"(lp0\n(dp1\nS'sent_ids'\np2\n(lp3\nI0\naI1\nasS'raw'\np4\nS\"caf\\xe9, don't\"\np5\nsa.")
    assert pickle.loads(written, encoding="latin1") == [{"sent_ids": [0, 1], "raw": "caf\u00e9, don't"}]
