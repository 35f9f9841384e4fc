"""The examples of a mixture."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from mix665k.builders.synthetic import draw_images
from mix665k.schemas.errors import ImageFileError
from mix665k.trainer.batching.types import EMPTY
from mix665k.trainer.data.dataset import Example, MixtureDataset
from mix665k.trainer.data.encode import IGNORED
from mix665k.trainer.data.images import ImageLoader, Loaded, OnBad
from mix665k.trainer.data.mixture import Mixture
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.parts import IMAGE_PX, IMAGE_TOKEN_ID, TOKENS_PER_IMAGE, encoder, processor, tokenizer

PAD = 0


def _dataset(folder: Path, images: Path, *, on_bad: OnBad = "fail") -> MixtureDataset:
    loader = ImageLoader(images, processor(), on_bad=on_bad)
    return MixtureDataset(Mixture(folder), encoder=encoder("v1"), images=loader, filler_id=PAD)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A text-only row, and one whose image is missing."""
    rows = [record("a/1", "Why?", "So."), record("a/2", "<image>\nWhat?", "A cat.", image="a/2.jpg")]
    return write_mixture(tmp_path / "few", rows)


def test_every_row_of_a_built_mixture_gives_an_example(
    tiny_mixture: Path, made_up_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mix665k.schemas.cache.FOLDER", tmp_path / "cache")
    draw_images(made_up_raw, tmp_path / "images", seed=0, long_side_px=40)
    mixture = Mixture(tiny_mixture)
    dataset = _dataset(tiny_mixture, tmp_path / "images")

    assert len(dataset) == len(mixture)
    for index in range(0, len(dataset), 10):
        row, example = mixture[index], dataset[index]
        assert (example["id"], example["source"], example["index"]) == (row.id, row.source, index)
        assert example["input_ids"].shape == example["labels"].shape
        placeholders = int((example["input_ids"] == IMAGE_TOKEN_ID).sum())
        if row.image is None:
            assert (placeholders, example["pixel_values"]) == (0, None)
        else:
            assert placeholders == TOKENS_PER_IMAGE
            assert example["pixel_values"] is not None
            assert example["pixel_values"].shape == (1, 3, IMAGE_PX, IMAGE_PX)


def test_an_example_is_ids_labels_and_image(few: Path, tmp_path: Path) -> None:
    example = _dataset(few, tmp_path)[0]

    encoded = encoder("v1").encode(Mixture(few)[0])
    assert example["input_ids"].tolist() == encoded.input_ids.tolist()
    assert example["labels"].tolist() == encoded.labels.tolist()
    assert example["input_ids"].dtype == example["labels"].dtype == torch.int64
    assert example["pixel_values"] is None
    assert example["bad_image"] is None


def test_an_empty_place_gives_an_example_without_labels(few: Path, tmp_path: Path) -> None:
    example = _dataset(few, tmp_path)[EMPTY]

    assert (example["input_ids"].tolist(), example["labels"].tolist()) == ([PAD], [IGNORED])
    assert (example["id"], example["index"], example["pixel_values"]) == ("", EMPTY, None)


def test_several_images_are_loaded_in_the_order_of_their_places_and_the_system_text_is_the_records(
    tmp_path: Path,
) -> None:
    for name, grey in (("red.png", 10), ("blue.png", 240)):
        Image.new("RGB", (40, 40), (grey, grey, grey)).save(tmp_path / name)
    turns = ("<image>Or <image>?", "The first.", "And <image>?", "The second.")
    several = record("a/1", *turns, image="blue.png") | {"more_images": ["red.png", "blue.png"], "system": "Be brief."}
    rows = [several, record("a/2", "<image>\nWhat?", "A cat.", image="red.png")]
    dataset = _dataset(write_mixture(tmp_path / "few", rows), tmp_path)

    example, alone = dataset[0], dataset[1]

    shown = tokenizer().decode(example["input_ids"][example["input_ids"] != IMAGE_TOKEN_ID])
    assert "Be brief. USER:" in shown
    assert "curious" not in shown
    places = (example["input_ids"] == IMAGE_TOKEN_ID).nonzero().flatten().tolist()
    assert len(places) == 3 * TOKENS_PER_IMAGE
    starts = places[::TOKENS_PER_IMAGE]
    between = [tokenizer().decode(example["input_ids"][a + TOKENS_PER_IMAGE : b]) for a, b in pairwise(starts)]
    assert [text.strip() for text in between] == ["Or", "? ASSISTANT: The first.</s>USER:"]
    assert example["pictures"] == ["blue.png", "red.png", "blue.png"]
    pixels, red = example["pixel_values"], alone["pixel_values"]
    assert pixels is not None
    assert red is not None
    assert torch.equal(pixels[1:2], red)
    assert torch.equal(pixels[0], pixels[2])
    assert not torch.equal(pixels[0], pixels[1])


def test_one_bad_image_of_several_drops_the_record(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    several = record("a/1", "<image><image>Same?", "No.", image="a.png") | {"more_images": ["gone.png"]}
    folder = write_mixture(tmp_path / "few", [several])

    with pytest.raises(ImageFileError, match=r"a/1.*gone\.png"):
        _dataset(folder, tmp_path)[0]
    dropped = _dataset(folder, tmp_path, on_bad="drop")[0]
    assert (dropped["labels"].tolist(), dropped["pixel_values"]) == ([IGNORED], None)
    assert "gone.png" in str(dropped["bad_image"])


def test_a_missing_image_is_an_error_that_names_record_and_path(few: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=rf"a/2: {tmp_path}/a/2\.jpg: no such file"):
        _dataset(few, tmp_path)[1]


def test_a_blank_image_stands_for_a_bad_one_and_is_told(few: Path, tmp_path: Path) -> None:
    example = _dataset(few, tmp_path, on_bad="blank")[1]

    assert example["bad_image"] == f"a/2: {tmp_path}/a/2.jpg: no such file"
    assert example["pixel_values"] is not None
    assert torch.equal(example["pixel_values"][0], ImageLoader(tmp_path, processor()).blank())
    assert int((example["input_ids"] == IMAGE_TOKEN_ID).sum()) == TOKENS_PER_IMAGE


def test_a_row_dropped_for_its_image_keeps_its_id_and_teaches_nothing(few: Path, tmp_path: Path) -> None:
    example = _dataset(few, tmp_path, on_bad="drop")[1]

    assert (example["id"], example["source"], example["index"]) == ("a/2", "a", 1)
    assert example["bad_image"] == f"a/2: {tmp_path}/a/2.jpg: no such file"
    assert (example["labels"].tolist(), example["pixel_values"]) == ([IGNORED], None)


def _first(examples: list[Example]) -> Example:
    return examples[0]


def test_workers_give_what_the_process_itself_gives(few: Path, tmp_path: Path) -> None:
    dataset = _dataset(few, tmp_path, on_bad="blank")
    loader: DataLoader[Example] = DataLoader(dataset, batch_size=1, num_workers=1, collate_fn=_first)

    for index, example in enumerate(loader):
        assert example["id"] == dataset[index]["id"]
        assert torch.equal(example["input_ids"], dataset[index]["input_ids"])


def test_a_loader_decodes_a_picture_of_several_records_once_and_gives_each_what_it_gets_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a/1.jpg", "a/1.jpg", "a/2.jpg", "copy.jpg", "missing.jpg", "missing.jpg"]
    rows = [record(f"a/{k}", "<image>\nWhat?", "A cat.", image=name) for k, name in enumerate(names)]
    for name, colour in (("a/1.jpg", "red"), ("a/2.jpg", "blue"), ("copy.jpg", "blue")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 10), colour).save(tmp_path / name)
    loader = ImageLoader(tmp_path, processor(), on_bad="drop")
    dataset = MixtureDataset(
        Mixture(write_mixture(tmp_path / "rows", rows)),
        encoder=encoder("v1"),
        images=loader,
        filler_id=PAD,
        aliases={"copy.jpg": "a/2.jpg"},
    )
    loaded: list[str] = []
    load = loader.load

    def load_and_count(image: str, *, record: str) -> Loaded:
        loaded.append(record)
        return load(image, record=record)

    monkeypatch.setattr(loader, "load", load_and_count)
    [together] = DataLoader(dataset, batch_sampler=[[0, 1, 2, 3, 4, 5, EMPTY]], collate_fn=list)

    assert loaded == ["a/0", "a/2", "a/4", "a/5"]
    alone = [dataset[index] for index in (0, 1, 2, 3, 4, 5, EMPTY)]
    for one, other in zip(together, alone, strict=True):
        pixels, expected = one["pixel_values"], other["pixel_values"]
        assert pixels is expected is None or (pixels is not None and expected is not None and pixels.equal(expected))
        assert one["input_ids"].tolist() == other["input_ids"].tolist()
    assert [one["pictures"] for one in together] == [["a/1.jpg"], ["a/1.jpg"], ["a/2.jpg"], ["a/2.jpg"], [], [], []]
    faults = [one["bad_image"] for one in together]
    assert [fault and fault.partition(":")[0] for fault in faults] == [None, None, None, None, "a/4", "a/5", None]
