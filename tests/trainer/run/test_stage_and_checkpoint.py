"""Stages and checkpoints on disk."""

from pathlib import Path

import pytest

from mix665k.schemas.errors import StageError, TrainingError
from mix665k.trainer.batching.types import Layout
from mix665k.trainer.run import checkpoint as module
from mix665k.trainer.run.checkpoint import Complete, checkpoints, choose, find_checkpoint, mark_complete, universal_form
from mix665k.trainer.run.launch import require_reporter
from mix665k.trainer.run.ranks import launched_ranks
from mix665k.trainer.run.stage_files import layout_of, load_stage


def test_values_are_overridden_by_dotted_names() -> None:
    stage = load_stage("finetune", ["lr=1e-3", "lora.r=64", "trains=[projector]", "bf16=false", "max_steps=7"])
    assert (stage.lr, stage.trains, stage.bf16, stage.max_steps) == (1e-3, ["projector"], False, 7)
    assert stage.lora is not None
    assert stage.lora.r == 64


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lrr=1", "^--set lrr=1: object contains unknown field lrr; did you mean 'lr'"),
        ("lr=fast", "^--set lr=fast: expected float"),
        ("lr=-1", "^--set lr=-1: expected float > 0"),
        ("lr=inf", "^--set lr=inf: expected float <= 10"),
        ("lora.r=0", "^--set lora.r=0: expected int >= 1"),
        ("zero=1", "^--set zero=1: invalid enum value 1; expected one of 0, 2, 3"),
        ("trains=[]", r"^--set trains=\[\]: expected array of length >= 1"),
        ("trains=[head]", r"^--set trains=\[head\]: .* expected one of language_model, projector, vision_tower"),
        ("gradient_checkpointing=all", "expected one of true, false, selective"),
        ("template=vicuna", "^--set template=vicuna: no template 'vicuna', expected one of auto, chat, default"),
        ("lr", "^--set lr: expected NAME=VALUE, such as lr=1e-3"),
        ("=3", "^--set =3: expected NAME=VALUE, such as lr=1e-3"),
        ("lora.=3", "^--set lora.=3: expected NAME=VALUE, such as lr=1e-3"),
        ("lr=[", r"^--set lr=\[: not YAML, expected NAME=VALUE, such as lr=1e-3: line 1, column 2: while parsing"),
        ("lr=!!python/object:os.system x", "^--set lr=!!python/object:os.system x: not YAML, .* could not determine"),
        ("lr=!!bool x", "^--set lr=!!bool x: not YAML"),
        ("lr=2001-99-99", "^--set lr=2001-99-99: expected float, got str"),
        ("epochs=inf", "^--set epochs=inf: expected float <= 10000"),
        ("epochs=nan", "^--set epochs=nan: expected float > 0"),
        ("seed=-1", "^--set seed=-1: expected int >= 0"),
        ("seed=4294967296", "^--set seed=4294967296: expected int <= 4294967295"),
        ("lora.x=4", "^--set lora.x=4: object contains unknown field x; expected one of alpha, bits, double_quant, "),
        ("lora={x: 4}", "^--set lora={x: 4}: object contains unknown field x"),
        ("lora={1: 2}", "^--set lora={1: 2}: expected str"),
        ("huh=1", "^--set huh=1: object contains unknown field huh; expected one of accumulate, attention, "),
    ],
)
def test_a_wrong_value_is_an_error(override: str, message: str) -> None:
    with pytest.raises(StageError, match=message):
        load_stage("pretrain", [override])


def test_the_override_that_is_wrong_is_blamed_among_others() -> None:
    with pytest.raises(StageError, match=r"^--set lora.x=4: object contains unknown field x"):
        load_stage("pretrain", ["lora.r=8", "lora.x=4", "lora.alpha=8"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty, expected lines of NAME: VALUE"),
        (b"- lr", "no mapping, expected lines of NAME: VALUE"),
        ("name: é".encode("latin-1"), "not UTF-8 at byte 6, expected text; re-save the file as UTF-8"),
        (b"name: [", "not YAML, expected lines of NAME: VALUE"),
        (b"template: vicuna", "missing required field"),
    ],
)
def test_a_file_that_is_no_stage_is_blamed_and_not_the_override(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "own.yaml").write_bytes(content)
    with pytest.raises(StageError, match=rf"^stage {tmp_path}/own.yaml: .*{why}"):
        load_stage(str(tmp_path / "own.yaml"), ["lr=1"])


@pytest.mark.parametrize(
    ("content", "template", "zero"),
    [("lr: 1e-6", "auto", 3), ("base: pretrain\nlr: 1e-6", "plain", 2), ("lr: 1e-6\nzero: 0", "auto", 0)],
)
def test_a_file_may_hold_what_differs_from_a_shipped_stage(
    tmp_path: Path, content: str, template: str, zero: int
) -> None:
    (tmp_path / "own.yaml").write_text(content)
    stage = load_stage(str(tmp_path / "own.yaml"), ["seed=7"], base="finetune")
    assert (stage.lr, stage.template, stage.zero, stage.seed) == (1e-6, template, zero, 7)


def test_a_shipped_stage_takes_nothing_from_the_commands_own() -> None:
    assert load_stage("pretrain", base="finetune") == load_stage("pretrain")


def test_a_base_that_is_not_shipped_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("base: vicuna\nlr: 1")
    expected = r"own.yaml: \$.base: no shipped stage 'vicuna', expected one of finetune, llava-exact-finetune, "
    with pytest.raises(StageError, match=expected):
        load_stage(str(tmp_path / "own.yaml"), base="finetune")


def test_a_stage_that_is_not_there_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(
        StageError,
        match="no such file or directory; shipped are finetune, llava-exact-finetune, llava-exact-pretrain, pretrain",
    ):
        load_stage("finetun")
    (tmp_path / "bad.yaml").write_text("name: [")
    with pytest.raises(StageError, match=r"bad.yaml: not YAML"):
        load_stage(str(tmp_path / "bad.yaml"))


def test_the_global_batch_comes_out_or_is_refused_with_the_numbers() -> None:
    stage = load_stage("finetune")
    assert layout_of(stage, ranks=8) == Layout(ranks=8, accumulation=1, per_device_batch=16)
    assert layout_of(stage, ranks=2) == Layout(ranks=2, accumulation=4, per_device_batch=16)
    with pytest.raises(
        StageError,
        match=r"global_batch 128 is no multiple of per_device_batch 16 x 3 ranks = 48; try --set another|--nproc",
    ):
        layout_of(stage, ranks=3)
    with pytest.raises(StageError, match="per_device_batch 10 x 8 ranks = 80; try --set per_device_batch=8"):
        layout_of(load_stage("finetune", ["per_device_batch=10"]), ranks=8)


def checkpoint(run: Path, step: int, *, complete: bool = True, mixture: str = "a" * 64) -> Path:
    folder = run / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    if complete:
        mark_complete(folder, Complete(step=step, ranks=1, mixture=mixture, stage="finetune"))
    return folder


def test_the_newest_complete_checkpoint_is_chosen(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5)
    newest = checkpoint(tmp_path, 10)
    checkpoint(tmp_path, 15, complete=False)
    assert [done.step for _, done in checkpoints(tmp_path)] == [5, 10]
    chosen = choose(tmp_path, resume="auto", mixture="a" * 64)
    assert chosen is not None
    assert chosen[0] == newest


def test_a_named_checkpoint_is_taken_and_a_half_written_one_refused(tmp_path: Path) -> None:
    first = checkpoint(tmp_path, 5)
    half = checkpoint(tmp_path, 10, complete=False)
    chosen = choose(tmp_path, resume=str(first), mixture="a" * 64)
    assert chosen is not None
    assert chosen[1].step == 5
    with pytest.raises(TrainingError, match="expected auto, no or a complete checkpoint; complete are checkpoint-5"):
        choose(tmp_path, resume=str(half), mixture="a" * 64)


def test_a_new_run_does_not_mix_with_an_old_one(tmp_path: Path) -> None:
    assert choose(tmp_path, resume="no", mixture="a" * 64) is None
    checkpoint(tmp_path, 5)
    with pytest.raises(TrainingError, match="holds checkpoints up to step 5; name another --out"):
        choose(tmp_path, resume="no", mixture="a" * 64)


def test_a_checkpoint_of_another_mixture_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5)
    with pytest.raises(
        TrainingError, match="was trained on the mixture aaaaaaaaaaaaaaaa, this one is bbbbbbbbbbbbbbbb"
    ):
        choose(tmp_path, resume="auto", mixture="b" * 64)


def test_ranks_of_a_launcher_are_counted_and_srun_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    assert launched_ranks() is None
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "16")
    with pytest.raises(TrainingError, match="srun started 16 ranks; export MASTER_ADDR and MASTER_PORT"):
        launched_ranks()
    monkeypatch.setenv("MASTER_ADDR", "node1")
    assert launched_ranks() == 16
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert launched_ranks() == 4


def test_a_reporter_that_is_not_installed_is_an_error() -> None:
    require_reporter("none")
    with pytest.raises(TrainingError, match="--report-to no_such: not installed; pip install no_such"):
        require_reporter("no_such")


@pytest.fixture
def deepspeeds(tmp_path: Path) -> Path:
    """A checkpoint as DeepSpeed lays it out, of no content."""
    folder = checkpoint(tmp_path, 5)
    (folder / "global_step5").mkdir()
    (folder / "latest").write_text("global_step5\n")
    return folder


def test_a_checkpoint_is_converted_once_and_again_after_a_kill(
    deepspeeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[Path] = []

    def convert(source: Path, target: Path) -> None:
        assert not target.exists()
        converted.append(source)
        target.mkdir()
        (target / "weights").touch()

    monkeypatch.setattr(module, "let_rank_0", lambda work: work())
    monkeypatch.setattr(module, "_convert", convert)
    for _ in range(2):
        universal_form(deepspeeds)
    assert converted == [deepspeeds / "global_step5"]
    assert (deepspeeds / "latest_universal").read_text() == "global_step5_universal"
    (deepspeeds / "global_step5_universal" / "complete.json").unlink()
    universal_form(deepspeeds)
    assert len(converted) == 2


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_converted_is_one_line(deepspeeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "let_rank_0", lambda work: work())
    with pytest.raises(
        TrainingError, match=r"global_step5: cannot be converted for another number of ranks: \w+Error: [^\n]+$"
    ):
        universal_form(deepspeeds)
    assert not (deepspeeds / "latest_universal").exists()


def test_a_run_or_one_of_its_checkpoints_can_be_named(tmp_path: Path) -> None:
    first, newest = checkpoint(tmp_path, 5), checkpoint(tmp_path, 10)
    half = checkpoint(tmp_path, 15, complete=False)
    assert find_checkpoint(tmp_path)[0] == newest
    assert find_checkpoint(first)[1].step == 5
    with pytest.raises(TrainingError, match="checkpoint-15: no complete checkpoint here; expected a run's folder or"):
        find_checkpoint(half)
