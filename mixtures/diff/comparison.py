"""What a comparison finds: the numbers that `mix diff` prints, as `--format json` gives them."""

from typing import Literal

import msgspec

from mix665k.builders.llava_records import Kind
from mix665k.mixtures.inspect.findings import Spread
from mix665k.mixtures.storage.llava_json import Fault

Outcome = Literal["identical", "reordered", "differing", "only_in_a", "only_in_b"]
OUTCOMES: tuple[Outcome, ...] = ("identical", "reordered", "differing", "only_in_a", "only_in_b")
"""What becomes of a record: exactly one of these; `reordered` has the same pairs in another order."""


class Side(msgspec.Struct):
    """One of the two that are compared.

    `source_evidence` is for a JSON file: how many of its records have which evidence for their source.
    """

    path: str
    kind: Kind
    name: str
    records: int
    row_hash: str | None = None
    source_evidence: dict[str, int] = {}
    faults: int = 0
    fault_examples: list[Fault] = []


class Change(msgspec.Struct):
    """Something that differs, as short texts; `about` names what it belongs to, such as the question of an answer."""

    what: str
    a: str
    b: str
    about: str = ""


class Example(msgspec.Struct):
    """A record that is not identical; `a` and `b` say where it stands, None where it does not."""

    outcome: Outcome
    id: str
    a: str | None
    b: str | None
    changes: list[Change] = []
    text: str = ""


class Prompts(msgspec.Struct):
    """How many records begin with a question of this prompt form."""

    form: str
    a: int
    b: int


class Lengths(msgspec.Struct):
    """Spreads over the records of one side, None where it has no record."""

    words: Spread | None = None
    pairs: Spread | None = None


class SourceComparison(msgspec.Struct):
    """One source, or all of them.

    A record of either side is counted once, with its counterpart if it has one; `percent` are shares of all so counted.
    `differing_in` counts the differing records by all that differs in them. `moved` counts the records that stand
    elsewhere among the others of their source; `pairs_shared` the equal pairs of records that belong together.
    """

    name: str
    a: int = 0
    b: int = 0
    identical: int = 0
    reordered: int = 0
    differing: int = 0
    only_in_a: int = 0
    only_in_b: int = 0
    percent: dict[str, float] = {}
    differing_in: dict[str, int] = {}
    moved: int = 0
    pairs_in_a: int = 0
    pairs_in_b: int = 0
    pairs_shared: int = 0
    lengths_in_a: Lengths = msgspec.field(default_factory=Lengths)
    lengths_in_b: Lengths = msgspec.field(default_factory=Lengths)
    prompts: list[Prompts] = []
    examples: list[Example] = []


class Comparison(msgspec.Struct):
    """All that was found. `same_order` holds for the records that both sides have.

    `by_content` counts those of a JSON file that belong together by what they say alone, under other ids and images.
    `manifests` lists what differs in the manifests of two mixtures.
    """

    a: Side
    b: Side
    sources: list[SourceComparison]
    total: SourceComparison
    same_order: bool
    manifests: list[Change] = []
    by_content: int = 0

    @property
    def equal(self) -> bool:
        """Whether both sides have the same records in the same order, and none with a fault."""
        whole = self.total.identical == self.total.a == self.total.b
        return whole and self.same_order and not (self.a.faults or self.b.faults)


def percent(part: int, whole: int) -> float:
    """A share in percent with two decimals, 0 and 100 only where it is none and all."""
    if part in (0, whole):
        return 100.0 if part else 0.0
    return min(max(round(100 * part / whole, 2), 0.01), 99.99)


def to_json(comparison: Comparison) -> str:
    """The whole as one JSON document."""
    content = {"equal": comparison.equal, **msgspec.structs.asdict(comparison)}
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
