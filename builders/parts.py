"""Raw files that come in parts: which files a path of a recipe means, and in which order they are read.

A path names a file, a folder or a glob; a list of paths is read in its own order. The files of a folder or glob are
read in natural order: `part_2` before `part_10`. Of a mixture, or of a folder that `datasets` has saved, those are read
that it lists itself. A data set of the Hub is the folder below `hub/` that it was downloaded into.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path, PurePath

from mix665k.builders.stored_folders import HUB, hub_parts, kinds_of, splits_in, stored_parts

Parts = tuple[Path, ...]
"""The files of one role in reading order: one, unless the raw file came in parts. One that is missing is among them."""
_NOT_DATA = (".md", ".txt")
"""What publishers put beside the files of a folder to describe them."""
_OF_TOTAL = re.compile(r"([0-9]+)(-of-|_of_)([0-9]+)")
_MAX_NAMED = 10


def published_parts(raw: Path, path: str) -> Parts:
    """A published file below the raw folder, or the files of a folder that has its name, with or without the suffix."""
    folder = (raw / path).with_suffix("")
    return parts_of(raw, path if (raw / path).exists() or not folder.is_dir() else folder.relative_to(raw).as_posix())


def parts_of(raw: Path, named: str | Sequence[str]) -> Parts:
    """The files that a recipe's path, or list of paths, means; nothing is read but names.

    A path that means no file stands for itself, so that whoever looks for it can name it; see `parts_fault`.
    """
    if not isinstance(named, str):
        return tuple(part for one in named for part in parts_of(raw, one))
    if named.startswith(HUB):
        return hub_parts(raw, named)
    path = raw / named
    if path.is_dir() and (stored := stored_parts(path) or (path,) * bool(splits_in(path))):
        return stored
    if path.is_dir():
        found = [one for one in path.iterdir() if one.name[0] != "." and one.suffix.lower() not in _NOT_DATA]
    elif path.exists() or not has_magic(named):
        found = []
    else:
        found = [raw / one for one in glob(named, root_dir=raw)]  # noqa: PTH207, takes absolute ones, no hidden files
    return tuple(sorted(found, key=_natural)) or (path,)


def parts_fault(named: str | Sequence[str], parts: Parts) -> str | None:
    """What is wrong with the parts that a path means, as far as their names tell; None for one that is missing.

    Missing numbers are looked for where a folder or glob chose the files; a list says itself what is to be read.
    """
    for path in parts:
        if path.is_dir():
            return f"{path}: {_folder_fault(path, parts)}"
    if isinstance(named, str) and named.startswith(HUB) and (kinds := kinds_of(parts)):
        return f"{named}: holds files of several splits or forms: {', '.join(kinds)}; name those to read, by a glob"
    for path in parts:
        if parts.count(path) > 1:
            return f"{path}: named twice, expected once"
    if isinstance(named, str) and (absent := missing_numbers([path.name for path in parts])):
        more = f" and {len(absent) - _MAX_NAMED:,} more" if len(absent) > _MAX_NAMED else ""
        return (
            f"{parts[0].parent}: {len(parts):,} files, without {', '.join(absent[:_MAX_NAMED])}{more} of their series; "
            "get what is missing, or list the files to read under `files` of the recipe"
        )
    return None


def beside(path: Path, known: Collection[Path]) -> list[str]:
    """What lies where a published file is missing and may be its parts: files of its kind, and folders of such."""
    if not path.parent.is_dir():
        return []
    found = [one for one in path.parent.iterdir() if one not in known and one.name[0] != "."]
    folders = [f"{one.name}/" for one in found if one.is_dir() and any(one.glob(f"*{path.suffix}"))]
    return sorted(folders + [one.name for one in found if one.is_file() and one.suffix == path.suffix])


def _folder_fault(path: Path, parts: Parts) -> str:
    if splits := splits_in(path):
        return f"holds the splits {', '.join(splits)}, expected one; name {path.name}/{splits[0]}"
    if len(parts) == 1 and not any(path.iterdir()):
        return "an empty folder, expected the parts of a raw file in it"
    return "a folder among the parts of a raw file, expected files only; name them by a glob or a list"


def missing_numbers(names: Sequence[str]) -> list[str]:
    """The files that are missing from numbered series: `part_4.json` where there are 0 to 3 and 5.

    A series begins at 0 or 1 and ends at its highest number, or at N where its names say `-of-N`. Numbers with more
    gaps than files, such as years or image ids, are no series.
    """
    series: dict[tuple[str, str, int | None], dict[int, str]] = {}
    for name in dict.fromkeys(names):
        for before, digits, after, total in _numbers_in(name):
            series.setdefault((before, after, total), {})[int(digits)] = digits
    found = []
    for (before, after, total), there in series.items():
        if len(there) < 2 and total is None:
            continue
        first = min(min(there), 1)
        last = max(max(there), 0 if total is None else total - 1 + first)
        width = min(len(digits) for digits in there.values())
        absent = sorted(set(range(first, last + 1)) - set(there)) if last < 100 * len(there) + 100 else []
        if total is not None or len(absent) < len(there) or (min(there) < 2 and last < 100):
            found += [f"{before}{number:0{width}}{after}" for number in absent]
    return found


def _numbers_in(name: str) -> Iterator[tuple[str, str, str, int | None]]:
    """What comes before each number of a name, its digits, what comes after; the total where the name says one."""
    if of_total := _OF_TOTAL.search(name):
        start, stop = of_total.span(1)
        yield name[:start], of_total[1], name[stop:], int(of_total[3])
        return
    for number in re.finditer(r"[0-9]+", PurePath(name).stem):
        yield name[: number.start()], number[0], name[number.end() :], None


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts `part_10` after `part_2`; of names that differ in zeros only, by the text."""
    pieces = re.split(r"([0-9]+)", path.as_posix())
    return [(int(piece) if i % 2 else 0, piece) for i, piece in enumerate(pieces)]
