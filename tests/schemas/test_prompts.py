"""Prompts: their texts are stated once, in the words of LLaVA's published file."""

from pathlib import Path

import pytest

from mix665k import schemas
from mix665k.schemas.prompts import OCR_LINE, PROMPTS, added_prompt

ROOT = Path(schemas.__file__).parents[1]


def test_the_texts_are_those_of_the_published_file() -> None:
    assert PROMPTS == {
        "short_answer": "Answer the question using a single word or phrase.",
        "option_letter": "Answer with the option's letter from the given choices directly.",
        "caption": "Provide a one-sentence caption for the provided image.",
        "describe_region": "Please provide a short description for this region: ",
        "locate_region": "Please provide the bounding box coordinate of the region this sentence describes: ",
    }


@pytest.mark.parametrize("text", [*PROMPTS.values(), OCR_LINE])
def test_no_other_file_states_a_prompt(text: str) -> None:
    folders = ["schemas", "builders", "mixtures", "trainer"]
    files = [path for folder in folders for kind in ("*.py", "*.yaml") for path in (ROOT / folder).rglob(kind)]

    found = [path.relative_to(ROOT).as_posix() for path in files if text.strip() in path.read_text(encoding="utf-8")]

    assert found == ["schemas/prompts.py"]


def test_a_step_of_a_manifest_tells_its_text_whether_named_or_written_out() -> None:
    assert added_prompt({"prompt": "caption", "text": None, "questions": "first"}) == PROMPTS["caption"]
    assert added_prompt({"prompt": None, "text": "Be brief."}) == "Be brief."
    assert added_prompt({"text": "Be brief."}) == "Be brief."
