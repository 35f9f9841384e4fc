"""What a person reads of an overlap: tables by source, remarks, and the splits."""

import io

from mix665k.mixtures.contamination.findings import (
    Contamination,
    Dropped,
    Hit,
    ImageFiles,
    Kind,
    SetOverlap,
    Shared,
    Split,
)
from mix665k.mixtures.contamination.show import print_contamination
from mix665k.schemas.terminal import LiteralConsole


def shared(source: str, **counts: int) -> Shared:
    """The numbers of a source: of what it shares, one record each."""
    numbers = {kind.value: counts.get(kind.value, 0) for kind in Kind}
    return Shared(source=source, **numbers, records={kind: int(numbers[kind.value] > 0) for kind in Kind})


def overlap(name: str = "pope", *, questions: int = 8, files: int = 0, examples: tuple[Hit, ...] = ()) -> SetOverlap:
    """A set of four images, three of which are shared."""
    return SetOverlap(
        name=name,
        file=f"{name}.json",
        layout="pope",
        sha256="ab",
        questions=questions,
        images=4,
        left_out=0,
        files=files,
        total=shared("all", images=3, pairs=2, content=1),
        sources=[shared("vqa", images=3, pairs=2), shared("other", content=1)],
        examples=list(examples),
    )


def contamination(*sets: SetOverlap, **facts: object) -> Contamination:
    """All that was found."""
    found = Contamination(path="mix", name="mine", row_hash=None, records=9, image_data="image_data.json", sets=[*sets])
    for name, value in facts.items():
        setattr(found, name, value)
    return found


def shown(found: Contamination) -> str:
    """What is printed."""
    console = LiteralConsole(file=io.StringIO(), width=200)
    print_contamination(console, found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(text: str, first: str) -> list[str]:
    """The cells of the first line that begins so."""
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


def test_each_source_has_a_row_and_what_it_does_not_share_is_blank() -> None:
    text = shown(contamination(overlap()))
    assert row(text, "vqa") == ["vqa", "3", "1", "2", "1"]
    assert row(text, "all") == ["all", "3", "1", "2", "1", "0", "0"]
    assert "of the set" in text
    assert "75.0%" in text
    assert "other" not in [line.split()[0] for line in text.splitlines()[1:] if line.split()]  # shares files only


def test_a_set_without_questions_has_no_share_of_them() -> None:
    one = overlap(questions=0)
    assert (one.share(Kind.IMAGES), one.share(Kind.PAIRS), one.share(Kind.CONTENT)) == (0.75, None, None)
    text = shown(contamination(one))
    assert "pope: no questions, 4 images" in text
    assert "pairs" not in row(text, "source")


def test_files_have_a_table_of_their_own() -> None:
    text = shown(contamination(overlap(files=5)))
    assert "pope by content: 5 image files" in text
    assert row(text, "other") == ["other", "1", "1"]
    assert "20.0%" in text


def test_an_example_names_three_records_and_counts_the_rest() -> None:
    hit = Hit(
        set="pope", by=Kind.PAIRS, evaluation="17", num_records=1_004, records=["a", "b", "c", "d"], image="coco/42"
    )
    assert "pairs: 17 coco/42 in a, b, c and 1,001 more" in shown(contamination(overlap(examples=(hit,))))


def test_splits_have_a_table_for_each_title() -> None:
    splits = [
        Split(title="R", name="a val", images=1_500, trained={"a": 0, "b": 700}, in_mixture=3, records=4),
        Split(title="S", name="s test", images=5, trained={"s": 0}, in_mixture=0, records=0),
    ]
    text = shown(contamination(splits=splits))
    assert "R: evaluation images that are trained on" in text
    assert "S: evaluation images that are trained on" in text
    assert row(text, "a") == ["a", "val", "1,500", "700", "3", "4"]
    assert "a, b, s: images that this training split has too" in text


def test_what_was_not_compared_is_said() -> None:
    text = shown(contamination(overlap(), image_data=None))
    assert "Visual Genome's images were not looked for among COCO's: pass --raw or --image-data for that" in text
    assert "not looked for" not in shown(contamination(overlap()))
    files = ImageFiles(images=7, files=5, missing=["a.jpg", "b.jpg"], unreadable=[])
    text = shown(contamination(overlap(files=5), pictures=files))
    assert "compared by content: 7 images of the mixture, 5 of evaluation sets" in text
    assert "not there: 2 of them, the first is a.jpg" in text
    assert "not decodable" not in text


def test_what_was_dropped_is_told_by_reason() -> None:
    dropped = Dropped(
        path="clean", row_hash="f" * 64, by=[Kind.PAIRS], records=3, pairs=5, reasons={"in pope by pair": 3}
    )
    text = shown(contamination(overlap(), dropped=dropped))
    assert "in pope by pair" in text
    assert f"wrote clean, 6 records, row hash {'f' * 16}\n" in text


def test_names_cannot_move_the_cursor() -> None:
    assert "\x1b" not in shown(contamination(overlap("po\x1b[2Jpe")))
