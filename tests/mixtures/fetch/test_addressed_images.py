"""OCR-VQA's covers: one address each, and not all alive."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mix665k.mixtures.fetch.addressed_images import ImagesReport
from mix665k.mixtures.images.mapping import load_mapping
from tests.mixtures.fetch.server import Act, Publisher
from tests.mixtures.small import run


def picture(form: str, size: tuple[int, int] = (40, 60)) -> bytes:
    """A picture of this format."""
    content = io.BytesIO()
    Image.new("RGB", size, "teal").save(content, form)
    return content.getvalue()


COVERS = {
    "plain.jpg": picture("JPEG"),
    "old.gif": picture("GIF"),
    "named.jpg": picture("GIF"),
    "new.png": picture("PNG"),
    "none.gif": picture("GIF", (1, 1)),
    "torn.jpg": picture("JPEG")[:300],
}
KEYS = {"000195850X": "plain.jpg", "0002": "old.gif", "0003": "named.jpg", "0004": "new.png"}
DEAD = {"0005": "none.gif", "0007": "lost.jpg"}


@pytest.fixture
def shop(publisher: Publisher) -> Publisher:
    """A shop of covers."""
    publisher.files |= {f"/I/{name}": content for name, content in COVERS.items()}
    return publisher


def books(folder: Path, shop: Publisher, keys: dict[str, str]) -> Path:
    """The raw folder with the books of these keys."""
    path = folder / "raw" / "ocrvqa" / "dataset.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    book = {"questions": ["Who?"], "answers": ["Me"], "split": 1}
    path.write_text(json.dumps({key: {"imageURL": f"{shop.url}/I/{name}", **book} for key, name in keys.items()}))
    return folder / "raw"


def covered(folder: Path, *more: str | Path) -> dict[str, Any]:
    """What a run says of the covers."""
    arguments = ("--raw", folder / "raw", "--images", folder / "images", "--rate", "1000", "--retries", "0")
    shown = run("fetch", "--source", "ocrvqa", *arguments, "--format", "json", *more)
    found: dict[str, Any] = json.loads(shown.stdout)
    return {"exit_code": shown.exit_code, "note": found["files"][-1]["note"], **(found["covers"] or {})}


def test_covers_are_jpegs_by_key_whatever_they_were(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, KEYS)
    found = covered(tmp_path)
    assert (found["exit_code"], found["wanted"], found["fetched"]) == (0, 4, 4)
    folder = tmp_path / "images/ocr_vqa/images"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{key}.jpg" for key in KEYS)
    assert {Image.open(path).format for path in folder.iterdir()} == {"JPEG"}
    assert (folder / "000195850X.jpg").read_bytes() == COVERS["plain.jpg"]


def test_covers_that_are_gone_are_listed_and_not_asked_for_again(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, KEYS | DEAD)
    found = covered(tmp_path)
    assert found["exit_code"] == 0
    assert found["gone"] == {
        "ocr_vqa/images/0005.jpg": "a placeholder",
        "ocr_vqa/images/0007.jpg": "HTTP 404",
    }
    assert load_mapping(tmp_path / "images/ocr_vqa/missing.json") == dict.fromkeys(found["gone"])
    asked = len(shop.asked)
    again = covered(tmp_path)
    assert (again["there"], again["fetched"], len(again["gone"]), len(shop.asked)) == (4, 0, 2, asked)
    assert len(list((tmp_path / "images/ocr_vqa/images").iterdir())) == 4


def test_covers_that_fail_are_tried_by_the_next_run(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, KEYS)
    shop.acts["/I/old.gif"] = [Act(503)]
    found = covered(tmp_path)
    assert (found["exit_code"], found["fetched"], list(found["failed"])) == (1, 3, ["ocr_vqa/images/0002.jpg"])
    assert covered(tmp_path)["fetched"] == 1
    assert not (tmp_path / "images/ocr_vqa/missing.json").exists()


def test_a_damaged_cover_is_neither_kept_nor_called_gone(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, {"0006": "torn.jpg"})
    found = covered(tmp_path)
    assert (found["exit_code"], found["gone"], list(found["failed"])) == (1, {}, ["ocr_vqa/images/0006.jpg"])
    assert not list((tmp_path / "images/ocr_vqa/images").iterdir())


def test_a_page_in_place_of_all_covers_is_no_reason_to_call_them_gone(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, KEYS)
    shop.types |= {f"/I/{name}": "text/html" for name in COVERS}
    found = covered(tmp_path)
    assert (found["gone"], len(found["failed"])) == ({}, 4)


def test_a_refusal_says_nothing_about_a_cover(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, {"0001": "plain.jpg"})
    shop.always["/I/plain.jpg"] = Act(403)
    assert covered(tmp_path)["gone"] == {}


def test_a_shop_that_is_closed_is_left_alone(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, {f"{i:04}": f"{i}.jpg" for i in range(200)})
    shop.always |= {f"/I/{i}.jpg": Act(403) for i in range(200)}
    found = covered(tmp_path, "--jobs", "1")
    assert found["exit_code"] == 1
    assert found["note"].startswith("ocr_vqa/images: 20 covers in a row failed, the last: ")
    assert len(shop.asked) < 40


def test_only_the_covers_of_a_mixture_are_asked_for(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, KEYS)
    said = [{"from": "human", "value": "<image>\nWho?"}, {"from": "gpt", "value": "Me"}]
    names = {"0002": "ocr_vqa/images/0002.jpg", "9": "ocr_vqa/images/9.jpg", "7": "coco/train2017/000000000007.jpg"}
    records = [{"id": key, "image": image, "conversations": said} for key, image in names.items()]
    (tmp_path / "mix.json").write_text(json.dumps(records))
    found = covered(tmp_path, "--mixture", tmp_path / "mix.json")
    assert (found["wanted"], found["fetched"]) == (2, 1)
    assert found["gone"] == {"ocr_vqa/images/9.jpg": "not in ocrvqa/dataset.json"}


def test_covers_come_from_a_mirror_by_their_key(shop: Publisher, tmp_path: Path) -> None:
    books(tmp_path, shop, {"0002": "old.gif"})
    shop.files["/copy/ocr_vqa/images/0002.jpg"] = COVERS["plain.jpg"]
    assert covered(tmp_path, "--mirror", f"{shop.url}/copy")["fetched"] == 1
    assert [asked.path for asked in shop.asked] == ["/copy/ocr_vqa/images/0002.jpg"]


@pytest.mark.parametrize("key", ["../../evil", "a/b", "", ".."])
def test_a_key_that_no_file_can_have_is_an_error(shop: Publisher, tmp_path: Path, key: str) -> None:
    books(tmp_path, shop, {key: "plain.jpg"})
    assert "a key that no file can have" in covered(tmp_path)["note"]
    assert shop.asked == []


def test_covers_without_the_books_are_a_step_by_hand(tmp_path: Path) -> None:
    shown = run("fetch", "--source", "ocrvqa", "--images", tmp_path)
    assert shown.exit_code == 1
    assert "the addresses of its images are in ocrvqa/dataset.json; --raw is missing" in shown.stdout


def test_reports_of_two_sources_add_up() -> None:
    one = ImagesReport(wanted=5, there=1, fetched=3, gone={"a": "404"}, failed={})
    other = ImagesReport(wanted=4, there=2, fetched=1, gone={}, failed={"b": "500"})
    assert one + other == ImagesReport(wanted=9, there=3, fetched=4, gone={"a": "404"}, failed={"b": "500"})
