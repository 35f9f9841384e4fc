"""Licences and papers as cards and pages show them."""

import pytest

from mix665k.builders.licences import COCO, FLICKR, NO_IMAGES, Paper
from mix665k.builders.registry import SOURCES


def test_a_paper_becomes_a_bibtex_entry() -> None:
    paper = Paper(
        key="odo2020", authors="Brandt, Odo", title="Mills", venue="Journal of Mills", year=2020, kind="article"
    )
    assert paper.bibtex() == (
        "@article{odo2020,\n"
        "  author = {Brandt, Odo},\n"
        "  title = {{Mills}},\n"
        "  journal = {Journal of Mills},\n"
        "  year = {2020},\n"
        "}"
    )


@pytest.mark.parametrize(
    ("kind", "field"), [("inproceedings", "booktitle"), ("article", "journal"), ("misc", "howpublished")]
)
def test_each_kind_of_paper_says_where_it_appeared_in_its_own_field(kind: str, field: str) -> None:
    facts = {"key": "k", "authors": "A", "title": "T", "venue": "V", "year": 2020, "kind": kind}
    assert f"  {field} = {{V}}," in Paper(**facts).bibtex()  # type: ignore[arg-type]


def test_authors_are_surname_first() -> None:
    papers = [paper for source in SOURCES.values() for paper in source.about.papers]
    assert COCO in papers
    for paper in papers:
        for author in paper.authors.split(" and "):
            assert author.count(",") == 1, (paper.key, author)


def test_papers_of_one_key_are_the_same_paper() -> None:
    papers = {paper for source in SOURCES.values() for paper in source.about.papers}
    assert len({paper.key for paper in papers}) == len(papers)


def test_licences_of_one_name_allow_the_same() -> None:
    licences = {licence for one in SOURCES.values() for licence in (one.about.licence, one.about.image_licence)}
    assert len({licence.name for licence in licences}) == len(licences)
    assert FLICKR in licences


def test_a_source_without_images_says_so_and_no_other() -> None:
    assert [name for name, one in SOURCES.items() if one.about.image_licence is NO_IMAGES] == ["sharegpt"]
    assert [name for name, one in SOURCES.items() if not one.about.images] == ["sharegpt"]
