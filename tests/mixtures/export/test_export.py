"""Exporting: what comes out loads, equals what went in, and comes out whole or not at all."""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from mix665k import inspect
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.export.export import ExportRequest, export
from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.storage.llava_json import published_record
from mix665k.mixtures.storage.parquet import from_dicts, read_shard, to_dicts
from mix665k.schemas.errors import MixtureError
from tests.conftest import SilentWatcher
from tests.mixtures.small import RECORDS, change_rows, run


def rows_of(mixture: Path) -> list[dict[str, Any]]:
    paths = sorted((mixture / "data").glob("*.parquet"))
    return [row for path in paths for batch in read_shard(path) for row in to_dicts(batch)]


def test_llavas_form_is_that_of_the_published_file(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.json"
    shown = run("export", small, "--format", "llava", "--out", out)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == f"wrote {out}, 5 records\n"
    loaded = json.loads(out.read_text(encoding="utf-8"))
    assert loaded == [*RECORDS["gqa"], *RECORDS["sharegpt"], *RECORDS["mine"]]
    assert [list(record) for record in loaded] == [
        ["id", "model" if record["id"] == "wgByO4Y_0" else "image", "conversations"] for record in loaded
    ]
    assert [record["id"] for record in loaded[:3]] == [2327515, "0012", "n166008"]


@pytest.mark.parametrize(
    ("reference_id", "exported"),
    [
        *[("0", 0), ("7", 7), ("9" * 18, int("9" * 18))],
        *[(text, text) for text in ("07", "-7", "7.0", "7\n", "\N{ARABIC-INDIC DIGIT SEVEN}", "9" * 19)],
    ],
)
def test_only_plain_whole_numbers_become_integers(reference_id: str, exported: str | int) -> None:
    row: dict[str, Any] = {"reference_id": reference_id, "image": None, "conversations": []}
    about = {"id": "gqa/1", "source": "gqa", "origins": [], "steps": []}
    for integers, expected in ((True, exported), (False, reference_id)):
        [integer_id] = Batch(from_dicts([row | about]), places=[0], entry=None, integers=integers).integer_ids
        assert published_record(row, integer_id=integer_id)["id"] == expected


def test_a_mixture_survives_the_way_out_and_in(tiny_mixture: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    export(
        Mixture.open(tiny_mixture), ExportRequest("llava", tmp_path / "raw" / "mix.json"), advance=lambda share: None
    )
    recipe = tmp_path / "again.yaml"
    recipe.write_text("{name: again, sources: [{source: llava_json, files: {records: mix.json}}]}")
    plan = make_plan(str(recipe), Options(tmp_path / "raw", tmp_path / "again"))
    build(plan, jobs=1, overwrite=False, listener=SilentWatcher())

    def said(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["reference_id"], row["image"], [(turn["from"], turn["value"]) for turn in row["conversations"]]

    assert sorted(map(said, rows_of(tmp_path / "again")), key=repr) == sorted(
        map(said, rows_of(tiny_mixture)), key=repr
    )


def test_an_exported_file_is_measured_like_its_mixture(tiny_mixture: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.json"
    export(Mixture.open(tiny_mixture), ExportRequest("llava", out), advance=lambda share: None)
    mixture, file = (inspect(Mixture.open(path)) for path in (tiny_mixture, out))
    assert file.faults == 0
    assert (file.total.pairs_per_record, file.image_names) == (mixture.total.pairs_per_record, mixture.image_names)
    told = {one.name: one for one in file.sources}
    alike = {"vqav2", "okvqa"}  # made-up images of VQAv2 may have fewer than its three questions
    for one in mixture.sources:
        if one.name not in alike:
            assert told[one.name].words_per_record == one.words_per_record
        assert told[one.name].prompt_forms.keys() == one.prompt_forms.keys()
    assert [one.name for one in mixture.sources] == list(told)
    ours, theirs = (sum(one.pairs for one in found.sources if one.name in alike) for found in (mixture, file))
    assert ours == theirs


def as_messages(record: dict[str, Any]) -> list[dict[str, str]]:
    roles = {"human": "user", "gpt": "assistant"}
    return [{"role": roles[turn["from"]], "content": turn["value"]} for turn in record["conversations"]]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_messages_hold_the_same_texts_under_other_names(small: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"mix.{suffix}"
    assert run("export", small, "--format", "messages", "--image-token", "keep", "--out", out).exit_code == 0
    kind = {"jsonl": "json", "parquet": "parquet"}[suffix]
    loaded = list(datasets.load_dataset(kind, data_files=str(out), split="train", cache_dir=str(tmp_path / "cache")))
    records = [*RECORDS["gqa"], *RECORDS["sharegpt"], *RECORDS["mine"]]
    assert [row["messages"] for row in loaded] == [as_messages(record) for record in records]
    assert [row["images"] for row in loaded] == [[record["image"]] if "image" in record else [] for record in records]
    assert [row["id"] for row in loaded][::4] == ["gqa/2327515#0", "mine/7#0"]


def test_jsonl_has_one_object_per_line_also_with_line_separators_in_it(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.jsonl"
    export(Mixture.open(small), ExportRequest("messages", out), advance=lambda share: None)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    assert [list(row) for row in rows] == [["id", "images", "messages"]] * 5


def test_jsonl_loads_whatever_comes_before_the_first_image(tmp_path: Path) -> None:
    said = [{"from": "human", "value": "Say " + "word " * 400}, {"from": "gpt", "value": "ok " * 600}]
    texts = [{"id": f"t{number}", "conversations": said} for number in range(6_000)]
    shown = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A plate."}]
    images = [{"id": f"i{number}", "image": "a.jpg", "conversations": shown} for number in range(3)]
    (tmp_path / "mix.json").write_text(json.dumps([*texts, *images]))
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("{name: mine, sources: [{source: llava_json, files: {records: mix.json}}]}")
    plan = make_plan(str(recipe), Options(tmp_path, tmp_path / "mixture"))
    build(plan, jobs=1, overwrite=False, listener=SilentWatcher())
    out = tmp_path / "mix.jsonl"
    request = ExportRequest("messages", out)
    assert export(Mixture.open(tmp_path / "mixture"), request, advance=lambda share: None) == 6_003
    assert out.stat().st_size > 20_000_000
    loaded = datasets.load_dataset("json", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["id"][:2] == ["llava_json/i0#0", "llava_json/t0#0"]
    assert loaded["id"][-2:] == ["llava_json/i1#0", "llava_json/i2#0"]
    assert [len(one) for one in loaded["images"]] == [1, *[0] * 6_000, 1, 1]


def test_messages_leave_the_image_token_out_unless_told(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.jsonl"
    assert run("export", small, "--format", "messages", "--out", out).exit_code == 0
    rows = [json.loads(line) for line in out.read_text().split("\n") if line]
    assert "<image>" not in out.read_text()
    assert rows[0]["messages"][0]["content"].startswith("Is it dry?\nAnswer")
    assert rows[4]["messages"][0]["content"] == "What is this?"
    assert rows[3]["messages"] == as_messages(RECORDS["sharegpt"][0])


def test_tokens_of_several_images_stay_in_messages_and_a_source_reads_them_back(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Is <image> like <image>?"}, {"role": "assistant", "content": "No."}]
    other = [{"role": "user", "content": "What?\n<image>"}, {"role": "assistant", "content": "A mill."}]
    records = [
        {"id": "1", "images": ["b.jpg", "a.jpg"], "messages": [{"role": "system", "content": "Be brief."}, *asked]},
        {"id": "2", "images": ["a.jpg"], "messages": other},
    ]
    texts = []
    for name in ("first", "second"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(f"{{name: mine, sources: [{{source: llava_json, files: {{records: {name}.jsonl}}}}]}}")
        plan = make_plan(str(recipe), Options(tmp_path, tmp_path / name))
        build(plan, jobs=1, overwrite=False, listener=SilentWatcher())
        out = tmp_path / f"{name}-out.jsonl"
        export(
            Mixture.open(tmp_path / name),
            ExportRequest("messages", out, image_token="drop"),
            advance=lambda share: None,
        )
        records = [json.loads(line) for line in out.read_text().splitlines()]
        texts.append([(record["images"], record["messages"]) for record in records])
    assert texts[0] == texts[1]
    assert texts[0][0] == (["b.jpg", "a.jpg"], [{"role": "system", "content": "Be brief."}, *asked])
    assert texts[0][1] == (["a.jpg"], [{"role": "user", "content": "What?"}, other[1]])


def test_only_the_sources_asked_for_are_written(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.json"
    run("export", small, "--format", "llava", "--out", out, "--source", "mine", "--source", "sharegpt")
    assert json.loads(out.read_text()) == [*RECORDS["sharegpt"], *RECORDS["mine"]]
    with pytest.raises(MixtureError, match=r"--source gq: .* has no such source; did you mean 'gqa'"):
        export(Mixture.open(small), ExportRequest("llava", tmp_path / "b.json", ("gq",)), advance=lambda share: None)


def test_the_shares_of_the_work_add_up_to_the_whole(small: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    export(Mixture.open(small), ExportRequest("llava", tmp_path / "mix.json"), advance=shares.append)
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("form", "name", "message"),
    [
        ("llava", "mix.jsonl", "ends in '.jsonl', expected .json for --format llava"),
        ("messages", "mix.json", "ends in '.json', expected .parquet or .jsonl for --format messages"),
        ("messages", "mix", "ends in '', expected"),
        ("llava", "nowhere/mix.json", "no such folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(
    small: Path, tmp_path: Path, form: str, name: str, message: str
) -> None:
    shown = run("export", small, "--format", form, "--out", tmp_path / name)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert message in shown.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_kept_unless_told(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.json"
    out.write_text("mine")
    shown = run("export", small, "--format", "llava", "--out", out)
    assert shown.exit_code == 1
    assert "already there; name another or pass --overwrite" in shown.stderr
    assert out.read_text() == "mine"
    assert run("export", small, "--format", "llava", "--out", out, "--overwrite").exit_code == 0
    assert len(json.loads(out.read_text())) == 5
    (tmp_path / "folder.json").mkdir()
    assert run("export", small, "--format", "llava", "--out", tmp_path / "folder.json", "--overwrite").exit_code == 1


@pytest.mark.parametrize("name", ["mix.json", "mix.jsonl", "mix.parquet"])
def test_a_damaged_mixture_gives_no_file(copy: Path, tmp_path: Path, name: str) -> None:
    change_rows(copy, "mine", lambda rows: rows[0].update(steps=["changed"]), hashes="files")
    form = "llava" if name == "mix.json" else "messages"
    (tmp_path / "out").mkdir()
    shown = run("export", copy, "--format", form, "--out", tmp_path / "out" / name)
    assert shown.exit_code == 1
    assert "row hash: " in shown.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_rows_that_are_lost_or_files_that_are_changed_are_damage(copy: Path, tmp_path: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows.pop(), hashes="files")
    with pytest.raises(MixtureError, match="rows: 2, expected 3"):
        export(Mixture.open(copy), ExportRequest("llava", tmp_path / "a.json"), advance=lambda share: None)
    shard = next((copy / "data").glob("gqa-*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(MixtureError, match="file hash: "):
        export(Mixture.open(copy), ExportRequest("llava", tmp_path / "a.json"), advance=lambda share: None)


def test_a_wrong_option_is_wrong_usage(small: Path, tmp_path: Path) -> None:
    assert run("export", small, "--format", "alpaca", "--out", tmp_path / "a.json").exit_code == 2
    assert run("export", small, "--format", "llava").exit_code == 2
