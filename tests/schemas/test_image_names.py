"""Names of images: paths below the images folder, and what else people write there."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.schemas.errors import ImageFileError
from mix665k.schemas.image_names import SURE_NAME, image_path, name_fault


@pytest.mark.parametrize(
    "name",
    [
        "coco/train2017/000000033471.jpg",
        "a..b/c.jpg",
        "./a.jpg",
        "a//b.jpg",
        "mine/Stra\u00dfe \u7ea2.jpg",
        "time 12:30.png",
        "a\\b/c.png",
        "x" * 250 + ".png",
    ],
)
def test_a_path_below_the_folder_is_a_name(name: str, tmp_path: Path) -> None:
    assert name_fault(name) is None
    assert image_path(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "an empty name"),
        ("  ", "an empty name"),
        (".", "a path out of the images folder"),
        ("..", "a path out of the images folder"),
        ("../secret.jpg", "a path out of the images folder"),
        ("a/../../b.jpg", "a path out of the images folder"),
        ("/etc/passwd", "no path below the images folder"),
        ("~/a.jpg", "no path below the images folder"),
        ("C:\\data\\a.jpg", "no path below the images folder"),
        ("C:/data/a.jpg", "no path below the images folder"),
        ("\\\\server\\a.jpg", "no path below the images folder"),
        ("data\\a.jpg", "no path below the images folder"),
        ("https://example.org/a.jpg", "an address"),
        ("s3://bucket/a.jpg", "an address"),
        ("data:image/png;base64,iVBORw0KGgo=", "the picture itself"),
        ("iVBORw0KGgo" * 400, "the picture itself"),
        ("/9j/4AAQSkZJRg" * 400, "the picture itself"),
        ("a\0.jpg", "a name with control characters"),
        ("a\n.jpg", "a name with control characters"),
        ("a\x1b[31m.jpg", "a name with control characters"),
        ("iVBORw0KGgo" + "AAAA+SU/" * 12 + "==", "the picture itself"),
        ("/9j/4AAQSkZJRgABAQ" + "AAbb/cc+" * 9, "the picture itself"),
        ("Qk0aBb+/" * 400, "the picture itself"),
        ("dir/" * 900 + "a.jpg", "a path longer than the 3,000 bytes"),
        ("x" * 300 + ".jpg", "a name longer than the 255 bytes"),
        ("\u00e9" * 128, "a name longer than the 255 bytes"),
    ],
)
def test_what_is_no_path_below_the_folder_is_named_for_what_it_is(name: str, why: str, tmp_path: Path) -> None:
    found = name_fault(name)
    assert found is not None
    assert found.startswith(why)
    with pytest.raises(ImageFileError) as caught:
        image_path(tmp_path, name)
    assert len(str(caught.value)) < 250


@given(st.text(st.sampled_from("ab./\\:~ \n\0\u00e9"), max_size=12))
def test_no_name_leaves_the_folder(name: str) -> None:
    if name_fault(name) is None:
        assert Path("/images").joinpath(name).resolve().is_relative_to("/images")
    if re.fullmatch(SURE_NAME, name):
        assert name_fault(name) is None
