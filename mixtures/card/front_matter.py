"""The front matter of a mixture's card, which the Hub's viewer and `datasets` read."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from mix665k.builders.licences import Licence
from mix665k.builders.registry import SOURCES, About, ImageFolder
from mix665k.mixtures.storage.parquet import SCHEMA
from mix665k.schemas.hub import MAIN
from mix665k.schemas.manifest import Manifest, SourceEntry

RECIPE = "recipe.yaml"
LICENCES = "LICENSE.md"
CROISSANT = "croissant.json"
IMAGES = "images"
"""Folder of the records with their images."""
BESIDE = {RECIPE, LICENCES, CROISSANT, IMAGES}
"""What a published repository holds beside the mixture itself."""

ALL = "all"
"""The config of every record."""
PICTURED = "-with-images"
"""Ends the name of a config whose images are there; no source's own name holds a hyphen."""
_LICENCES = {"CC BY 4.0": "cc-by-4.0", "Apache-2.0": "apache-2.0"}
"""The Hub's identifiers (https://huggingface.co/docs/hub/repositories-licenses) of the licences that sources have."""
_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
)


class Size(NamedTuple):
    """Records, their bytes in memory, and the bytes of their files."""

    records: int
    num_bytes: int
    download_bytes: int


class Place(NamedTuple):
    """A repository of the Hub that a card is written for, and its images, by source, if they go there."""

    repository: str
    revision: str = MAIN
    pictured: dict[str, Size] = {}  # noqa: RUF012, of a named tuple, read only


def front_matter(manifest: Manifest, sizes: dict[str, Size], place: Place | None) -> dict[str, Any]:
    """The front matter; `sizes` are those of the sources."""
    abouts = [about_of(entry) for entry in with_rows(manifest)]
    licences = {_LICENCES.get(about.licence.name, "other") for about in abouts}
    licence = licences.pop() if len(licences) == 1 else "other"
    named = {"license_name": "per-source"} | ({"license_link": "LICENSE.md"} if place else {})
    with_images = any(has_images(about) for about in abouts)
    languages = dict.fromkeys(language for about in abouts for language in about.languages)
    tasks = ["image-text-to-text", "visual-question-answering"] if with_images else []
    tasks += ["text-generation"] if not all(has_images(about) for about in abouts) else []
    return {
        "pretty_name": " ".join(manifest.name.split()),
        "license": licence,
        **(named if licence == "other" else {}),
        **({"language": list(languages)} if languages else {}),
        "task_categories": tasks,
        "size_categories": [size_category(manifest.conversations)],
        "tags": ["llava", "instruction-tuning", *(["visual-instruction-tuning"] if with_images else [])],
        "configs": _configs(manifest, place),
        "dataset_info": _infos(manifest, sizes, place),
    }


def with_rows(manifest: Manifest) -> list[SourceEntry]:
    """The sources that have records, of which a description speaks; all where none has."""
    return [entry for entry in manifest.sources if entry.conversations] or manifest.sources


def size_category(records: int) -> str:
    """The Hub's size category of a number of records; a border belongs to the larger one."""
    return next((name for limit, name in _SIZES if records < limit), "n>100M")


def about_of(entry: SourceEntry) -> About:
    """What is known about a source, also where this version does not know it."""
    if entry.source in SOURCES:
        return SOURCES[entry.source].about
    unknown = Licence(name="unclear", commercial="unclear", because="not stated")
    anywhere = (ImageFolder(folder="", names="not known"),)
    return About(
        title=entry.source, files=(), licence=unknown, image_licence=unknown, images=anywhere, counts="not known"
    )


def has_images(about: About) -> bool:
    """Whether records of a source name images."""
    return bool(about.images)


def features(schema: pa.Schema = SCHEMA) -> list[dict[str, Any]]:
    """Columns in the form that `datasets` writes into a card."""
    return [{"name": field.name, **_feature(field.type)} for field in schema]


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind) and kind.names == ["bytes", "path"]:
        return {"dtype": "image"}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **_feature(field.type)} for field in kind]}
    if pa.types.is_list(kind):
        inner = _feature(kind.value_type)
        return {"list": inner.get("struct") or inner["dtype"]}
    return {"dtype": str(kind)}


def total(sizes: Iterable[Size]) -> Size:
    """All of them together."""
    return Size(*(sum(column) for column in zip(*sizes, strict=True)))


def _configs(manifest: Manifest, place: Place | None) -> list[dict[str, Any]]:
    """The config of everything in the order of the mixture, then one per source; those with images first."""
    names = [entry.name for entry in with_rows(manifest)]
    found = []
    if place and place.pictured:
        found.append(_config(ALL + PICTURED, [f"{IMAGES}/{name}-*.parquet" for name in names]))
        found += [_config(name + PICTURED, [f"{IMAGES}/{name}-*.parquet"]) for name in _pictured(manifest)]
    found.append(_config(ALL, [f"data/{name}-*.parquet" for name in names]))
    found += [_config(name, [f"data/{name}-*.parquet"]) for name in names if name != ALL]
    return [{**found[0], "default": True}, *found[1:]]


def _pictured(manifest: Manifest) -> list[str]:
    return [entry.name for entry in with_rows(manifest) if has_images(about_of(entry))]


def _config(name: str, paths: list[str]) -> dict[str, Any]:
    return {"config_name": name, "data_files": [{"split": "train", "path": paths if len(paths) > 1 else paths[0]}]}


def _infos(manifest: Manifest, sizes: dict[str, Size], place: Place | None) -> list[dict[str, Any]]:
    pictured = place.pictured if place else {}
    found = []
    if pictured:
        parts = {ALL: total(pictured.values())} | {name: pictured[name] for name in _pictured(manifest)}
        found += [_info(name + PICTURED, size, images=True) for name, size in parts.items()]
    found.append(_info(ALL, total(sizes.values()), images=False))
    names = [entry.name for entry in with_rows(manifest)]
    return found + [_info(name, sizes[name], images=False) for name in names if name != ALL]


def _info(name: str, size: Size, *, images: bool) -> dict[str, Any]:
    split = {"name": "train", "num_bytes": size.num_bytes, "num_examples": size.records}
    columns = features(PICTURED_SCHEMA if images else SCHEMA)
    sums = {"download_size": size.download_bytes, "dataset_size": size.num_bytes}
    return {"config_name": name, "features": columns, "splits": [split], **sums}


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores an `Image`."""
_PICTURES = {"image": IMAGE, "more_images": pa.list_(IMAGE)}
PICTURED_SCHEMA = pa.schema(
    [pa.field(one.name, _PICTURES[one.name]) if one.name in _PICTURES else one for one in SCHEMA]
)
"""The columns of a mixture with its images in them."""
