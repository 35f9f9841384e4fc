"""Selecting: the records that a file names, all of them and no other."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.export.export import ExportRequest, Form, export
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.verify.intact import verify_mixture
from mix665k.mixtures.verify.verification import require_passed
from mix665k.schemas.errors import MixtureError, UserError
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.select.selecting import drawn, ids, lines, select, written
from tests.mixtures.small import RECORDS, look, record
from tests.mixtures.small import run as mix

Records = list[dict[str, Any]]


@pytest.fixture
def chosen(published: Records) -> list[int]:
    """A fifth of the places, as ICONS has."""
    return drawn(len(published) // 5, len(published))


def test_full_records_are_all_found_where_a_lookup_by_id_is_wrong_for_more_than_two_in_five(
    full: Path, published: Records, chosen: list[int], tmp_path: Path
) -> None:
    by = written(tmp_path / "chosen.json", [published[i] for i in chosen])
    found = select(full, by, tmp_path / "out")
    assert (found.total.exact, found.total.selected, found.total.by) == (1330, 1330, {"content": 1330})
    every = ids(full)
    assert ids(tmp_path / "out") == [every[i] for i in sorted(chosen)]
    last = {str(one["id"]): i for i, one in enumerate(published)}
    wrong = sum(last[str(published[i]["id"])] != i for i in chosen)
    assert wrong / len(chosen) > 0.4


@pytest.mark.parametrize("form", ["positions", "ids", "hashes"])
@pytest.mark.parametrize("ending", [".txt", ".txt.gz"])
def test_what_is_exported_by_name_selects_the_same_rows(
    full: Path, published: Records, chosen: list[int], tmp_path: Path, form: Form, ending: str
) -> None:
    by = written(tmp_path / "chosen.json", [published[i] for i in chosen])
    first = select(full, by, tmp_path / "first")
    names = tmp_path / f"names{ending}"
    request = ExportRequest(form, names, of=full if form == "positions" else None)
    assert export(Mixture.open(tmp_path / "first"), request, advance=lambda share: None) == 1330
    again = select(full, names, tmp_path / "again")
    assert again.row_hash == first.row_hash
    assert load_manifest(tmp_path / "again").pairs == load_manifest(tmp_path / "first").pairs


def test_positions_of_a_subset_are_those_of_what_it_was_selected_from(full: Path, tmp_path: Path) -> None:
    by = written(tmp_path / "positions.txt", "6\n5\n6652\n")
    select(full, by, tmp_path / "out", base=0)
    opened, out = Mixture.open(tmp_path / "out"), tmp_path / "names.txt"
    with pytest.raises(MixtureError, match=r"holds some records of another mixture.*with --of$"):
        export(opened, ExportRequest("positions", out), advance=lambda share: None)
    export(opened, ExportRequest("positions", out, of=full), advance=lambda share: None)
    assert out.read_text().splitlines()[1:] == ["5", "6", "6652"]
    other = ExportRequest("positions", tmp_path / "other.txt", of=tmp_path / "out")
    with pytest.raises(MixtureError, match=r"--of .*: 6,650 of 6,653 records are not in there, the first is 'llava_i"):
        export(Mixture.open(full), other, advance=lambda share: None)
    with pytest.raises(
        MixtureError, match=r"counts the rows of identities \(row hash .*not of .*; select from that mix"
    ):
        select(tmp_path / "out", out)


def test_an_id_of_several_records_is_refused_with_what_it_may_be(
    full: Path, published: Records, tmp_path: Path
) -> None:
    by = written(tmp_path / "ids.txt", "000000000000\nVG_100K/7\n000000000000\nnone\n")
    message = (
        r"ids.txt: 2 of 4 entries may be several records, the first is line 1 000000000000: llava_instruct/0{12}#0, "
        r"llava_instruct/0{12}#1, vqav2/0{12}#0, okvqa/0{12}#0, aokvqa/0{12}#0, … 5 more; name full records"
    )
    with pytest.raises(MixtureError, match=message):
        select(full, by)
    with pytest.raises(
        MixtureError, match=r"1 of 4 entries are not in the mixture, the first is line 4 none; pass --on-m"
    ):
        select(full, by, on_ambiguous="drop")
    found = select(full, by, tmp_path / "out", on_ambiguous="drop", on_missing="drop")
    assert [len(one.candidates) for one in found.ambiguous] == [10, 10]
    assert [one.says for one in found.missing] == ["none"]
    assert ids(tmp_path / "out") == ["vg/VG_100K/7#0"]
    [several] = [one for one in found.sources if one.name == "several sources"]
    assert (several.asked, several.ambiguous) == (2, 2)


def test_an_id_of_two_records_is_one_too_many(full: Path, published: Records, tmp_path: Path) -> None:
    times = Counter(str(one["id"]) for one in published)
    twice = next(name for name, count in times.items() if count == 2)
    found = select(
        full, written(tmp_path / "ids.txt", f"{twice}\n5\n2300005\n"), on_ambiguous="drop", on_missing="drop"
    )
    assert (found.total.ambiguous, found.total.missing, found.total.exact) == (1, 1, 1)
    assert len(found.ambiguous[0].candidates) == 2


def test_an_id_with_its_image_or_source_is_one_record(full: Path, tmp_path: Path) -> None:
    named = {"id": "000000000000", "source": "okvqa"}
    image = {"id": 2300003, "image": "gqa/images/2300003.jpg"}
    select(full, lines(tmp_path / "ids.jsonl", named, {**image, "source": "gqa"}), tmp_path / "out")
    assert ids(tmp_path / "out") == ["okvqa/000000000000#0", "gqa/2300003#0"]


def test_a_record_said_in_other_words_is_found_by_its_origin_and_counted_apart(small: Path, tmp_path: Path) -> None:
    gqa = RECORDS["gqa"]
    asked = [
        {**gqa[0], "conversations": gqa[1]["conversations"]},  # found by its origin
        {**gqa[1], "image": "images/0012.jpg"},  # the same, its image in another folder
        {**gqa[2], "id": "other"},
        {**gqa[2]},
        record("7", "mine/8.jpg", "<image>\nWho?", "Nobody"),
    ]
    found = select(small, written(tmp_path / "by.json", asked), tmp_path / "out", on_missing="drop")
    ways = {"content": 1, "content, another image path": 1, "origin": 1}
    assert (found.total.by, found.total.repeated, found.total.missing) == (ways, 1, 1)
    assert len(ids(tmp_path / "out")) == 3
    assert [(one.where, one.says) for one in found.missing] == [("$[4]", "7 (mine/8.jpg)")]


def test_an_entry_that_is_there_twice_is_counted_and_taken_once(small: Path, tmp_path: Path) -> None:
    by = written(tmp_path / "by.json", [RECORDS["gqa"][1]] * 3)
    found = select(small, by, tmp_path / "out")
    assert (found.total.asked, found.total.exact, found.total.repeated, found.total.selected) == (3, 1, 2, 1)
    assert load_manifest(tmp_path / "out").conversations == 1


def test_the_sums_close_for_every_source(full: Path, published: Records, tmp_path: Path) -> None:
    asked = [published[i] for i in [*drawn(300, len(published)), 7, 7]]
    asked += [record(f"new{i}", None, f"new {i}", "yes") for i in range(5)]
    found = select(full, written(tmp_path / "by.json", asked), on_missing="drop")
    for one in [*found.sources, found.total]:
        assert one.asked == one.exact + one.ambiguous + one.missing + one.repeated, one
        assert sum(one.by.values()) == one.exact, one
    assert (found.total.asked, found.total.missing) == (307, 5)


def test_what_was_selected_is_a_mixture_with_its_lineage(tiny_mixture: Path, tmp_path: Path) -> None:
    every = ids(tiny_mixture)
    by = written(tmp_path / "ids.json", every[::7])
    found = select(tiny_mixture, by, tmp_path / "out")
    manifest = load_manifest(tmp_path / "out")
    [selected] = manifest.selections
    assert (selected.file, selected.sha256, selected.form) == ("ids.json", found.sha256, "ids")
    assert (selected.made_from, selected.selected) == (load_manifest(tiny_mixture).row_hash, len(every[::7]))
    assert manifest.overrides == {}
    require_passed(verify_mixture(tmp_path / "out", advance=lambda share: None))
    assert look(tmp_path / "out").total.records == len(every[::7])
    assert every[7] in mix("trace", tmp_path / "out", every[7]).stdout
    assert "`ids.json`" in (tmp_path / "out" / "README.md").read_text()
    assert [entry.inputs for entry in manifest.sources] == [one.inputs for one in load_manifest(tiny_mixture).sources]
    twice = select(tmp_path / "out", written(tmp_path / "few.json", every[:8:7]), tmp_path / "twice")
    assert [one.made_from for one in load_manifest(tmp_path / "twice").selections][1:] == [manifest.row_hash]
    assert twice.total.selected == 2


def test_what_was_interrupted_looks_unfinished_and_is_written_over(small: Path, tmp_path: Path) -> None:
    by = written(tmp_path / "ids.txt", "gqa/0012#0\n")
    select(small, by, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(MixtureError, match="holds what `mix select` did not finish; run it again"):
        load_manifest(tmp_path / "out")
    (tmp_path / "out" / ".build" / "work").mkdir()
    shown = mix("select", small, "--by", by, "--out", tmp_path / "out")
    assert (shown.exit_code, ids(tmp_path / "out")) == (0, ["gqa/0012#0"])


def test_the_command_says_what_the_file_is_and_what_became_of_it(small: Path, tmp_path: Path) -> None:
    by = written(tmp_path / "ids.txt", "0012\ngone\n")
    shown = mix("select", small, "--by", by, "--out", tmp_path / "out")
    assert (shown.exit_code, (tmp_path / "out").exists()) == (1, False)
    assert f"{by}: a list of ids, 2 entries" in shown.stdout
    assert shown.stderr.startswith(f"error: {by}: 1 of 2 entries are not in the mixture")
    shown = mix("select", small, "--by", by, "--dry-run", "--on-missing", "drop")
    assert (shown.exit_code, (tmp_path / "out").exists()) == (0, False)
    shown = mix("select", small, "--by", by, "--out", small, "--on-missing", "drop")
    assert "expected another folder" in shown.stderr
    assert mix("select", small, "--by", by).exit_code == 2


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, r"by\.txt: empty, expected records, ids, positions, hashes or a table"),
        ("[]", {}, r"by\.txt: names no record, expected one or more"),
        ("# nothing\n", {}, r"by\.txt: names no record"),
        ("12\n", {"as": "positions"}, r"nothing says what they are counted from; pass --base 0 or --base 1"),
        ("5\n", {"base": 0}, r"line 1: position 5, expected 0 to 4, .* is it counted from 1\? pass --base 1"),
        ("0\n", {"base": 1}, r"line 1: position 0, expected 1 to 5, .*; it is counted from 0, pass --base 0"),
        ("4\n", {"base": 0, "rows": "images"}, r"position 4, expected 0 to 3, counted over 4 rows with an image"),
        ("1.5\n", {"base": 0}, r"line 1: '1\.5', expected a position, a whole number from 0"),
        ("-1\n", {"base": 0}, r"line 1: '-1', expected a position"),
        ('[{"id": 1}, 2]', {}, r"\$\[1\]: expected object, got int; is this the expected file\?"),
        ('["a", null]', {}, r"\$\[1\]: expected an id or a position, got NoneType"),
        ('{"name": "a"}\n', {}, r"none of its columns \(name\) names records, expected one of id, "),
        ('{"id": null}\n', {}, r"1 rows have no 'id', the first is row 1"),
        ('[{"id": 1, "conversations": []}]', {}, r"1 records with faults, expected none"),
        ("0012\n", {"top": "20%"}, r"has no scores, expected a column `score`"),
        ("0012\n", {"per_source": True}, r"--per-source: goes with --top"),
        ('{"id": "0012", "score": "much"}\n', {}, r"row 1: score 'much', expected a number"),
        ('{"id": "0012", "score": 1}\n', {"top": "120%"}, r"--top 120%: expected a share such as 20% or a number"),
        ('{"id": "0012", "score": 1}\n', {"top": 0}, r"--top 0: expected a share"),
        ('{"id": "0012", "score": 1}\n', {"min": 2}, r"selects no record of"),
        ('{"id": "0012", "score": 1}\n', {"score": "scores"}, r"no column 'scores'; did you mean 'score'\?"),
        ("0012\n", {"published": Path("/nowhere.json")}, r"/nowhere\.json: no such file"),
        (
            "12\n13\n",
            {},
            r"2 of 2 entries are not .* line 1 12; are they positions\? pass --base 0 or --base 1",
        ),
        ("12\n", {"key": "id"}, r"a list, whose lines have no field 'id'"),
        (json.dumps(RECORDS["mine"]), {"base": 0}, r"no record has a position, expected global_id or unique_idx;"),
        (json.dumps(RECORDS["mine"]), {"key": "row"}, r"no record has a position, expected row; name its field"),
        ("PAR1" + "x" * 60, {}, r"by\.txt: not a table: "),
        ("id,score\n1,2,3\n", {"as": "table"}, r"by\.txt: not a table: "),
        ("id,score\n", {"as": "table"}, r"by\.txt: names no record"),
        ('{"id": 1', {"as": "table"}, r"input data was truncated; is this the expected file\?"),
        ("\xff\xfeid", {}, r"by\.txt: byte 0: not UTF-8"),
        ("\x1f\x8bab", {}, r"by\.txt: not a complete gzip file"),
    ],
)
def test_bad_input_is_one_line(
    small: Path, tmp_path: Path, content: str, options: dict[str, Any], message: str
) -> None:
    path = tmp_path / "by.txt"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=message):
        select(small, path, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_gzip_is_read_whatever_the_file_is_called(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "by.json"
    path.write_bytes(gzip.compress(written(tmp_path / "plain.json", RECORDS["mine"]).read_bytes()))
    select(small, path, tmp_path / "out")
    assert ids(tmp_path / "out") == ["mine/7#0"]
    path.write_bytes(gzip.compress(b'[{"id": "7", "conversations": [1]}]'))
    with pytest.raises(MixtureError, match=rf"^{path}: 1 records with faults"):
        select(small, path)
