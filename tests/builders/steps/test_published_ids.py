"""Which conversations a published file names, by image folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.steps.derive import derive
from mix665k.builders.steps.published_ids import PublishedIds, published_id
from mix665k.schemas.conversation import Pair
from mix665k.schemas.errors import RawDataError, RecipeError
from tests.builders.building import talk

PAIR = ("q", "a")


@pytest.fixture
def published(tmp_path: Path) -> PublishedIds:
    """A file with two books, a picture of GQA, one of COCO and two chats, one with a number for its id."""
    records: list[dict[str, Any]] = [
        {"id": "1", "image": "ocr_vqa/images/1.jpg", "conversations": [{"from": "human", "value": "no <image>"}]},
        {"id": "x", "image": "ocr_vqa/images/ä.jpg", "model": ""},
        {"id": 42, "image": "gqa/images/42.jpg"},
        {"id": "c", "image": "coco/train2017/c.jpg"},
        {"id": "chat_0", "image": None},
        {"id": 7},
    ]
    path = tmp_path / "mix.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return PublishedIds.load(path)


def test_images_and_ids_are_kept_by_folder(published: PublishedIds) -> None:
    assert published.folders == {
        "ocr_vqa": {"ocr_vqa/images/1.jpg", "ocr_vqa/images/ä.jpg"},
        "gqa": {"gqa/images/42.jpg"},
        "coco": {"coco/train2017/c.jpg"},
        None: {"chat_0", "7"},
    }


def test_ids_of_a_source_are_those_of_its_images_folder(published: PublishedIds) -> None:
    assert published.of_source([talk("9", PAIR, image="gqa/images/9.jpg")]) == {"gqa/images/42.jpg"}
    assert published.of_source([talk("chat_9", PAIR)]) == {"chat_0", "7"}
    assert published.of_source([talk("9", PAIR, image="vg/VG_100K/9.jpg")]) == set()
    assert published.of_source([]) == set()


def test_a_source_of_two_folders_has_the_ids_of_both(published: PublishedIds) -> None:
    talks = [talk("9", PAIR, image="gqa/images/9.jpg"), talk("chat_9", PAIR)]

    assert published.of_source(talks) == {"gqa/images/42.jpg", "chat_0", "7"}


def test_a_folder_that_sources_share_names_no_source(published: PublishedIds) -> None:
    talks = [talk("9", PAIR, image="gqa/images/9.jpg"), talk("c", PAIR, image="coco/train2017/c.jpg")]

    with pytest.raises(RecipeError, match=r"^draws_from: images under coco/ belong to several sources of .*mix\.json"):
        published.of_source(talks)


@pytest.mark.parametrize(("image", "name"), [("gqa/images/9.jpg", "gqa/images/9.jpg"), (None, "9")])
def test_a_conversation_is_called_by_its_image_or_its_id(image: str | None, name: str) -> None:
    assert published_id(talk("9", PAIR, image=image)) == name


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{}", "expected array, got object"),
        ('[{"id": "a"}, {"id": null}]', r"\$\[1\]\.id: expected"),
        ('[{"id": "a"}, 3]', r"\$\[1\]: expected object, got int"),
        ('[{"id": "a"', "not a complete JSON file"),
        ("", "empty file"),
    ],
)
def test_a_file_that_is_no_list_of_records_is_an_error_that_names_it(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "odd.json").write_text(content)

    with pytest.raises(RawDataError, match=rf"odd\.json: .*{why}"):
        PublishedIds.load(tmp_path / "odd.json")


def test_a_derived_conversation_keeps_all_but_its_pairs_and_says_what_was_done() -> None:
    first = talk("1", PAIR, image="a.jpg", several=True)
    first.position, first.history = 5, ("prompt added",)

    made = derive(first, [Pair("r", "b", "o")], done="merged 2")

    assert (made.id, made.image, made.several, made.position) == ("1", "a.jpg", True, 5)
    assert made.history == ("prompt added", "merged 2")
    assert made.pairs == [Pair("r", "b", "o")]
    assert (first.history, len(first.pairs)) == (("prompt added",), 1)
    assert derive(first, [], done="x", several=False).several is False
