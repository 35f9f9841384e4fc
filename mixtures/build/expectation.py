"""How many conversations a recipe expects of a source, and whether a build was held to it."""

from typing import Any

from mix665k.schemas.manifest import SourceEntry

CONTAMINATION = "contamination"
"""The funnel step of records that `mix contamination` dropped, and the override that tells of it."""


def is_held(entry: SourceEntry, overrides: dict[str, Any]) -> bool:
    """Whether a source must have the number that is expected of it: a build with these options may not ask for less."""
    if entry.expect is None or not entry.expect.strict:
        return False
    dropping = "drop" in (overrides.get("on_missing_image"), overrides.get("on_bad_record"))
    return not (overrides.get("limit") or overrides.get(CONTAMINATION) or dropping or _takes_ids(entry.steps))


def _takes_ids(steps: list[dict[str, dict[str, Any]]]) -> bool:
    """Whether a step takes what a file names instead of drawing."""
    return any(params.get("ids_from") for step in steps for params in step.values())
