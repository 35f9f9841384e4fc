"""Exports that are a folder of several files, with the pictures in them; it is complete or not there."""

from pathlib import Path
from typing import Literal, NamedTuple

from mix665k.mixtures.export.export import ImageToken
from mix665k.mixtures.export.pictures import choose
from mix665k.mixtures.export.saved import write_saved
from mix665k.mixtures.export.webdataset import Limits, write_webdataset
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.held_folders import whole_folder
from mix665k.mixtures.terminal import Advance


class FolderRequest(NamedTuple):
    """What to write and where; `image_token` is for arrow only, `shard_records` for webdataset."""

    form: Literal["webdataset", "arrow"]
    out: Path
    images: Path | None = None
    sources: tuple[str, ...] = ()
    image_token: ImageToken = "drop"
    on_missing_image: Literal["fail", "drop"] = "fail"
    shard_bytes: int = 500_000_000
    shard_records: int | None = None


class Exported(NamedTuple):
    """How many records were written into how many files, and how many were left out because their image is missing."""

    records: int
    files: int
    left_out: int


def export_folder(mixture: Mixture, request: FolderRequest, *, advance: Advance) -> Exported:
    """Write a mixture's records with their pictures into a folder, in the order of the mixture.

    Raises:
        MixtureError: when the mixture or a picture is damaged, pictures are missing and not dropped, or the folder is
            there already or cannot be written.
    """
    entries = mixture.entries(request.sources)
    with whole_folder(request.out) as folder:
        chosen = choose(
            mixture, sources=request.sources, images=request.images, on_missing_image=request.on_missing_image
        )
        if request.form == "webdataset":
            limits = Limits(request.shard_bytes, request.shard_records)
            counts = write_webdataset(chosen, folder, limits, advance=advance)
        else:
            counts = write_saved(
                chosen, folder, shard_bytes=request.shard_bytes, image_token=request.image_token, advance=advance
            )
    records = sum(counts.values())
    return Exported(records, len(counts), sum(entry.conversations for entry in entries) - records)
