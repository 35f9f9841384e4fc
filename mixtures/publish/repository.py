"""The repository that a mixture becomes, file by file, and its way into a folder or to the Hub."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from mix665k.mixtures.build.selection import Choice, Offered, Selection, select
from mix665k.mixtures.card.card import CARD, card, licence_table
from mix665k.mixtures.card.front_matter import CROISSANT, IMAGES, LICENCES, RECIPE, Place, Size
from mix665k.mixtures.card.sizes import source_size
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.parallel import Workers
from mix665k.mixtures.publish.croissant import ParquetFile, croissant
from mix665k.mixtures.publish.published import LeftOutSource, Published
from mix665k.mixtures.publish.with_images import Part, plan_parts, write_parts
from mix665k.mixtures.storage.held_folders import temporary_folder, whole_folder
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.mixtures.terminal import Bar
from mix665k.mixtures.verify.intact import verify_mixture
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.hub import File, Owned, Pushed, Target, push, require_access, require_name
from mix665k.schemas.manifest import MANIFEST, Manifest, encoded

_OWNED = Owned(("data/*.parquet", f"{IMAGES}/*.parquet"), marker=MANIFEST)


class PublishRequest(NamedTuple):
    """What to publish where: a mixture without what is chosen to be left out, with images of this folder or none."""

    target: Target
    choice: Choice = Choice()
    images: Path | None = None
    jobs: Workers = 1


class Repository(NamedTuple):
    """What is going to be published."""

    manifest: Manifest
    selection: Selection
    files: Iterable[File]


def publish(folder: Path, request: PublishRequest, out: Path | None = None, *, bar: Bar) -> Published:
    """Publish a mixture that is found whole, or write all that would be published into the folder `out`.

    Raises:
        MixtureError: when `mix verify` finds something wrong with it, its images are not all there, or `out` holds
            something or cannot be written.
        HubError: when the Hub cannot be reached or refuses; it then shows what it showed before.
    """
    require_name(request.target.repository)
    if out is not None:
        return _write_repository(folder, request=request, out=out, bar=bar)
    require_access(request.target)
    with temporary_folder() as work:
        # one commit for all files, so that nobody can load half of a mixture
        repository = _prepare(folder, request=request, work=work, bar=bar)
        sent = _Counted(repository.files)
        message = f"Publish {' '.join(repository.manifest.name.split())}, row hash {repository.manifest.row_hash[:16]}"
        done = push(sent, request.target, message=message, owned=_OWNED)
    return _published(request, repository, sent, done=done)


def _write_repository(folder: Path, *, request: PublishRequest, out: Path, bar: Bar) -> Published:
    """Write the repository's files into a folder, all or none."""
    with whole_folder(out) as part:
        repository = _prepare(folder, request=request, work=part, bar=bar)
        sent = _Counted(repository.files)
        for file in sent:
            _write(part / file.path, file.content)
    return _published(request, repository, sent, out=out)


def _write(path: Path, content: Path | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content != path:
        shutil.copyfile(content, path)


class _Counted:
    """Files on their way, counted as they pass."""

    def __init__(self, files: Iterable[File]) -> None:
        self._files = files
        self.count = self.num_bytes = 0

    def __iter__(self) -> Iterator[File]:
        for file in self._files:
            self.count += 1
            self.num_bytes += len(file.content) if isinstance(file.content, bytes) else file.content.stat().st_size
            yield file


def _prepare(folder: Path, *, request: PublishRequest, work: Path, bar: Bar) -> Repository:
    """Check everything, and know what will be published; images are written below `work` as they are asked for."""
    mixture = Mixture.open(folder)
    manifest = mixture.require_manifest()
    selection = choose(manifest, request.choice)
    with bar("checking") as advance:
        found = verify_mixture(folder, advance=advance, jobs=request.jobs)
    if not found.ok:
        failed = ", ".join(check.name for check in found.checks if not check.passed)
        raise MixtureError(f"{folder}: not published, `mix verify` does not pass it: {failed}; run it to see what")
    rest = without(manifest, selection)
    parts = plan_parts(mixture, rest.sources, request.images) if request.images else {}
    return Repository(rest, selection, _files(mixture, manifest=rest, request=request, parts=parts, work=work))


def _files(
    mixture: Mixture, *, manifest: Manifest, request: PublishRequest, parts: dict[str, list[Part]], work: Path
) -> Iterator[File]:
    """The files of the repository, the large ones first; those that tell of them last."""
    for entry in manifest.sources:
        yield from (File(shard.path, mixture.path / shard.path) for shard in entry.shards)
    pictures, pictured = [], {}
    for entry in manifest.sources if request.images else ():
        size = Size(entry.conversations, 0, 0)
        for one in write_parts(mixture, entry, parts[entry.name], images=request.images or work, out=work):
            file = ParquetFile(one.path, one.file.stat().st_size, sha256_of(one.file))
            size = size._replace(
                num_bytes=size.num_bytes + one.memory_bytes, download_bytes=size.download_bytes + file.num_bytes
            )
            pictures.append(file)
            yield File(one.path, one.file, temporary=True)
        pictured[entry.name] = size
    place = Place(request.target.repository, request.target.revision, pictured)
    sizes = {entry.name: source_size(mixture.path, entry) for entry in manifest.sources}
    yield File(RECIPE, manifest.recipe.encode())
    yield File(LICENCES, f"# Licences\n\nEach source keeps its own.\n\n{licence_table(manifest)}\n".encode())
    yield File(CROISSANT, croissant(manifest, place, description=_described(manifest), pictures=pictures))
    yield File(CARD, card(manifest, sizes, place).encode())
    yield File(MANIFEST, encoded(manifest))


def _described(manifest: Manifest) -> str:
    """The mixture in a sentence."""
    description = load_recipe(manifest.recipe, where=MANIFEST).description.strip()
    counts = f"{manifest.conversations:,} conversations with {manifest.pairs:,} question-answer pairs"
    return f"{description} {counts}." if description else f"{counts}."


def _published(
    request: PublishRequest,
    repository: Repository,
    sent: _Counted,
    *,
    out: Path | None = None,
    done: Pushed | None = None,
) -> Published:
    left_out = repository.selection.left_out
    return Published(
        repository=request.target.repository,
        revision=request.target.revision,
        folder=str(out) if out else None,
        url=done and done.url,
        commit=done and done.commit,
        changed=done and done.changed,
        conversations=repository.manifest.conversations,
        files=sent.count,
        bytes=sent.num_bytes,
        left_out=[LeftOutSource(one.name, one.records, one.because) for one in left_out],
        notes=repository.selection.lines(),
    )


def choose(manifest: Manifest, choice: Choice) -> Selection:
    """What a choice leaves out of a mixture.

    Raises:
        MixtureError: for a name that it does not have, and when nothing is left.
    """
    offered = {entry.name: Offered(entry.source, entry.conversations) for entry in manifest.sources}
    return select(offered, choice, where=f"mixture {manifest.name}")


def without(manifest: Manifest, selection: Selection) -> Manifest:
    """The manifest of what is left; the sources that are not stand among its overrides, as after a build."""
    if not selection.left_out:
        return manifest
    entries = [entry for entry in manifest.sources if entry.name not in selection.names]
    overrides = dict(manifest.overrides)
    for option, names in selection.overrides().items():
        overrides[option] = [*overrides.get(option, []), *names]
    return msgspec.structs.replace(
        manifest,
        overrides=overrides,
        conversations=sum(entry.conversations for entry in entries),
        pairs=sum(entry.pairs for entry in entries),
        row_hash=hash_of_all(entries),
        sources=entries,
    )
