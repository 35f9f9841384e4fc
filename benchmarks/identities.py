"""A made-up mixture whose records are called, and share ids and images, as those of the published file do.

At full size: 665,298 records of ten sources in the published order; 389,722 distinct ids, of which 87,738 are those
of several records; five sources on the same COCO images, their ids the bare image id. Texts are made up, and as long.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from mix665k.mixtures.card.card import CARD, write_card
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP, SCHEMA, TURN, ShardWriter, lists
from mix665k.schemas.manifest import FORMAT, Flow, FunnelStep, Manifest, SourceEntry, write_manifest
from mix665k.schemas.prompts import RESPONSE_FORMATS
from mix665k.schemas.shards import OPTIONAL

_COCO = 82_783
"""Images of COCO's train2014, each with a VQAv2 record."""
_VAL = 5_741
"""A-OKVQA images of COCO's val2014."""
_ONCE = 786
"""COCO images of one record only: 88,524 distinct ids less the 87,738 repeated ones."""
_TEXT = "a man in the red jacket stands near two parked bicycles and looks over the wide river at dusk while " * 3


class Naming(NamedTuple):
    """A source: its records, about how many pairs each has, what record k of n is called, and its image."""

    records: int
    pairs: int
    id: Callable[[int, int], str]
    folder: str | None
    ending: str = ""


def _coco(number: int) -> str:
    return f"{number:012d}"


def _key(letter: str) -> Callable[[int, int], str]:
    return lambda k, _: f"{letter}{k * 7919:09d}"


NAMINGS = {
    "llava_instruct": Naming(
        157_712, 2, lambda k, n: _coco(k % max(n * (_COCO - _ONCE) // 157_712, 1)), "coco/train2017"
    ),
    "vqav2": Naming(82_783, 5, lambda k, _: _coco(k), "coco/train2017", RESPONSE_FORMATS["short_answer"]),
    "okvqa": Naming(8_998, 1, lambda k, _: _coco(9 * k), "coco/train2017", RESPONSE_FORMATS["short_answer"]),
    "aokvqa": Naming(
        66_160, 1, lambda k, n: _aokvqa(k // 4, n // 4), "coco/train2017", RESPONSE_FORMATS["option_letter"]
    ),
    "refcoco": Naming(48_447, 7, lambda k, n: _coco(3 * (k % max(n * 24_407 // 48_447, 1))), "coco/train2017"),
    "vg": Naming(86_417, 10, lambda k, _: f"VG_100K/{k + 1}", "vg"),
    "gqa": Naming(72_140, 13, lambda k, _: str(2_300_000 + k), "gqa/images", RESPONSE_FORMATS["short_answer"]),
    "ocrvqa": Naming(80_000, 5, _key("B"), "ocr_vqa/images", RESPONSE_FORMATS["short_answer"]),
    "textcaps": Naming(21_953, 1, _key("t"), "textvqa/train_images", RESPONSE_FORMATS["caption"]),
    "sharegpt": Naming(40_688, 2, _key("S"), None),
}


def _aokvqa(image: int, images: int) -> str:
    """The last of them are of val2014 and in no other source."""
    new = images * _VAL // 16_540
    return _coco(5 * image) if image < images - new else _coco(500_000 + image)


def write_identities(folder: Path, *, scale: float = 1.0) -> Manifest:
    """Write the mixture, or a part of this scale, into an empty folder."""
    (folder / "data").mkdir(parents=True)
    entries = [_write(folder, name, naming, records=round(naming.records * scale)) for name, naming in NAMINGS.items()]
    recipe = "".join(f"  - {{source: {name}}}\n" for name in NAMINGS)
    manifest = Manifest(
        format=FORMAT,
        tool="benchmark",
        name="identities",
        recipe=f"name: identities\nseed: 0\ntokenizer: tiny\ninteger_ids: [gqa]\nsources:\n{recipe}",
        overrides={},
        integer_ids=["gqa"],
        conversations=sum(entry.conversations for entry in entries),
        pairs=sum(entry.pairs for entry in entries),
        row_hash=hash_of_all(entries),
        sources=entries,
    )
    write_card(folder / CARD, manifest)
    write_manifest(folder, manifest)
    return manifest


def _write(folder: Path, name: str, naming: Naming, *, records: int) -> SourceEntry:
    writer = ShardWriter(folder / "data", name)
    times: dict[str, int] = {}
    pairs = 0
    for first in range(0, records, ROWS_PER_GROUP):
        rows = _rows(name, naming, range(first, min(first + ROWS_PER_GROUP, records)), records=records, times=times)
        pairs += len(rows.column("origins").flatten())
        writer.write(rows)
    step = FunnelStep("read", Flow(records, records), Flow(pairs, pairs))
    return SourceEntry(
        name=name,
        source=name,
        key=hashlib.sha256(name.encode()).hexdigest(),
        inputs=[],
        params={},
        steps=[],
        funnel=[step],
        conversations=records,
        pairs=pairs,
        shards=writer.finish(),
    )


def _rows(name: str, naming: Naming, numbers: range, *, records: int, times: dict[str, int]) -> pa.RecordBatch:
    ids = [naming.id(k, records) for k in numbers]
    counts = [1 + k % (2 * naming.pairs - 1) for k in numbers]
    turns = [
        text
        for k, count in zip(numbers, counts, strict=True)
        for text in _turns(f"{name} {k:x}", k, count=count, naming=naming)
    ]
    structs = pa.StructArray.from_arrays(
        [pa.array(["human", "gpt"] * (len(turns) // 2), pa.string()), pa.array(turns, pa.string())], fields=list(TURN)
    )
    unique = []
    for one in ids:
        unique.append(f"{name}/{one}#{times.get(one, 0)}")
        times[one] = times.get(one, 0) + 1
    images = [naming.folder and f"{naming.folder}/{one.rpartition('/')[2]}.jpg" for one in ids]
    origins = [f"{one}/{i}" for one, count in zip(unique, counts, strict=True) for i in range(count)]
    columns = [
        pa.array(unique, pa.string()),
        pa.array([name] * len(ids), pa.string()),
        pa.array(images, pa.string()),
        *(pa.nulls(len(ids), field.type) for field in OPTIONAL),
        lists([2 * count for count in counts], structs),
        lists(counts, pa.array(origins, pa.string())),
        lists([0] * len(ids), pa.array([], pa.string())),
        pa.array(ids, pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _turns(told: str, number: int, *, count: int, naming: Naming) -> Iterator[str]:
    """Questions and answers of one record, in which only it is told."""
    for i in range(count):
        start = (number * 31 + i * 7) % 90
        token = "<image>\n" if naming.folder and i == 0 else ""
        ending = f"\n{naming.ending}" if naming.ending and i == 0 else ""
        yield f"{token}Is it so that {_TEXT[start : start + 40]} {told}?{ending}"
        yield f"{_TEXT[start : start + 35 + (number + i) % 90].strip()}."
