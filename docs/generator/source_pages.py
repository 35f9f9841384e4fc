"""A page per source: what the code knows of it around what was written by hand."""

from urllib.parse import urlsplit

from docs.generator.examples import examples
from docs.generator.recipes import docstring, parameter_table
from docs.generator.tables import block, readable_json, table
from mix665k.builders.published import MIX665K_FIGURES
from mix665k.builders.registry import SOURCES, Download, ImageFolder, RawFile, Source
from mix665k.mixtures.inspect.fingerprint import figures
from mix665k.mixtures.storage.published_counts import RECORDS

SOURCE_PAGES = sorted(SOURCES)
_MAX_ROWS = 2


def source_facts(name: str) -> str:
    """What a source is, its files, counts, licences and papers."""
    source = SOURCES[name]
    return f"**{source.about.title}.** {docstring(source)}\n\n{_facts(source)}"


def source_parameters_of(name: str) -> str:
    """The parameters of a source."""
    return parameter_table(SOURCES[name])


def source_example(text: str) -> str:
    """Raw records of a source and what they become: the source's name, then which records, in YAML."""
    name = text.partition(" ")[0]
    found = examples()[name]
    raw = [block("json", readable_json(one.records), title=f"{one.file.path}, {one.file.role}") for one in found.raw]
    rows = [block("json", readable_json(row)) for row in found.rows[:_MAX_ROWS]]
    more = len(found.rows) - _MAX_ROWS
    left = f"… and {more} more." if more > 0 else ""
    intro = "Made up for the tests, and built with the block of the shipped recipe."
    return "\n\n".join([intro, *raw, "becomes", *rows, left]).rstrip()


def source_table() -> str:
    """All sources with their counts and licences."""
    rows = [
        [f"[{name}]({name}.md)", source.about.title, source.about.counts, source.about.licence.name]
        for name, source in sorted(SOURCES.items())
    ]
    return table(["source", "dataset", "counts", "licence of the annotations"], rows)


def raw_file_list() -> str:
    """All raw files where a recipe looks for them."""
    listed = [(name, file) for name, source in sorted(SOURCES.items()) for file in _by_path(source)]
    rows = [[f"[{name}](sources/{name}.md)", f"`raw/{file.path}`", _megabytes(file.num_bytes)] for name, file in listed]
    total = sum(file.num_bytes or 0 for _, file in listed)
    return table(["source", "file", "size"], [*rows, ["**all of known size**", "", _megabytes(total)]])


def image_table() -> str:
    """All archives of images, and which sources use them."""
    users: dict[tuple[ImageFolder, Download], list[str]] = {}
    for name, source in sorted(SOURCES.items()):
        for archive in source.about.archives:
            users.setdefault(archive, []).append(f"[{name}](sources/{name}.md)")
    rows = [[*_archive(*archive), ", ".join(names)] for archive, names in users.items()]
    total = sum(download.num_bytes or 0 for _, download in users)
    return table(["images", "size", "from", "sources"], [*rows, ["**all of known size**", _gigabytes(total), "", ""]])


def _facts(source: Source) -> str:
    about = source.about
    rows = [
        [f"`{file.path}`", _megabytes(file.num_bytes), _place(file.download) if file.download else "your own"]
        for file in _by_path(source)
    ]
    images = [_archive(*archive) for archive in about.archives]
    return "\n\n".join(
        [
            table(["file", "size", "from"], [*rows, *images]),
            table(
                ["counts", about.counts],
                [
                    ["image", f"`{about.image_paths}`" if "/" in about.image_paths else about.image_paths],
                    ["licence of the annotations", about.licence.name],
                    ["commercial use of the texts", f"{about.licence.commercial}: {about.licence.because}"],
                    ["licence of the images", about.image_licence.name],
                    [
                        "commercial use of the images",
                        f"{about.image_licence.commercial}: {about.image_licence.because}",
                    ],
                    *(["to cite", f"{paper.title}. {paper.venue}, {paper.year}"] for paper in about.papers),
                ],
            ),
        ]
    )


def _by_path(source: Source) -> list[RawFile]:
    """The raw files of a source, each once: one file can hold records of several kinds."""
    return list({file.path: file for file in source.about.files}.values())


def _archive(images: ImageFolder, download: Download) -> list[str]:
    return [f"`{images.folder}/`", _gigabytes(download.num_bytes), _place(download)]


def _place(download: Download) -> str:
    address = urlsplit(download.place)
    return f"[{download.name}, {address.netloc}]({download.place})" if address.netloc else download.place


def _megabytes(num_bytes: int | None) -> str:
    return f"{num_bytes / 1e6:,.0f}\u00a0MB" if num_bytes else ""


def _gigabytes(num_bytes: int | None) -> str:
    return f"{num_bytes / 1e9:,.1f}\u00a0GB" if num_bytes else ""


def fingerprint_table() -> str:
    """What is known of the published file in numbers, and how."""
    known = {**{name: figures(name) for name in RECORDS}, "all": MIX665K_FIGURES}
    rows = [
        (
            "" if k else name,
            measure,
            f"{figure.value:,}",
            f"± {figure.within:,}" if figure.within else "",
            figure.evidence,
        )
        for name, found in known.items()
        for k, (measure, figure) in enumerate(found.items())
    ]
    return table(("source", "measure", "published", "known to", "from"), rows)
