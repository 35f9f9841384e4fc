"""A case, what came of it, and how a kind of cases is declared."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

Result = Literal["refused", "same", "counted", "other", "passed"]
"""One line and exit 1; the same rows as without the mutation; accepted with a count; other rows; as it should be."""
Fault = Literal["traceback", "crash", "hang", "memory", "silent", "nameless", "noisy", "leftover", "half", "outside"]
"""What a user must never meet.

`traceback`: an error that is no `UserError`; `crash`: the process died; `hang` and `memory`: it took longer or more
than its kind allows; `silent`: what is wrong was accepted without a word; `nameless`: a message names neither file nor
record; `noisy`: it is more than one line, or has control characters; `leftover`: temporary files stayed; `half`:
something unfinished looks finished, or a second run gives something else; `outside`: code of the input ran, or
something outside its folder was touched.
"""


class Verdict(NamedTuple):
    """What came of a case; `detail` is the message, or the last lines of a traceback."""

    result: Result | None
    fault: Fault | None = None
    detail: str = ""


class Case(NamedTuple):
    """An input that lies in its folder; `group` is its row in the report, `what` says how it was made."""

    group: str
    what: str
    judge: Callable[[], Verdict]


class Kind(NamedTuple):
    """Cases of one kind: `make(number, seed, folder)` puts the input of a case into its own empty folder.

    The same number and seed give the same case. `cases` are those of a full campaign; one that takes longer than
    `limit_s` hangs. `limited`: they run in the worker's own process, which may take 1 GB more than it has after
    `prepare`, which loads what all of them need.
    """

    name: str
    about: str
    cases: int
    make: Callable[[int, int, Path], Case]
    limit_s: float = 10.0
    limited: bool = True
    prepare: Callable[[], object] = lambda: None


class Outcome(msgspec.Struct, kw_only=True):
    """A case and what came of it, as a report keeps it."""

    number: int
    group: str
    what: str
    result: Result | None = None
    fault: Fault | None = None
    detail: str = ""
