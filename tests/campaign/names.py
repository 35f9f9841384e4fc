"""Records whose ids, image names and texts are hostile, from the build to every report of it."""

import json
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.commands import said

SECRET = "secret-of-the-outside"
_ODD = (
    "\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "a\nb", "a\rb", "\0", "\u202e", "\u2028", "<script>alert(1)</script>",
    "{{7*7}}", "'\"><img src=x onerror=alert(1)>", "[link](https://a.invalid)", "[red]", "[/]", "%s%n", "../../x",
    "/etc/passwd", "~/x", "C:\\x", "\\\\host\\x", "a" * 300, "é" * 200, "data:image/png;base64,AAAA",
    "https://a.invalid/x.jpg", "-rf", "", " ", ".", "a/./b", "a//b", "CON", "\u200b", "#0", "a#0", "\ufeff", "日本",
    "|", "`x`",
)  # fmt: skip
_COMMANDS = ("inspect", "inspect --html", "export", "diff", "images", "trace", "verify", "publish")


def make(number: int, seed: int, folder: Path) -> Case:
    """A file in LLaVA's form with odd names, and a command that shows them."""
    rng = Random(f"names/{seed}/{number}")
    records = []
    for place in range(3):
        text = rng.choice(_ODD)
        record: dict[str, Any] = {"id": f"{place}{rng.choice(_ODD)}", "conversations": []}
        if rng.random() < 0.7:
            record["image"] = rng.choice((f"../{SECRET}.jpg", rng.choice(_ODD), f"p/{rng.choice(_ODD)}.jpg"))
        for turn in ("human", "gpt"):
            record["conversations"].append({"from": turn, "value": f"What is {text}?"})
        records.append(record)
    (folder / "raw").mkdir()
    (folder / "images").mkdir()
    (folder / f"{SECRET}.jpg").write_bytes(SECRET.encode())
    (folder / "raw" / "llava.json").write_text(json.dumps(records))
    (folder / "r.yaml").write_text("name: r\nseed: 1\nsources: [{source: llava_json, allow_empty: true}]\n")
    name = rng.choice(_COMMANDS)
    what = json.dumps([(record["id"], record.get("image")) for record in records])[:200]
    return Case(name, what, lambda: _judged(name, folder, str(records[0]["id"])))


_opened: list[str] = []
"""Files beside the images folder that this process has opened."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and str(arguments[0]).endswith(f"{SECRET}.jpg"):
        _opened.append(str(arguments[0]))


@cache
def _watch_opening() -> None:
    sys.addaudithook(_watch)  # for as long as the process lives


def _judged(name: str, folder: Path, identifier: str) -> Verdict:
    _watch_opening()
    _opened.clear()
    raw, out, images = folder / "raw", folder / "out", folder / "images"
    built = said("build", folder / "r.yaml", "--raw", raw, "--out", out, "--on-bad-record", "drop", "--jobs", "1")
    verdict = built.verdict(names=["llava.json", "llava_json/"])
    if verdict.fault or built.code:
        return verdict
    page = folder / "page.html"
    commands: dict[str, tuple[str | Path, ...]] = {
        "inspect": ("inspect", out, "--sample", "3"),
        "inspect --html": ("inspect", out, "--html", page, "--images", images),
        "export": ("export", out, "--format", "messages", "--out", folder / "o.jsonl"),
        "diff": ("diff", out, raw / "llava.json"),
        "images": ("images", raw / "llava.json", "--images", images, "--jobs", "1"),
        "trace": ("trace", out, f"llava_json/{identifier}", "--raw", raw),
        "verify": ("verify", out, "--raw", raw, "--jobs", "1"),
        "publish": ("publish", out, "me/r", "--dry-run", "--out", folder / "repository", "--jobs", "1"),
    }
    verdict = said(*commands[name]).verdict(finds=name in ("diff", "images"))
    if _opened:
        return Verdict(verdict.result, "outside", f"{_opened.pop()} was opened")
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    if any(bad in text for bad in ("<script>alert", "<img src=x")):
        return Verdict(verdict.result, "outside", "the page runs a text of the data")
    return verdict


KIND = Kind(
    name="names",
    about="records whose ids, image names and texts hold control sequences, HTML, markup, paths out of the folder, "
    "addresses and vast names, through build and then inspect, export, diff, images, trace, verify or publish",
    cases=800,
    make=make,
    limit_s=30.0,
    limited=False,
)
