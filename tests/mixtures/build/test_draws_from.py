"""Selecting what a published file selected."""

import json
from pathlib import Path

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.build.test_build import run, written

RECIPE = """
name: chosen
seed: 1
sources:
  - source: ocrvqa
    steps: [sample: {count: 3}]
    expect: {count: 3, because: a test, strict: true}
  - source: sharegpt
    steps: [sample: {count: 3}]
"""


def test_the_ids_of_a_file_are_taken_and_missing_ones_listed(made_up_raw: Path, tmp_path: Path) -> None:
    books = json.loads((made_up_raw / "ocrvqa" / "dataset.json").read_text())
    chosen = [key for key, book in books.items() if book["split"] == 1][3:5]
    drawn, _ = run(written(tmp_path, RECIPE), Options(made_up_raw, tmp_path / "drawn"))
    shared = load_manifest(tmp_path / "drawn").sources[1].funnel[0].conversations.left
    turns = [{"from": "human", "value": "<image>\nq"}, {"from": "gpt", "value": "a"}]
    published = [{"id": key, "image": f"ocr_vqa/images/{key}.jpg", "conversations": turns} for key in chosen]
    published += [{"id": "gone", "image": "ocr_vqa/images/gone.jpg", "conversations": turns}]
    published += [{"id": 5, "image": "gqa/images/5.jpg", "conversations": turns}]
    published += [{"id": "nobody_0", "model": "", "conversations": turns}]
    path = tmp_path / "published.json"
    path.write_text(json.dumps(published))
    manifest, _ = run(written(tmp_path, RECIPE), Options(made_up_raw, tmp_path / "out", draws_from=path))
    ocrvqa, sharegpt = manifest.sources
    assert drawn.sources[0].conversations == 3
    assert (ocrvqa.conversations, ocrvqa.not_found) == (2, ["ocr_vqa/images/gone.jpg"])
    assert (sharegpt.conversations, sharegpt.not_found) == (0, ["nobody_0"])
    assert sharegpt.funnel[1].conversations.changes == {"not in published.json": -shared}
    assert [file.path for file in ocrvqa.inputs if file.role == "draws_from"] == ["published.json"]
    assert ocrvqa.steps[0]["sample"]["draws_from"] == "published.json"
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.json").read_text()


def test_sources_without_a_draw_are_said_to_be_built_whole(made_up_raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "subset.json"
    path.write_text("[]")
    plan = make_plan(
        str(written(tmp_path, f"{RECIPE}  - {{source: okvqa}}\n")), Options(made_up_raw, tmp_path, draws_from=path)
    )
    assert plan.draw_lines() == [
        "draws of ocrvqa, sharegpt take the ids of subset.json",
        "built whole, whatever subset.json holds: okvqa; `mix select` takes what a file names",
    ]
