"""The pieces of a repository on literal manifests: its description, its card, and how records fall into files."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from mix665k.mixtures.card.card import card, licence_table
from mix665k.mixtures.card.front_matter import PICTURED_SCHEMA, Place, Size, front_matter
from mix665k.mixtures.card.sizes import source_size
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.publish.croissant import ParquetFile, croissant
from mix665k.mixtures.publish.repository import PublishRequest, publish
from mix665k.mixtures.publish.with_images import Part, plan_parts, write_parts
from mix665k.mixtures.storage.parquet import SCHEMA, ShardWriter, from_dicts
from mix665k.schemas.errors import HubError, MixtureError
from mix665k.schemas.hub import Target
from mix665k.schemas.manifest import FORMAT, Flow, FunnelStep, InputFile, Manifest, Shard, SourceEntry, load_manifest
from tests.mixtures.publish.loading import rows_of, silent

RECIPE = "name: mix\nsources: [{source: gqa}]\n"


def entry(source: str, *, name: str = "", conversations: int = 3, **about: Any) -> SourceEntry:
    """A source of one shard."""
    name = name or source
    flow = Flow(conversations, conversations)
    shard = Shard(
        f"data/{name}-00000-of-00001.parquet", rows=conversations, bytes=700, sha256="a" * 64, row_hash="b" * 64
    )
    given: dict[str, Any] = {
        "inputs": [],
        "params": {},
        "steps": [],
        "funnel": [FunnelStep("read", flow, flow)],
        "shards": [shard],
    }
    given |= {"name": name, "source": source, "key": "", "conversations": conversations, "pairs": conversations}
    return SourceEntry(**given | about)


def manifest_of(*sources: SourceEntry, **about: Any) -> Manifest:
    """The manifest of a mixture of these sources."""
    given: dict[str, Any] = {"format": FORMAT, "tool": "mix 0", "name": "mix", "recipe": RECIPE, "overrides": {}}
    given |= {"integer_ids": [], "row_hash": "0123456789abcdef" * 4, "sources": list(sources)}
    given |= {unit: sum(getattr(one, unit) for one in sources) for unit in ("conversations", "pairs")}
    return Manifest(**given | about)


def sizes_of(manifest: Manifest) -> dict[str, Size]:
    return {one.name: Size(one.conversations, 1_000, 700) for one in manifest.sources}


def front(manifest: Manifest, place: Place | None = None) -> dict[str, Any]:
    return front_matter(manifest, sizes_of(manifest), place)


def described(manifest: Manifest, place: Place, *pictures: ParquetFile) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(croissant(manifest, place, description="d", pictures=pictures))
    return content


def test_the_description_names_every_file_and_every_set_of_records() -> None:
    place = Place("me/mix", pictured={"gqa": Size(3, 10, 5)})
    picture = ParquetFile("images/gqa-00000-of-00001.parquet", 99, "c" * 64)
    told = described(manifest_of(entry("gqa"), entry("sharegpt")), place, picture)
    files = [one for one in told["distribution"] if one["@type"] == "cr:FileObject"]
    assert [(one["@id"], one.get("contentSize"), one["sha256"][:4]) for one in files] == [
        ("repo", None, "http"),
        ("data/gqa-00000-of-00001.parquet", "700 B", "aaaa"),
        ("data/sharegpt-00000-of-00001.parquet", "700 B", "aaaa"),
        ("images/gqa-00000-of-00001.parquet", "99 B", "cccc"),
    ]
    patterns = {one["@id"]: one["includes"] for one in told["distribution"] if one["@type"] == "cr:FileSet"}
    assert patterns == {
        "files-gqa": "data/gqa-*.parquet",
        "files-sharegpt": "data/sharegpt-*.parquet",
        "files-gqa-with-images": "images/gqa-*.parquet",
    }
    assert [one["@id"] for one in told["recordSet"]] == ["gqa", "sharegpt", "gqa-with-images"]
    for records in told["recordSet"]:
        fields = records["field"]
        assert [one["name"] for one in fields] == SCHEMA.names
        assert records["key"] == {"@id": f"{records['@id']}/id"}
        leaves = [leaf for one in fields for leaf in one.get("subField", [one])]
        assert {leaf["source"]["fileSet"]["@id"] for leaf in leaves} == {f"files-{records['@id']}"}


def test_descriptions_speak_of_what_was_read() -> None:
    nothing = entry("sharegpt", conversations=0)
    manifest = manifest_of(nothing, entry("gqa", splits=["testdev_balanced"]), entry("vg"))
    told = described(manifest, Place("me/mix"))
    assert [(one["@id"], one["description"]) for one in told["recordSet"]] == [
        ("gqa", "GQA, split testdev_balanced"),
        ("vg", "Visual Genome v1.2, region descriptions"),
    ]
    assert not any("sharegpt" in one["@id"] for one in told["distribution"])
    text = card(manifest, sizes_of(manifest))
    assert "| `gqa` | GQA | testdev_balanced | 3 | 3 |" in text
    assert "| `vg` | Visual Genome v1.2, region descriptions | not stated | 3 | 3 |" in text
    assert "from 2 sources" in text
    assert 'gqa = load_dataset("path/to/this/folder", "gqa"' in text
    assert "- No record is left of `sharegpt`." in text
    assert text.count("sharegpt") == 1
    assert card(manifest_of(nothing), sizes_of(manifest_of(nothing))).count('"sharegpt"') == 1


def test_an_image_is_text_in_the_mixture_and_an_image_where_it_is_there() -> None:
    told = described(manifest_of(entry("gqa")), Place("me/mix", pictured={"gqa": Size(3, 10, 5)}))
    plain, pictured = ({one["name"]: one for one in records["field"]}["image"] for records in told["recordSet"])
    assert (plain["dataType"], plain["source"]["extract"]) == ("sc:Text", {"column": "image"})
    assert "transform" not in plain["source"]
    assert pictured["dataType"] == "sc:ImageObject"
    assert pictured["source"]["transform"] == {"jsonPath": "bytes"}
    turns = {one["name"]: one for one in told["recordSet"][0]["field"]}["conversations"]
    assert turns["repeated"]
    assert [(leaf["name"], leaf["source"]["transform"]) for leaf in turns["subField"]] == [
        ("from", {"jsonPath": "from"}),
        ("value", {"jsonPath": "value"}),
    ]


@pytest.mark.parametrize(
    ("sources", "licences"),
    [
        (["gqa", "vg", "vqav2"], ["https://creativecommons.org/licenses/by/4.0/"]),
        (["aokvqa"], ["https://www.apache.org/licenses/LICENSE-2.0"]),
        (
            ["gqa", "sharegpt", "ocrvqa"],
            [
                "https://creativecommons.org/licenses/by/4.0/",
                "https://huggingface.co/datasets/me/mix/blob/main/LICENSE.md",
            ],
        ),
    ],
)
def test_each_licence_is_linked_once(sources: list[str], licences: list[str]) -> None:
    told = described(manifest_of(*(entry(name) for name in sources)), Place("me/mix"))
    assert told["license"] == licences
    assert (told["name"], told["version"]) == ("mix", "1.0.0+0123456789abcdef")
    assert told["url"] == "https://huggingface.co/datasets/me/mix"


def test_one_source_has_one_pattern_and_several_have_a_list() -> None:
    [everything, gqa] = front(manifest_of(entry("gqa")))["configs"]
    assert everything["data_files"] == [{"split": "train", "path": "data/gqa-*.parquet"}]
    assert gqa["data_files"] == everything["data_files"]
    [everything, *_] = front(manifest_of(entry("gqa"), entry("gqa", name="more")))["configs"]
    assert everything["data_files"][0]["path"] == ["data/gqa-*.parquet", "data/more-*.parquet"]


def test_what_the_hub_counts_is_what_the_sources_have_together() -> None:
    told = front(manifest_of(entry("gqa", conversations=900), entry("sharegpt", conversations=100)))
    assert told["size_categories"] == ["1K<n<10K"]
    everything, gqa, _ = told["dataset_info"]
    assert everything["splits"] == [{"name": "train", "num_bytes": 2_000, "num_examples": 1_000}]
    assert (everything["download_size"], everything["dataset_size"]) == (1_400, 2_000)
    assert gqa["splits"][0]["num_examples"] == 900


def test_tasks_and_tags_follow_what_is_shown() -> None:
    seen = ["image-text-to-text", "visual-question-answering"]
    assert front(manifest_of(entry("gqa"), entry("sharegpt")))["task_categories"] == [*seen, "text-generation"]
    assert front(manifest_of(entry("gqa")))["task_categories"] == seen
    assert "visual-instruction-tuning" not in front(manifest_of(entry("sharegpt")))["tags"]
    assert "language" not in front(manifest_of(entry("llava_json")))


def test_a_licence_of_the_hub_needs_no_name_and_others_link_the_table() -> None:
    told = front(manifest_of(entry("gqa"), entry("aokvqa")), Place("me/mix"))
    assert (told["license"], told["license_name"], told["license_link"]) == ("other", "per-source", "LICENSE.md")
    told = front(manifest_of(entry("gqa"), entry("vg")), Place("me/mix"))
    assert (told["license"], "license_name" in told, "license_link" in told) == ("cc-by-4.0", False, False)


def test_the_table_of_licences_says_what_may_be_sold() -> None:
    lines = licence_table(manifest_of(entry("gqa"), entry("sharegpt", name="talk"), entry("ocrvqa"))).splitlines()
    assert [line.split(" | ")[:4] for line in lines[2:]] == [
        ["| `gqa`", "CC BY 4.0", "Visual Genome: CC BY 4.0", "yes / yes"],
        ["| `talk`", "unclear", "none", "unclear / no images"],
        ["| `ocrvqa`", "research use", "covers: their publishers", "no / no"],
    ]


def test_a_card_gives_each_reason_raw_file_and_place_of_images_once() -> None:
    raw = InputFile(role="questions", path="gqa/train.json", bytes=5, sha256="d" * 64)
    manifest = manifest_of(
        entry("vqav2", inputs=[raw]), entry("okvqa", inputs=[raw]), entry("ocrvqa"), entry("gqa", name="mine")
    )
    text = card(manifest, sizes_of(manifest))
    assert text.count("gqa/train.json") == 1
    assert text.count("- `coco/train2017`: http://images.cocodataset.org/zips/train2017.zip") == 1
    assert "- `ocr_vqa/images/<key>.jpg`: one by one, see https://drive.google.com/" in text
    assert text.count("each photo has the licence its owner chose on Flickr") == 1
    assert "`vqav2`, `okvqa`, images, unclear: each photo" in text
    assert "`ocrvqa`, texts, no: given for research only" in text
    assert yaml.safe_load(text.split("---\n")[1]) == front(manifest)


def test_the_size_of_a_source_is_that_of_its_rows_and_files(tmp_path: Path) -> None:
    texts = [f"{i} {'word ' * (i % 50)}" for i in range(2_000)]
    rows = from_dicts(
        [
            {
                "id": f"gqa/{i}",
                "source": "gqa",
                "image": None if i % 3 else f"gqa/images/{i}.jpg",
                "conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": text[::-1]}] * 3,
                "origins": [str(i)],
                "steps": ["x"],
                "reference_id": str(i),
            }
            for i, text in enumerate(texts)
        ]
    )
    (tmp_path / "data").mkdir()
    writer = ShardWriter(tmp_path / "data", "gqa", rows_per_shard=1_000)
    writer.write(rows.slice(0, 1_000))
    writer.write(rows.slice(1_000))
    shards = writer.finish()
    size = source_size(tmp_path, entry("gqa", conversations=2_000, shards=shards))
    assert (size.records, len(shards)) == (2_000, 2)
    assert size.download_bytes == sum(path.stat().st_size for path in (tmp_path / "data").iterdir())
    assert size.num_bytes == pytest.approx(rows.nbytes, rel=0.01)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The images of the small mixture, each of another size."""
    names = ("gqa/images/2327515.jpg", "gqa/images/0012.jpg", "gqa/images/n166008.jpg", "mine/7.jpg")
    for i, name in enumerate(names):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + i, 8)).save(tmp_path / "images" / name)
    return tmp_path / "images"


def test_each_file_goes_on_with_the_rows_where_the_last_one_ended(small: Path, images: Path, tmp_path: Path) -> None:
    gqa = load_manifest(small).sources[0]
    parts = [Part("images/a.parquet", 1), Part("images/b.parquet", 2)]
    found = list(write_parts(Mixture.open(small), gqa, parts, images=images, out=tmp_path / "out"))
    assert [(one.path, one.file) for one in found] == [(part.path, tmp_path / "out" / part.path) for part in parts]
    tables = [pq.read_table(one.file) for one in found]
    assert [table.num_rows for table in tables] == [1, 2]
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["id"] for row in rows] == [row["id"] for row in rows_of(small)["gqa"]]
    for row in rows:
        assert row["image"]["bytes"] == (images / row["image"]["path"]).read_bytes()
    assert tables[0].schema.field("image").type == PICTURED_SCHEMA.field("image").type
    assert all(one.memory_bytes > (images / "gqa/images/0012.jpg").stat().st_size for one in found)


def test_a_file_is_written_when_it_is_asked_for_not_before(small: Path, images: Path, tmp_path: Path) -> None:
    gqa = load_manifest(small).sources[0]
    parts = [Part("images/a.parquet", 1), Part("images/b.parquet", 2)]
    written = write_parts(Mixture.open(small), gqa, parts, images=images, out=tmp_path)
    assert [one.path for one in islice(written, 1)] == ["images/a.parquet"]
    assert not (tmp_path / "images/b.parquet").exists()


def test_images_are_planned_by_their_sizes_and_missing_ones_counted_once(
    small: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixture, sources = Mixture.open(small), load_manifest(small).sources
    sizes = [(images / f"gqa/images/{name}.jpg").stat().st_size for name in ("2327515", "0012", "n166008")]
    monkeypatch.setattr("mix665k.mixtures.publish.with_images.MAX_BYTES", sizes[0] + sizes[1])
    assert [part.rows for part in plan_parts(mixture, sources, images)["gqa"]] == [2, 1]
    monkeypatch.setattr("mix665k.mixtures.publish.with_images.MAX_BYTES", sizes[0] + sizes[1] - 1)
    assert plan_parts(mixture, sources, images)["gqa"][0].rows == 1
    (images / "gqa/images/n166008.jpg").unlink()
    (images / "mine/7.jpg").write_bytes(b"")
    with pytest.raises(
        MixtureError, match=r"2 of 4 images are missing or empty, the first is 'gqa/images/n166008\.jpg"
    ):
        plan_parts(mixture, [*sources, sources[2]], images)
    with pytest.raises(MixtureError, match="none: no such folder"):
        plan_parts(mixture, sources, images / "none")


def test_what_would_be_published_is_counted_and_nothing_is_left_beside_it(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    found = publish(small, PublishRequest(Target("me/mix", "dataset")), out, bar=silent)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert (found.files, found.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert (found.folder, found.url, found.commit, found.conversations) == (str(out), None, None, 5)
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_holds_something_and_a_name_without_an_owner_are_refused(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(MixtureError, match="already there and not empty"):
        publish(small, PublishRequest(Target("me/mix", "dataset")), tmp_path / "file", bar=silent)
    with pytest.raises(HubError):
        publish(small, PublishRequest(Target("me/mix/more", "dataset")), tmp_path / "out", bar=silent)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
