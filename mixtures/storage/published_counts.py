"""What is known about the published files, to compare a mixture with; each source declares its own part."""

import msgspec

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.published import LCS558K, MIX665K, Published, PublishedFile
from mix665k.builders.registry import SOURCES


def _published_in(file: PublishedFile) -> dict[str, Published]:
    """The sources that a published file holds, in the order of the file."""
    declared = [(name, source.about.published) for name, source in SOURCES.items()]
    found = [(name, one) for name, one in declared if one is not None and one.file == file]
    return dict(sorted(found, key=lambda one: one[1].place))


IN_MIX665K = _published_in(MIX665K)
"""What stage 2's file holds of each source, in the order of the file."""
RECORDS = {name: one.num_records for name, one in IN_MIX665K.items()}
STAGE_1 = {name: one.num_records for name, one in _published_in(LCS558K).items()}


def _lookalikes() -> dict[str, tuple[str, ...]]:
    """Sources that image folder and prompt form cannot tell apart, by what their records are called together."""
    found: dict[str, tuple[str, ...]] = {}
    for name, one in IN_MIX665K.items():
        for form in one.prompt_forms:
            label = f"{SOURCES[name].about.image_folder}, {form}"
            found[label] = (*found.get(label, ()), name)
    return {label: names for label, names in found.items() if len(names) > 1}


LOOKALIKES = _lookalikes()
LABELS = {name: label for label, names in LOOKALIKES.items() for name in names}
"""The label of each source that has lookalikes."""


ALL_RECORDS = MIX665K.num_records


class Audit(msgspec.Struct):
    """A number beside the published one."""

    published: int
    difference: int


def audit_source(name: str, records: int) -> Audit | None:
    """A source's records beside the published file's, where it has that source."""
    known = {**RECORDS, **STAGE_1}
    return Audit(known[name], records - known[name]) if name in known else None


def has_all(names: set[str]) -> bool:
    """Whether these are the sources of the published file, all ten and no other."""
    return names == set(RECORDS)
