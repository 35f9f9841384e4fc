"""Which conversations a file in LLaVA's own form names, such as the published `llava_v1_5_mix665k.json`."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from mix665k.builders.decode import BadRecord, read
from mix665k.builders.registry import RawFile
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RawDataError, RecipeError

SHARED_FOLDERS = ("coco",)
"""Image folders that several sources of the mixture share: a name there does not identify the source."""


class _Named(msgspec.Struct, gc=False):
    id: str | int
    image: str | None = None


class PublishedIds(NamedTuple):
    """What a published file calls its records, by image folder (None: no image)."""

    path: Path
    folders: dict[str | None, set[str]]

    @classmethod
    def load(cls, path: Path) -> "PublishedIds":
        """Read ids and images only.

        Raises:
            RawDataError: when the file is not in LLaVA's form.
        """
        file = RawFile(role="draws_from", path=path.name, form=_Named)
        folders: dict[str | None, set[str]] = {}
        for _, identifier, found in read(file, path, lambda _: None):
            if isinstance(found, BadRecord):
                raise RawDataError(f"{path}: {found.where}: {found.why} (id {identifier!r}), expected LLaVA's own form")
            folders.setdefault(_folder(found.image), set()).add(found.image or str(found.id))
        return cls(path, folders)

    def of_source(self, conversations: Collection[Conversation]) -> set[str]:
        """The ids in this file that belong to the source of these conversations; see `published_id`.

        Raises:
            RecipeError: when the images lie in a folder that several sources share.
        """
        folders = {_folder(conversation.image) for conversation in conversations}
        for folder in folders.intersection(SHARED_FOLDERS):
            raise RecipeError(
                f"draws_from: images under {folder}/ belong to several sources of {self.path}; draw instead"
            )
        return set().union(*(self.folders.get(folder, set()) for folder in folders))


def published_id(conversation: Conversation) -> str:
    """What tells a conversation apart in such a file: its image, or its id where it has none."""
    return conversation.image or conversation.id


def _folder(image: str | None) -> str | None:
    return image.split("/", 1)[0] if image else None
