"""A mixture to compare with evaluation sets, and ways to write such sets."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.contamination.evaluation import EvaluationSet, read_set, sets_to_read
from mix665k.mixtures.contamination.findings import Contamination, SetOverlap
from mix665k.mixtures.contamination.run import ContaminationRequest, find_contamination
from mix665k.mixtures.terminal import Advance
from tests.conftest import SilentWatcher
from tests.mixtures.small import SHORT, record

LETTER = "Answer with the option's letter from the given choices directly."
DESCRIBE = "Please provide a short description for this region: [0.1, 0.2, 0.3, 0.4]."
LOCATE = "Please provide the bounding box coordinate of the region this sentence describes: "
RECORDS = {
    "vqa": [
        record("000000000042", "coco/train2017/000000000042.jpg", f"<image>\nIs it dry?\n{SHORT}", "Yes", "Who?", "Me"),
        record("000000000043", "coco/train2017/000000000043.jpg", f"<image>\nIs it dry?\n{SHORT}", "No"),
    ],
    "options": [
        record("42", "coco/train2017/000000000042.jpg", f"<image>\nWhat is it?\nA. a dog\nB. a cat\n{LETTER}", "B"),
    ],
    "regions": [
        record(
            "1", "vg/VG_100K/1.jpg", f"<image>\n{DESCRIBE}", "Red hat.", f"{LOCATE}blue hat.", "[0.1, 0.2, 0.3, 0.4]"
        ),
        record("2", "vg/VG_100K_2/2.jpg", f"<image>\n{LOCATE}Red hat.", "[0.1, 0.2, 0.3, 0.4]"),
    ],
    "talk": [record("t", None, "Is it dry", "What?")],
    "mine": [record("7", "mine/7.jpg", "What is this?\n<image>", "A heron.")],
}
"""Seven records: COCO's images 42 (twice) and 43, Visual Genome's 1 and 2, one without an image, one of my own."""


def build_contaminated(folder: Path) -> Path:
    """The mixture of `RECORDS`."""
    (folder / "raw").mkdir()
    for name, records in RECORDS.items():
        (folder / "raw" / f"{name}.json").write_text(json.dumps(records))
    sources = [{"source": "llava_json", "name": name, "files": {"records": f"{name}.json"}} for name in RECORDS]
    (folder / "recipe.yaml").write_text(json.dumps({"name": "contaminated", "sources": sources}))
    plan = make_plan(str(folder / "recipe.yaml"), Options(folder / "raw", folder / "mixture"))
    build(plan, jobs=1, overwrite=False, listener=SilentWatcher())
    return folder / "mixture"


def bar(what: str) -> AbstractContextManager[Advance]:
    """No bar."""
    return nullcontext(lambda share: None)


def look(mixture: Path, *against: str | Path, **options: Any) -> Contamination:
    """What is shared with these sets."""
    return find_contamination(mixture, ContaminationRequest(tuple(map(str, against)), **options), bar=bar)


def only(found: Contamination) -> SetOverlap:
    """The only set."""
    [one] = found.sets
    return one


def read(path: Path, content: str, *, ids_of: str | None = None, layout: str | None = None) -> EvaluationSet:
    """An evaluation set of this content."""
    path.write_text(content, encoding="utf-8")
    [one] = sets_to_read([str(path)], [layout] if layout else [], [ids_of] if ids_of else [])
    return read_set(one, progress=lambda num_bytes: None)


def rows(one: EvaluationSet) -> list[tuple[str, str | None, str | None]]:
    """(id, image key, text) of each question."""
    return one.questions.rows()


def lines(folder: Path, name: str, *records: dict[str, Any]) -> Path:
    """A file of JSON lines."""
    path = folder / name
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records))
    return path
