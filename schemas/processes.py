"""What every process that starts others needs."""

import tempfile
from multiprocessing import util
from pathlib import Path

_LONGEST_FOLDER = 70
"""A socket's path has 107 characters on Linux, 103 on macOS; multiprocessing adds 32 to the folder's."""


def choose_socket_folder() -> None:
    """Let multiprocessing put its sockets where their paths are short enough, before it starts a process.

    Batch systems and CI set TMPDIR to long paths, and a fork server then cannot be reached. Python 3.14 does the same
    by itself (python/cpython#132124).
    """
    if len(tempfile.gettempdir()) <= _LONGEST_FOLDER:
        return
    before = tempfile.tempdir
    tempfile.tempdir = next((folder for folder in ("/tmp", "/var/tmp", "/dev/shm") if Path(folder).is_dir()), before)
    try:
        util.get_temp_dir()  # the first call makes the folder that this process and its children keep
    finally:
        tempfile.tempdir = before
