"""Sources and steps by name, with what is known about them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from mix665k.builders.licences import Terms, Use
from mix665k.schemas.conversation import Conversation

SourceFunction = Callable[..., Iterator[Conversation]]
StepFunction = Callable[..., Iterator[Conversation]]


class Download(NamedTuple):
    """A file that a publisher offers: a raw file as it is, or an archive of raw files or of images.

    `folders` are the addresses that hold the file `name`, tried in order: the publisher's, then copies. A file of a
    data set on the Hugging Face hub has the data set's name in `hub` instead, and one that a program may not ask for
    the page to open in a browser in `by_hand`. Size and SHA-256 are the offered file's, where somebody recorded them.
    """

    name: str
    folders: tuple[str, ...] = ()
    hub: str | None = None
    by_hand: str | None = None
    num_bytes: int | None = None
    sha256: str | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the file lies, the publisher's address first; empty for a file of the hub or one to get by hand."""
        return tuple(f"{folder}/{quote(self.name, safe='+()')}" for folder in self.folders)

    @property
    def place(self) -> str:
        """Where a person finds it."""
        hub = f"https://huggingface.co/datasets/{self.hub}" if self.hub else None
        page = f"{self.by_hand} (by hand, in a browser)" if self.by_hand else None
        return self.addresses[0] if self.folders else hub or page or "your own"


class RawFile(NamedTuple):
    """A raw annotation file as its publisher ships it.

    `download` brings it, `member` is its name in there if that is an archive; `num_bytes` is about its own size.
    `at` says where its records are: `[]` the file is a list of them, `{}` an object with their ids as keys, `lines` one
    on each line, `pickle` a pickled list, any other text the field that holds their list. `form` is one record, `id`
    the field that tells records apart (None: ids may repeat). Of `optional` files those whose roles begin alike
    (`refcoco+/refs`) are given together or not at all.
    """

    role: str
    path: str
    form: type
    at: str
    id: str | None
    download: Download | None
    num_bytes: int | None = None
    optional: bool = False
    member: str = ""


class ImageArchive(NamedTuple):
    """Images as their publisher ships them: the members below `prefix` belong below `folder` of the images folder."""

    folder: str
    prefix: str
    download: Download


class About(NamedTuple):
    """What a user should know about a source before using it."""

    title: str
    files: tuple[RawFile, ...]
    licence: str
    image_licence: str
    images: str
    counts: str
    archives: tuple[ImageArchive, ...] = ()
    terms: Terms = Terms(Use("unclear", "not stated"), Use("unclear", "not stated"))

    def file(self, role: str) -> RawFile | None:
        """The file of this role."""
        return next((file for file in self.files if file.role == role), None)


class Entry(NamedTuple):
    """A record of a raw file: where it stands, what its id is, in its form and as the file has it."""

    place: str | int
    id: str
    record: Any
    raw: Any


class Lead(NamedTuple):
    """How the origin of a pair leads to a record of a raw file.

    `key` gives what that record is called, from the origin and the records found in the files before, by role; None
    where one of those is missing. `called` tells of a file's entries what each is called, the first of a name counts;
    by default it is the id. `id` is the name of such a key in words, by default the file's own. `items` gives places in
    lists of the record, by field, that the pair was made of. Origins without the `prefix` do not lead to this file;
    `key` and `items` see what is behind it. An `optional` record may be missing.
    """

    role: str
    key: Callable[[str, Mapping[str, Any]], str | None]
    called: Callable[[Iterable[Entry]], Iterator[tuple[str, Entry]]] | None = None
    id: str = ""
    items: Callable[[str, Any], dict[str, list[int]]] | None = None
    prefix: str = ""
    optional: bool = False


class Source(NamedTuple):
    """Raw files in, conversations out; the `trail` leads from a pair's origin back to raw records, file by file."""

    name: str
    function: SourceFunction
    about: About
    trail: tuple[Lead, ...] = ()


class Step(NamedTuple):
    """Conversations in, conversations out."""

    name: str
    function: StepFunction


SOURCES: dict[str, Source] = {}
STEPS: dict[str, Step] = {}


def source(about: About, *, trail: tuple[Lead, ...] = ()) -> Callable[[SourceFunction], SourceFunction]:
    """Register `function(raw, *, parameters)` as a source under its own name."""

    def register(function: SourceFunction) -> SourceFunction:
        name: Any = function.__name__
        assert name not in SOURCES, name
        SOURCES[name] = Source(name, function, about, trail)
        return function

    return register


def step(function: StepFunction) -> StepFunction:
    """Register `function(conversations, tally, *, parameters)` as a step under its own name."""
    name: Any = function.__name__
    assert name not in STEPS, name
    STEPS[name] = Step(name, function)
    return function
