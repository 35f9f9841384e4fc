"""Telling a record's prompt form, and from it and the image's folder the source it comes from."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from mix665k.builders.registry import SOURCES as _DECLARED
from mix665k.mixtures.storage.published_counts import IN_MIX665K, LABELS, LOOKALIKES
from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.manifest import Manifest
from mix665k.schemas.prompts import OCR_LINE, REGION_QUESTIONS, RESPONSE_FORMATS, added_prompt

NO_PROMPT = "none"
LAST_LINES = {name.replace("_", " "): text for name, text in RESPONSE_FORMATS.items()}
LINE_STARTS = {
    "describe region": f"{REGION_QUESTIONS['describe_region']}[",
    "locate region": REGION_QUESTIONS["locate_region"],
}
_OCR_FORM = "caption, OCR line"
_OCR_LINES = f"{LAST_LINES['caption']}\n{OCR_LINE}"
FORMS = (NO_PROMPT, "short answer", "option letter", _OCR_FORM, "caption", "describe region", "locate region")
"""The response-format prompts of LLaVA's file."""

OTHER_IMAGES = "other images"
_FOLDERS: dict[str | None, list[str]] = {}
"""The sources of the published file by their image folder."""
for _name in IN_MIX665K:
    _FOLDERS.setdefault(_DECLARED[_name].about.image_folder, []).append(_name)
_SHARED = [folder for folder, names in _FOLDERS.items() if folder and len(names) > 1]


def _by_form(folder: str) -> dict[str, str]:
    """What a record is called whose image is in a folder that several sources share, by its prompt form."""
    found = {form: f"{folder}, {form.partition(',')[0]}" for form in FORMS}
    for name in _FOLDERS[folder]:
        found |= dict.fromkeys(IN_MIX665K[name].prompt_forms, LABELS.get(name, name))
    return found


SOURCES = list(IN_MIX665K)
SOURCES += [name for folder in _SHARED for name in _by_form(folder).values() if name not in LOOKALIKES] + [OTHER_IMAGES]
SOURCES = [*dict.fromkeys(SOURCES)]
"""The names `told_sources` can give, in the order they are shown."""


def known_prompts(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """The prompts of LLaVA's file and those that the recipes of these mixtures add or give to a source."""
    texts = list(RESPONSE_FORMATS.values())
    for manifest in manifests:
        for entry in manifest.sources:
            texts += [text for text in [entry.params.get("prompt")] if isinstance(text, str)]
            texts += [added_prompt(step["add_prompt"]) for step in entry.steps if "add_prompt" in step]
    return tuple(dict.fromkeys(text for text in texts if text))


def prompt_form(question: pl.Expr, prompts: Sequence[str] = ()) -> pl.Expr:
    """The form of the prompt that ends a first question, one of `FORMS`; of other known `prompts` their text.

    `mix inspect` and `mix diff` both ask here, so that they have one name for a prompt.
    """
    text = question.str.replace_all(IMAGE_TOKEN, "", literal=True).str.strip_chars("\n")
    last_line = text.str.split("\n").list.last()
    found = {_OCR_FORM: text.str.contains(_OCR_LINES, literal=True)}
    found |= {name: last_line == line for name, line in LAST_LINES.items()}
    found |= {name: last_line.str.starts_with(start) for name, start in LINE_STARTS.items()}
    own = [text for text in prompts if text not in RESPONSE_FORMATS.values() and text not in FORMS]
    for prompt in own:
        bare = prompt.strip("\n")
        with_ocr = text.str.starts_with(f"{bare}\n{OCR_LINE}")
        found[prompt] = with_ocr | (text == bare) | text.str.ends_with(f"\n{bare}")
    forms = [pl.when(condition).then(pl.lit(name)) for name, condition in found.items()]
    return pl.coalesce(*forms, pl.lit(NO_PROMPT)).cast(pl.Enum([*FORMS, *own]))


def told_source(image: pl.Expr, form: pl.Expr) -> pl.Expr:
    """The source of a record of LLaVA's own file, as far as image folder and prompt form tell it."""
    folder = image.str.extract("^([^/]+)/")
    single = {name: names[0] for name, names in _FOLDERS.items() if name and len(names) == 1}
    [text_only] = _FOLDERS[None]
    told: Any = pl.when(image.is_null()).then(pl.lit(text_only))
    for shared in _SHARED:
        names = _by_form(shared)  # people's own prompts are none of them
        told = told.when(folder == shared).then(form.cast(pl.String).replace_strict(names, default=names[NO_PROMPT]))
    named: pl.Expr = told.otherwise(folder.replace_strict(single, default=OTHER_IMAGES))
    return named


def by_pairs(names: Sequence[str], pairs: pl.Expr) -> pl.Expr:
    """Which of some lookalikes a record is of whose number of pairs is this."""
    told: pl.Expr = pl.lit(None, pl.String)
    for name in sorted(names, key=_fewest_pairs):  # one with fewer than all have is of the first
        told = pl.when(told.is_null() | (pairs >= _fewest_pairs(name))).then(pl.lit(name)).otherwise(told)
    return told


def _fewest_pairs(name: str) -> float:
    return IN_MIX665K[name].figures["fewest pairs"].value


def told_sources(rows: pa.RecordBatch) -> pl.Series:
    """The same for each row, whatever source it says; lookalikes are told apart by their numbers of pairs."""
    turns = pl.col("conversations").list
    frame = pl.DataFrame(rows.select(["image", "conversations"])).select(
        told_source(pl.col("image"), prompt_form(turns.first().struct.field("value"))).cast(pl.String).alias("source"),
        pairs=turns.len() // 2,
    )
    for label, names in LOOKALIKES.items():
        one_of_them = by_pairs(names, pl.col("pairs"))
        frame = frame.with_columns(source=pl.when(pl.col("source") == label).then(one_of_them).otherwise("source"))
    return frame["source"]
