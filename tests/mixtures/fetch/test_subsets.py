"""Published subsets: described without their texts, fetched by name, and selected by."""

import json
from pathlib import Path

import pytest

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.subsets import load_subset, subset_names
from mix665k.schemas.recipe import Select
from tests.mixtures.fetch.server import Publisher
from tests.mixtures.small import RECORDS, run


def test_every_description_says_where_the_file_is_and_what_was_not_checked() -> None:
    assert subset_names() == ["ards-200k", "icons-133k", "presel-15"]
    for name in subset_names():
        subset = load_subset(name)
        assert subset.name == name
        assert subset.download.place.startswith("https://")
        assert "not fetched when this was written" in subset.checked
        Select(by=name, **subset.select)


def test_a_subset_is_fetched_and_selected_by_its_name(publisher: Publisher, small: Path, tmp_path: Path) -> None:
    publisher.files["/subsets/presel-15.json"] = json.dumps([{**RECORDS["mine"][0], "unique_idx": 3}]).encode()
    by_name = ("select", small, "--by", "presel-15", "--raw", tmp_path)
    shown = run(*by_name, "--dry-run")
    assert shown.stderr.endswith(f"; `mix fetch --subset presel-15 --raw {tmp_path}` gets it\n")
    shown = run("fetch", "--subset", "presel-15", "--raw", tmp_path, "--mirror", publisher.url)
    assert (shown.exit_code, sorted(path.name for path in tmp_path.iterdir())[-1]) == (0, "subsets"), shown.stderr
    shown = run(*by_name, "--out", tmp_path / "out")
    assert [one.id for one in Mixture.open(tmp_path / "out").records()] == ["mine/7#0"]
    assert "unique_idx: 1 of 1 agree with content, counted over rows with an image from 0" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("--subset", "icons", "--raw", "raw"),
            1,
            "subset icons: none of this name is described; did you mean 'icons-",
        ),
        (("--subset", "icons-133k", "--images", "images"), 2, "goes with --raw"),
    ],
)
def test_a_subset_that_cannot_be_fetched_is_one_line(arguments: tuple[str, ...], code: int, message: str) -> None:
    shown = run("fetch", *arguments, "--dry-run")
    assert (shown.exit_code, message in shown.output) == (code, True)
