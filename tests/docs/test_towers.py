"""What the page of vision towers says."""

from docs.generator.towers import tower_table


def test_the_table_has_the_tokens_that_published_towers_give() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in tower_table().splitlines()[2:]]
    assert [row[1:] for row in rows] == [
        ["336", "576", "left out"],
        ["224", "49", "left out"],
        ["384", "729", "has none"],
        ["384", "576", "has none"],
        ["224", "256", "left out"],
        ["448", "1024", "left out"],
    ]
