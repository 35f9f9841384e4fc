"""A mixture without some of its sources, told by a manifest of its own."""

import msgspec

from mix665k.mixtures.build.selection import Choice, Offered, Selection, select
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.schemas.manifest import Manifest


def choose(manifest: Manifest, choice: Choice) -> Selection:
    """What a choice leaves out of a mixture.

    Raises:
        MixtureError: for a name that it does not have, and when nothing is left.
    """
    offered = {entry.name: Offered(entry.source, entry.conversations) for entry in manifest.sources}
    return select(offered, choice, where=f"mixture {manifest.name}")


def without(manifest: Manifest, selection: Selection) -> Manifest:
    """The manifest of what is left; the sources that are not stand among its overrides, as after a build."""
    if not selection.left_out:
        return manifest
    entries = [entry for entry in manifest.sources if entry.name not in selection.names]
    overrides = dict(manifest.overrides)
    for option, names in selection.overrides().items():
        overrides[option] = [*overrides.get(option, []), *names]
    return msgspec.structs.replace(
        manifest,
        overrides=overrides,
        conversations=sum(entry.conversations for entry in entries),
        pairs=sum(entry.pairs for entry in entries),
        row_hash=hash_of_all(entries),
        sources=entries,
    )
