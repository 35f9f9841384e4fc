"""What a run starts from: every tensor of a run, an exported model, or LLaVA's own checkpoint, bit for bit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, AutoTokenizer
from transformers import LlavaForConditionalGeneration as Llava

from mix665k.schemas.errors import ModelError, TrainingError
from mix665k.trainer.export import export, export_adapters, model_card
from mix665k.trainer.model.adapters import add_adapters
from mix665k.trainer.model.compose import compose
from mix665k.trainer.model.layout import to_llava
from mix665k.trainer.run.checkpoint import Complete, mark_complete
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.start_from import StartFrom, start_from
from mix665k.trainer.run.start_model import describe_start, make_start, parts_of
from mix665k.trainer.run.weights import load_trained
from tests.trainer.running import Inputs

LLAVA: Any = Llava
PROCESSOR: Any = AutoProcessor
TOKENIZER: Any = AutoTokenizer
Weights = dict[str, torch.Tensor]


def _job(inputs: Inputs, out: Path, start: StartFrom, *, sets: tuple[str, ...] = ()) -> Job:
    stage = load_stage("finetune", ["bf16=false", "zero=0", "template=v1", *sets])
    return Job(stage=stage, mixture=str(inputs.mixture), images=str(inputs.images), out=str(out), **start._asdict())


def _changed(weights: Weights) -> Weights:
    """Every tensor another one than before, as after training."""
    torch.manual_seed(5)
    return {name: value + torch.randn_like(value) for name, value in weights.items()}


def _finished(inputs: Inputs, out: Path, *, sets: tuple[str, ...] = ()) -> tuple[Path, Weights]:
    """A run of stage 2 with one checkpoint, whose weights changed, or only what learns beside adapters; and they."""
    job = _job(inputs, out, StartFrom(llm=str(inputs.llm), vision=str(inputs.vision)), sets=sets)
    make_start(job)
    model = LLAVA.from_pretrained(job.start)
    if job.stage.lora is not None:
        add_adapters(model, job.stage.lora, seed=0)
    weights = model.state_dict()
    learned = [name for name in weights if job.stage.lora is None or "lora_" in name or "projector" in name]
    weights |= _changed({name: weights[name] for name in learned})
    checkpoint = out / "checkpoint-2"
    checkpoint.mkdir()
    save_file(weights, checkpoint / "weights.safetensors")
    mark_complete(checkpoint, Complete(step=2, ranks=1, mixture="a" * 64, stage="finetune"))
    write_job(job)
    return out, weights


@pytest.fixture(scope="module")
def finished(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    return _finished(inputs, tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture(scope="module")
def exported(finished: tuple[Path, Weights], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model"
    export(finished[0], out)
    return out


def _llavas(inputs: Inputs, out: Path, *, tower: bool = True, safetensors: bool = False, shards: int = 2) -> Weights:
    """One of LLaVA's own checkpoints with the bare language model's vocabulary; its weights by their names in ours."""
    compose(str(inputs.llm), str(inputs.vision), out / "composed", projector=None, template="v1", seed=9)
    rows = json.loads((inputs.llm / "config.json").read_text())["vocab_size"]
    ours = _changed(LLAVA.from_pretrained(out / "composed").state_dict())
    shutil.rmtree(out / "composed")
    ours |= {name: value[:rows].clone() for name, value in ours.items() if "embed_tokens" in name or "lm_head" in name}
    theirs = {to_llava(name): value for name, value in ours.items() if tower or "vision_tower" not in name}
    theirs |= {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    names = sorted(theirs)
    form, ending = ("model", "safetensors") if safetensors else ("pytorch_model", "bin")
    index: dict[str, str] = {}
    for number in range(shards):
        part = {name: theirs[name] for name in names[number::shards]}
        file = f"{form}-{number + 1:05d}-of-{shards:05d}.{ending}"
        save_file(part, out / file) if safetensors else torch.save(part, out / file)
        index |= dict.fromkeys(part, file)
    (out / f"{form}.{ending}.index.json").write_text(json.dumps({"weight_map": index}))
    for path in inputs.llm.glob("token*"):
        shutil.copy(path, out)
    (out / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, "temperature": 0.9}))
    _write_config(inputs, out)
    return ours


@pytest.fixture(scope="module")
def llavas(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("llava")
    _llavas(inputs, out)
    return out


def _write_config(inputs: Inputs, out: Path, **changes: Any) -> None:
    fields = json.loads((inputs.llm / "config.json").read_text())
    fields |= {
        "model_type": "llava_llama",
        "architectures": ["LlavaLlamaForCausalLM"],
        "mm_vision_tower": str(inputs.vision),
        "mm_hidden_size": 64,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "image_aspect_ratio": "pad",
        "use_mm_proj": True,
    }
    (out / "config.json").write_text(json.dumps(fields | changes))


def _weights_of_start(job: Job) -> Weights:
    model, info = LLAVA.from_pretrained(job.start, output_loading_info=True, dtype="auto")
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    weights: Weights = model.state_dict()
    return weights


def _require_equal(found: Weights, expected: Weights) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_a_finished_run_is_continued_with_all_it_has(
    inputs: Inputs, finished: tuple[Path, Weights], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, weights = finished
    job = _job(inputs, tmp_path / "next", start_from(str(run)))
    make_start(job)
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == f"starting from {run}/checkpoint-2: language model, projector, vision tower"
    _require_equal(_weights_of_start(job), weights)
    before, after = (TOKENIZER.from_pretrained(path / "start") for path in (run, job.folder))
    assert (len(before), before.get_vocab()) == (len(after), after.get_vocab())


def test_a_run_with_adapters_is_continued_with_them_merged(inputs: Inputs, tmp_path: Path) -> None:
    run, weights = _finished(inputs, tmp_path / "run", sets=("lora.r=4", "lora.alpha=8"))
    job = _job(inputs, tmp_path / "next", start_from(str(run / "checkpoint-2")))
    make_start(job)
    found = _weights_of_start(job)
    layer = "model.language_model.layers.0.self_attn.q_proj"
    merged = weights[f"{layer}.base_layer.weight"] + 2 * (
        weights[f"{layer}.lora_B.default.weight"] @ weights[f"{layer}.lora_A.default.weight"]
    )
    assert torch.allclose(found[f"{layer}.weight"], merged, atol=1e-5)
    assert torch.equal(found["lm_head.weight"], weights["lm_head.weight"])
    assert not any("lora" in name for name in found)


def test_adapters_written_apart_give_the_logits_of_the_merged_model(inputs: Inputs, tmp_path: Path) -> None:
    sets = ("lora.r=4", "lora.alpha=8", "lora.dropout=0.1")
    run, _ = _finished(inputs, tmp_path / "run", sets=sets)
    export_adapters(run, tmp_path / "adapters")
    assert {path.name for path in (tmp_path / "adapters").iterdir()} >= {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    start = LLAVA.from_pretrained(run / "start")
    peft = PeftModel.from_pretrained(start, tmp_path / "adapters").eval()
    merged = load_trained(run / "checkpoint-2").eval()
    image = merged.config.image_token_id
    given = {"input_ids": torch.tensor([[1, *[image] * 16, 9, 200]]), "pixel_values": torch.randn(1, 3, 56, 56)}
    logits = merged(**given).logits
    assert not torch.allclose(LLAVA.from_pretrained(run / "start")(**given).logits, logits, atol=0.05)
    assert torch.allclose(peft(**given).logits, logits, atol=1e-5)
    with pytest.raises(TrainingError, match="adapters: not empty"):
        export_adapters(run, tmp_path / "adapters")


def test_a_run_without_adapters_has_none_to_write(finished: tuple[Path, Weights], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="was trained without adapters; export it without --adapters"):
        export_adapters(finished[0], tmp_path / "adapters")


def test_stage_1_gives_its_projector_alone(inputs: Inputs, first_stage: Path, tmp_path: Path) -> None:
    given = start_from(str(first_stage))
    assert given == StartFrom(llm=str(inputs.llm), vision=str(inputs.vision), projector=str(first_stage))
    assert parts_of(_job(inputs, tmp_path, given)).startswith(f"{first_stage}: projector; language model {inputs.llm}")


def test_an_exported_model_is_continued_like_the_run_it_was_made_of(
    inputs: Inputs, finished: tuple[Path, Weights], exported: Path, tmp_path: Path
) -> None:
    job = _job(inputs, tmp_path / "next", start_from(str(exported)))
    make_start(job)
    _require_equal(_weights_of_start(job), finished[1])
    processor, config = describe_start(job)
    again = PROCESSOR.from_pretrained(job.start)
    assert len(again.tokenizer) == len(processor.tokenizer) == len(TOKENIZER.from_pretrained(exported))
    assert config.text_config.vocab_size == LLAVA.from_pretrained(exported).config.text_config.vocab_size


@pytest.mark.parametrize(("tower", "safetensors", "shards"), [(True, False, 2), (False, True, 3)])
def test_llavas_own_checkpoint_is_continued_with_all_it_has(
    inputs: Inputs, tmp_path: Path, tower: bool, safetensors: bool, shards: int
) -> None:
    source = tmp_path / "llava-v1.5-7b"
    weights = _llavas(inputs, source, tower=tower, safetensors=safetensors, shards=shards)
    if not tower:
        theirs = LLAVA.from_pretrained  # the tower that its configuration names
        compose(str(inputs.llm), str(inputs.vision), tmp_path / "c", projector=None, template="v1", seed=9)
        weights |= {k: v for k, v in theirs(tmp_path / "c").state_dict().items() if "vision_tower" in k}
    job = _job(inputs, tmp_path / "next", start_from(str(source)))
    make_start(job)
    found = _weights_of_start(job)
    rows = len(weights["lm_head.weight"])
    for name in ("lm_head.weight", "model.language_model.embed_tokens.weight"):
        assert len(found[name]) % 64 == 0
        found[name] = found[name][:rows]
    _require_equal(found, weights)
    generation = json.loads((job.start / "generation_config.json").read_text())
    assert generation["temperature"] == 0.9
    tokenizer = TOKENIZER.from_pretrained(job.start)
    assert tokenizer.convert_tokens_to_ids("<image>") == rows
    ends = "language model, projector, vision tower" if tower else f"vision tower {inputs.vision}"
    assert parts_of(job).endswith(ends)


def test_a_projector_of_llavas_may_lie_in_its_folder(inputs: Inputs, tmp_path: Path) -> None:
    for name in ("mm_projector.bin", "config.json"):
        (tmp_path / name).write_bytes(b"{}")
    given = start_from(str(tmp_path), llm=str(inputs.llm), vision=str(inputs.vision))
    file = str(tmp_path / "mm_projector.bin")
    assert given == StartFrom(llm=str(inputs.llm), vision=str(inputs.vision), projector=file)
    assert start_from(file).projector == file


Harm = Callable[[Inputs, Path], object]


def _drop(name: str) -> Harm:
    def harm(inputs: Inputs, folder: Path) -> None:
        for path in folder.glob("pytorch_model-*.bin"):
            torch.save({key: value for key, value in torch.load(path).items() if key != name}, path)

    return harm


def _add(name: str, value: torch.Tensor) -> Harm:
    def harm(inputs: Inputs, folder: Path) -> None:
        path = min(folder.glob("pytorch_model-*.bin"))
        torch.save(torch.load(path) | {name: value}, path)

    return harm


def _cut(inputs: Inputs, folder: Path) -> None:
    path = max(folder.glob("pytorch_model-*.bin"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _config(**changes: Any) -> Harm:
    return lambda inputs, folder: _write_config(inputs, folder, **changes)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (_drop("model.mm_projector.2.bias"), r"1 missing \(model\.multi_modal_projector\.linear_2\.bias\)"),
        (_drop("model.layers.1.mlp.up_proj.weight"), r"1 missing \(model\.language_model\.layers\.1\.mlp\.up_proj"),
        (_add("model.image_newline", torch.ones(64)), r"1 unknown \(model\.language_model\.image_newline\)"),
        (_add("transformer.wte.weight", torch.ones(2)), r"1 unknown \(transformer\.wte\.weight\)"),
        (_add("lm_head.weight", torch.ones(3, 64)), r"of another shape \(lm_head\.weight is \[3, 64\], expected"),
        (_cut, r"pytorch_model-00002-of-00002\.bin: cannot be read, is it whole\?"),
        (lambda _, folder: min(folder.glob("*.bin")).unlink(), r"1 of 2 files of weights are missing, the first is"),
        (_config(image_aspect_ratio="anyres"), r"image_aspect_ratio is 'anyres', expected 'pad' as in LLaVA-1\.5"),
        (_config(mm_patch_merge_type="spatial_unpad"), r"mm_patch_merge_type is 'spatial_unpad'"),
        (_config(mm_projector_type=None), r"mm_projector_type is None, expected 'mlp2x_gelu'"),
        (_config(mm_use_im_start_end=True), r"mm_use_im_start_end is True"),
        (_config(mm_vision_tower=None), r"names no vision tower \(mm_vision_tower\); name it with --vision"),
        (_config(model_type="llava_mpt"), r"its model type is llava_mpt, expected a LLaVA-1\.5"),
        (_config(model_type="llama"), r"its model type is llama, .*; a bare language model is for --llm"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_check_and_run_alike(
    inputs: Inputs, llavas: Path, tmp_path: Path, harm: Harm, why: str
) -> None:
    source = tmp_path / "llava"
    shutil.copytree(llavas, source)
    harm(inputs, source)
    job = _job(inputs, tmp_path / "next", start_from(str(source)))
    for refuse in (describe_start, make_start):
        with pytest.raises(ModelError, match=why) as told:
            refuse(job)
        assert "\n" not in str(told.value)


def _lost_norm(weights: Weights) -> Weights:
    return {name: value for name, value in weights.items() if not name.endswith("model.norm.weight")}


def _added_bias(weights: Weights) -> Weights:
    return weights | {"language_model.model.layers.0.self_attn.q_proj.bias": torch.zeros(64)}


def _other_shape(weights: Weights) -> Weights:
    return weights | {"multi_modal_projector.linear_1.weight": torch.zeros(3, 64)}


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (_lost_norm, r"1 missing \(model\.language_model\.norm\.weight\)"),
        (_added_bias, r"1 unknown \(.*q_proj\.bias\)"),
        (_other_shape, r"1 of another shape \(.*linear_1\.weight is \[3, 64\], expected \[64, 64\]\)"),
    ],
)
def test_an_exported_model_that_does_not_fit_is_refused_by_check_and_run_alike(
    inputs: Inputs, exported: Path, tmp_path: Path, harm: Callable[[Weights], Weights], why: str
) -> None:
    broken = tmp_path / "model"
    shutil.copytree(exported, broken)
    save_file(harm(load_file(broken / "model.safetensors")), broken / "model.safetensors", metadata={"format": "pt"})
    job = _job(inputs, tmp_path / "next", start_from(str(broken)))
    for refuse in (describe_start, make_start):
        with pytest.raises(ModelError, match=why):
            refuse(job)


def test_a_folder_of_a_finished_model_without_weights_is_refused_unless_only_its_configuration_is_asked_about(
    inputs: Inputs, finished: tuple[Path, Weights], exported: Path, llavas: Path, tmp_path: Path
) -> None:
    for given, weights in ((exported, "."), (llavas, "."), (finished[0], "start")):
        bare = Path(shutil.copytree(given, tmp_path / "bare"))
        for pattern in ("*.safetensors", "*.bin", "*.bin.index.json"):
            for file in (bare / weights).glob(pattern):
                file.unlink()
        job = _job(inputs, tmp_path / "next", StartFrom(llm="", vision="", model=str(bare)))
        for refuse in (describe_start, make_start):
            with pytest.raises(ModelError, match=r"bare(/start)?: no weights, expected one of model\.safetensors, "):
                refuse(job)
        _, config = describe_start(job, has_weights=False)
        assert (config.image_seq_length, parts_of(job).startswith(f"{bare}")) == (16, True)
        shutil.rmtree(bare)


def test_weights_cut_short_and_an_image_token_elsewhere_are_refused(
    inputs: Inputs, exported: Path, tmp_path: Path
) -> None:
    cut, moved = tmp_path / "cut", tmp_path / "moved"
    for place in (cut, moved):
        shutil.copytree(exported, place)
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(config | {"image_token_index": 7, "image_token_id": 7}))
    for place, why in ((cut, "cannot be read, are they whole"), (moved, "of its tokenizer and 7 of its model")):
        job = _job(inputs, tmp_path / "next", start_from(str(place)))
        for refuse in (describe_start, make_start):
            with pytest.raises(ModelError, match=why):
                refuse(job)


def test_a_projector_of_other_models_is_refused_by_check_and_run_alike(inputs: Inputs, tmp_path: Path) -> None:
    torch.save({"model.mm_projector.0.weight": torch.zeros(2, 2)}, tmp_path / "p.bin")
    models = {"llm": str(inputs.llm), "vision": str(inputs.vision)}
    job = _job(inputs, tmp_path / "next", start_from(str(tmp_path / "p.bin"), **models))
    for refuse in (describe_start, make_start):
        with pytest.raises(ModelError, match="was it trained with other models"):
            refuse(job)


def test_a_file_of_a_model_is_not_taken_for_a_projector(inputs: Inputs, exported: Path, tmp_path: Path) -> None:
    file = exported / "model.safetensors"
    job = _job(inputs, tmp_path, start_from(str(file), llm=str(inputs.llm), vision=str(inputs.vision)))
    with pytest.raises(ModelError, match=r"its \d\d weights \(.*, …\) are not those of a projector between") as told:
        describe_start(job)
    assert len(str(told.value)) < 700


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (StartFrom(llm="", vision="", model="llava-hf/llava-1.5-7b-hf"), "Made of `llava-hf/llava-1.5-7b-hf`, trained"),
        (StartFrom(llm="a/llm", vision="b/clip", model="/runs/2"), "Made of `a/llm` and `b/clip`, trained"),
        (StartFrom(llm="/models/own", vision="b/clip"), "Made of `own` and `b/clip`, trained"),
    ],
)
def test_a_card_says_what_a_model_is_made_of(inputs: Inputs, tmp_path: Path, start: StartFrom, says: str) -> None:
    card = model_card(_job(inputs, tmp_path, start), Complete(step=2, ranks=1, mixture="a" * 64, stage="finetune"))
    assert says in card
    assert "''" not in card.split("---")[1]


def test_a_start_that_is_nowhere_is_one_line(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"--from \S+/none: no such file or folder; expected a run"):
        start_from(str(tmp_path / "none"))
    with pytest.raises(TrainingError, match="no complete checkpoint here"):
        start_from(str(tmp_path))


def test_a_run_is_not_resumed_after_its_start_changed(
    inputs: Inputs, exported: Path, finished: tuple[Path, Weights], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(exported, model)
    job = _job(inputs, tmp_path / "next", start_from(str(model)))
    make_start(job)
    mark = job.folder / "checkpoint-1"
    mark.mkdir()
    mark_complete(mark, Complete(step=1, ranks=1, mixture="a" * 64, stage="finetune"))
    make_start(job)
    with pytest.raises(
        TrainingError, match=r"checkpoint-1: .*model changed from .* of weights .* to .*checkpoint-2 of"
    ):
        make_start(msgspec.structs.replace(job, **start_from(str(finished[0]))._asdict()))
    save_file(_changed(load_file(model / "model.safetensors")), model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"model changed from .* of weights \w+ to .* of weights \w+; use the orig"):
        make_start(job)


def test_a_model_exported_in_llavas_form_comes_back_as_it_was(
    inputs: Inputs, finished: tuple[Path, Weights], tmp_path: Path
) -> None:
    export(finished[0], tmp_path / "llava-own", form="llava")
    job = _job(inputs, tmp_path / "next", start_from(str(tmp_path / "llava-own")))
    make_start(job)
    found = _weights_of_start(job)
    # what the tower's own checkpoint has: LLaVA's form leaves out a tower that its run did not train
    _require_equal(
        {name: value for name, value in found.items() if "vision_tower" not in name},
        {name: value for name, value in finished[1].items() if "vision_tower" not in name},
    )
    before, after = (TOKENIZER.from_pretrained(path / "start") for path in (finished[0], job.folder))
    assert [after.convert_tokens_to_ids(token) for token in ("<image>", "</s>")] == [
        before.convert_tokens_to_ids(token) for token in ("<image>", "</s>")
    ]
