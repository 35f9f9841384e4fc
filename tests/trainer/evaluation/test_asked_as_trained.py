"""What a model is asked is what it was trained on: token ids, padded pictures, a dtype that is stated."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.template import TEMPLATES
from mix665k.trainer.data.images import load_processor
from mix665k.trainer.data.pixels import Pixels
from mix665k.trainer.evaluate import Settings, evaluate
from mix665k.trainer.evaluated_model import open_subject
from mix665k.trainer.evaluation.registry import Question, Request
from mix665k.trainer.evaluation.score import incomparable
from mix665k.trainer.evaluation.subject import Subject
from mix665k.trainer.export import export
from mix665k.trainer.model.files import write_processor
from tests.trainer.evaluation.asking import answers, ask, draw, own_benchmark, tiny_model
from tests.trainer.evaluation.cases import problem, scienceqa, textvqa
from tests.trainer.evaluation.test_prompts import PROMPTS, RECORDS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def subject(model: Path) -> Subject:
    return open_subject(str(model), exact=False)


def processor(folder: Path) -> Any:
    kind: Any = AutoProcessor
    return kind.from_pretrained(folder)


def question(text: str, image: str | None = None) -> Question:
    return Question((("id", "1"),), text=text, image=image, bare=text, record=None)


@pytest.mark.parametrize("text", ["What?", "Is it?\nAnswer the question using a single word or phrase.", "Où 你 ?"])
@pytest.mark.parametrize("image", [None, "0.png"])
def test_a_prompt_is_what_the_exported_processor_gives_of_the_same_question(
    text: str, image: str | None, model: Path, subject: Subject
) -> None:
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if image:
        content.insert(0, {"type": "image", "image": Image.new("RGB", (9, 9))})
    given = processor(model).apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    [prompt] = subject.prompts([question(text, image)])
    assert list(prompt.ids) == given["input_ids"][0]


@pytest.mark.skipif(not RECORDS, reason=f"{PROMPTS} is not there")
def test_the_34_recorded_prompts_are_met_to_the_token(subject: Subject) -> None:
    for one in RECORDS:
        pictured = "<image>" in one["rendered"]
        [prompt] = subject.prompts([question(one["text"], "a.png" if pictured else None)])
        written = one["rendered"].split("<image>")
        assert written[-1].endswith("ASSISTANT:")
        picture = [subject.encoder.image_token_id] * 16
        encode = subject.tokenizer.backend_tokenizer.encode
        pieces = [encode(text, add_special_tokens=False).ids for text in written]
        expected = [subject.tokenizer.bos_token_id, *pieces[0], *(picture + pieces[1] if pictured else [])]
        assert list(prompt.ids) == expected, one["rendered"]
    assert TEMPLATES["v1"].reply == " ASSISTANT:"


def test_a_picture_is_padded_and_not_cropped_whatever_the_models_processor_does(model: Path, tmp_path: Path) -> None:
    draw(tmp_path / "wide.png", (40, 160), seed=1)
    other = tmp_path / "cropping"
    other.mkdir()
    for file in model.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    cropping = processor(model)
    cropping.image_processor = processor(model.parent / "run/start").image_processor
    write_processor(cropping, other)
    pixels, picture = Pixels(load_processor(str(model)), speed="exact"), Image.open(tmp_path / "wide.png")
    assert not torch.equal(pixels.padded(picture), pixels.cropped(picture))
    for name, notes in ((model, 0), (other, 1)):
        found = open_subject(str(name), exact=False)
        loaded = found.loader(tmp_path).load("wide.png", record="r").pixels
        assert loaded is not None
        assert torch.equal(loaded, pixels.padded(picture))
        assert found.facts["pictures"] == "padded"
        assert len(found.notes) == notes, found.notes


def test_an_export_in_llavas_own_form_answers_alike(model: Path, tmp_path: Path) -> None:
    mine = own_benchmark(tmp_path)
    export(model.parent / "run", tmp_path / "llava", form="llava")
    ask(model, mine, tmp_path / "1", limit=5)
    assert ask(tmp_path / "llava", mine, tmp_path / "2", limit=5).notes == ()
    texts = [[json.loads(line)["text"] for line in answers(tmp_path / name).splitlines()] for name in ("1", "2")]
    assert texts[0] == texts[1]


def test_textvqa_is_not_asked_without_its_ocr_tokens_unless_that_is_the_prompt(model: Path, tmp_path: Path) -> None:
    textvqa(tmp_path, {"question": "what?"})
    draw(tmp_path / "train_images/i.jpg", (20, 20), seed=0)
    settings = Settings(data=tmp_path, images=tmp_path, out=tmp_path / "out", request=Request())
    with pytest.raises(EvaluationError, match=r"OCR_v0.2_val\.json: no such file; get it from"):
        list(evaluate(str(model), ["textvqa"], settings))
    [scored] = evaluate(str(model), ["textvqa"], settings._replace(request=Request(prompt="no-ocr")))
    assert incomparable(scored) == "the prompt is no-ocr, theirs ocr"


def test_the_result_says_the_dtype_and_in_half_precision_another_batch_refuses(model: Path, tmp_path: Path) -> None:
    half, mine = tmp_path / "half", own_benchmark(tmp_path)
    processor(model).save_pretrained(half)
    kind: Any = LlavaForConditionalGeneration
    kind.from_pretrained(model).to(torch.bfloat16).save_pretrained(half)
    assert ask(half, mine, tmp_path / "out", limit=2).about["model"]["dtype"] == "bfloat16"
    assert ask(half, mine, tmp_path / "exact", limit=2, exact=True).about["model"]["dtype"] == "float32"
    result = json.loads((tmp_path / "out/mine/results.json").read_text())
    assert result["asked"]["model"]["dtype"] == "bfloat16"
    assert result["asked"]["generation"]["decoding"] == "greedy"
    ask(half, mine, tmp_path / "exact", limit=2, exact=True, rows=1)
    with pytest.raises(EvaluationError, match=r"of another generation batch: auto, now 1; repeat that command"):
        ask(half, mine, tmp_path / "out", limit=2, rows=1)


def test_a_question_without_a_picture_is_answered_as_if_there_were_no_other(model: Path, tmp_path: Path) -> None:
    mixed, alone = own_benchmark(tmp_path / "mixed", texts=1), own_benchmark(tmp_path / "alone", texts=1)
    asked = (alone.parent / "mine.jsonl").read_text().splitlines()
    (alone.parent / "mine.jsonl").write_text(asked[-1] + "\n")
    ask(model, mixed, tmp_path / "1")
    ask(model, alone, tmp_path / "2")
    assert answers(tmp_path / "1").splitlines()[-1] == answers(tmp_path / "2").strip()


def test_scienceqa_prints_its_line_word_for_word(model: Path, tmp_path: Path) -> None:
    draw(tmp_path / "images/test/1/image.png", (30, 30), seed=0)
    scienceqa(tmp_path, problem(0), problem(1, image="image.png"))
    options = ["--data", tmp_path, "--images", tmp_path, "--out", tmp_path / "out", "--limit", 2, "--batch", "2"]
    done = CliRunner().invoke(train, ["eval", str(model), "scienceqa", *map(str, options)])
    assert done.exit_code == 0, done.output
    assert "Total: 2, Correct: 0, Accuracy: 0.00%, IMG-Accuracy: 0.00%\n" in done.stdout
    assert "not comparable with the published figures: --limit 2" in done.stdout
