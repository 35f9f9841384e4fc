"""The Croissant description of a published mixture (https://docs.mlcommons.org/croissant, version 1.0)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from mix665k.builders.licences import LLAVA_1_5
from mix665k.mixtures.card.front_matter import IMAGES, PICTURED, PICTURED_SCHEMA, Place, about_of, with_rows
from mix665k.mixtures.storage.parquet import SCHEMA
from mix665k.schemas.hub import MAIN
from mix665k.schemas.manifest import Manifest, SourceEntry

_LINKS = {
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}
_GIT = "https://github.com/mlcommons/croissant/issues/80"
"""Stands in place of a hash where a repository cannot have one, as in the Hub's own descriptions."""
_HUB = "https://huggingface.co"
_OWN = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet"),
    *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "conformsTo": "dct:conformsTo",
    **{name: f"cr:{name}" for name in _OWN},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


class ParquetFile(NamedTuple):
    """A Parquet file of the repository."""

    path: str
    num_bytes: int
    sha256: str


def croissant(manifest: Manifest, place: Place, *, description: str, pictures: Iterable[ParquetFile]) -> bytes:
    """The description as JSON-LD: every Parquet file with its hash, and the records of every source that has some."""
    entries = with_rows(manifest)
    shards = [ParquetFile(shard.path, shard.bytes, shard.sha256) for entry in entries for shard in entry.shards]
    names = [entry.name for entry in entries]
    pictured = [name for name in names if name in place.pictured]
    url = f"{_HUB}/datasets/{place.repository}"
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": place.repository.split("/")[1],
        "alternateName": " ".join(manifest.name.split()),
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "citeAs": LLAVA_1_5.bibtex(),
        "license": _licences(manifest, f"{url}/blob/{place.revision}/LICENSE.md"),
        "url": url if place.revision == MAIN else f"{url}/tree/{place.revision}",
        "version": f"1.0.0+{manifest.row_hash[:16]}",
        "distribution": [
            {"@type": "cr:FileObject", "@id": "repo", "name": "repo", "contentUrl": url, "sha256": _GIT}
            | {"encodingFormat": "git+https", "description": "the repository on the Hub"},
            *(_file(file) for file in (*shards, *pictures)),
            *(_file_set(name, f"data/{name}-*.parquet") for name in names),
            *(_file_set(name + PICTURED, f"{IMAGES}/{name}-*.parquet") for name in pictured),
        ],
        "recordSet": [
            *(_records(entry, SCHEMA) for entry in entries),
            *(_records(entry, PICTURED_SCHEMA, ending=PICTURED) for entry in entries if entry.name in pictured),
        ],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _licences(manifest: Manifest, other: str) -> list[str]:
    return list(dict.fromkeys(_LINKS.get(about_of(entry).licence.name, other) for entry in with_rows(manifest)))


def _file(file: ParquetFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.num_bytes} B",
        "containedIn": {"@id": "repo"},
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def _file_set(name: str, pattern: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"files-{name}",
        "name": f"files-{name}",
        "containedIn": {"@id": "repo"},
        "encodingFormat": "application/x-parquet",
        "includes": pattern,
    }


def _records(entry: SourceEntry, schema: pa.Schema, *, ending: str = "") -> dict[str, Any]:
    name, title = entry.name + ending, about_of(entry).title
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{title}, split {', '.join(entry.splits)}" if entry.splits else title,
        "key": {"@id": f"{name}/id"},
        "field": [_field(name, column.name, column.type) for column in schema],
    }


def _field(records: str, column: str, kind: pa.DataType) -> dict[str, Any]:
    identifier = f"{records}/{column}"
    found: dict[str, Any] = {"@type": "cr:Field", "@id": identifier, "name": column}
    if pa.types.is_list(kind):
        found["repeated"] = True
        kind = kind.value_type
    if pa.types.is_struct(kind) and "bytes" not in kind.names:
        parts = [_leaf(records, column=column, identifier=f"{identifier}/{part.name}", part=part.name) for part in kind]
        return {**found, "subField": parts}
    if pa.types.is_struct(kind):
        source = _source(records, column, "bytes")
        return {**found, "dataType": "sc:ImageObject", "source": source}
    return {**found, "dataType": "sc:Text", "source": _source(records, column)}


def _leaf(records: str, *, column: str, identifier: str, part: str) -> dict[str, Any]:
    source = _source(records, column, part)
    return {"@type": "cr:Field", "@id": identifier, "name": part, "dataType": "sc:Text", "source": source}


def _source(records: str, column: str, part: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"fileSet": {"@id": f"files-{records}"}, "extract": {"column": column}}
    return found if part is None else {**found, "transform": {"jsonPath": part}}
