"""No cut picture passes, and no bytes whatever are more than a verdict."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.images.decoding import check_file
from tests.mixtures.images.made import picture


def _saved(form: str, **options: bool) -> bytes:
    content = io.BytesIO()
    picture().save(content, form, **options)
    return content.getvalue()


JPEGS = [_saved("JPEG"), _saved("JPEG", progressive=True)]
OTHERS = [_saved("PNG"), _saved("GIF"), _saved("WEBP")]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cut") / "a.jpg"


@given(jpeg=st.sampled_from(JPEGS), share=st.floats(0, 1, exclude_max=True), zeros=st.sampled_from([0, 1, 512]))
def test_a_jpeg_cut_anywhere_is_bad(path: Path, jpeg: bytes, share: float, zeros: int) -> None:
    kept = min(int(share * len(jpeg)), len(jpeg) - 2)
    path.write_bytes(jpeg[:kept] + bytes(zeros))
    assert check_file(path, name="a.jpg", min_side_px=28).finding in ("truncated", "not decodable", "implausible size")


@settings(max_examples=50)
@given(content=st.sampled_from(JPEGS + OTHERS), at=st.integers(0, 5_000), new=st.binary(min_size=1, max_size=40))
def test_damaged_bytes_are_a_verdict_and_no_error(path: Path, content: bytes, at: int, new: bytes) -> None:
    at %= len(content)
    path.write_bytes(content[:at] + new + content[at + len(new) :])
    check_file(path, name="a.jpg", min_side_px=28)
