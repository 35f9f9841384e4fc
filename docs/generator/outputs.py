"""What commands print with `--format json`, from the types that they print.

`python -m docs.generator.outputs` writes a JSON Schema for each to `docs/reference/outputs/`; a test compares them.
"""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

import msgspec

from docs.generator.tables import table
from mix665k.mixtures.contamination.findings import Contamination
from mix665k.mixtures.diff.comparison import Comparison
from mix665k.mixtures.doctor import Check
from mix665k.mixtures.fetch.run import FetchReport
from mix665k.mixtures.images.findings import ImagesReport
from mix665k.mixtures.inspect.findings import Inspection
from mix665k.mixtures.listing import ListedFunction, ListedSource
from mix665k.mixtures.publish.published import Published
from mix665k.mixtures.select.report import SelectionReport
from mix665k.mixtures.trace.lineage import TracedRecord
from mix665k.mixtures.verify.verification import Verification
from mix665k.schemas.manifest import Manifest
from mix665k.trainer.batching.simulate import EpochCost
from mix665k.trainer.check import Audit
from mix665k.trainer.compare import Comparison as RunComparison
from mix665k.trainer.publish import Published as PublishedModel
from mix665k.trainer.run.stage_fields import ListedStages

FOLDER = Path(__file__).parent.parent / "reference" / "outputs"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class ScoreDocument(TypedDict):
    """A score, as `results.json` holds it too."""

    benchmark: str
    metric: str
    split: str | None
    prompt: str | None
    rule: str
    judge: NotRequired[str | None]
    counts: dict[str, int]
    figures: dict[str, float]
    intervals: dict[str, Any]
    interval: dict[str, Any]
    notes: list[str]
    published: dict[str, dict[str, float]]
    comparable: bool
    incomparable_because: str | None
    asked: NotRequired[dict[str, Any]]


class BenchmarkDocument(TypedDict):
    """A benchmark that can be scored; one alone when it is named."""

    name: str
    title: str
    questions: int | str
    metric: str
    licence: str
    files: list[dict[str, Any]]
    prompts: dict[str, str]
    splits: list[str]
    rules: list[str]
    rule: str
    form: str
    evidence: str
    traps: list[str]
    published: dict[str, list[float]]


OUTPUTS: dict[str, Any] = {
    "mix build": Manifest,
    "mix inspect": Inspection,
    "mix contamination": Contamination,
    "mix diff": Comparison,
    "mix doctor": list[Check],
    "mix fetch": FetchReport,
    "mix images": ImagesReport,
    "mix publish": Published,
    "mix select": SelectionReport,
    "mix sources": list[ListedSource],
    "mix steps": list[ListedFunction],
    "mix trace": TracedRecord,
    "mix verify": Verification,
    "train benchmarks": list[BenchmarkDocument],
    "train check": Audit,
    "train compare": RunComparison,
    "train eval": ScoreDocument,
    "train plan": list[EpochCost],
    "train publish": PublishedModel,
    "train score": ScoreDocument,
    "train stages": ListedStages,
}
"""Commands and the types of their documents."""
COMPUTED = {"mix verify": "ok", "mix diff": "equal"}
"""A boolean that a document has beside the fields of its type: what decides the exit code."""


def schemas() -> dict[str, dict[str, Any]]:
    """File name: JSON Schema of a command's document."""
    found = {}
    for command, form in OUTPUTS.items():
        schema = {"$schema": _DIALECT, "title": f"{command} --format json", **msgspec.json.schema(form)}
        if name := COMPUTED.get(command):
            root = schema["$defs"][schema["$ref"].rpartition("/")[2]]
            root["properties"] = {name: {"type": "boolean"}, **root["properties"]}
        found[file_name(command)] = schema
    return found


def file_name(command: str) -> str:
    """The schema's file of a command."""
    return f"{command.replace(' ', '-')}.schema.json"


def output_table() -> str:
    """A row for each command: its document and its schema."""
    rows = [
        [f"`{command} --format json`", _said(schema), f"[schema](outputs/{name})"]
        for command, (name, schema) in zip(OUTPUTS, schemas().items(), strict=True)
    ]
    return table(["command", "document", ""], rows)


def _said(schema: dict[str, Any]) -> str:
    many = "items" in schema
    reference = (schema["items"] if many else schema)["$ref"]
    part = schema["$defs"][reference.rpartition("/")[2]]
    fields = ", ".join(f"`{name}`" for name in part["properties"])
    return f"{'a list, each with' if many else 'an object with'} {fields}"


def write() -> None:
    """Write all schema files."""
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_bytes(msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n")


if __name__ == "__main__":
    write()
