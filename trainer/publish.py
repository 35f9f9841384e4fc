"""`train publish`: an exported model on the Hub, in one commit."""

from pathlib import Path

import msgspec

from mix665k.schemas.errors import ModelError
from mix665k.schemas.hub import File, Owned, Target, push, require_access, require_name
from mix665k.trainer.export import CARD, NO_REPOSITORY
from mix665k.trainer.run.job import JOB

_OWNED = Owned(("model*.safetensors",))
"""Weights that an earlier publication left and this one does not bring are removed: shards may be fewer."""


class Published(msgspec.Struct, kw_only=True):
    """What was published, with its address, its commit and whether anything was new; or what would be."""

    repository: str
    revision: str
    url: str | None
    commit: str | None
    changed: bool | None
    files: int
    bytes: int


def publish(model: Path, target: Target, *, dry_run: bool) -> Published:
    """Publish an exported model, on top of what the repository holds; the same model again makes no commit.

    A dry run reads the model and contacts nobody.

    Raises:
        ModelError: when the folder holds no exported model.
        HubError: when the Hub cannot be reached or refuses; it then shows what it showed before.
    """
    require_name(target.repository)
    files = _files(model, repository=target.repository)
    size = sum(len(file.content) if isinstance(file.content, bytes) else file.content.stat().st_size for file in files)
    published = Published(
        repository=target.repository,
        revision=target.revision,
        url=None,
        commit=None,
        changed=None,
        files=len(files),
        bytes=size,
    )
    if dry_run:
        return published
    require_access(target)
    card = (model / CARD).read_text(encoding="utf-8")
    title = card.partition("\n# ")[2].partition("\n")[0]  # as `model_card` writes it
    done = push(files, target, message=f"Publish {title}", owned=_OWNED)
    return msgspec.structs.replace(published, url=done.url, commit=done.commit, changed=done.changed)


def _files(model: Path, *, repository: str) -> list[File]:
    """The files of the repository; the card, which names it, comes last.

    Raises:
        ModelError: when the folder holds no exported model.
    """
    if (model / JOB).is_file():
        fix = f"run `train export {model} --out DIR` and publish that folder"
        raise ModelError(f"{model}: is a training run, not an exported model; {fix}")
    if not (model / CARD).is_file() or not any(model.glob("model*.safetensors")):
        raise ModelError(f"{model}: not an exported model, expected a folder that `train export` wrote")
    paths = sorted(path for path in model.rglob("*") if path.is_file() and path != model / CARD)
    card = (model / CARD).read_text(encoding="utf-8").replace(NO_REPOSITORY, repository)
    return [*(File(path.relative_to(model).as_posix(), path) for path in paths), File(CARD, card.encode())]


def to_json(published: Published) -> str:
    """One JSON document."""
    return msgspec.json.format(msgspec.json.encode(published), indent=2).decode()


def summary(published: Published) -> str:
    """The line that the command prints."""
    size = f"{published.files} files, {published.bytes / 1e6:,.1f} MB"
    if published.url is None:
        return f"would publish {size} to {published.repository}, branch {published.revision}; nothing was uploaded"
    done = "published" if published.changed else "nothing new,"
    return f"{done} {size}: {published.url} (commit {(published.commit or '')[:12]})"
