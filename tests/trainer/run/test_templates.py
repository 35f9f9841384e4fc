"""Which template a run takes, and which it refuses."""

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig

from mix665k.schemas.errors import StageError, TokenizerError
from mix665k.schemas.template import TEMPLATES, Template
from mix665k.trainer.data.chat import exported_chat_template, resolve_template
from mix665k.trainer.data.jinja import jinja_of
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.templates import settle_template, settled_before
from tests.trainer.parts import new_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LISTS_ONLY = (
    "{% for m in messages %}{{ m.role.upper() }}: "
    "{% for part in m.content | selectattr('type', 'equalto', 'text') %}{{ part.text }}{% endfor %}{% endfor %}"
)
OWN = "{start: '{system} Q: ', human: 'Q: ', reply: ' A:', lead: ' ', end: '<|im_end|>', system: Be kind.}"


def job(out: Path, *, stage: str = "finetune", sets: tuple[str, ...] = (), chat: str | None = None) -> Job:
    llm = out / "llm"
    tokenizer = new_tokenizer(chat)
    tokenizer.save_pretrained(llm)
    LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(llm)
    given: dict[str, Any] = {"mixture": "/m", "images": "/i", "vision": "/v", "out": str(out)}
    return Job(stage=load_stage(stage, sets), llm=str(llm), **given)


@pytest.mark.parametrize(
    ("chat", "template"),
    [
        (None, "v1"),
        (CHATML, "chat"),
        (LISTS_ONLY, "v1"),
        (jinja_of(TEMPLATES["v1"]), "v1"),
        (jinja_of(TEMPLATES["chatml_direct"]), "chatml_direct"),
        (jinja_of(TEMPLATES["plain"]), "v1"),
    ],
    ids=["vicuna", "chat", "llava-hf", "our-v1", "our-chatml", "our-stage-1"],
)
def test_the_default_is_the_chat_template_where_there_is_one_and_v1_elsewhere(chat: str | None, template: str) -> None:
    assert resolve_template("auto", new_tokenizer(chat)) == template


def test_auto_is_settled_once_and_recorded(tmp_path: Path) -> None:
    settled = settle_template(job(tmp_path, chat=CHATML))

    assert (settled.stage.template, settled.asked_template) == ("chat", "auto")
    write_job(settled)
    again = job(tmp_path, chat=CHATML)
    (tmp_path / "llm" / "tokenizer.json").unlink()
    assert settled_before(again) == settled
    assert settled_before(job(tmp_path, sets=("template=v1",))) is None


def test_a_template_that_is_named_is_not_changed(tmp_path: Path) -> None:
    assert settle_template(job(tmp_path, sets=("template=v1",), chat=CHATML)).stage.template == "v1"


@pytest.mark.parametrize(
    ("template", "chat", "why"),
    [
        (
            "v0",
            None,
            "template v0: ends answers with '###', 1 token here, not one special token to stop at; the ",
        ),
        ("v0", CHATML, "tokenizer's own end is '</s>'; --set template=chat$"),
        ("v0", None, "tokenizer's own end is '</s>'; bring a template that ends in it$"),
        ("plain", None, r"template plain: ends answers with '\\n'"),
        ("chat", CHATML.replace("<|im_end|>", "<|end|>"), r"template chat: ends answers with '<\|end\|>'"),
        ("{start: '', human: '', reply: ':', end: '</s>.'}", None, r"template own: ends answers with '</s>\.'"),
    ],
)
def test_a_template_whose_end_is_not_one_special_token_is_refused(
    tmp_path: Path, template: str, chat: str | None, why: str
) -> None:
    with pytest.raises(StageError, match=why):
        settle_template(job(tmp_path, sets=(f"template={template}",), chat=chat))


def test_where_only_the_projector_learns_a_caption_may_end_in_a_newline(tmp_path: Path) -> None:
    assert settle_template(job(tmp_path, stage="pretrain")).stage.template == "plain"
    with pytest.raises(StageError, match="template plain: ends answers with"):
        settle_template(job(tmp_path, stage="pretrain", sets=("trains=[projector, language_model]",)))


def test_a_stage_brings_texts_of_its_own() -> None:
    own = load_stage("finetune", (f"template={OWN}",)).template

    assert own == Template(
        start="{system} Q: ", human="Q: ", reply=" A:", lead=" ", end="<|im_end|>", system="Be kind."
    )
    assert "Be kind." in exported_chat_template(own, new_tokenizer())


def test_a_stage_brings_a_file_in_jinja(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own.jinja").write_text(CHATML)
    (tmp_path / "sub" / "stage.yaml").write_text(
        "name: own\ntrains: [projector]\ntemplate: own.jinja\nlr: 1\nglobal_batch: 1\nper_device_batch: 1\n"
        "image: pad\nzero: 0\nseed: 1\n"
    )
    monkeypatch.chdir(tmp_path)

    assert load_stage("sub/stage.yaml").template == CHATML
    assert load_stage("finetune", ("template=sub/own.jinja",)).template == CHATML
    settled = settle_template(job(tmp_path, sets=("template=sub/own.jinja",)))
    assert settled.stage.template == CHATML
    (tmp_path / "sub" / "own.jinja").write_text("text")
    with pytest.raises(StageError, match=r"sub/own\.jinja: no Jinja in it"):
        load_stage("finetune", ("template=sub/own.jinja",))
    with pytest.raises(StageError, match=r"nope\.jinja: no such file"):
        load_stage("finetune", ("template=nope.jinja",))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("{start: a, human: b, reply: c}", "missing required field end"),
        ("{start: a, human: b, reply: c, end: d, ends: e}", "unknown field ends; did you mean 'end'"),
        ("3", "expected str | object, got int"),
    ],
)
def test_texts_that_are_no_template_are_one_line(given: str, why: str) -> None:
    with pytest.raises(StageError, match=why.replace("|", r"\|")):
        load_stage("finetune", (f"template={given}",))


def test_a_jinja_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text("{% for m in messages %}{{ m.content | upper }}{% endfor %}")

    with pytest.raises(TokenizerError, match=r"the stage's template does not write an answer"):
        settle_template(job(tmp_path, sets=(f"template={tmp_path}/own.jinja",)))


def test_the_template_in_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "train" / "templates.md").read_text(encoding="utf-8")
    own = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "stage.yaml").write_text(
        f"name: own\ntrains: [language_model]\n{own}lr: 1\nglobal_batch: 1\nper_device_batch: 1\n"
        "image: pad\nzero: 0\nseed: 1\n"
    )

    settled = settle_template(job(tmp_path, stage=str(tmp_path / "stage.yaml")))

    assert isinstance(settled.stage.template, Template)
    assert settled.stage.template.end == "<|im_end|>"
