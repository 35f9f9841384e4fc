"""The recipe: which sources, from which files, through which steps, to how many conversations."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

Name = Annotated[str, msgspec.Meta(pattern=r"^\w+$")]
Path = Annotated[str, msgspec.Meta(min_length=1)]
Step = str | dict[str, dict[str, Any] | str]


class Expect(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How many conversations a source must give, where they end in the mixture, and why."""

    count: Annotated[int, msgspec.Meta(ge=0)]
    because: str
    strict: Annotated[bool, msgspec.Meta(description="a build with another count fails")] = False
    last_position: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | None,
        msgspec.Meta(description="where its last record is in the published file, counted from 0"),
    ] = None


class Block(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One source of a recipe."""

    source: Name
    name: Annotated[Name, msgspec.Meta(description="its name in the mixture, when one source is used twice")] | None = (
        None
    )
    files: Annotated[
        dict[str, Path | Annotated[list[Path], msgspec.Meta(min_length=1)]],
        msgspec.Meta(
            description="role: a file, folder or glob below --raw, or a list of them; a list is in reading order"
        ),
    ] = {}
    params: dict[str, Any] = {}
    steps: Annotated[
        list[Step], msgspec.Meta(description="`step`, `step: {parameter: value}` or, for `add_prompt`, `step: value`")
    ] = []
    expect: Expect | None = None
    allow_empty: Annotated[bool, msgspec.Meta(description="a source of which no record is left is no error")] = False

    @property
    def label(self) -> str:
        """The source's name in the mixture."""
        return self.name or self.source


SelectionForm = Literal["records", "ids", "positions", "hashes", "table"]
OnUnresolved = Literal["fail", "drop"]


class Select(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """Which records of the built sources a file selects; the options of `mix select`."""

    by: Annotated[str, msgspec.Meta(description="a file that names records, below --raw, or a published subset")]
    form: (
        Annotated[SelectionForm, msgspec.Meta(description="kind of the file, if its content does not show it")] | None
    ) = msgspec.field(default=None, name="as")
    base: Annotated[Literal[0, 1], msgspec.Meta(description="what positions are counted from")] | None = None
    rows: Annotated[Literal["all", "images"], msgspec.Meta(description="which rows positions count")] = "all"
    key: Annotated[str, msgspec.Meta(description="the field or column that names a record")] | None = None
    score: Annotated[str, msgspec.Meta(description="the column of scores")] | None = None
    top: (
        Annotated[int | str, msgspec.Meta(description="only the records of the highest scores: `20%` or a number")]
        | None
    ) = None
    per_source: Annotated[bool, msgspec.Meta(description="`top` of each source, not of all")] = False
    min: Annotated[float, msgspec.Meta(description="only records of at least this score")] | None = None
    published: (
        Annotated[str, msgspec.Meta(description="the published file whose rows positions count, below --raw")] | None
    ) = None
    on_missing: Annotated[OnUnresolved, msgspec.Meta(description="what to do with what the mixture does not have")] = (
        "fail"
    )
    on_ambiguous: Annotated[OnUnresolved, msgspec.Meta(description="what to do with what may be several records")] = (
        "fail"
    )


class HoldOut(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """Which images no record is trained on that shows them; records without an image are held out by their id."""

    fraction: (
        Annotated[float, msgspec.Meta(gt=0, lt=1, description="about so large a part: each image by its own rank")]
        | None
    ) = None
    count: Annotated[int, msgspec.Meta(ge=1, description="so many images and texts, of the lowest ranks")] | None = None
    seed: Annotated[int, msgspec.Meta(description="of this draw; the recipe's by default")] | None = None

    def __post_init__(self) -> None:
        if (self.fraction is None) == (self.count is None):
            raise ValueError("expected either `fraction` or `count`")


Unit = Literal["records", "pairs", "characters", "tokens"]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Budget(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """How large a balanced mixture is, in one unit."""

    records: Positive | None = None
    pairs: Positive | None = None
    characters: Positive | None = None
    tokens: Annotated[int, msgspec.Meta(ge=1, description="of template v1, an image's 576 included")] | None = None

    def __post_init__(self) -> None:
        if sum(size is not None for size in msgspec.structs.astuple(self)) != 1:
            raise ValueError("expected one of `records`, `pairs`, `characters` and `tokens`")


class Match(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """Another mixture, whose lengths of records a balanced one has."""

    mixture: Annotated[str, msgspec.Meta(description="a mixture or a file in LLaVA's form, below --raw")]
    by: Annotated[Literal["pairs", "characters", "tokens"], msgspec.Meta(description="what length is")] = "characters"


class Balance(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """How much of each source is drawn once all are built."""

    equal: Annotated[bool, msgspec.Meta(description="the same of each source")] = False
    weights: Annotated[
        dict[Name, Annotated[float, msgspec.Meta(gt=0, le=1e9)]],
        msgspec.Meta(description="label: its weight; only ratios count"),
    ] = {}
    temperature: (
        Annotated[float, msgspec.Meta(ge=1, description="weights are sizes to the power of 1/temperature")] | None
    ) = None
    budget: Annotated[Budget, msgspec.Meta(description="how large; without it as large as weights allow")] | None = None
    match: Match | None = None
    seed: Annotated[int, msgspec.Meta(description="of this draw; the recipe's by default")] | None = None

    def __post_init__(self) -> None:
        ways = [self.equal, bool(self.weights), self.temperature is not None]
        if sum(ways) > 1:
            raise ValueError("expected one of `equal`, `weights` and `temperature`")
        if bool(self.match) == (any(ways) or self.budget is not None):
            raise ValueError("expected either `match`, or weights, a budget or both")

    @property
    def counts(self) -> tuple[Unit, int | None]:
        """The unit of sizes, and the budget."""
        if self.match:
            return self.match.by, None
        sizes = msgspec.structs.asdict(self.budget) if self.budget else {}
        units: tuple[Unit, ...] = ("records", "pairs", "characters", "tokens")
        return next(((unit, sizes[unit]) for unit in units if sizes.get(unit)), ("records", None))


class Deduplicate(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """Which records are near-duplicates, of which one is kept: texts and pictures must both agree."""

    text: Annotated[float, msgspec.Meta(gt=0, le=1, description="so much of the runs of three words is shared")] = 0.8
    pictures: Annotated[
        Literal["names", "content"], msgspec.Meta(description="equal by name, or also by looks; that needs --images")
    ] = "names"
    seed: Annotated[int, msgspec.Meta(description="decides which one is kept; the recipe's by default")] | None = None


class Recipe(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A mixture, written down."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    sources: Annotated[list[Block], msgspec.Meta(min_length=1)]
    description: str = ""
    seed: Annotated[int, msgspec.Meta(description="of every draw; needed as soon as a source or step draws")] | None = (
        None
    )
    tokenizer: Annotated[str, msgspec.Meta(description="hub name or folder")] | None = None
    draws_from: (
        Annotated[str, msgspec.Meta(description="a file in LLaVA's form; samples take the ids it holds")] | None
    ) = None
    integer_ids: Annotated[
        list[Name], msgspec.Meta(description="sources whose numeric ids are exported as integers")
    ] = []
    select: Annotated[Select, msgspec.Meta(description="keep only what a file selects")] | None = None
    for_all: Annotated[list[Step], msgspec.Meta(description="steps of every source, after its own")] = []
    hold_out: Annotated[HoldOut, msgspec.Meta(description="a validation split of images, written beside")] | None = None
    plugins: Annotated[
        list[Path], msgspec.Meta(description="Python files beside the recipe, with sources and steps of your own")
    ] = []
    deduplicate: Annotated[Deduplicate, msgspec.Meta(description="keep one of near-duplicates")] | None = None
    balance: Annotated[Balance, msgspec.Meta(description="draw from all sources together")] | None = None


class SourceChange(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What an extending recipe changes of the source with this label, or a source that it adds under it."""

    source: (
        Annotated[Name, msgspec.Meta(description="adds this source, or puts it in place of what has the label")] | None
    ) = None
    files: Annotated[
        dict[str, Path | Annotated[list[Path], msgspec.Meta(min_length=1)]],
        msgspec.Meta(description="role: as in a recipe; other roles stay"),
    ] = {}
    params: Annotated[
        dict[str, Any], msgspec.Meta(description="parameter: value; others stay, `null` takes one back to its default")
    ] = {}
    steps: Annotated[list[Step], msgspec.Meta(description="in place of all its steps")] | UnsetType = UNSET
    expect: (
        Annotated[
            Expect | None,
            msgspec.Meta(description="as in a recipe; the base's is strict no longer if what it is of changes"),
        ]
        | UnsetType
    ) = UNSET
    allow_empty: bool | UnsetType = UNSET


class Extension(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A recipe that says only what differs from another one; what it leaves out is the other's."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    extends: Annotated[
        str, msgspec.Meta(min_length=1, description="a shipped recipe's name, or a path from this file's folder")
    ]
    description: str = ""
    sources: Annotated[dict[Name, SourceChange], msgspec.Meta(description="label: what changes, or a new source")] = {}
    remove: Annotated[list[Name], msgspec.Meta(description="labels of sources to leave out")] = []
    order: Annotated[list[Name], msgspec.Meta(description="labels of the sources that come first; others follow")] = []
    for_all: Annotated[list[Step], msgspec.Meta(description="steps of every source, after those of the base")] = []
    plugins: Annotated[
        list[Path], msgspec.Meta(description="Python files beside this one, besides those of the base")
    ] = []
    seed: int | UnsetType | None = UNSET
    tokenizer: str | UnsetType | None = UNSET
    draws_from: str | UnsetType | None = UNSET
    integer_ids: list[Name] | UnsetType = UNSET
    select: Select | UnsetType | None = UNSET
    hold_out: HoldOut | UnsetType | None = UNSET
    deduplicate: Deduplicate | UnsetType | None = UNSET
    balance: Balance | UnsetType | None = UNSET
