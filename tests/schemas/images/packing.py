"""The same pictures as files and packed, as tests of several packages need them."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def jpeg(colour: int) -> bytes:
    """A picture that no other number gives."""
    content = io.BytesIO()
    Image.new("RGB", (40 + colour % 7, 30), (colour, 255 - colour, 7)).save(content, "JPEG")
    return content.getvalue()


def write_files(folder: Path, pictures: Mapping[str, bytes]) -> Path:
    """Each as a file."""
    for name, content in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_tar(path: Path, pictures: Mapping[str, bytes]) -> Path:
    """All in one tar file, by their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in pictures.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_parquet(
    path: Path, pictures: Mapping[str, bytes], *, compression: str = "none", nested: bool = False
) -> Path:
    """All in one Parquet file, a column of pictures as `datasets` stores them, or of lists of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [{"bytes": content, "path": name} for name, content in pictures.items()]
    column = pa.array([[one] for one in values] if nested else values)
    table = pa.table({"id": [str(i) for i in range(len(values))], "image": column})
    pq.write_table(table, path, compression=compression, use_dictionary=["id"], row_group_size=4)
    return path
