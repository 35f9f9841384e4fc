"""What an inspection finds: the numbers that `mix inspect` prints, as `--format json` gives them."""

from typing import Any

import msgspec

from mix665k.builders.llava_records import Kind
from mix665k.mixtures.inspect.fingerprint import Fingerprint
from mix665k.mixtures.storage.llava_json import Fault
from mix665k.mixtures.storage.published_counts import Audit
from mix665k.schemas.boxes import Convention
from mix665k.schemas.manifest import FunnelStep, LeftOut

MAX_TOKENS = 2_048
"""The length that LLaVA-1.5 trains with (paper, table 9); what lies beyond is cut."""


class Spread(msgspec.Struct):
    """How a number is spread over records; percentiles are values that occur."""

    mean: float
    p50: int
    p95: int
    max: int


class Tokens(msgspec.Struct):
    """Lengths as a trainer sees them: template v1, each image as its placeholders.

    `over` counts the records beyond `MAX_TOKENS`, `answers_cut` the answers that end there.
    """

    per_record: Spread
    over: int
    answers_cut: int


class Answers(msgspec.Struct):
    """What a source answers.

    `common` are the most frequent texts with how often they occur, `distinct` how many texts there are, both of those
    answers that are not `longer` than 100 characters. `yes` and `no` in any case, with or without a period; `letters`
    are those of options, bare.
    """

    common: dict[str, int]
    distinct: int
    longer: int
    yes: int
    no: int
    letters: dict[str, int]


class Histograms(msgspec.Struct):
    """How many records lie in each bin, by the bin's upper end; it reaches down to the end of the bin below.

    Pairs have bins of 1, tokens of 32, words four between a power of two and the next. Empty bins are left out.
    """

    pairs: dict[int, int]
    words: dict[int, int]
    tokens: dict[int, int] | None


class Numbers(msgspec.Struct):
    """One source, or all of them. Spreads are null where there is no record.

    `images` are distinct paths, `text_only` the records without one; `words` are split at white space and do not count
    the image token; `prompt_forms` are those of the first question. `integer_ids` counts ids that a JSON file holds as
    integers. `answers` are told by source only; `funnel`, `left_out`, `box_convention` and `splits` come from the
    manifest, which a JSON file has not.
    """

    name: str
    records: int
    audit: Audit | None
    images: int
    text_only: int
    pairs: int
    pairs_per_record: Spread | None
    words_per_record: Spread | None
    words_per_answer: Spread | None
    tokens: Tokens | None
    histograms: Histograms
    prompt_forms: dict[str, int]
    answers: Answers | None = None
    funnel: list[FunnelStep] = []
    left_out: list[LeftOut] = []
    integer_ids: int = 0
    box_convention: Convention | None = None
    splits: list[str] = []


class Sampled(msgspec.Struct):
    """A record drawn from a source."""

    source: str
    record: dict[str, Any]


class Inspection(msgspec.Struct):
    """All that was found. `image_names` are distinct file names; `fingerprint` stands beside the published file's."""

    path: str
    kind: Kind
    name: str
    tokenizer: str | None
    sources: list[Numbers]
    total: Numbers
    image_names: int
    fingerprint: Fingerprint
    overrides: dict[str, Any] = {}
    row_hash: str | None = None
    faults: int = 0
    fault_examples: list[Fault] = []
    sample: list[Sampled] = []


def to_json(found: Inspection) -> str:
    """The whole as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
