"""What every process needs, and those that start others."""

import tempfile
from multiprocessing import util
from pathlib import Path

from mix665k.schemas.errors import UserError

_FILES = 1024
_LEAST_FILES = 64
_OTHER_FILES = 46
"""What a command holds open beside its processes, and a reserve: a fork server prints a traceback when they run out."""
_LEAST_MEMORY = 2_000_000_000
"""Of address space: Arrow, polars and torch reserve much more than they use."""
_LONGEST_FOLDER = 70
"""A socket's path has 107 characters on Linux, 103 on macOS; multiprocessing adds 32 to the folder's."""


def require_limits() -> None:
    """There is room for what every command loads: below it, libraries hang or end the process with a page of text.

    Raises:
        UserError: when few files may be open at once, or the address space is limited to little.
    """
    try:
        import resource
    except ImportError:  # a system without limits of this kind
        return
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < _FILES:
        files = _FILES if most == resource.RLIM_INFINITY else min(most, _FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        if files < _LEAST_FILES:
            raise UserError(
                f"{files} files may be open at once, expected {_LEAST_FILES}; raise it with `ulimit -n {_FILES}`"
            )
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    if memory != resource.RLIM_INFINITY and memory < _LEAST_MEMORY:
        raise UserError(
            f"the address space is limited to {memory / 1e9:.1f} GB, expected {_LEAST_MEMORY / 1e9:.0f} GB, which the "
            "libraries need to start; raise it with `ulimit -v unlimited`"
        )


def jobs_for_open_files(jobs: int) -> int:
    """At most as many processes at once as the open files allow; this process holds three for each."""
    try:
        import resource
    except ImportError:
        return jobs
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return jobs if files == resource.RLIM_INFINITY else max(1, min(jobs, (files - _OTHER_FILES) // 3))


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
