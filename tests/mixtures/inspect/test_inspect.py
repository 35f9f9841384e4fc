"""Inspecting: the numbers are right, the sample stays the same, and no damage goes unseen."""

import io
import json
import shutil
from pathlib import Path

import pytest

from mix665k.mixtures.inspect.findings import Spread
from mix665k.mixtures.inspect.html.plots import prompt_forms
from mix665k.mixtures.inspect.report import _print_conversation, remarks
from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.storage.published_counts import ALL_RECORDS, RECORDS, audit_source
from mix665k.schemas.errors import MixtureError, TokenizerError
from mix665k.schemas.manifest import LeftOut
from mix665k.schemas.terminal import LiteralConsole
from tests.mixtures.diff.comparing import compared
from tests.mixtures.small import RECORDS as SMALL
from tests.mixtures.small import SHORT, change_manifest, change_rows, look, record, run, written


def test_a_mixture_is_measured_by_source(small: Path) -> None:
    found = look(small)
    assert [(one.name, one.records, one.images, one.pairs) for one in found.sources] == [
        ("gqa", 3, 3, 4),
        ("sharegpt", 1, 0, 2),
        ("mine", 1, 1, 1),
    ]
    gqa = found.sources[0]
    assert gqa.pairs_per_record == Spread(mean=1.33, p50=1, p95=2, max=2)
    assert gqa.words_per_record == Spread(mean=13.33, p50=12, p95=17, max=17)
    assert gqa.prompt_forms == {"short answer": 3}
    assert found.sources[2].prompt_forms == {"none": 1}
    assert found.sources[2].left_out == [
        LeftOut(step="drop_by_length", reason="over 2 pairs", kind="lost", conversations=1, pairs=3, examples=["8"])
    ]
    assert (found.total.records, found.total.images, found.total.pairs) == (5, 4, 7)
    assert found.total.audit is None
    assert found.faults == 0


def test_drops_without_a_pair_are_told_and_merging_is_no_drop(tiny_mixture: Path) -> None:
    found = {one.name: [row.reason for row in one.left_out] for one in look(tiny_mixture).sources}
    assert "fewer than two turns" in found["sharegpt"]
    assert found["vqav2"] == []


def test_the_tiny_mixture_is_audited_against_the_paper(tiny_mixture: Path) -> None:
    found = look(tiny_mixture)
    assert {one.name for one in found.sources} == set(RECORDS)
    for one in found.sources:
        assert one.audit
        assert (one.audit.published, one.audit.difference) == (RECORDS[one.name], one.records - RECORDS[one.name])
    assert found.total.audit
    assert found.total.audit.difference == found.total.records - 665_298
    assert not found.fingerprint.measured  # a thousandth of it


def test_a_report_says_which_splits_were_read(tiny_mixture: Path) -> None:
    found = look(tiny_mixture)
    splits = {one.name: one.splits for one in found.sources if one.splits}
    assert splits == {
        "vqav2": ["train2014"],
        "gqa": ["train_balanced"],
        "okvqa": ["train2014"],
        "ocrvqa": ["1"],
        **{name: ["train"] for name in ("aokvqa", "textcaps", "refcoco")},
    }
    [line] = [line for line in remarks(found) if line.startswith("splits of the datasets: ")]
    assert {"ocrvqa 1", "gqa train_balanced"} <= set(line.partition(": ")[2].split(", "))


def test_inspect_and_diff_have_one_name_for_a_prompt_of_ones_own(small: Path, tmp_path: Path) -> None:
    own = "Say it in one word.\nBe [blunt]."
    ends = {"text": own, "prompt": None, "questions": "first"}
    copies = [shutil.copytree(small, tmp_path / name) for name in ("with", "without")]
    for copy in copies:
        change_manifest(copy, lambda manifest: manifest.sources[0].steps.append({"add_prompt": ends}))
    question = {"value": f"<image>\nWho?\n{own}"}
    change_rows(copies[0], "gqa", lambda rows: rows[1]["conversations"][0].update(question), hashes="all")

    shown = run("inspect", copies[0]).stdout
    assert "Say it in one word.⏎Be [blunt]." in " ".join(shown.split())
    gqa = look(copies[0]).sources[0]
    assert gqa.prompt_forms == {"short answer": 2, own: 1}
    compared_forms = {one.form: one.a for one in compared(*copies).sources[0].prompts}
    assert compared_forms == gqa.prompt_forms
    assert prompt_forms(look(copies[0])).keys[-1].name == own


def test_the_published_counts_add_up() -> None:
    assert sum(RECORDS.values()) == ALL_RECORDS == 665_298
    assert audit_source("mine", 3) is None


def test_an_image_counts_once_however_often_it_is_named(tmp_path: Path) -> None:
    names = ["gqa/images/1.jpg", "vg/VG_100K/1.jpg", "gqa/images/1.jpg"]
    records = [record("1", name, f"<image>\na\n{SHORT}", "b") for name in names]
    found = look(written(tmp_path, records))
    assert (found.total.images, found.image_names) == (2, 1)


def test_only_the_sources_asked_for_are_measured(small: Path) -> None:
    assert [one.name for one in look(small, sources=("mine", "gqa")).sources] == ["gqa", "mine"]
    with pytest.raises(MixtureError, match=r"--source gqq: .* has no such source; did you mean 'gqa'"):
        look(small, sources=("gqq",))


def test_tokens_count_the_image_and_show_what_is_cut(tmp_path: Path) -> None:
    short = record("1", "mine/1.jpg", "<image>\na", "b")
    long = record("2", None, "a", "b " * 3000, "c", "d", "e", "f")
    found = look(written(tmp_path, [short, long]), tokenizer="tiny")
    by_name = {one.name: one for one in found.sources}
    image, chat = by_name["other images"].tokens, by_name["sharegpt"].tokens
    assert image
    assert 576 < image.per_record.max < 700
    assert (image.over, image.answers_cut) == (0, 0)
    assert chat
    assert (chat.over, chat.answers_cut) == (1, 3)
    assert found.total.tokens
    assert found.total.tokens.over == 1


@pytest.mark.parametrize("counted", [True, False])
def test_tokens_are_shown_where_they_were_counted(small: Path, counted: bool) -> None:
    shown = run("inspect", small, *(["--tokenizer", "tiny"] if counted else []))
    assert shown.exit_code == 0
    assert ("tokens per record" in shown.stdout) is counted


def test_a_tokenizer_that_is_nowhere_is_told_before_anything_is_read(small: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json"):
        look(small, tokenizer=str(tmp_path / "empty"))


def test_the_sample_is_the_same_whatever_order_records_come_in() -> None:
    keys = [f"{i}" for i in range(100)]
    drawn = []
    for order in (keys, keys[::-1]):
        sampler = Sampler(3)
        for key in order:
            sampler.offer("one", key, {"id": key})
        drawn.append([sampled.record["id"] for sampled in sampler.drawn("one")])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 3


def test_a_sample_shows_image_id_origins_steps_and_every_turn(small: Path) -> None:
    shown = run("inspect", small, "--source", "gqa", "--sample", "3").stdout
    for text in ("gqa/2327515#0", "gqa/images/2327515.jpg", "2327515#0/0", "And the sack?", "steps", SHORT):
        assert text in shown
    assert run("inspect", small, "--source", "gqa", "--sample", "3").stdout == shown


def test_json_is_one_document_and_nothing_else(small: Path) -> None:
    shown = run("inspect", small, "--format", "json", "--sample", "1", "--tokenizer", "tiny")
    assert (shown.exit_code, shown.stderr) == (0, "")
    document = json.loads(shown.stdout)
    assert document["kind"] == "mixture"
    assert [source["records"] for source in document["sources"]] == [3, 1, 1]
    assert document["sources"][0]["tokens"]["per_record"]["max"] > 576
    assert [sampled["source"] for sampled in document["sample"]] == ["gqa", "sharegpt", "mine"]
    assert document["sample"][2]["record"]["conversations"] == SMALL["mine"][0]["conversations"]


def test_an_image_is_as_many_tokens_as_are_said(small: Path) -> None:
    given = ["inspect", str(small), "--source", "gqa", "--tokenizer", "tiny", "--format", "json"]
    [llavas, more] = [
        json.loads(run(*given, *options).stdout)["sources"][0]["tokens"]["per_record"]
        for options in ((), ("--tokens-per-image", "729"))
    ]
    assert more["max"] == llavas["max"] + 729 - 576


@pytest.mark.parametrize("width", ["80", "120"])
def test_no_table_cell_is_wrapped(tiny_mixture: Path, width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = run("inspect", tiny_mixture, "--tokenizer", "tiny")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= int(width)
    assert "…" not in shown.stdout
    title = next(i for i, line in enumerate(lines) if line.startswith("records"))
    rows = [line.split() for line in lines[title + 4 : title + 14]]
    assert [row[0] for row in rows] == list(RECORDS)
    assert {len(row) for row in rows} == {6}


def test_a_wrong_option_is_wrong_usage(small: Path) -> None:
    assert run("inspect", small, "--format", "yaml").exit_code == 2
    assert run("inspect", small, "--sample", "-1").exit_code == 2
    assert run("inspect").exit_code == 2


def test_a_folder_that_is_no_mixture_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    shown = run("inspect", tmp_path)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == f"error: {tmp_path}: is no mixture, expected manifest.json in it\n"
    assert "no such file or folder" in run("inspect", tmp_path / "nothing").stderr


@pytest.mark.parametrize("command", [("verify",), ("trace", "7"), ("publish", "me/mix", "--dry-run")])
def test_a_file_is_not_called_a_missing_folder(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = written(tmp_path, [])
    shown = run(command[0], path, *command[1:])
    assert shown.exit_code == 1
    assert shown.stderr == f"error: {path}: is a file, expected the folder of a mixture\n"


@pytest.mark.parametrize(
    ("num_pairs", "shown"), [(5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4, … 1 more"), (9, "0, 1, 2, 3, 4, … 4 more")]
)
def test_five_origins_of_a_sampled_record_are_shown_and_the_rest_counted(num_pairs: int, shown: str) -> None:
    origins = [str(number) for number in range(num_pairs)]
    sampled = {"id": "gqa/7", "image": None, "steps": [], "conversations": [], "origins": origins}
    printed = io.StringIO()
    _print_conversation(LiteralConsole(file=printed, width=80), "gqa", sampled)
    [line] = [line for line in printed.getvalue().splitlines() if line.startswith("origins")]
    assert line.split(maxsplit=1)[1].rstrip() == shown
