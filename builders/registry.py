"""Sources and steps by name, with what is known about them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from schemas.conversation import Conversation

SourceFunction = Callable[..., Iterator[Conversation]]
StepFunction = Callable[..., Iterator[Conversation]]


class RawFile(NamedTuple):
    """A raw annotation file as its publisher ships it.

    `at` says where its records are: `[]` the file is a list of them, `{}` an object with their ids as keys, `pickle` a
    pickled list, any other text the field that holds their list. `form` is one record, `id` the field that tells
    records apart (None: ids may repeat). Of `optional` files those whose roles begin alike (`refcoco+/refs`) are given
    together or not at all.
    """

    role: str
    path: str
    form: type
    at: str
    id: str | None
    url: str
    num_bytes: int | None = None
    optional: bool = False


class About(NamedTuple):
    """What a user should know about a source before using it."""

    title: str
    files: tuple[RawFile, ...]
    licence: str
    image_licence: str
    images: str
    counts: str

    def file(self, role: str) -> RawFile | None:
        """The file of this role."""
        return next((file for file in self.files if file.role == role), None)


class Source(NamedTuple):
    """Raw files in, conversations out."""

    name: str
    function: SourceFunction
    about: About


class Step(NamedTuple):
    """Conversations in, conversations out."""

    name: str
    function: StepFunction


SOURCES: dict[str, Source] = {}
STEPS: dict[str, Step] = {}


def source(about: About) -> Callable[[SourceFunction], SourceFunction]:
    """Register `function(raw, *, parameters)` as a source under its own name."""

    def register(function: SourceFunction) -> SourceFunction:
        name: Any = function.__name__
        assert name not in SOURCES, name
        SOURCES[name] = Source(name, function, about)
        return function

    return register


def step(function: StepFunction) -> StepFunction:
    """Register `function(conversations, tally, *, parameters)` as a step under its own name."""
    name: Any = function.__name__
    assert name not in STEPS, name
    STEPS[name] = Step(name, function)
    return function
