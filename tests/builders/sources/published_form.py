"""The form of the published file's records, one strict check for what is built and for what was published."""

import re
from collections.abc import Callable
from typing import Any

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
PROMPTS = re.compile("Answer (?:the question using|with the option)|Provide a one-sentence|<image>")
EDGE = r"(?:0\.\d[1-9]|0\.\d|1\.0)"
BOX = rf"\[{EDGE}, {EDGE}, {EDGE}, {EDGE}\]"
DESCRIBE = rf"Please provide a short description for this region: {BOX}\."
LOCATE = r"Please provide the bounding box coordinate of the region this sentence describes: [^\n]+[.!?]"
OPTIONS = r"[^\n]+\nA\. [^\n]+\nB\. [^\n]+\nC\. [^\n]+\nD\. [^\n]+"

Check = Callable[[str, str | None], bool]


def _short(question: str, answer: str | None) -> bool:
    return "\n" not in question and (
        answer is None or re.fullmatch(r"[^a-z\s][^\n]*[^.\n]|[^a-z\s]", answer) is not None
    )


def _verbatim(question: str, answer: str | None) -> bool:
    return "\n" not in question and answer != ""


def _letter(question: str, answer: str | None) -> bool:
    return re.fullmatch(OPTIONS, question) is not None and (answer is None or answer in {"A", "B", "C", "D"})


def region(question: str, answer: str | None) -> bool:
    if re.fullmatch(DESCRIBE, question):
        return _ordered(question) and (answer is None or re.fullmatch(r"[^a-z\s][^\n]*[.!?]", answer) is not None)
    found = re.fullmatch(LOCATE, question) is not None
    return found and (answer is None or (re.fullmatch(BOX, answer) is not None and _ordered(answer)))


def _ordered(text: str) -> bool:
    x1, y1, x2, y2 = (float(edge) for edge in re.findall(EDGE, re.findall(BOX, text)[0]))
    return x1 <= x2 and y1 <= y2


FORMS: dict[str, tuple[str | None, Check, str, str]] = {
    "gqa": (SHORT, _short, r"n?\d+", "gqa/images/{}.jpg"),
    "ocrvqa": (SHORT, _verbatim, r"\w+", "ocr_vqa/images/{}.jpg"),
    "aokvqa": (LETTER, _letter, r"\d{12}", "coco/train2017/{}.jpg"),
    "refcoco": (None, region, r"\d{12}", "coco/train2017/{}.jpg"),
    "vg": (None, region, r"VG_100K(?:_2)?/\d+", "vg/{}.jpg"),
    "vqav2": (SHORT, _short, r"\d{12}", "coco/train2017/{}.jpg"),
    "okvqa": (SHORT, _short, r"\d{12}", "coco/train2017/{}.jpg"),
}
"""The prompt behind the first question, the check of a bare pair, id and image of a source."""


def deviation(source: str, record: dict[str, Any]) -> str | None:
    """What in a record deviates from the published form, or None."""
    prompt, sound, identifier, image = FORMS[source]
    values = [turn["value"] for turn in record["conversations"]]
    if "id" in record and not re.fullmatch(identifier, str(record["id"])):
        return f"id {record['id']!r}"
    if {"id", "image"} <= set(record) and record["image"] != image.format(record["id"]):
        return f"image {record['image']!r}"
    first = f"<image>\n{'{}'}\n{prompt}" if prompt else "<image>\n{}"
    head, _, tail = first.partition("{}")
    for i in range(0, len(values), 2):
        question, answer = values[i], values[i + 1] if i + 1 < len(values) else None
        if i == 0:
            if not (question.startswith(head) and question.endswith(tail)):
                return f"first question {question!r}"
            question = question[len(head) : len(question) - len(tail)]
        if PROMPTS.search(question) or not sound(question, answer):
            return f"pair {i // 2}: {question!r} {answer!r}"
    return None
