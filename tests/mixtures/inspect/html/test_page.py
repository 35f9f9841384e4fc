"""The page: everything is in it, every text is escaped, and it is written whole or not at all."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.inspect.html.page import Page, require_page
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import Flow, FunnelStep
from tests.mixtures.inspect.html.pages import EVIL, RECORDS, WIDE, draw, found_in, made
from tests.mixtures.small import LONG, record, run, written


def page_of(folder: Path, records: Any, images: Path | None = None) -> str:
    """The text of a page of these records, without Plotly's own."""
    made(found_in(folder, records), Page(folder / "page.html", images))
    text = (folder / "page.html").read_text()
    scripts = re.findall(r"<script>.*?</script>", text, re.DOTALL)
    assert len(scripts) == 2
    return text.replace(scripts[0], "")


def test_the_page_of_a_mixture_has_its_funnel_and_what_was_left_out(small: Path, tmp_path: Path) -> None:
    shown = run("inspect", small, "--html", tmp_path / "page.html")
    assert shown.exit_code == 0
    last = shown.stdout.splitlines()[-1]
    assert re.fullmatch(rf"wrote {tmp_path}/page.html, \d\.\d MB: 5 records, 0 images, 4 images not shown", last)
    text = (tmp_path / "page.html").read_text()
    for name in (
        "shares",
        "funnel-gqa",
        "funnel-sharegpt",
        "funnel-mine",
        "pairs-per-record",
        "words-per-record",
        "forms",
    ):
        assert text.count(f'data-figure="{name}"') == 1, name
    assert '<td>over 2 pairs<span class="dim examples">8</span></td>' in text
    assert "mine/7.jpg" in text
    assert "no images folder was given" in text
    assert "Pass <code>--images FOLDER</code>" in text


def test_the_page_of_a_file_says_what_a_file_cannot_tell(tmp_path: Path) -> None:
    draw(tmp_path / WIDE, (40, 20))
    text = page_of(tmp_path, RECORDS, images=tmp_path)
    assert 'data-figure="funnel-' not in text
    assert "A JSON file does not tell what was left out" in text
    assert "vg: nothing tells what the fractions refer to; the image padded to a square is assumed" in text
    assert "Pass <code>--tokenizer NAME</code>" in text


def test_a_convention_that_the_manifest_tells_is_named(tmp_path: Path) -> None:
    found = found_in(tmp_path, RECORDS)
    [vg] = [one for one in found.sources if one.name == "vg"]
    vg.box_convention = "plain"
    made(found, Page(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text()
    assert "vg: fractions of the image as it is, as manifest.json says" in text
    assert "is assumed" not in text


def test_options_that_changed_the_recipe_are_named_and_not_spelt_out(tmp_path: Path) -> None:
    found = found_in(tmp_path, RECORDS)
    found.overrides = {"limit": 7, "contamination": [{"made_from": "0" * 64}]}
    made(found, Page(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text()
    assert "change the recipe: limit 7, contamination (see manifest.json)</p>" in text


def test_texts_ids_and_names_are_escaped(tmp_path: Path) -> None:
    records = [
        *RECORDS,
        record(f'"{EVIL}', f'"{EVIL}.jpg', "<image>\na", EVIL),
        record("{{ 7 * 7 }}", None, "a", "{% b %}"),
    ]
    text = page_of(tmp_path, [*records, {"id": EVIL}])
    assert "<script>window" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;window.ran = true&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}" in text
    assert "{% b %}" in text


def test_the_page_may_load_nothing(tmp_path: Path) -> None:
    text = page_of(tmp_path, RECORDS)
    assert "default-src 'none'; img-src data:" in text
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)


def test_everyone_sees_the_same_page(tmp_path: Path) -> None:
    assert page_of(tmp_path, RECORDS) == page_of(tmp_path, RECORDS)


def test_a_source_without_a_record_has_its_row_and_no_plots(tmp_path: Path) -> None:
    (tmp_path / "gqa.json").write_text("{}")
    (tmp_path / "none.yaml").write_text(
        "{name: none, sources: [{source: gqa, allow_empty: true, files: {questions: gqa.json}}]}"
    )
    assert run("build", tmp_path / "none.yaml", "--raw", tmp_path, "--out", tmp_path / "none").exit_code == 0
    shown = run("inspect", tmp_path / "none", "--html", tmp_path / "page.html")
    assert shown.stdout.splitlines()[-1].endswith(" MB: 0 records, 0 images")
    assert "prompt form" not in shown.stdout
    text = (tmp_path / "page.html").read_text()
    assert '<span class="source" style="--c:' in text
    assert "Shares and modality" not in text


@pytest.mark.parametrize("records", [[], [{"id": "1"}], [LONG]])
def test_little_or_nothing_to_show_is_a_page_too(tmp_path: Path, records: list[Any]) -> None:
    text = page_of(tmp_path, records)
    assert text.count('class="card"') == (1 if records == [LONG] else 0)
    assert ("No record was drawn" in text) == (records != [LONG])
    assert ('id="faults"' in text) == (records == [{"id": "1"}])


def test_faults_are_shown_and_still_exit_code_1(tmp_path: Path) -> None:
    path = written(tmp_path, [LONG, record("1", None, "a", "")])
    shown = run("inspect", path, "--html", tmp_path / "page.html")
    assert shown.exit_code == 1
    assert "1 records with faults" in shown.stderr
    assert "&#39;&#39; should be non-empty" in (tmp_path / "page.html").read_text()


def test_the_gallery_and_the_sample_are_drawn_alike_and_apart(tmp_path: Path) -> None:
    path = written(tmp_path, [record(f"id{i:02}", None, "a", f"b{i}") for i in range(30)])
    ids = {}
    for sample, gallery in ((2, 5), (5, 2)):
        shown = run("inspect", path, "--html", tmp_path / "p.html", "--sample", f"{sample}", "--gallery", f"{gallery}")
        on_page = re.findall(r'<code class="id">(id\d\d)', (tmp_path / "p.html").read_text())
        assert len(on_page) == gallery
        ids[sample] = re.findall(r"id\d\d", shown.stdout)
        assert (len(ids[sample]), ids[sample][:2]) == (sample, on_page[:2])


def test_with_json_the_document_stands_alone(small: Path, tmp_path: Path) -> None:
    shown = run("inspect", small, "--format", "json", "--html", tmp_path / "page.html", "--gallery", "1")
    assert json.loads(shown.stdout)["sample"] == []
    assert shown.stderr.startswith(f"wrote {tmp_path}/page.html, ")


@pytest.mark.parametrize(
    ("out", "images", "message"),
    [
        ("page.json", None, r"--html .*page.json: ends in '.json', expected .html"),
        ("page", None, r"--html .*page: ends in '', expected .html"),
        ("none/page.html", None, r"--html .*: no such folder .*none; make it first"),
        ("folder.html", None, r"--html .*folder.html: is a folder, expected a file to write"),
        ("page.html", "none", r"--images .*none: no such folder"),
        ("page.html", "folder.html/file", r"--images .*file: no such folder"),
    ],
)
def test_what_cannot_be_is_told_before_the_long_work(
    tmp_path: Path, out: str, images: str | None, message: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "folder.html" / "file").touch()
    with pytest.raises(MixtureError, match=message):
        require_page(Page(tmp_path / out, tmp_path / images if images else None))
    options: list[str | Path] = ["--html", tmp_path / out]
    options += ["--images", tmp_path / images] if images else []
    shown = run("inspect", tmp_path / "no such mixture", *options)
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (1, 1)
    assert re.search(message, shown.stderr)


def test_images_without_a_page_are_wrong_usage(small: Path, tmp_path: Path) -> None:
    shown = run("inspect", small, "--images", tmp_path)
    assert shown.exit_code == 2
    assert "--images" in shown.stderr


def test_a_lacking_library_is_one_line_with_the_command(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith(("plotly.", "mix665k.mixtures.inspect.html.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    shown = run("inspect", small, "--html", tmp_path / "page.html")
    assert shown.exit_code == 1
    assert shown.stderr == (
        f"error: --html {tmp_path}/page.html: plotly is not installed; pip install -e '.[report]'\n"
    )


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_in(tmp_path, RECORDS)
    (tmp_path / "page.html").write_text("old")

    def full(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MixtureError, match=r"--html .*page.html: no space left on device"):
        made(found, Page(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llava.json", "page.html"]


def test_what_a_killed_run_left_of_a_page_goes_with_the_next_one(tmp_path: Path) -> None:
    found = found_in(tmp_path, RECORDS)
    (tmp_path / ".page.html.part").write_text("half")
    made(found, Page(tmp_path / "page.html"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llava.json", "page.html"]


def test_what_is_merged_or_only_noted_is_told_beside_what_was_left_out(tmp_path: Path) -> None:
    found = found_in(tmp_path, [LONG])
    [one] = found.sources
    one.funnel = [
        FunnelStep("read", Flow(9, 7, {"merged": -2}), Flow(9, 9), kinds={"merged": "merged"}, noted={"odd": 3}),
    ]
    made(found, Page(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text()
    assert "Nothing was left out." in text
    assert "read: merged -2 conversations, +0 pairs; read: odd, noted 3 times" in text
