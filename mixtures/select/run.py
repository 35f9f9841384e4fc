"""What `mix select` and a recipe's `select` do, from a file that names records to a mixture of them."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.content import records_of
from mix665k.mixtures.select.derived import Leaving, write_derived
from mix665k.mixtures.select.matching import Matches, match_hashes, match_names, match_positions, match_records
from mix665k.mixtures.select.named_records import NamedRecords, read_named, recognise
from mix665k.mixtures.select.positions import (
    agreement_in_words,
    agreements,
    counting_of,
    located,
    require_agreement,
    require_there,
)
from mix665k.mixtures.select.ranking import Ranking, highest, ranking_of
from mix665k.mixtures.select.report import (
    SelectionReport,
    count_sources,
    total_of,
    unresolved,
)
from mix665k.mixtures.storage.subsets import resolved
from mix665k.mixtures.terminal import Bar
from mix665k.schemas.errors import MixtureError, RawDataError
from mix665k.schemas.files import os_errors, sha256_of
from mix665k.schemas.manifest import SELECTION, Manifest, Selected
from mix665k.schemas.recipe import Select

_NOT_NAMED = "not named"
_TOO_LOW = "score too low, or none"


class Files(NamedTuple):
    """The file that names records, and the published file whose rows positions count."""

    by: Path
    published: Path | None = None


def files_of(select: Select, raw: Path | None) -> tuple[Files, Select]:
    """The files that a selection names, below the raw folder if there is one, and its options.

    Raises:
        RawDataError: for a published subset that has not been fetched.
    """
    select = resolved(select, raw)
    published = Path(select.published) if select.published else None
    return Files(Path(select.by), raw / published if raw and published else published), select


class Selection(NamedTuple):
    """The records that remain, by their rows; those that were named but rank too low; the report."""

    chosen: pl.Series
    too_low: pl.Series
    report: SelectionReport
    published: str | None


def require_usable(files: Files, select: Select) -> None:
    """The options go together, and the files are there and of a form that is known; nothing is matched.

    Raises:
        RawDataError: for a file that is missing or of no form that is known.
        MixtureError: for options that contradict each other.
    """
    form = recognise(files.by, select)
    ranking_of(select, scored=form in ("table", "records"))
    if files.published and not files.published.is_file():
        raise RawDataError(f"{files.published}: no such file, expected the published file whose rows positions count")


def find(mixture: Mixture, files: Files, select: Select, *, bar: Bar) -> Selection:
    """The records of a mixture that a file names.

    Raises:
        RawDataError: for a file that cannot be read as what it is.
        MixtureError: for a damaged mixture, and for positions that contradict the mixture or the content beside them.
    """
    require_usable(files, select)
    with bar("reading the file") as advance:
        named = read_named(files.by, select, advance=advance)
    ranking = ranking_of(select, scored="score" in named.entries.columns)
    if files.published and "position" not in named.entries.columns:
        raise MixtureError(f"--published {files.published}: goes with positions, {named.path} has none")
    with bar("reading the mixture") as advance:
        full = named.form == "records" or files.published is not None
        records = records_of(mixture, told=full, hashes=named.form == "hashes", advance=advance)
    matches, positions, published = _match(mixture, named, records, files=files, select=select, bar=bar)
    exact = matches.entries.filter(pl.col("outcome") == "exact").select("entry", "row")
    chosen = highest(exact, named, records, ranking=ranking) if ranking else exact["row"]
    sources = count_sources(matches, named, records, chosen=chosen, names=mixture.sources)
    assert sum(one.asked for one in sources) == len(named.entries), sources
    report = SelectionReport(
        mixture=str(mixture.path),
        made_from=mixture.require_manifest().row_hash,
        file=str(files.by),
        sha256=_sha256(files.by),
        form=named.form,
        read_as=named.described(),
        method=_method(named, ranking, select=select, published=files.published),
        sources=sources,
        total=total_of(sources),
        ambiguous=unresolved(matches, named, records, outcome="ambiguous"),
        missing=unresolved(matches, named, records, outcome="missing"),
        positions=positions,
    )
    too_low = exact["row"].filter(~exact["row"].is_in(chosen.implode()))
    return Selection(chosen, too_low=too_low, report=report, published=published)


def _match(
    mixture: Mixture, named: NamedRecords, records: pl.DataFrame, *, files: Files, select: Select, bar: Bar
) -> tuple[Matches, str | None, str | None]:
    """What each entry names; what positions beside content say; the hash of the published file."""
    if named.form == "ids":
        return match_names(named.entries, records), None, None
    if named.form == "hashes":
        return match_hashes(named.entries, records), None, None
    if files.published:
        return _by_published(named, records, files.published, select=select, bar=bar)
    if named.form == "records":
        matches = match_records(named.entries, records)
        if "position" not in named.entries.columns:
            return matches, None, None
        by_content = matches.entries.filter((pl.col("outcome") == "exact") & pl.col("by").str.starts_with("content"))
        agreed = agreements(named, by_content, records)
        if select.base is not None:
            require_agreement(named, agreed, counting_of(named, select))
        return matches, agreement_in_words(named.key, agreed), None
    _require_its_rows(mixture, named)
    return match_positions(_located(named, records, select), records), None, None


def _located(named: NamedRecords, records: pl.DataFrame, select: Select) -> pl.DataFrame:
    """The rows that positions name, `entry` and `at`."""
    counting = counting_of(named, select)
    found = located(named.entries, records, counting)
    size = len(records) if counting.rows == "all" else records.filter(pl.col("image") != "").height
    require_there(named, found, counting=counting, size=size)
    return found


def _by_published(
    named: NamedRecords, records: pl.DataFrame, published: Path, *, select: Select, bar: Bar
) -> tuple[Matches, None, str]:
    """Positions in the published file, whose records are then found by content."""
    sha256 = _sha256(published)
    if named.header and named.header.kind == "sha256" and named.header.value != sha256:
        raise MixtureError(
            f"{published}: sha256 {sha256[:16]}…, {named.path} counts the rows of {named.header.of} "
            f"({named.header.value[:16]}…)"
        )
    with bar("reading the published file") as advance:
        theirs = records_of(Mixture.open(published), told=True, advance=advance)
    if named.form == "records":  # what they say of themselves must be what stands there
        known = named.entries.join(theirs, on="text", how="semi")
        require_agreement(named, agreements(named, known, theirs), counting_of(named, select))
    found = _located(named, theirs, select)
    content = ["reference_id", "image", "text", "told"]
    looked_up = found.join(theirs.select(*content, at="row"), on="at", how="left", maintain_order="left")
    entries = named.entries.drop([name for name in content if name in named.entries.columns])
    entries = entries.join(looked_up.drop("at"), on="entry", how="left", maintain_order="left")
    return match_records(entries, records), None, sha256


def _require_its_rows(mixture: Mixture, named: NamedRecords) -> None:
    """A list of positions that says of what, says it of this mixture.

    Raises:
        MixtureError: when it counts the rows of something else.
    """
    header = named.header
    if header is None or header.value == mixture.require_manifest().row_hash:
        return
    mend = (
        "pass that file as --published" if header.kind == "sha256" else "select from that mixture, or by ids or hashes"
    )
    raise MixtureError(
        f"{named.path}: counts the rows of {header.of} ({header.kind} {header.value[:16]}…), not of {mixture.path}; "
        f"{mend}"
    )


def _method(named: NamedRecords, ranking: Ranking | None, *, select: Select, published: Path | None) -> str:
    """How entries were matched and ranked, for the manifest."""
    how = {
        "records": "by content, then by origin",
        "ids": "by the mixture's ids, then by LLaVA's",
        "hashes": "by the hash of content and id",
        "positions": "by position",
    }[named.form]
    if "position" in named.entries.columns and (named.form == "positions" or published):
        counting = counting_of(named, select)
        kind = "rows" if counting.rows == "all" else "rows with an image"
        how = f"by position, {kind} from {counting.base} of {published.name if published else 'the mixture'}"
        how += ", then by content" if published else ""
    return f"{how}; {ranking.in_words()}" if ranking else how


def _sha256(path: Path) -> str:
    with os_errors(RawDataError, path):
        return sha256_of(path)


def write_selection(mixture: Mixture, found: Selection, out: Path, *, bar: Bar) -> SelectionReport:
    """Write a mixture of the records that were found.

    Raises:
        MixtureError: when the mixture is damaged, the folder cannot be written, or another run is writing there.
    """
    with bar("writing") as advance:
        about = with_selection(mixture.require_manifest(), found)
        written = write_derived(mixture, leaving(mixture, found), out, about=about, advance=advance)
    return msgspec.structs.replace(found.report, out=str(out), row_hash=written.row_hash)


def leaving(mixture: Mixture, found: Selection) -> Leaving:
    """The records that go, and why."""
    gone = pl.int_range(len(mixture), eager=True, dtype=pl.Int64).to_frame("record")
    gone = gone.filter(~pl.col("record").is_in(found.chosen.implode()))
    low = pl.col("record").is_in(found.too_low.implode())
    return Leaving(
        gone.with_columns(reason=pl.when(low).then(pl.lit(_TOO_LOW)).otherwise(pl.lit(_NOT_NAMED))), SELECTION, "chosen"
    )


def with_selection(manifest: Manifest, found: Selection) -> Manifest:
    """The manifest with one more selection."""
    report, total = found.report, found.report.total
    selected = Selected(
        made_from=report.made_from,
        file=Path(report.file).name,
        sha256=report.sha256,
        form=report.form,
        method=report.method,
        asked=total.asked,
        exact=total.exact,
        ambiguous=total.ambiguous,
        missing=total.missing,
        repeated=total.repeated,
        selected=total.selected,
        by=total.by,
        published=found.published,
    )
    return msgspec.structs.replace(manifest, selections=[*manifest.selections, selected])
