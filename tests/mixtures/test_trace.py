"""Tracing: every origin leads to the raw record that its pair was made of."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import builders  # noqa: F401, registers sources and steps
from builders.lineage import follow
from builders.registry import SOURCES
from builders.sentences import fold
from builders.synthetic import WRITERS
from mixtures.plan import Options
from mixtures.store import read_shard
from mixtures.trace.lineage import TracedRecord, require_traced, trace
from mixtures.trace.pretty import as_json, narrowed, shortened
from mixtures.trace.words import in_words
from schemas.conversation import Pair
from schemas.errors import MixtureError, RawDataError
from schemas.manifest import InputFile, Manifest
from schemas.recipe import Block
from tests.builders.building import FIXTURES, GOLDEN, ROOT, SHARED, run_block
from tests.mixtures.small import change_manifest
from tests.mixtures.small import run as mix
from tests.mixtures.test_build import run, written

EXCERPTS = SHARED / "raw"
needs_excerpts = pytest.mark.skipif(not EXCERPTS.is_dir(), reason=f"the real excerpts are not at {EXCERPTS}")
Raw = dict[str, Any]


def blocks(recipe: Path) -> list[Block]:
    """The sources of a recipe, none of their conversations cut away."""
    content = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    found = [msgspec.convert(entry, Block) for entry in content["sources"]]
    for block in found:
        block.steps = [step for step in block.steps if not {"sample", "truncate"} & set(step)]
    return found


def turns(raw: Raw) -> list[str]:
    [record] = raw.values()
    return [turn["value"] for turn in record["conversations"]]


def regions(raw: Raw) -> list[str]:
    [region] = raw["regions"]["regions"]
    assert raw["images"]["image_id"] == raw["regions"]["id"]
    return [region["phrase"]]


def sentences(raw: Raw) -> list[str]:
    ref, annotation, image = raw.values()
    assert (annotation["id"], image["id"]) == (ref["ann_id"], ref["image_id"])
    return [said["sent"] for said in ref["sentences"]]


def most_given(raw: Raw, pair: Pair) -> list[str]:
    answers = [given["raw_answer"].strip() for given in raw["annotations"]["answers"]]
    assert pair.answer.casefold() in {answer.casefold() for answer in answers}
    return [raw["questions"]["question"]]


TEXTS: dict[str, Callable[[Raw, Pair], list[str]]] = {
    "vqav2": lambda raw, _: [raw["questions"]["question"], raw["annotations"]["multiple_choice_answer"]],
    "gqa": lambda raw, _: [raw["questions"]["question"], raw["questions"]["answer"]],
    "okvqa": most_given,
    "aokvqa": lambda raw, _: [raw["questions"]["question"], *raw["questions"]["choices"]],
    "ocrvqa": lambda raw, _: [*raw["books"]["questions"], *raw["books"]["answers"]],
    "textcaps": lambda raw, _: [raw["captions"]["caption_str"], *raw.get("ocr", {}).get("ocr_tokens", [])],
    "refcoco": lambda raw, _: sentences(raw),
    "vg": lambda raw, _: regions(raw),
    **dict.fromkeys(("sharegpt", "llava_instruct", "llava_json", "lcs558k"), lambda raw, _: turns(raw)),
}
"""The texts of its raw records that a pair must hold, of their lists only what the trail names; a source that is not
named here must lead to raw records, whatever they hold."""


def plain(text: str) -> str:
    return fold(text).casefold()


def trails(source: str, block: Block, raw: Path) -> Iterator[tuple[Pair, Raw]]:
    """Every pair that a source gives, with its raw records by role."""
    files = block.files or {file.role: file.path for file in SOURCES[source].about.files}
    pairs = [pair for conversation in run_block(block, raw=raw).conversations for pair in conversation.pairs]
    assert pairs
    paths = {role: raw / path for role, path in files.items()}
    traces = follow(SOURCES[source], paths, {pair.origin for pair in pairs}, progress=lambda num_bytes: None)
    for pair in pairs:
        for one in traces[pair.origin]:
            assert one.found or one.lead.optional, (pair, one)
        yield (
            pair,
            {one.lead.role: narrowed(one.found.record, one.found.items) for one in traces[pair.origin] if one.found},
        )


def require_held(block: Block, raw: Path) -> None:
    texts = TEXTS.get(block.source)
    for pair, records in trails(block.source, block, raw):
        held = plain(f"{pair.question} {pair.answer}")
        for text in texts(records, pair) if texts else []:
            assert plain(text) in held, (pair, text)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_origin_leads_to_its_raw_record(source: str, made_up_raw: Path) -> None:
    tiny = {block.source: block for block in blocks(ROOT / "mixtures" / "recipes" / "tiny.yaml")}
    block = tiny.get(source, Block(source))
    require_held(block, made_up_raw if source in WRITERS else FIXTURES)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_origins_of_the_fixtures_lead_to_their_raw_records(source: str) -> None:
    require_held(Block(source), FIXTURES)


@needs_excerpts
@pytest.mark.parametrize("block", blocks(ROOT / "tests" / "recipes" / "excerpt.yaml"), ids=lambda block: block.source)
def test_every_origin_of_the_excerpts_leads_to_its_raw_record(block: Block) -> None:
    require_held(block, EXCERPTS)


@pytest.mark.parametrize("odd", ["\ud800", {None: 1}])
def test_a_raw_record_with_a_field_that_is_no_json_is_shown_without_it(tmp_path: Path, odd: Any) -> None:
    ref = {"ref_id": 1, "ann_id": 2, "image_id": 3, "split": "train", "tokens": odd}
    ref["sentences"] = [{"sent_id": 4, "sent": "a cat", "raw": "A cat"}]
    (tmp_path / "refs.p").write_bytes(pickle.dumps([ref], protocol=2))
    paths = {"refcoco/refs": tmp_path / "refs.p"}
    traces = follow(SOURCES["refcoco"], paths, ["refcoco/4"], progress=lambda num_bytes: None)
    refs, annotations, images = traces["refcoco/4"]
    assert refs.found
    assert refs.found.record == {key: value for key, value in ref.items() if key != "tokens"}
    assert [(one.key, one.found) for one in (annotations, images)] == [("2", None), ("3", None)]


def look(mixture: Path, identifier: str, raw: Path | None = None) -> TracedRecord:
    return trace(mixture, identifier, raw, advance=lambda share: None)


def first_id(mixture: Path, source: str) -> str:
    [path] = (mixture / "data").glob(f"{source}-*.parquet")
    return str(next(read_shard(path)).column("id")[0])


FILES: dict[str, dict[str, list[Any]]] = {
    "captions": {"data": [{"image_id": "a1", "caption_id": 7, "caption_str": "a red sign", "set_name": "train"}]},
    "ocr": {"data": [{"image_id": "a1", "ocr_tokens": ["STOP"], "ocr_info": []}]},
}
RECIPE = """
name: signs
seed: 1
sources:
  - source: textcaps
    name: signs
    files: {captions: captions.json, ocr: ocr.json}
    steps: [add_prompt: {text: Look.}]
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The raw files of one caption."""
    (tmp_path / "raw").mkdir()
    for role, content in FILES.items():
        (tmp_path / "raw" / f"{role}.json").write_text(json.dumps(content))
    return tmp_path / "raw"


@pytest.fixture
def signs(raw: Path, tmp_path: Path) -> Path:
    """A mixture of it."""
    run(written(tmp_path, RECIPE), Options(raw, tmp_path / "mixture"))
    return tmp_path / "mixture"


def test_a_trace_names_files_hashes_ids_and_steps(signs: Path) -> None:
    found = look(signs, "signs/a1")
    assert (found.image, found.reference_id) == ("textvqa/train_images/a1.jpg", "a1")
    assert [(step.done, step.words) for step in found.steps] == [
        ("prompt added", "a response-format prompt put behind the first question")
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
    monkeypatch.setitem(SOURCES, "llava_json", SOURCES["llava_json"]._replace(trail=()))
    with pytest.raises(MixtureError, match="gqa: source 'llava_json' does not say where an origin leads"):
        look(copy, "gqa/2327515#0")


def test_json_is_one_document(signs: Path, raw: Path) -> None:
    shown = mix("trace", signs, "signs/a1", "--raw", raw, "--format", "json")
    document = json.loads(shown.stdout)
    assert (shown.exit_code, shown.stderr, document["id"]) == (0, "", "signs/a1")
    assert document["pairs"][0]["raw"][0]["record"] == FILES["captions"]["data"][0]
    assert [InputFile(**file).path for file in document["files"]] == ["captions.json", "ocr.json"]


def test_a_person_reads_files_ids_records_and_steps(signs: Path, raw: Path) -> None:
    shown = mix("trace", signs, "signs/a1", "--raw", raw).stdout
    for text in (
        "signs/a1",
        "prompt added: a response-format prompt put behind the first",
        "captions.json (captions)",
        "origin  7",
        "captions  caption_id 7  at $.data[0]",
        '"caption_str": "a red sign"',
        '"ocr_tokens": ["STOP"]',
    ):
        assert text in shown
    without = mix("trace", signs, "signs/a1").stdout
    assert "ocr  image_id told by the record above" in without


def test_no_raw_folder_is_one_line(signs: Path, tmp_path: Path) -> None:
    shown = mix("trace", signs, "signs/a1", "--raw", tmp_path / "none")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == f"error: --raw {tmp_path}/none: no such folder; `mix sources` tells what belongs there\n"


@pytest.mark.parametrize("width", ["80", "120"])
def test_no_line_is_wider_than_the_terminal(
    tiny_mixture: Path, made_up_raw: Path, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = mix("trace", tiny_mixture, first_id(tiny_mixture, "vg"), "--raw", made_up_raw)
    lines = shown.stdout.splitlines()
    assert len(lines) > 20
    assert max(map(len, lines)) <= int(width)


def test_every_step_is_told_in_words() -> None:
    done = {"copy 2", "prompts added", "cut after 2 of 5 pairs", "cut after 2 of 5 pairs, inside the last answer"}
    done |= {"as_is by 1", "rotate_right by 3"}
    for path in GOLDEN.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            done |= set(json.loads(line).get("history", []))
    assert len(done) > 10
    assert [one for one in sorted(done) if in_words(one) is None] == []
    assert in_words("dreamt of") is None
    assert in_words("rotate_left by 2") == "the options of each question turned left by 2 places"


def test_records_are_shortened_to_read() -> None:
    record = {"id": 1, "regions": ["a", "b", "c"], "points": list(range(9)), "text": "x" * 310}
    assert shortened(narrowed(record, {"regions": [1, 7]})) == {
        "id": 1,
        "regions": ["b"],
        "points": [0, 1, 2, 3, 4, 5, "… 3 more"],
        "text": f"{'x' * 300}… 10 more characters",
    }
    assert as_json({"a": [1, 2]}, width=20) == '{"a": [1, 2]}'
    assert as_json({"a": {"b": "c"}, "d": "é"}, width=12) == '{\n  "a": {\n    "b": "c"\n  },\n  "d": "é"\n}'
