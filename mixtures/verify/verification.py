"""What a verification finds: the checks that `mix verify` prints, as `--format json` gives them."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from mix665k.mixtures.diff.comparison import Comparison
from mix665k.schemas.errors import MixtureError, brief_line

Outcome = Literal["ok", "failed", "differs", "not checked", "not applicable"]
MAX_SHOWN = 5
"""How many faults or differences of one check are kept; all are counted."""


class Lines(msgspec.Struct):
    """What one check has to tell, a line for each fault or difference: their number, and the first of them."""

    count: int = 0
    first: list[str] = []

    def add(self, line: str) -> None:
        """Tell one more."""
        self.count += 1
        if len(self.first) < MAX_SHOWN:
            self.first.append(brief_line(line))  # a file's name may not be UTF-8, and of any length

    def extend(self, other: "Lines") -> None:
        """Tell what another one tells."""
        self.count += other.count
        self.first += other.first[: MAX_SHOWN - len(self.first)]


class Check(msgspec.Struct):
    """One thing that was looked at.

    `differs` tells of a difference that is no fault, `not checked` of something that could not be looked at and so is
    not passed either.
    """

    name: str
    outcome: Outcome
    seen: str = ""
    lines: Lines = msgspec.field(default_factory=Lines)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong as far as this check goes."""
        # What could not be checked does not pass, or its silence would be taken for a proof.
        return self.outcome not in ("failed", "not checked")


class Verification(msgspec.Struct):
    """All that was found; `overrides` are the options of the build that changed its recipe.

    `against` is the comparison with a published file, where that was asked for.
    """

    path: str
    name: str | None
    row_hash: str | None
    checks: list[Check]
    overrides: dict[str, Any] = {}
    against: Comparison | None = None

    @property
    def ok(self) -> bool:
        """Whether every check is passed, and the file equal that the mixture was compared with."""
        return all(check.passed for check in self.checks) and (self.against is None or self.against.equal)


def checked(name: str, lines: Iterable[str] | Lines, *, seen: str = "", otherwise: Outcome = "failed") -> Check:
    """`ok` where there is nothing to tell, else this outcome."""
    if not isinstance(lines, Lines):
        told, lines = lines, Lines()
        for line in told:
            lines.add(line)
    return Check(name, otherwise if lines.count else "ok", seen=seen, lines=lines)


def require_passed(found: Verification) -> None:
    """Every check is passed.

    Raises:
        MixtureError: with the names of those that are not.
    """
    names = [check.name for check in found.checks if not check.passed]
    if names:
        raise MixtureError(f"{found.path}: {len(names)} of {len(found.checks)} checks not passed: {', '.join(names)}")


def to_json(found: Verification) -> str:
    """Everything as one JSON document."""
    against = found.against
    compared = {"equal": against.equal, **msgspec.structs.asdict(against)} if against else None
    content = {"ok": found.ok, **msgspec.structs.asdict(found), "against": compared}
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
