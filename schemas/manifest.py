"""The manifest: what a mixture is made of, how, and what was left out; written last."""

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from packaging.version import InvalidVersion, Version

from mix665k.schemas.errors import UPGRADE, MixtureError
from mix665k.schemas.files import UNREADABLE, decode_json, fault, write_whole
from mix665k.schemas.recipe import Expect

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
MANIFEST = "manifest.json"
STATE = ".build"
"""Folder of a mixture for the state of finished sources and for unfinished work."""
CONTAMINATION = "contamination"
"""The funnel step of records that `mix contamination` dropped, and the override that says so."""
SELECTION = "selection"
"""The funnel step of records that `mix select` did not select."""
HELD_OUT = "held_out"
"""The folder, in a mixture's, of the mixture that its recipe holds out of it; and the funnel step of both."""
BALANCE = "balance"
"""The funnel step of records that a recipe's balance did not draw."""
NEAR_DUPLICATES = "near_duplicates"
"""The funnel step of records that are near-duplicates of others; `near_duplicates.jsonl` beside it lists them."""
DERIVING = {
    CONTAMINATION: "mix contamination --drop-to",
    SELECTION: "mix select",
    HELD_OUT: "mix build",
    BALANCE: "mix build",
    NEAR_DUPLICATES: "mix build",
}
"""The commands that write a mixture of another one's records, by their funnel step."""
ROWS_PER_SHARD = 65_536
"""Beside the manifest, not the Parquet writer, as a plan names it and is made without importing pyarrow."""
FORMAT = 3
"""Raised when a mixture of this version can no longer be read by the previous one's reader; older ones are read.

Since 2 a funnel says what kind of change each is, since 3 shards have the columns of `schemas.shards.OPTIONAL`.
"""


Kind = Literal["lost", "chosen", "merged", "split", "repeated"]
"""Why a number changed between two steps.

`lost`: it was unusable, or a rule keeps it out; `chosen`: nothing is wrong with it, the recipe or an option takes
others; `merged`, `split`, `repeated`: nothing is left out, the same pairs are in fewer or more conversations, or there
more than once.
"""
LEFT_OUT: tuple[Kind, ...] = ("lost", "chosen")
MAX_EXAMPLES = 10
TOO_FEW = "fewer than were asked for"
"""What a draw notes that came out smaller than it was to be; the build fails, unless it had a `--limit`."""
"""Ids that are kept for each reason."""
NOT_FOUND = "not found"
"""The note on ids that a recipe asks for and no raw record has."""


_CHOSEN_IN_1 = ("not drawn", "not in ", "split ", "region not drawn", "another caption of the image taken")


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
    kinds: Annotated[dict[str, Kind], msgspec.Meta(description="what kind of change each reason is")] = {}
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
        list[str], msgspec.Meta(description="ids of draws_from that did not survive or are not there")
    ] = []
    splits: Annotated[
        list[str], msgspec.Meta(description="of its dataset, as the raw files or their published names say")
    ] = []


class Change(NamedTuple):
    """What one step changed for one reason: conversations and pairs, negative for fewer; some of the ids."""

    step: str
    reason: str
    kind: Kind
    conversations: int
    pairs: int
    examples: list[str]


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What of a source's raw data is not in the mixture for one reason, as positive numbers; some of the ids."""

    step: str
    reason: str
    kind: Kind
    conversations: int
    pairs: int
    examples: list[str]


def changes(funnel: list[FunnelStep]) -> Iterator[Change]:
    """Every change of a funnel, in the order of its steps."""
    for step in funnel:
        for reason in step.conversations.changes | step.pairs.changes:
            yield Change(
                step=step.step,
                reason=reason,
                kind=step.kinds.get(reason, "lost"),
                conversations=step.conversations.changes.get(reason, 0),
                pairs=step.pairs.changes.get(reason, 0),
                examples=step.examples.get(reason, []),
            )


def left_out(entry: SourceEntry) -> list[LeftOut]:
    """What was left out of a source on the way from its raw files, for `mix build`, the card and `mix inspect` alike.

    What is merely merged, split or repeated is not left out. Ids that were asked for and not found come last.
    """
    rows = [
        LeftOut(
            step=change.step,
            reason=change.reason,
            kind=change.kind,
            conversations=-change.conversations,
            pairs=-change.pairs,
            examples=change.examples[:MAX_EXAMPLES],
        )
        for change in changes(entry.funnel)
        if change.kind in LEFT_OUT
    ]
    if entry.not_found:
        rows.append(
            LeftOut(
                step=next((step.step for step in entry.funnel if NOT_FOUND in step.noted), ""),
                reason="asked for by id, not found",
                kind="lost",
                conversations=len(entry.not_found),
                pairs=0,
                examples=entry.not_found[:MAX_EXAMPLES],
            )
        )
    return rows


def funnel_fault(entry: SourceEntry) -> str | None:
    """Where the funnel does not add up or does not say what a change is, or None."""
    for step in entry.funnel:
        for reason in step.conversations.changes | step.pairs.changes:
            if reason not in step.kinds:
                return f"the funnel does not say what kind of change {reason!r} is at {step.step}"
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


class Selected(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How a file selected records of a mixture; asked = exact + ambiguous + missing + repeated."""

    made_from: Annotated[str, msgspec.Meta(description="row hash of the mixture that was selected from")]
    file: Annotated[str, msgspec.Meta(description="name of the file")]
    sha256: Sha256
    form: Annotated[str, msgspec.Meta(description="what the file was read as")]
    method: Annotated[str, msgspec.Meta(description="how its entries were matched, and ranked")]
    asked: Annotated[int, msgspec.Meta(ge=0, description="entries of the file")]
    exact: Annotated[int, msgspec.Meta(ge=0, description="entries that name one record each")]
    ambiguous: Annotated[int, msgspec.Meta(ge=0, description="entries that may be any of several records; left out")]
    missing: Annotated[int, msgspec.Meta(ge=0, description="entries that the mixture does not have")]
    repeated: Annotated[int, msgspec.Meta(ge=0, description="entries whose record another entry had named")]
    selected: Annotated[int, msgspec.Meta(ge=0, description="records that were kept")]
    by: Annotated[dict[str, int], msgspec.Meta(description="exact entries by what identified their record")]
    published: Annotated[str, msgspec.Meta(description="sha256 of the file whose rows positions count")] | None = None


class BalancedSource(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How much of one source was drawn, in the unit of the balance."""

    name: str
    of: Count
    taken: Count
    asked: Annotated[int, msgspec.Meta(ge=0, description="its part of the budget")] | None = None


class Balanced(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How much of each source a recipe's balance drew."""

    made_from: Annotated[str, msgspec.Meta(description="row hash of the mixture that was drawn from")]
    seed: int
    unit: str
    sources: list[BalancedSource]
    matched: Annotated[str, msgspec.Meta(description="row hash or sha256 of what lengths are matched to")] | None = None


class HeldOut(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a recipe holds out: a mixture of its own in the folder `held_out`."""

    row_hash: Annotated[str, msgspec.Meta(description="of the mixture that is held out")]
    seed: int
    drawn: Annotated[int, msgspec.Meta(ge=0, description="images, and ids of records without one, that are held out")]
    of: Annotated[int, msgspec.Meta(ge=0, description="images, and ids of records without one, in all")]
    records: Count
    image_data: (
        Annotated[
            str,
            msgspec.Meta(description="sha256 of the raw file that says which images two collections have"),
        ]
        | None
    ) = None


class Extended(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A recipe that the mixture's extends."""

    recipe: Annotated[str, msgspec.Meta(description="name of a shipped recipe, or of the file")]
    sha256: Sha256


class UsedPlugin(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Code of the user's own that the mixture was built with; nothing runs it because a manifest names it."""

    name: Annotated[str, msgspec.Meta(description="of the file, or of the module of an installed package")]
    sha256: Sha256
    version: Annotated[str, msgspec.Meta(description="name and version of the package")] = ""
    sources: Annotated[list[str], msgspec.Meta(description="the mixture's sources that it made or changed")] = []

    @property
    def is_file(self) -> bool:
        """Whether it was a file of its own, not a module of a package."""
        return self.name.endswith(".py")


class Manifest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What `mix build` wrote."""

    format: int
    tool: Annotated[str, msgspec.Meta(description="name and version of the builder")]
    name: str
    recipe: Annotated[
        str, msgspec.Meta(description="the recipe, verbatim; with what it extends and --set where there is such")
    ]
    overrides: Annotated[dict[str, Any], msgspec.Meta(description="options that changed the recipe")]
    integer_ids: list[str]
    conversations: Count
    pairs: Count
    row_hash: str
    sources: list[SourceEntry]
    selections: Annotated[
        list[Selected], msgspec.Meta(description="how records were selected after the build, in order")
    ] = []
    extends: Annotated[
        list[Extended], msgspec.Meta(description="the recipes that its recipe extends, the nearest first")
    ] = []
    held_out: Annotated[HeldOut, msgspec.Meta(description="what the recipe holds out of it")] | None = None
    plugins: Annotated[list[UsedPlugin], msgspec.Meta(description="code from elsewhere that it was built with")] = []
    balanced: Annotated[Balanced, msgspec.Meta(description="how much of each source was drawn")] | None = None
    checksum: Annotated[str, msgspec.Meta(description="SHA-256 of what `sources` says")] = ""


def checksum(manifest: Manifest) -> str:
    """The hash of what a manifest says of its sources; names, options and sums can be compared with the recipe."""
    return hashlib.sha256(msgspec.json.encode(manifest.sources, order="sorted")).hexdigest()


def stamped(manifest: Manifest) -> Manifest:
    """The same with its checksum."""
    return msgspec.structs.replace(manifest, checksum=checksum(manifest))


def encoded(manifest: Manifest) -> bytes:
    """The content of `manifest.json`."""
    return msgspec.json.format(msgspec.json.encode(stamped(manifest)), indent=1) + b"\n"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, completely or not at all: it is what makes a folder a mixture."""
    write_whole(folder / MANIFEST, encoded(manifest))


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a mixture.

    Raises:
        MixtureError: when the folder is no mixture, an unfinished one, or one of a newer version.
    """
    require_folder(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise MixtureError(f"{folder}: {_without_manifest(folder)}")
    content = path.read_bytes()
    if why := _of_another_version(content):
        raise MixtureError(f"{path}: {why}")
    found = decode_json(content, Manifest, kind=MixtureError, where=f"{path}: damaged", fix="build the mixture again")
    return _with_kinds(found) if found.format == 1 else found


def _with_kinds(manifest: Manifest) -> Manifest:
    """A manifest of format 1 with the kinds of changes that later ones say."""
    for step in (step for entry in manifest.sources for step in entry.funnel):
        step.kinds = {reason: _kind_of(reason) for reason in step.conversations.changes | step.pairs.changes}
    return manifest


def _kind_of(reason: str) -> Kind:
    """What kind of change the builders of format 1 meant by a reason, a step within a step before it."""
    own = reason.rpartition(": ")[2]
    kinds: dict[str, Kind] = {"merged": "merged", "split": "split", "repeated": "repeated"}
    return kinds.get(own, "chosen" if own.startswith(_CHOSEN_IN_1) else "lost")


class _Stamp(msgspec.Struct):
    """What manifests of all versions say."""

    format: int
    tool: str = ""


def _of_another_version(content: bytes) -> str | None:
    """Which newer version wrote a manifest that this one cannot read, and what to do; None for all others.

    A newer version may add fields without raising `FORMAT`, as a reader of its own would not fail.
    """
    try:
        stamp = msgspec.json.decode(content, type=_Stamp)
    except UNREADABLE:
        return None  # damaged: decoding it says where
    ours = f"mix665k {version('mix665k')}"
    written = f"written by {stamp.tool or 'another version'}"
    if stamp.format <= FORMAT and not _is_newer(stamp.tool, ours):
        return None
    try:
        if stamp.format <= FORMAT:
            msgspec.json.decode(content, type=Manifest)
            return None
    except UNREADABLE as error:
        at, why = fault(error)
        return f"{written}, which is newer than {ours} and has {at or '$'}: {why}; {UPGRADE}"
    return f"{written} in format {stamp.format}, which is newer than the format {FORMAT} of {ours}; {UPGRADE}"


def _is_newer(tool: str, ours: str) -> bool:
    """Whether `mix665k 0.2.0` is of a later version than `mix665k 0.1.0`."""
    try:
        return Version(tool.removeprefix("mix665k ")) > Version(ours.removeprefix("mix665k "))
    except InvalidVersion:
        return False


def require_folder(mixture: Path) -> None:
    """There is a folder, whatever is in it.

    Raises:
        MixtureError: when there is none, or a file.
    """
    if not mixture.is_dir():
        why = "is a file, expected the folder of a" if mixture.exists() else "no such folder, expected a"
        raise MixtureError(f"{mixture}: {why} mixture")


def derived_marker(folder: Path, step: str) -> Path:
    """The file that marks a folder one of `DERIVING` writes: it holds the row hash of the mixture it began with."""
    return folder / STATE / step


def _without_manifest(folder: Path) -> str:
    """What a folder is that has no manifest, or not yet."""
    for step, command in DERIVING.items():
        if derived_marker(folder, step).is_file():
            return f"holds what `{command}` did not finish; run it again"
    if (folder / "data").is_dir():
        return "holds an unfinished build; run `mix build` again"
    return f"is no mixture, expected {MANIFEST} in it"
