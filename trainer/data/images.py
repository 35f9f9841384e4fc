"""From a picture's bytes to what a vision tower takes."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import torch
from PIL import Image

from mix665k.schemas.errors import ImageFileError, ModelError, cause, os_reason
from mix665k.schemas.image_names import name_fault
from mix665k.schemas.images.folder import Images
from mix665k.schemas.images.places import images_at
from mix665k.schemas.pictures import UNDECODABLE, Colour, open_picture, to_rgb, why_undecodable
from mix665k.trainer.data.pixels import Pixels, Speed, Values

Mode = Literal["pad", "crop"]
OnBad = Literal["fail", "blank", "drop"]

_IMAGES_PER_BLOCK = 4_096


class Loaded(NamedTuple):
    """An image for the vision tower.

    pixels  float32 [3, H, W]; None when the record is to be dropped
    fault   record, path and why the file could not be used; None when it could
    """

    pixels: torch.Tensor | None
    fault: str | None


def load_processor(name: str) -> Any:
    """The image processor of a vision tower, in the form that works with Pillow.

    Whether it pads is left to the stage: that of an exported model is loaded as one that does not.

    Raises:
        ModelError: when it cannot be loaded.
    """
    # `pil`: the default is the form that is built on torchvision where that is installed, which resizes differently,
    # and in transformers 5.17 fails where it is not.
    import transformers

    auto: Any = transformers.AutoImageProcessor
    mixin: Any = transformers.ImageProcessingMixin
    try:
        settings, _ = mixin.get_image_processor_dict(name)
        # Until 2022 they were feature extractors: `AutoImageProcessor` knows that name under its older key only.
        older = str(settings.get("image_processor_type")).replace("FeatureExtractor", "ImageProcessorPil")
        known = getattr(transformers, older, None) if older.endswith("Pil") else None
        if known:
            processor = known.from_pretrained(name)
        else:
            processor = auto.from_pretrained(name, backend="pil", trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError, RecursionError) as error:
        raise ModelError(f"{name}: cannot be loaded as an image processor: {cause(error)}") from None
    processor.do_pad = None
    return processor


class ImageLoader:
    """Loads the images of records from a folder or shards; can be pickled.

    `pad` pads to a square with the processor's mean colour, as LLaVA's `image_aspect_ratio: pad` does; `crop` leaves
    the image to the processor, of which CLIP's takes the middle. `on_bad` is what a missing or broken file gives: an
    error, an image of the mean colour, or nothing; never another record's image. `speed` is that of `Pixels`,
    `background` that of `schemas.pictures.to_rgb`.
    """

    def __init__(
        self,
        place: Path,
        processor: Any,
        *,
        mode: Mode = "pad",
        on_bad: OnBad = "fail",
        speed: Speed = "exact",
        background: Colour | None = None,
    ) -> None:
        self.place = place
        self._images = images_at(place)
        self._pixels = Pixels(processor, speed=speed)
        self.image_px = self._pixels.image_px
        self._process = self._pixels.padded if mode == "pad" else self._pixels.cropped
        self._by_values = mode == "pad" and self._pixels.takes_values
        self._on_bad = on_bad
        self._background = background

    def load(self, image: str, *, record: str) -> Loaded:
        """The image that a record names.

        Raises:
            ImageFileError: when it is missing or broken and `on_bad` is `fail`.
        """
        if why := name_fault(image):
            return self._bad(f"{record}: image {image!r}: {why}", fix="fix the record")
        try:
            content = self._images.read(image)
        except (OSError, ValueError) as error:
            return self._bad(f"{record}: {self._images.shown(image)}: {_why(error)}", fix="download it again")
        # Pillow copies an image three times on its way to torch: with it the fast path was 2.3 times as fast as
        # LLaVA's, with simplejpeg 3.1 times, at the same values. Whatever simplejpeg does not take, Pillow judges.
        if self._by_values and (values := read_jpeg(content)) is not None:
            return Loaded(self._pixels.padded_values(values), None)
        try:
            picture = open_rgb(BytesIO(content), background=self._background)
        except UNDECODABLE as error:
            return self._bad(f"{record}: {self._images.shown(image)}: {_why(error)}", fix="download it again")
        return Loaded(self._process(picture), None)

    def _bad(self, fault: str, *, fix: str) -> Loaded:
        """What becomes of an image that cannot be used."""
        if self._on_bad == "fail":
            raise ImageFileError(f"{fault}; {fix} or pass --on-bad-image blank|drop") from None
        return Loaded(self.blank() if self._on_bad == "blank" else None, fault)

    def blank(self) -> torch.Tensor:
        """An image of the mean colour: float32 [3, H, W]."""
        return self._pixels.blank()


def open_rgb(source: Path | IO[bytes], *, background: Colour | None = None) -> Image.Image:
    """A picture, decoded; see `schemas.pictures.to_rgb`."""
    with open_picture(source) as file:
        return to_rgb(file, background=background)


def read_jpeg(content: bytes) -> Values | None:
    """The values of a JPEG, the same as Pillow's; None for what Pillow must judge or convert."""
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if colours not in ("YCbCr", "Gray") or height * width > (Image.MAX_IMAGE_PIXELS or 0):
            return None
        values: Values = simplejpeg.decode_jpeg(content, colorspace="RGB")
    except ValueError:
        return None
    return values


def find_faults(
    place: Path, images: Iterable[str], *, decode: bool, jobs: int, on_done: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    """Each image that is missing, or with `decode` cannot be decoded, and why; in the order given.

    `on_done` is called for each image.
    """
    names, found = iter(images), images_at(place)
    # Threads are enough: Pillow decodes outside the interpreter's lock.
    with ThreadPoolExecutor(jobs) as pool:
        while block := list(islice(names, _IMAGES_PER_BLOCK)):
            faults = pool.map(partial(_fault, found, decode=decode), block)
            for name, fault in zip(block, faults, strict=True):
                on_done()
                if fault:
                    yield name, fault


def _fault(images: Images, image: str, *, decode: bool) -> str | None:
    if why := name_fault(image):
        return why
    try:
        if not decode:
            return None if images.has(image) else "no such file"
        open_rgb(BytesIO(images.read(image)))
    except UNDECODABLE as error:
        return _why(error)
    return None


def _why(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.errno is not None:
        return os_reason(error)
    return f"cannot be decoded: {why_undecodable(error)}"
