"""The manifest: what a mixture is made of, how, and what was left out; written last."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec

from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import write_whole
from mix665k.schemas.recipe import Expect

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
MANIFEST = "manifest.json"
STATE = ".build"
"""Folder of a mixture for the state of finished sources and for unfinished work."""
CLEANED = f"{STATE}/contamination"
"""What marks a folder that `mix contamination --drop-to` writes: the row hash of the mixture that it began with."""
FORMAT = 1
"""Raised when a manifest of this version can no longer be read by the previous one's reader."""


class InputFile(msgspec.Struct, forbid_unknown_fields=True):
    """A raw file as it was read."""

    role: str
    path: Annotated[str, msgspec.Meta(description="below the raw folder")]
    bytes: Count
    sha256: Sha256


class Flow(msgspec.Struct, forbid_unknown_fields=True):
    """How many went in and came out, and every change by its reason: entered + sum(changes) = left."""

    entered: Count
    left: Count
    changes: dict[str, int] = {}

    def adds_up(self) -> bool:
        """Whether the changes explain the difference exactly."""
        return self.entered + sum(self.changes.values()) == self.left


class FunnelStep(msgspec.Struct, forbid_unknown_fields=True):
    """What one step did, counted in conversations and in question-answer pairs."""

    step: str
    conversations: Flow
    pairs: Flow
    noted: Annotated[dict[str, int], msgspec.Meta(description="what was counted without changing a number")] = {}
    examples: Annotated[dict[str, list[str]], msgspec.Meta(description="reason: some of the ids")] = {}


class Shard(msgspec.Struct, forbid_unknown_fields=True):
    """One Parquet file."""

    path: str
    rows: Count
    bytes: Count
    sha256: Sha256
    row_hash: Annotated[str, msgspec.Meta(description="of the rows' content; the same whatever wrote the Parquet")]


class SourceEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One source of the mixture."""

    name: str
    source: str
    key: Annotated[str, msgspec.Meta(description="of inputs, parameters and code: what a rebuild may reuse")]
    inputs: list[InputFile]
    params: dict[str, Any]
    steps: list[dict[str, dict[str, Any]]]
    funnel: list[FunnelStep]
    conversations: Count
    pairs: Count
    shards: list[Shard]
    expect: Expect | None = None
    not_found: Annotated[
        list[str], msgspec.Meta(description="ids of ids_from that did not survive or are not there")
    ] = []


def funnel_fault(entry: SourceEntry) -> str | None:
    """Where the funnel does not add up, or None."""
    for unit in ("conversations", "pairs"):
        flows = [(step.step, getattr(step, unit)) for step in entry.funnel]
        for name, flow in flows:
            if not flow.adds_up():
                changes = f"{flow.entered:,} {sum(flow.changes.values()):+,}"
                return f"the funnel does not add up at {name}: {changes} {unit} are not {flow.left:,}"
        for (name, flow), (following, after) in pairwise(flows):
            if flow.left != after.entered:
                return f"the funnel breaks: {flow.left:,} {unit} leave {name}, {after.entered:,} enter {following}"
        counted = getattr(entry, unit)
        if not flows or flows[-1][1].left != counted:
            return f"the funnel does not end at the {counted:,} {unit} of the source"
    return None


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """What `mix build` wrote."""

    format: int
    tool: Annotated[str, msgspec.Meta(description="name and version of the builder")]
    name: str
    recipe: Annotated[str, msgspec.Meta(description="the recipe, verbatim")]
    overrides: Annotated[dict[str, Any], msgspec.Meta(description="options that changed the recipe")]
    integer_ids: list[str]
    conversations: Count
    pairs: Count
    row_hash: str
    sources: list[SourceEntry]


def encoded(manifest: Manifest) -> bytes:
    """The content of `manifest.json`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, completely or not at all: it is what makes a folder a mixture."""
    write_whole(folder / MANIFEST, encoded(manifest))


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a mixture.

    Raises:
        MixtureError: when the folder is no mixture, an unfinished one, or one of another version.
    """
    require_folder(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise MixtureError(f"{folder}: {_without_manifest(folder)}")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MixtureError(f"{path}: damaged: {str(error).replace('`', '')}; build the mixture again") from None
    if manifest.format != FORMAT:
        raise MixtureError(f"{path}: format {manifest.format}, expected {FORMAT}; use the version that wrote it")
    return manifest


def require_folder(mixture: Path) -> None:
    """There is a folder, whatever is in it.

    Raises:
        MixtureError: when there is none, or a file.
    """
    if not mixture.is_dir():
        why = "is a file, expected the folder of a" if mixture.exists() else "no such folder, expected a"
        raise MixtureError(f"{mixture}: {why} mixture")


def _without_manifest(folder: Path) -> str:
    """What a folder is that has no manifest, or not yet."""
    if (folder / CLEANED).is_file():
        return "holds what `mix contamination --drop-to` did not finish; run it again"
    if (folder / "data").is_dir():
        return "holds an unfinished build; run `mix build` again"
    return f"is no mixture, expected {MANIFEST} in it"
