"""Published subsets of the instruction mixture: where each lies and how it names its records. No texts come along."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from mix665k.builders.registry import Download
from mix665k.schemas.errors import RawDataError, RecipeError, did_you_mean
from mix665k.schemas.handwritten import convert_yaml, read_handwritten
from mix665k.schemas.recipe import Select

_DESCRIPTIONS = Path(__file__).parent.parent / "subsets"
SUBSETS = "subsets"
"""Their folder below the raw files."""


class Subset(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A published subset: its file, how that names records, what is known of it; `select` are options with it."""

    name: str
    title: str
    file: str
    names: str
    licence: str
    checked: Annotated[str, msgspec.Meta(description="what was checked, and what could not be")]
    records: int | None = None
    hub: str | None = None
    revision: str | None = None
    by_hand: str | None = None
    num_bytes: int | None = None
    sha256: str | None = None
    select: dict[str, Any] = {}

    @property
    def path(self) -> str:
        """Where its file is expected below the raw folder."""
        return f"{SUBSETS}/{self.file}"

    @property
    def download(self) -> Download:
        """What brings it."""
        return Download(
            name=self.file, hub=self.hub, by_hand=self.by_hand, num_bytes=self.num_bytes, sha256=self.sha256
        )


def subset_names() -> list[str]:
    """The subsets that are described."""
    return sorted(path.stem for path in _DESCRIPTIONS.glob("*.yaml"))


def load_subset(name: str) -> Subset:
    """The description of a subset.

    Raises:
        RecipeError: when there is none of this name.
    """
    if name not in subset_names():
        raise RecipeError(f"subset {name}: none of this name is described{did_you_mean(name, subset_names())}")
    path = _DESCRIPTIONS / f"{name}.yaml"
    text = read_handwritten(path, kind=RecipeError, where=path)
    return convert_yaml(text, Subset, kind=RecipeError, where=str(path))


def resolved(select: Select, raw: Path | None) -> Select:
    """With the file below `raw` in place of a subset's name, and the options that go with it.

    Raises:
        RawDataError: for a subset that has not been fetched.
    """
    path = Path(select.by) if raw is None else raw / select.by
    if select.by not in subset_names() or path.exists():
        return msgspec.structs.replace(select, by=str(path))
    subset = load_subset(select.by)
    if raw is None:
        raise RawDataError(f"--by {select.by}: is a published subset, pass --raw RAW that has {subset.path}")
    file = raw / subset.path
    if not file.is_file():
        raise RawDataError(f"{file}: no such file; `mix fetch --subset {subset.name} --raw {raw}` gets it")
    changed = {field: value for field, value in subset.select.items() if field not in _said(select)}
    return msgspec.structs.replace(select, by=str(file), **changed)


def _said(select: Select) -> set[str]:
    """The options that are not at their defaults."""
    plain = Select(by=select.by)
    return {field for field in select.__struct_fields__ if getattr(select, field) != getattr(plain, field)}
