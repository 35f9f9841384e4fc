"""What was left out: `mix build`, the card, `mix inspect` and its page say the same."""

import re
from pathlib import Path

import pytest

from mix665k.schemas.manifest import left_out, load_manifest
from tests.mixtures.small import run

RECIPE = """
name: some
seed: 7
tokenizer: tiny
sources:
  - {source: vg, steps: [sample: {count: 4}]}
  - {source: textcaps, params: {caption: drawn}}
  - {source: sharegpt, steps: [sample: {fraction: 0.7, surviving: [truncate: {max_tokens: 60}]}]}
  - {source: refcoco, steps: [split: {max_pairs: 3}]}
  - {source: ocrvqa, steps: [sample: {count: 5, draws_from: wanted.json}]}
"""
WANTED = '[{"id": 1, "image": "ocr_vqa/images/nowhere.jpg"}]'
Rows = list[tuple[str, ...]]


def _printed(output: str) -> Rows:
    """The rows of the table of a wide terminal; a source is named in its first row only."""
    lines = output[output.index("left out while building") :].splitlines()
    ends = [match.end() for match in re.finditer(r"\S+\s*", lines[2])]
    rows: Rows = []
    for line in lines[4 : lines.index("", 4) if "" in lines[4:] else None]:
        cells = [line[a:b].strip() for a, b in zip([0, *ends[:-1]], [*ends[:-1], None], strict=True)]
        if not any(cells):
            break
        rows.append((cells[0] or rows[-1][0], *cells[1:]))
    return rows


def _carded(text: str) -> Rows:
    """The rows of the card's table."""
    table = text[text.index("| source | step | reason |") :].split("\n\n")[0].splitlines()[2:]
    return [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in table]


def _paged(text: str) -> Rows:
    """The rows of the page's tables, without the examples."""
    rows: Rows = []
    for article in re.findall(r"<article class=\"panel\">(.*?)</article>", text, re.DOTALL):
        if "what was left out, and why" in article:
            [name] = re.findall(r"<h3>\s*<span[^>]*>(.*?)</span>", article)
            for row in re.findall(r"<tr>(.*?)</tr>", article, re.DOTALL)[1:]:
                cells = re.findall(r"<td[^>]*>(.*?)</td>", re.sub(r"<span.*?</span>", "", row), re.DOTALL)
                rows.append((name, *(cell.strip() for cell in cells)))
    return rows


def test_build_card_inspection_and_page_leave_out_the_same(
    made_up_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    raw = tmp_path / "raw"
    raw.mkdir()
    for folder in made_up_raw.iterdir():
        (raw / folder.name).symlink_to(folder)
    (raw / "wanted.json").write_text(WANTED)
    (tmp_path / "some.yaml").write_text(RECIPE)
    out, page = tmp_path / "mixture", tmp_path / "page.html"

    built = run("build", tmp_path / "some.yaml", "--raw", raw, "--out", out)
    assert built.exit_code == 0, built.stderr
    inspected = run("inspect", out, "--html", page)

    rows = [
        (entry.name, row.step, row.reason, row.kind, *(f"{n:,}" if n else "" for n in (row.conversations, row.pairs)))
        for entry in load_manifest(out).sources
        for row in left_out(entry)
    ]
    assert {name for name, *_ in rows} == {"vg", "textcaps", "sharegpt", "refcoco", "ocrvqa"}
    assert {kind for _, _, _, kind, *_ in rows} == {"lost", "chosen"}
    assert ("ocrvqa", "sample", "asked for by id, not found", "lost", "1", "") in rows
    assert _printed(built.stdout) == rows
    assert _printed(inspected.stdout) == rows
    assert _carded((out / "README.md").read_text()) == rows
    assert _paged(page.read_text()) == rows
