"""Images that have one address each, such as OCR-VQA's covers: some are gone, some are GIFs by another name."""

from collections import Counter
from collections.abc import Iterator, Set
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

import httpx2
import msgspec

from mix665k.builders.decode import BadRecord, read
from mix665k.builders.image_collections import ImageAddresses
from mix665k.builders.registry import ImageFolder, RawFile, Source
from mix665k.mixtures.fetch.download import FetchContext, Result, State, mirrored
from mix665k.mixtures.fetch.web import RateLimit, RefusedError, TransientError, response_to, with_retries
from mix665k.mixtures.fetch.workers import in_threads
from mix665k.mixtures.images.decoding import check_file
from mix665k.mixtures.images.fixing import as_jpeg
from mix665k.mixtures.images.mapping import load_mapping
from mix665k.schemas.errors import FetchError, RawDataError
from mix665k.schemas.files import write_whole
from mix665k.schemas.image_names import name_fault
from mix665k.schemas.pictures import UNDECODABLE

_RETRIES = 3
_HOPELESS = 20
"""So many failures in a row, and it is not the single cover that is at fault."""
_MAX_BYTES = 32 << 20
_LEAST_SIDE_PX = 2
"""Where Amazon has no cover it sends a GIF of 1 x 1."""


class AddressedImages(NamedTuple):
    """The images of a source that have one address each, and the raw file that tells the addresses."""

    addresses: ImageAddresses
    file: RawFile
    images: ImageFolder

    @property
    def folder(self) -> str:
        """Where they all are, below the images folder."""
        return self.images.folder

    @property
    def gone(self) -> str:
        """The list of those that nobody has, in the form that `mix images --mapping` reads."""
        return f"{self.folder.partition('/')[0]}/missing.json"


def addressed_images(source: Source) -> AddressedImages | None:
    """What the source declares of such images, if it has them."""
    about, addresses = source.about, source.about.image_addresses
    if addresses is None:
        return None
    [images] = about.images
    file = msgspec.structs.replace(about.file(addresses.role), form=addresses.form, pairs=None)
    return AddressedImages(addresses, file, images)


class ImagesWanted(NamedTuple):
    """Which covers go where: `named` are the images that a mixture names, None for all that have an address.

    `path` is the raw file that tells the addresses.
    """

    covers: AddressedImages
    path: Path
    images: Path
    named: Set[str] | None
    jobs: int
    rate_limit: RateLimit


class ImageOutcome(NamedTuple):
    """What became of one cover."""

    image: str
    state: Literal["fetched", "gone", "failed"]
    why: str = ""


class ImagesReport(msgspec.Struct):
    """What became of all: those gone and those that failed with the reason, gone before or now."""

    wanted: int
    there: int
    fetched: int
    gone: dict[str, str]
    failed: dict[str, str]

    def __add__(self, other: "ImagesReport") -> "ImagesReport":
        """Of the images of two sources, which are in different folders."""
        counts = (self.wanted + other.wanted, self.there + other.there, self.fetched + other.fetched)
        return ImagesReport(*counts, self.gone | other.gone, self.failed | other.failed)


def fetch_images(order: ImagesWanted, context: FetchContext) -> ImagesReport:
    """Bring each cover that is neither there nor known to be gone, and list those that turn out to be.

    Raises:
        FetchError: when nothing works any more.
        RawDataError: when the file of the addresses is damaged.
    """
    folder, missing = order.covers.folder, order.images / order.covers.gone
    known = load_mapping(missing) if missing.is_file() else {}
    urls, strange = _wanted(order)
    (order.images / folder).mkdir(parents=True, exist_ok=True)
    there = {f"{folder}/{path.name}" for path in (order.images / folder).iterdir()}
    found = ImagesReport(
        wanted=len(urls) + len(strange),
        there=0,
        fetched=0,
        gone=dict.fromkeys(strange, f"not in {order.covers.file.path}"),
        failed={},
    )
    found.gone |= {image: "listed before" for image in urls if image in known and image not in there}
    found.there = sum(image in there for image in urls)
    left = [image for image in urls if image not in there and image not in known]
    try:
        for outcome in _outcomes(left, urls=urls, order=order, context=context):
            _count(outcome, found)
            done = found.there + found.fetched + len(found.gone) + len(found.failed)
            context.listener.counted(folder, done, found.wanted)
    finally:
        if new := found.gone.keys() - known.keys():
            mapping = dict(sorted((known | dict.fromkeys(new)).items()))
            write_whole(missing, msgspec.json.format(msgspec.json.encode(mapping), indent=1) + b"\n")
    return found


def summary_of(found: ImagesReport, covers: AddressedImages) -> Result:
    """The line that stands for all covers; those that are gone are no failure, they are listed."""
    lines = [f"{found.there:,} there before, {found.fetched:,} fetched"]
    if found.gone:
        reasons = ", ".join(f"{count:,} {why}" for why, count in Counter(found.gone.values()).most_common())
        lines.append(f"{len(found.gone):,} gone ({reasons}), listed in {covers.gone}")
    if found.failed:
        lines.append(f"{len(found.failed):,} failed, such as {next(iter(found.failed.values()))}")
    state: State = "failed" if found.failed else "fetched" if found.fetched else "there"
    return Result(covers.folder, state, note="; ".join(lines))


def _wanted(order: ImagesWanted) -> tuple[dict[str, str], list[str]]:
    """The addresses by image, and the images that are named but have none."""
    addresses, file, images = order.covers
    urls: dict[str, str] = {}
    for _, key, record in read(file, order.path, lambda _: None):
        if isinstance(record, BadRecord):
            raise RawDataError(f"{order.path}: {record.where}: {record.why} (id {key!r})")
        image = images.path(key)
        if name_fault(key) or "/" in key:
            raise RawDataError(f"{order.path}: $[{key!r}]: a key that no file can have")
        if order.named is None or image in order.named:
            urls[image] = getattr(record, addresses.field)
    return urls, sorted(order.named - urls.keys()) if order.named else []


def _outcomes(
    left: list[str], *, urls: dict[str, str], order: ImagesWanted, context: FetchContext
) -> Iterator[ImageOutcome]:
    """What becomes of each, as they finish; ends with an error when only failures come."""
    patience = context.patience._replace(retries=min(context.patience.retries, _RETRIES))

    def work(image: str) -> ImageOutcome:
        url = mirrored(context.mirror, image) if context.mirror else urls[image]
        try:
            content = with_retries(
                lambda: _content(url, order.rate_limit, context), patience=patience, stop=context.stop
            )
            return _saved(content, image, order.images / image)
        except RefusedError as error:
            gone = error.status in (httpx2.codes.NOT_FOUND, httpx2.codes.GONE)
            return (
                ImageOutcome(image, "gone", f"HTTP {error.status}")
                if gone
                else ImageOutcome(image, "failed", str(error))
            )
        except FetchError as error:
            return ImageOutcome(image, "failed", str(error))

    failures = 0
    with closing(in_threads(work, left, jobs=order.jobs, stop=context.stop)) as outcomes:
        for outcome in outcomes:
            failures = failures + 1 if outcome.state == "failed" else 0
            yield outcome
            if failures == _HOPELESS:
                raise FetchError(f"{order.covers.folder}: {failures} covers in a row failed, the last: {outcome.why}")


def _content(url: str, rate_limit: RateLimit, context: FetchContext) -> bytes:
    rate_limit.wait(context.stop)
    try:
        with response_to(context.client, url, {}) as response:
            content = bytearray()
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise RefusedError(f"{url}: more than {_MAX_BYTES >> 20} MB, expected a cover")
            return bytes(content)
    except TransientError as error:
        rate_limit.hold(min(error.wait_s or 0, context.patience.longest_s))
        raise


def _saved(content: bytes, image: str, path: Path) -> ImageOutcome:
    """Write a cover as the JPEG that its name promises; a damaged one may be whole next time, a placeholder stays."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        verdict = check_file(part, name=path.name, min_side_px=_LEAST_SIDE_PX)
        if verdict.finding == "implausible size" and content:
            return ImageOutcome(image, "gone", "a placeholder")
        if verdict.finding not in (None, "wrong format"):
            return ImageOutcome(image, "failed", f"{image}: {verdict.finding}: {verdict.detail}")
        if verdict.finding:
            write_whole(path, as_jpeg(part))
        else:
            part.replace(path)
    except UNDECODABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return ImageOutcome(image, "failed", f"{image}: not decodable")
    finally:
        part.unlink(missing_ok=True)
    return ImageOutcome(image, "fetched")


def _count(outcome: ImageOutcome, found: ImagesReport) -> None:
    if outcome.state == "fetched":
        found.fetched += 1
    else:
        (found.gone if outcome.state == "gone" else found.failed)[outcome.image] = outcome.why
