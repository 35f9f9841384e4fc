"""Runs and results side by side: what differs, what the losses and scores are, and what does not compare."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import EvaluationError, TrainingError
from mix665k.schemas.manifest import FORMAT, Manifest, SourceEntry, write_manifest
from mix665k.trainer.compare import Comparison, compare, draw, read_columns
from mix665k.trainer.run.checkpoint import Complete, mark_complete
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.stage_files import load_stage

Log = list[dict[str, Any]]


def mixture(folder: Path, row_hash: str, **sources: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    entries = [
        SourceEntry(
            name=name,
            source=name,
            key="",
            inputs=[],
            params=facts.get("params", {}),
            steps=facts.get("steps", []),
            funnel=[],
            conversations=10,
            pairs=20,
            shards=[],
        )
        for name, facts in sources.items()
    ]
    made = Manifest(
        format=FORMAT,
        tool="mix665k",
        name=folder.name,
        recipe="",
        overrides={},
        integer_ids=[],
        conversations=10 * len(entries),
        pairs=20 * len(entries),
        row_hash=row_hash * 64,
        sources=entries,
    )
    write_manifest(folder, made)
    return folder


def run(
    folder: Path, trained_on: Path, *overrides: str, log: list[dict[str, Any]], row_hash: str | None = None
) -> Path:
    stage = load_stage("finetune", list(overrides), base="finetune")
    write_job(Job(stage=stage, mixture=str(trained_on), images="i", llm="llm", vision="v", out=str(folder)))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    if row_hash:
        (folder / "checkpoint-20").mkdir()
        mark_complete(folder / "checkpoint-20", Complete(step=20, ranks=1, mixture=row_hash * 64, stage="finetune"))
    return folder


def result(folder: Path, benchmark: str = "pope", value: float = 80.0, **others: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "benchmark": benchmark,
        "figures": {"F1": value},
        "intervals": {"F1": [value - 1, value + 1]},
        "split": None,
        "rule": "official",
        "counts": {"asked": 10, "missing": 0},
    }
    (folder / "results.json").write_text(json.dumps(made | others))
    return folder


def steps(*losses: float, **others: float) -> list[dict[str, Any]]:
    return [{"step": number, "loss": loss, **others} for number, loss in enumerate(losses, start=1)]


def compared(*paths: Path) -> Comparison:
    columns, notes = read_columns(paths)
    return compare(columns, notes)


def test_what_differs_in_mixtures_recipes_and_stages_is_shown_and_nothing_else(tmp_path: Path) -> None:
    sample = {"steps": [{"sample": {"fraction": 0.5}}], "params": {"sentence": "sent"}}
    base = mixture(tmp_path / "base", "a", gqa={"steps": [{"merge_by_image": {}}]}, vg=sample)
    other = mixture(
        tmp_path / "other", "b", vg={"steps": [{"sample": {"fraction": 0.1}}], "params": {"sentence": "raw"}}
    )
    a = run(tmp_path / "a", base, log=steps(2.0))
    b = run(tmp_path / "b", other, "lr=1e-4", log=steps(1.0))
    found = compared(a, b)
    assert found.mixture["row hash"] == ["a" * 64, "b" * 64]
    assert found.mixture["conversations"] == [20, 10]
    assert found.recipe == {
        "order": ["gqa, vg", "vg"],
        "gqa": ["10 conversations, 20 pairs", None],
        "gqa.step 1 merge_by_image": ["as it is", None],
        "vg.step 1 sample.fraction": [0.5, 0.1],
        "vg.sentence": ["sent", "raw"],
    }
    assert found.stage == {"lr": [2e-5, 1e-4]}
    assert (found.start, found.notes) == ({}, [])


def test_losses_are_of_the_last_tenth_by_label_and_of_each_source(tmp_path: Path) -> None:
    base = mixture(tmp_path / "base", "a", gqa={}, vg={})
    log = steps(*[9.0] * 18, 2.0, 4.0)
    log[18] |= {"loss/gqa": 1.0, "labels/gqa": 30}
    log[19] |= {"loss/gqa": 5.0, "labels/gqa": 10, "loss/vg": 3.0, "labels/vg": 1}
    log += [{"step": 20, "eval_loss": 2.5, "eval_loss/gqa": 1.5}, {"step": 20, "benchmark/pope/F1": 70.0}]
    found = compared(run(tmp_path / "a", base, log=log), run(tmp_path / "b", base, log=steps(1.0)))
    assert found.losses == {"all": [3.0, 1.0], "gqa": [2.0, None], "vg": [3.0, None]}
    assert found.held_out == {"all": [2.5, None], "gqa": [1.5, None]}
    assert found.while_training == {"pope/F1": [70.0, None]}
    assert found.mixture["steps"] == [20, 1]


def test_scores_come_with_their_intervals_and_join_the_run_that_was_asked(tmp_path: Path) -> None:
    base = mixture(tmp_path / "base", "a", gqa={})
    a, b = (run(tmp_path / name, base, log=steps(1.0)) for name in "ab")
    result(a / "eval/pope", value=80)
    asked = result(tmp_path / "elsewhere/pope", value=70, asked={"name": str(b / "checkpoint-20")})
    result(a / "later/pope", value=60, asked={"name": "a"})
    assert compared(a, b).notes == [f"{a}: 2 results of pope are in it, so none is shown; name the one to compare"]
    (a / "later/pope/results.json").unlink()
    found = compared(a, b, asked.parent)
    assert found.columns == [str(a), str(b)]
    scores = [{"value": value, "interval": (value - 1, value + 1)} for value in (80, 70)]
    assert found.scores == {"pope": {"F1": scores}}


@pytest.mark.parametrize(
    ("others", "note"),
    [
        ({"split": "random"}, "another split, None and random"),
        ({"rule": "lmms-eval"}, "another rule, official and lmms-eval"),
        ({"counts": {"asked": 9, "missing": 0}}, "another asked, 10 and 9"),
        ({"counts": {"asked": 10, "missing": 1}}, "another missing, 0 and 1"),
        ({"judge": "j"}, "another judge, None and j"),
        ({}, None),
    ],
)
def test_scores_that_do_not_compare_are_noted(others: dict[str, Any], note: str | None, tmp_path: Path) -> None:
    found = compared(result(tmp_path / "a"), result(tmp_path / "b", **others) / "results.json")
    assert found.notes == (
        [f"pope: does not compare with the first: {tmp_path}/b/results.json has {note}"] if note else []
    )
    assert found.scores["pope"]["F1"][0] == {"value": 80.0, "interval": (79.0, 81.0)}


def test_a_mixture_that_is_gone_or_was_built_again_is_noted_and_not_compared(tmp_path: Path) -> None:
    base = mixture(tmp_path / "base", "b", gqa={})
    again = run(tmp_path / "a", base, log=steps(1.0), row_hash="a")
    gone = run(tmp_path / "b", tmp_path / "none", log=[], row_hash="c")
    found = compared(again, gone)
    assert found.mixture["row hash"] == ["a" * 64, "c" * 64]
    assert found.recipe == {}
    assert [note.partition(": ")[2] for note in found.notes] == [
        f"its mixture {base} was built again since, so its recipe is not compared",
        "log.jsonl holds no steps, so there are no losses",
        f"its mixture {tmp_path}/none is not there any more, so its recipe is not compared",
    ]


def test_what_is_neither_a_run_nor_a_result_is_one_line(tmp_path: Path) -> None:
    a = result(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/results.json").write_text('{"benchmark": "pope", "figures": {"F1": "high"}}')
    for path, message in (
        (tmp_path / "none", "none: no such file or folder"),
        (tmp_path / "empty", r"empty: neither a run \(job\.json\) nor results"),
        (tmp_path / "bad", r"bad/results\.json: .*expected.*float"),
        (a, "a: is given twice"),
    ):
        with pytest.raises(EvaluationError, match=message):
            compared(a, path)
    with pytest.raises(EvaluationError, match="expected two or more"):
        compared(a)
    (tmp_path / "empty/job.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"job\.json: .*missing required field"):
        compared(a, tmp_path / "empty")
    result(tmp_path / "two/x")
    result(tmp_path / "two/y")
    with pytest.raises(EvaluationError, match=r"y/results\.json: another result of pope for the same run"):
        compared(a, tmp_path / "two")


def test_the_command_shows_tables_gives_json_and_draws(tmp_path: Path) -> None:
    base = mixture(tmp_path / "base", "a", gqa={})
    a = run(tmp_path / "a", base, log=steps(2.0, 1.0, **{"loss/gqa": 1.0, "labels/gqa": 3}))
    b = result(tmp_path / "b", value=70, intervals={"F1": None})
    result(a / "eval/pope")
    shown = CliRunner().invoke(train, ["compare", str(a), str(b), "--png", str(tmp_path / "c.png")])
    assert shown.exit_code == 0, shown.output
    assert "80.00 (79.00 to 81.00)" in shown.output
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
    document = json.loads(CliRunner().invoke(train, ["compare", str(a), str(b), "--format", "json"]).output)
    assert document["scores"]["pope"]["F1"][1] == {"value": 70.0, "interval": None}
    refused = CliRunner().invoke(train, ["compare", str(a), str(b), "--png", str(tmp_path / "c.jpg")])
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)


def test_a_plot_of_results_alone_is_drawn(tmp_path: Path) -> None:
    columns, notes = read_columns([result(tmp_path / "a"), result(tmp_path / "b", benchmark="gqa")])
    draw(columns, compare(columns, notes), tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_comparing_needs_no_torch() -> None:
    code = (
        "import sys, mix665k.trainer.compare; print(sorted({'torch', 'transformers', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
