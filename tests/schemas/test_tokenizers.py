"""Tokenizers: found or an error that says what to do; counted as LLaVA's own training code counts."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import RecipeError, TokenizerError
from mix665k.schemas.tokenizer import TINY, fingerprint, tokenizer_folder
from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.schemas.tokens import TokenCounter, text_encoder
from tests.builders.building import SHARED

PREPROCESSED = SHARED / "golden/preprocess_v1.jsonl"
needs_golden = pytest.mark.skipif(not PREPROCESSED.is_file(), reason=f"LLaVA's token ids are not at {PREPROCESSED}")
CONFIG = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    text_encoder.cache_clear()
    yield
    text_encoder.cache_clear()


def _folder(path: Path, **files: bytes) -> str:
    path.mkdir()
    for name, content in files.items():
        (path / name.replace("_DOT_", ".")).write_bytes(content)
    return str(path)


def test_a_home_of_nobody_is_no_tokenizer() -> None:
    with pytest.raises(TokenizerError, match="neither a folder nor to be had"):
        tokenizer_folder("~nobody-of-this-name/tokenizer")


def test_tiny_is_shipped() -> None:
    assert tokenizer_folder("tiny") == TINY
    assert len(load_tokenizer("tiny")) == 2000


@pytest.mark.parametrize("name", ["/no/such/folder", "a b c"])
def test_a_tokenizer_that_is_nowhere_is_an_error_that_says_what_to_do(name: str) -> None:
    message = r"neither a folder nor to be had from the hub \(.*\); give a folder that holds"

    with pytest.raises(TokenizerError, match=rf"^tokenizer {name}: {message}"):
        tokenizer_folder(name)


def test_a_tokenizer_that_the_hub_does_not_give_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def refuse(name: str, *, allow_patterns: list[str], local_files_only: bool = False) -> str:
        asked.append(local_files_only)
        raise OSError("no connection\nand a long story")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)

    with pytest.raises(
        TokenizerError, match=r"^tokenizer nobody/tok: .* from the hub \(no connection\); give a folder"
    ):
        tokenizer_folder("nobody/tok")
    assert asked == [True, False]


def test_a_tokenizer_in_the_hubs_cache_is_found_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def give(name: str, *, allow_patterns: list[str], local_files_only: bool = False) -> str:
        assert local_files_only, "asked the network"
        return str(TINY)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)

    assert tokenizer_folder("nobody/tok") == TINY


def test_a_folder_without_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json or tokenizer\.model in .*; give a folder"):
        tokenizer_folder(_folder(tmp_path / "t", vocab_DOT_txt=b"a\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b""),
        ("tokenizer.json", b"not json"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"[]"),
        ("tokenizer.json", b'{"version": "1.0", "added_tokens": 3}'),
        ("tokenizer.json", b'{"version": "1.0", "added_tokens": []}'),
        ("tokenizer.json", b'{"version": "1.0", "added_tokens": [], "model": {"type": "XX"}}'),
        ("tokenizer.model", b""),
        ("tokenizer.model", b"abc"),
    ],
)
def test_a_tokenizer_that_cannot_be_read_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(TokenizerError, match=r"^tokenizer /.*: cannot be loaded: .+; give another folder$"):
        load_tokenizer(str(tmp_path))


def test_a_tokenizer_that_truncates_and_pads_counts_all_the_same(tmp_path: Path) -> None:
    folder = shutil.copytree(TINY, tmp_path / "t")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    padding = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>"}
    content["padding"] = {"strategy": {"Fixed": 99}, **padding}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    pairs = [("Where is the mill?", "Behind the reeds."), ("And the kite?", "Gone.")]

    assert TokenCounter(str(folder), "v1").ends([pairs]) == TokenCounter("tiny", "v1").ends([pairs])


def test_an_unknown_template_is_an_error() -> None:
    with pytest.raises(RecipeError, match=r"template: no template 'vicuna_v2'; did you mean 'vicuna_v1'\?"):
        TokenCounter("tiny", "vicuna_v2")


def test_the_count_ends_with_each_pair() -> None:
    pairs = [("Where?", "Here."), ("When?", "Now.")]
    [both] = TokenCounter("tiny", "v1").ends([pairs])

    assert TokenCounter("tiny", "v1").ends([pairs[:1]]) == [both[:1]]
    assert both[0] < both[1]


def test_an_image_counts_576_tokens() -> None:
    [[bare]] = TokenCounter("tiny", "v1").ends([[("\nWhere?", "Here.")]])
    [[seen]] = TokenCounter("tiny", "v1").ends([[("<image>\nWhere?", "Here.")]])

    assert abs(seen - bare - 576) <= 2  # the text is encoded in two parts


def test_plain_counts_image_and_caption_only() -> None:
    counter = TokenCounter("tiny", "plain")

    assert counter.ends([[("Write a caption.\n<image>", "rye")]]) == counter.ends([[("<image>\nOther.", "rye")]])


def test_the_fingerprint_is_of_the_files_contents(tmp_path: Path) -> None:
    copy = shutil.copytree(TINY, tmp_path / "copy")

    assert fingerprint(str(copy)) == fingerprint("tiny")
    (copy / "tokenizer_config.json").write_text("{}")
    assert fingerprint(str(copy)) != fingerprint("tiny")


@needs_golden
@pytest.mark.parametrize("legacy", [True, False])
def test_the_count_is_that_of_llavas_own_training_code(tmp_path: Path, legacy: bool) -> None:
    shutil.copy(SHARED / "tokenizer/tokenizer.model", tmp_path)
    config = json.dumps({**CONFIG, "legacy": legacy, "add_bos_token": True, "add_eos_token": False})
    (tmp_path / "tokenizer_config.json").write_text(config)
    samples: list[dict[str, Any]] = [json.loads(line) for line in PREPROCESSED.read_text("utf-8").splitlines()]

    counted = TokenCounter(str(tmp_path), "v1").ends([_pairs(sample["conversations"]) for sample in samples])

    ids = [sample["legacy_true" if legacy else "legacy_false"]["input_ids"] for sample in samples]
    assert [ends[-1] for ends in counted] == [sum(576 if i == -200 else 1 for i in sample) for sample in ids]


def _pairs(turns: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Questions and answers, the image in front, where LLaVA's code moves it."""
    texts = [turn["value"] for turn in turns]
    if "<image>" in texts[0]:
        texts[0] = "<image>\n" + texts[0].replace("<image>", "").strip()
    return list(zip(texts[::2], texts[1::2], strict=True))
