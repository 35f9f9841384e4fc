"""Sources and steps by name, with what is known about them."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from mix665k.builders.evaluation import EvaluationLayout, ImageSplits
from mix665k.builders.funnel import Dropped, Regrouped
from mix665k.builders.image_collections import ImageAddresses, ImageCollection, SameImages
from mix665k.builders.licences import NO_IMAGES, Licence, Paper
from mix665k.builders.published import Published
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.files import sha256_of

SourceFunction = Callable[..., Iterator[Conversation | Dropped | Regrouped]]
StepFunction = Callable[..., Iterator[Conversation]]
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""How the names of archives end."""


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a publisher offers: a raw file as it is, or an archive of raw files or of images.

    Declared beside its source, so that `mix sources`, `mix fetch` and the errors say the same.

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


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """What a raw file says of itself beside its records, and what it has to say.

    `field` is that of the file's object, `info.version` one of the object `info` in it. A value that is not `like` this
    regular expression says nothing, nor does a field that is missing.
    """

    field: str
    expected: tuple[str, ...]
    like: str = ".*"


class RawFile(msgspec.Struct, frozen=True, kw_only=True):
    """A raw annotation file as its publisher ships it.

    `download` brings it, `member` is its name in there if that is an archive; `num_bytes` is about its own size.
    `at` says where its records are: `[]` the file is a list of them, `{}` an object with their ids as keys, `lines` one
    on each line, `pickle` a pickled list, any other text the field that holds their list. `form` is one record, `id`
    the field of it that tells records apart (None: ids may repeat, or are the keys). `pairs` counts the question-answer
    pairs of a record; None: it has one. Of `optional` files those whose roles begin alike (`refcoco+/refs`) are given
    together or not at all. `adapt` reads a record that is not of the form but whose meaning is plain, given as plain
    JSON with its place; what it gives has `not_kept`, the names of the fields that it leaves out. `other_version` says
    of a record that is not of the form, as plain JSON, which other version of the data set it is a sign of; the file is
    refused then, not the record. A file with `table_columns` may also come packed by gzip, as Parquet or as Arrow; a
    table has one of these columns.

    `states` says what it is, `split` is the publisher's name for its part of the data set, as its own name has it, and
    `split_field` says the same in the file: beside the records, or in each of them if it is a field of `form`.

    Raises:
        ValueError: when made, for facts that contradict each other.
    """

    role: str
    path: str
    form: type
    at: str = "[]"
    id: str | None = None
    download: Download | None = None
    num_bytes: int | None = None
    optional: bool = False
    member: str = ""
    pairs: Callable[[Any], int] | None = None
    adapt: Callable[[Any, str | int], Any] | None = None
    other_version: Callable[[Any], str | None] | None = None
    table_columns: tuple[str, ...] = ()
    states: tuple[Stated, ...] = ()
    split: str = ""
    split_field: str = ""

    def __post_init__(self) -> None:
        if why := self._fault():
            raise ValueError(f"RawFile {self.role}: {why}")

    def _fault(self) -> str | None:
        """What is wrong with the declaration, or None."""
        known = getattr(self.form, "__struct_fields__", ())
        if self.id is not None and self.at == "{}":
            return f"id={self.id!r}, but the ids of a keyed file are its keys; leave `id` out"
        if self.id is not None and self.id not in known:
            return f"id={self.id!r} is not a field of {self.form.__name__}{did_you_mean(self.id, known)}"
        if self.member and self.download is None:
            return f"member={self.member!r} of no download; say which archive holds it in `download`"
        if self.download and self.download.name.endswith(ARCHIVES) and not self.member:
            return f"download {self.download.name!r} is an archive; name the file in it with `member`"
        if self.split not in self.path.rpartition("/")[2]:
            return f"split={self.split!r} is not in the name of {self.path!r}, where others would have theirs"
        return None

    @property
    def splits_by_record(self) -> bool:
        """Whether each record says of which split it is."""
        return self.split_field in getattr(self.form, "__struct_fields__", ())

    @property
    def id_name(self) -> str:
        """What the id of a record is called: the field, or `key`; empty where ids may repeat."""
        return "key" if self.at == "{}" else self.id or ""


class ImageFolder(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of images: where a mixture expects them, and the archive that holds them.

    `names` is the pattern of its files, with what is put in for each image in angle brackets: `<image_id>.jpg`. The
    members of the archive `download` below `members` belong into the folder.

    Raises:
        ValueError: when made, for a pattern that has no such place.
    """

    folder: str
    names: str
    download: Download | None = None
    members: str = ""

    def __post_init__(self) -> None:
        if self.folder and not 0 <= self.names.find("<") < self.names.find(">"):
            raise ValueError(f"ImageFolder {self.folder}: names={self.names!r}, expected a place such as <image_id>")

    @property
    def pattern(self) -> str:
        """The path of an image in words: `gqa/images/<imageId>.jpg`."""
        return f"{self.folder}/{self.names}" if self.folder else self.names

    def path(self, name: str) -> str:
        """The image of this name, below the images folder."""
        before, after = _around(self.folder, self.names)
        return f"{before}{name}{after}"


@lru_cache
def _around(folder: str, names: str) -> tuple[str, str]:
    """What comes before and after an image's name in its path."""
    before, _, rest = names.partition("<")
    return f"{folder}/{before}", rest.partition(">")[2]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a user should know about a source before using it.

    `licence` is that of its texts. `languages` are ISO 639-1 codes, or `multilingual`; `personal_data` says what of it
    the texts may hold. A source without `images` is text only.

    No module of `mixtures/` knows a source by name: what it needs to know beyond that is declared here, too.
    `writes_boxes` says that its texts have region boxes as LLaVA writes them, in fractions of the image. `published`
    says how a published file shows the source, `image_collection` whose images it has, `same_images` which of them
    another collection has too, `image_addresses` where images are that no archive holds, `evaluation` how its data set
    publishes evaluation files, and `image_splits` what else is evaluated on the images that it trains on.
    """

    title: str
    files: tuple[RawFile, ...]
    licence: Licence
    counts: str
    images: tuple[ImageFolder, ...] = ()
    image_licence: Licence = NO_IMAGES
    papers: tuple[Paper, ...] = ()
    languages: tuple[str, ...] = ("en",)
    personal_data: str = ""
    writes_boxes: bool = False
    published: Published | None = None
    image_collection: ImageCollection | None = None
    same_images: SameImages | None = None
    image_addresses: ImageAddresses | None = None
    evaluation: EvaluationLayout | None = None
    image_splits: ImageSplits | None = None

    @property
    def offered(self) -> bool:
        """Whether somebody publishes its files; else they are the user's own, under any name."""
        downloads = [file.download for file in self.files if file.download]
        return any(one.folders or one.hub or one.by_hand for one in downloads)

    @property
    def image_folder(self) -> str | None:
        """The first folder of the paths of its images; None without images, or where any may hold them."""
        return next((images.folder.partition("/")[0] for images in self.images if images.folder), None)

    @property
    def image_paths(self) -> str:
        """The paths of its images in words."""
        return ", ".join(folder.pattern for folder in self.images) or "none"

    @property
    def archives(self) -> list[tuple[ImageFolder, Download]]:
        """The folders of images that come as an archive."""
        return [(folder, folder.download) for folder in self.images if folder.download]

    def file(self, role: str) -> RawFile:
        """The file of this role.

        Raises:
            LookupError: when there is none.
        """
        roles = {file.role: file for file in self.files}
        if role not in roles:
            raise LookupError(f"no raw file has the role {role!r}{did_you_mean(role, roles)}")
        return roles[role]


class DecodedRecord(NamedTuple):
    """A record of a raw file: its index or key, its id, the record in its form and as it is in the file `part`."""

    place: str | int
    id: str
    record: Any
    raw: Any
    part: Path


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """How the origin of a pair leads to a record of a raw file.

    `key` gives the name of that record, from the origin and the records found in the files before, by role; None where
    one of those is missing. `names` yields each record of the file under its name; the first of a name counts. By
    default the name is the id. `id_name` is what the name is called in words, by default the file's `id`. `items`
    gives the indices of what the pair was made of, by field of the record. Only origins that begin with `prefix` are
    looked up; `key` and `items` get the rest of the origin. An `optional` record may be missing.
    """

    role: str
    key: Callable[[str, Mapping[str, Any]], str | None]
    names: Callable[[Iterable[DecodedRecord]], Iterator[tuple[str, DecodedRecord]]] | None = None
    id_name: str = ""
    items: Callable[[str, Any], dict[str, list[int]]] | None = None
    prefix: str = ""
    optional: bool = False


def by_origin(origin: str, found: Mapping[str, Any]) -> str:  # noqa: ARG001, see `Lookup.key`
    """The origin is the record's id."""
    return origin


def by_numbered_origin(origin: str, found: Mapping[str, Any]) -> str:  # noqa: ARG001, see `Lookup.key`
    """The origin is the record's id, a slash and the number of the pair in it."""
    return origin.rpartition("/")[0]


def number_of(origin: str) -> int:
    """The number of a pair in its record, see `by_numbered_origin`."""
    return int(origin.rpartition("/")[2])


class ByField(msgspec.Struct, frozen=True):
    """A field of the record found in the file `role` is the record's id."""

    role: str
    field: str

    def __call__(self, origin: str, found: Mapping[str, Any]) -> str | None:  # noqa: ARG002, see `Lookup.key`
        """The id, None where that record is missing."""
        return str(getattr(found[self.role], self.field)) if self.role in found else None


class Source(NamedTuple):
    """Raw files in, conversations out; the `lookups` lead from a pair's origin back to raw records, file by file.

    One that makes each conversation `by_record` can be built by many tasks, each from a piece of its file.
    """

    name: str
    function: SourceFunction
    about: About
    lookups: tuple[Lookup, ...] = ()
    by_record: bool = False

    def __reduce__(self) -> tuple[Callable[..., "Source"], tuple[str, str, "Plugin | None"]]:
        """Pickled by its name: what it declares may hold functions that have none."""
        return _known_source, (self.name, self.function.__module__, plugin_of(self))


def _known_source(name: str, module: str, plugin: "Plugin | None") -> Source:
    _have(module, plugin)
    return SOURCES[name]


Needs = Literal["record", "draw", "all"]
"""What a step has to see: each conversation by itself; the ranks of all, and then each by itself; or all of them."""


class Step(NamedTuple):
    """Conversations in, conversations out; `short` is the parameter that `step: value` gives, if it has that form.

    `needs` says what it has to see of the others to know what becomes of a conversation.
    """

    name: str
    function: StepFunction
    short: str | None = None
    needs: Needs = "all"

    def __reduce__(self) -> tuple[Callable[..., "Step"], tuple[Any, ...]]:
        """Pickled by its name where it is of a plugin's file, which no other process could import."""
        plugin = plugin_of(self)
        return (_known_step, (self.name, plugin)) if plugin and plugin.content else (Step, tuple(self))


def _known_step(name: str, plugin: "Plugin") -> Step:
    _have(plugin.module, plugin)
    return STEPS[name]


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a source or step is from that is not ours: a file of the user's, or a module of an installed package.

    Every process runs the `content` that a file had when it was read, whatever becomes of it meanwhile. `version` is
    a package's name and version.
    """

    module: str
    path: Path
    sha256: str
    content: bytes = b""
    version: str = ""

    @property
    def name(self) -> str:
        """What a manifest calls it: the file's name, or that of the module."""
        return self.path.name if self.content else self.module


SOURCES: dict[str, Source] = {}
STEPS: dict[str, Step] = {}
PLUGIN_FILES: dict[str, Plugin] = {}
"""The plugin files that were run, by the name of the module that each is."""


def all_known() -> list[Source | Step]:
    """Every source and step that is registered."""
    return [*SOURCES.values(), *STEPS.values()]


def plugin_of(one: Source | Step) -> Plugin | None:
    """Where a source or step is from; None for ours, and for one defined in the script that was started."""
    module: str = one.function.__module__
    if module in PLUGIN_FILES:
        return PLUGIN_FILES[module]
    return None if module == "__main__" or module.partition(".")[0] == "mix665k" else _installed(module)


@cache
def _installed(module: str) -> Plugin:
    path = Path(inspect.getfile(sys.modules[module]))
    names = packages_distributions().get(module.partition(".")[0], [])
    versions = ", ".join(f"{name} {version(name)}" for name in dict.fromkeys(names))
    return Plugin(module=module, path=path, sha256=sha256_of(path), version=versions)


def run_file(plugin: Plugin) -> None:
    """Run the code of a plugin's file, which registers its sources and steps."""
    module = ModuleType(plugin.module)
    module.__file__ = str(plugin.path)
    sys.modules[plugin.module], PLUGIN_FILES[plugin.module] = module, plugin
    exec(compile(plugin.content, str(plugin.path), "exec"), module.__dict__)


def forget(module: str) -> None:
    """Take away the sources and steps of a plugin's file."""
    for registered in (SOURCES, STEPS):
        for name in [name for name, one in registered.items() if one.function.__module__ == module]:
            del registered[name]
    PLUGIN_FILES.pop(module, None)
    sys.modules.pop(module, None)


def _have(module: str, plugin: Plugin | None) -> None:
    """Let this process have the sources and steps of a module that another one had."""
    if plugin is None or not plugin.content:
        import_module(module)
    elif module not in PLUGIN_FILES:
        run_file(plugin)


def _require_free(kind: str, function: Callable[..., Any], taken: Mapping[str, Source | Step]) -> None:
    name: Any = function.__name__
    if name in taken:
        plugin = plugin_of(taken[name])
        where = "mix665k" if plugin is None else plugin.version or plugin.path
        raise RecipeError(f"{kind} {name}: {where} has a {kind} of this name; rename the function")


def source(
    about: About, *, lookups: tuple[Lookup, ...] = (), by_record: bool = False
) -> Callable[[SourceFunction], SourceFunction]:
    """Register `function(raw, *, parameters)` as a source under its own name.

    It may say that it works `by_record`: a conversation depends on its own raw record, and on what `raw.numbers`
    counts, and on nothing else.

    Raises:
        ValueError: when the declarations contradict each other, so that the module cannot be imported.
    """

    def register(function: SourceFunction) -> SourceFunction:
        name: Any = function.__name__
        _require_free("source", function, SOURCES)
        if why := _fault(about, lookups):
            raise ValueError(f"source {name}: {why}")
        SOURCES[name] = Source(name=name, function=function, about=about, lookups=lookups, by_record=by_record)
        return function

    return register


def _fault(about: About, lookups: tuple[Lookup, ...]) -> str | None:
    """What is wrong with a source's declarations, or None."""
    forms = {file.role: file.form for file in about.files}
    if not forms:
        return "no raw file, expected one or more in `files`"
    if len(forms) < len(about.files):
        return f"two raw files have one role, expected one each: {', '.join(file.role for file in about.files)}"
    found: set[str] = set()
    for lookup in lookups:
        if lookup.role not in forms:
            return f"lookups: no raw file has the role {lookup.role!r}{did_you_mean(lookup.role, forms)}"
        if isinstance(lookup.key, ByField):
            role, field = lookup.key.role, lookup.key.field
            if role not in found:
                return f"lookups: {lookup.role!r} needs a record of {role!r}, which no lookup before finds"
            known = getattr(forms[role], "__struct_fields__", ())
            if field not in known:
                return f"lookups: {field!r} is not a field of {forms[role].__name__}{did_you_mean(field, known)}"
        found.add(lookup.role)
    return None


def step(*, short: str | None = None, needs: Needs = "all") -> Callable[[StepFunction], StepFunction]:
    """Register `function(conversations, funnel, *, parameters)` as a step under its own name."""

    def register(function: StepFunction) -> StepFunction:
        name: Any = function.__name__
        _require_free("step", function, STEPS)
        STEPS[name] = Step(name, function, short, needs=needs)
        return function

    return register
