"""Telling a record's prompt form, and from it and the image's folder the source it comes from."""

import polars as pl
import pyarrow as pa

from mix665k.mixtures.storage.published_counts import RECORDS, UNTOLD
from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.prompts import OCR_LINE, REGION_QUESTIONS, RESPONSE_FORMATS

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
_FOLDERS = {"gqa": "gqa", "ocr_vqa": "ocrvqa", "textvqa": "textcaps", "vg": "vg"}
_COCO = {
    NO_PROMPT: "llava_instruct",
    "short answer": UNTOLD,
    "option letter": "aokvqa",
    "describe region": "refcoco",
    "locate region": "refcoco",
}
SOURCES = [UNTOLD if name == "vqav2" else name for name in RECORDS if name != "okvqa"]
SOURCES += ["coco, caption", OTHER_IMAGES]
"""The names `told_source` can give, in the order they are shown."""


def prompt_form(question: pl.Expr) -> pl.Expr:
    """The form of the prompt that ends a first question, one of `FORMS`."""
    text = question.str.replace_all(IMAGE_TOKEN, "", literal=True).str.strip_chars("\n")
    last_line = text.str.split("\n").list.last()
    found = {_OCR_FORM: text.str.contains(_OCR_LINES, literal=True)}
    found |= {name: last_line == line for name, line in LAST_LINES.items()}
    found |= {name: last_line.str.starts_with(start) for name, start in LINE_STARTS.items()}
    forms = [pl.when(condition).then(pl.lit(name)) for name, condition in found.items()]
    return pl.coalesce(*forms, pl.lit(NO_PROMPT)).cast(pl.Enum(FORMS))


def told_source(image: pl.Expr, form: pl.Expr) -> pl.Expr:
    """The source of a record of LLaVA's own file, as far as image folder and prompt form tell it."""
    folder = image.str.extract("^([^/]+)/")
    coco = form.cast(pl.String).replace_strict(_COCO, default="coco, caption")
    told = pl.when(image.is_null()).then(pl.lit("sharegpt")).when(folder == "coco").then(coco)
    return told.otherwise(folder.replace_strict(_FOLDERS, default=OTHER_IMAGES))


def told_sources(rows: pa.RecordBatch) -> pl.Series:
    """The same for each row, whatever source it says."""
    question = pl.col("conversations").list.first().struct.field("value")
    frame = pl.DataFrame(rows.select(["image", "conversations"]))
    told = frame.select(told_source(pl.col("image"), prompt_form(question)).alias("source"))
    return told.to_series().cast(pl.String)
