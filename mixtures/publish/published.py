"""What was published, in words and as `--format json` gives it."""

import msgspec


class LeftOutSource(msgspec.Struct):
    """A source of the mixture that was not published, and why."""

    name: str
    records: int | None
    because: str


class Published(msgspec.Struct):
    """What was published, with its address and commit and whether anything was new; or what would be, in `folder`."""

    repository: str
    revision: str
    folder: str | None
    url: str | None
    commit: str | None
    changed: bool | None
    conversations: int
    files: int
    bytes: int
    left_out: list[LeftOutSource]
    notes: list[str]


def closing_lines(published: Published) -> list[str]:
    """The lines that close the command."""
    size = f"{published.conversations:,} records in {published.files} files, {published.bytes / 1e6:,.1f} MB"
    if published.folder is not None:
        return [*published.notes, f"wrote {published.folder}, {size}; nothing was uploaded"]
    done = "published" if published.changed else "nothing new,"
    return [*published.notes, f"{done} {size}: {published.url} (commit {(published.commit or '')[:12]})"]


def to_json(published: Published) -> str:
    """All of it as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(published), indent=2).decode()
