"""Training on pictures in shards: the same batches as from loose files, to the bit."""

import hashlib
from functools import partial
from pathlib import Path

import msgspec
import pytest
import torch
from torch.utils.data import DataLoader

from mix665k.schemas.errors import EvaluationError, ImageFileError
from mix665k.trainer.data.collate import Placeholders, collate
from mix665k.trainer.data.dataset import MixtureDataset
from mix665k.trainer.data.images import ImageLoader, find_faults
from mix665k.trainer.data.mixture import Mixture
from mix665k.trainer.evaluation.pictures import digest_of, image_folder, require_pictures
from mix665k.trainer.evaluation.registry import Question, by_name
from tests import local_s3
from tests.schemas.images.packing import jpeg, write_files, write_parquet, write_tar
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.parts import IMAGE_PX, IMAGE_TOKEN_ID, TOKENS_PER_IMAGE, encoder, processor

PICTURES = {f"coco/{i}.jpg": jpeg(i) for i in range(6)}


def _batches(mixture: Path, images: Path, *, workers: int) -> list[dict[str, torch.Tensor]]:
    loader = ImageLoader(images, processor(), speed="fast")
    dataset = MixtureDataset(Mixture(mixture), encoder=encoder("v1"), images=loader, filler_id=0)
    sizes = Placeholders(pad_id=0, image_token_id=IMAGE_TOKEN_ID, tokens_per_image=TOKENS_PER_IMAGE, image_px=IMAGE_PX)
    collator = partial(collate, mode="grouped", placeholders=sizes)
    return list(DataLoader(dataset, batch_size=3, collate_fn=collator, num_workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_those_of_loose_files_to_the_bit(tmp_path: Path, workers: int) -> None:
    rows = [record(f"a/{i}", "<image>\nWhat?", "It.", image=name) for i, name in enumerate(PICTURES)]
    mixture = write_mixture(tmp_path / "mixture", rows)
    loose = _batches(mixture, write_files(tmp_path / "files", PICTURES), workers=0)
    places = [write_tar(tmp_path / "tars/a.tar", PICTURES).parent]
    for form in ("none", "zstd"):
        places.append(write_parquet(tmp_path / form / "a.parquet", PICTURES, compression=form).parent)
    for place in places:
        for mine, expected in zip(_batches(mixture, place, workers=workers), loose, strict=True):
            for name, value in expected.items():
                equal = torch.equal(mine[name], value) if isinstance(value, torch.Tensor) else mine[name] == value
                assert equal, (place, name)


def test_what_shards_lack_or_hold_damaged_is_named_with_its_shard(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"good.jpg": jpeg(1), "text.jpg": b"404", "cut.jpg": jpeg(2)[:-30]})
    names = ["good.jpg", "text.jpg", "cut.jpg", "none.jpg", "../up.jpg"]
    faults = dict(find_faults(tmp_path, names, decode=True, jobs=2, on_done=lambda: None))
    assert list(faults) == names[1:]
    assert faults["text.jpg"] == "cannot be decoded: cannot identify image file"
    assert faults["cut.jpg"].startswith("cannot be decoded: ")
    assert faults["none.jpg"] == "no such file"
    found = dict(find_faults(tmp_path, names, decode=False, jobs=2, on_done=lambda: None))
    assert list(found) == names[3:]
    loader = ImageLoader(tmp_path, processor())
    with pytest.raises(ImageFileError, match=f"^r/1: {tmp_path}/a.tar: text.jpg: cannot be decoded: .*; download it"):
        loader.load("text.jpg", record="r/1")
    with pytest.raises(ImageFileError, match=f"^r/1: {tmp_path}: none.jpg: no such file; download it again"):
        loader.load("none.jpg", record="r/1")
    blank = ImageLoader(tmp_path, processor(), on_bad="blank").load("none.jpg", record="r/1")
    assert blank.pixels is not None


def test_a_benchmarks_pictures_are_found_in_shards_in_the_usual_places(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"mine/images/1.jpg": jpeg(1)})
    benchmark = msgspec.structs.replace(by_name("gqa"), name="mine", image_folders=("", "gqa/images"))
    asked = [Question(keys=(("id", "1"),), text="What?", image="1.jpg", bare="What?", record=None)]
    folder = image_folder(benchmark, asked, images=tmp_path)
    assert folder == tmp_path / "mine/images"
    require_pictures(asked, folder)
    assert digest_of(folder, "1.jpg") == hashlib.sha256(jpeg(1)).hexdigest()[:16]
    with pytest.raises(EvaluationError, match=f"^{tmp_path}: mine/images/2.jpg: no such picture; 1 of 1 are missing"):
        require_pictures([asked[0]._replace(image="2.jpg")], folder)


@pytest.mark.slow
def test_batches_from_a_bucket_are_those_of_loose_files_in_forked_workers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MIX665K_CACHE_GB", "0")  # every picture is asked for
    rows = [record(f"a/{i}", "<image>\nWhat?", "It.", image=name) for i, name in enumerate(PICTURES)]
    mixture = write_mixture(tmp_path / "mixture", rows)
    loose = _batches(mixture, write_files(tmp_path / "files", PICTURES), workers=0)
    with local_s3.serve(monkeypatch) as s3:
        address = Path(s3.put_folder(write_tar(tmp_path / "tars/a.tar", PICTURES).parent, "shards"))
        for workers in (0, 2):
            for mine, expected in zip(_batches(mixture, address, workers=workers), loose, strict=True):
                assert torch.equal(mine["pixel_values"], expected["pixel_values"])
