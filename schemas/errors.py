"""Errors that a user can fix; the commands print them as one line and exit with 1."""

import difflib
import errno
import re
from collections.abc import Collection

from mix665k.schemas.install import upgrade

MAX_VALUE = 80
"""Characters of a value that a message quotes."""
OUT_OF_MEMORY = "out of memory; close other programs, raise `ulimit -v` if it is set, or lower --jobs"
_ADVICE = {
    errno.EMFILE: "; raise the limit with `ulimit -n 1024`, or lower --jobs",
    errno.ENFILE: "; other programs hold them, close some",
    errno.ENOMEM: "; close other programs, or raise `ulimit -v` if it is set",
}
_SIGNS = {
    "cannot allocate memory": OUT_OF_MEMORY,
    "failed to map segment": OUT_OF_MEMORY,
    "too many open files": f"too many open files{_ADVICE[errno.EMFILE]}",
    "can't start new thread": "no more threads can be started; raise `ulimit -u` or `ulimit -v`, or lower --jobs",
}
"""What the errors of importing a library and of starting a thread say when something is used up."""
_MAX_WORD = 300
_LONG_NAME = re.compile(rf"([^/]{{{MAX_VALUE}}})[^/]+?(?=[:;,)]*(?:/|$))")
_MAX_LINE = 2_000
_QUOTED = re.compile(r"""(?<!\w)(?:'[^']{81,}'|"[^"]{81,}")(?!\w)""")
"""A value in quotes, as `!r` writes it; the apostrophe of `the file's` follows a letter."""


UPGRADE = upgrade()
NEWER = f"if a newer version wrote it, {UPGRADE}"


class UserError(Exception):
    """Something the user can fix.

    The message reads: where: what is wrong, what was expected; how to fix it. It is one line that cannot move a
    terminal's cursor, whatever the data holds that it quotes, and values in it are cut to 80 characters.
    """

    def __init__(self, message: str) -> None:
        super().__init__(brief_line(message))


class RecipeError(UserError):
    """A recipe names something that does not exist, or gives it a value it cannot take."""


class RawDataError(UserError):
    """A raw annotation file is missing, damaged or not of the form its publisher declares."""


class FetchError(UserError):
    """A file cannot be fetched, or is not what its publisher is known to offer."""


class TokenizerError(UserError):
    """A tokenizer cannot be found or loaded."""


class MixtureError(UserError):
    """A mixture cannot be built as asked, or the one at hand is damaged."""


class StageError(UserError):
    """A stage names something that does not exist, or its numbers do not match."""


class ModelError(UserError):
    """A model cannot be found, loaded or composed."""


class TrainingError(UserError):
    """A run cannot start, resume or be exported as asked."""


class EvaluationError(UserError):
    """A benchmark's files or the answers to it are missing, damaged, or do not belong together."""


class ImageFileError(UserError):
    """An image that a record names is missing or cannot be decoded."""


class BusyError(UserError):
    """Another command is writing the same file."""


class RemoteError(UserError):
    """An address such as `s3://bucket/images` cannot be read or written."""


class HubError(UserError):
    """The Hugging Face Hub cannot be reached, or refuses what is to be published."""


def brief_line(text: str) -> str:
    """A message on one line, without control characters, its values cut to `MAX_VALUE` characters."""
    text = escaped(" ".join(text.splitlines()).replace("\t", " "))
    text = _QUOTED.sub(lambda found: f"{found[0][: MAX_VALUE + 1]}…{found[0][0]}", text)
    text = " ".join(word if len(word) <= _MAX_WORD else _LONG_NAME.sub(r"\1…", word) for word in text.split(" "))
    return text if len(text) <= _MAX_LINE else f"{text[: _MAX_LINE - 200]} … {text[-200:]}"


def escaped(text: str) -> str:
    """Text that cannot move a terminal's cursor or change its colours: control characters as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(error: BaseException) -> str:
    """The text of an error on one line, its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def cause(error: BaseException) -> str:
    """The text of an error of transformers, cut; it advises to trust code of others, which is never done here."""
    text = one_line(error)
    if "trust_remote_code" in text:
        return "it needs code of its own repository, which is never run; name a model that transformers itself has"
    return text[:300]


def os_reason(error: OSError) -> str:
    """Why the operating system refused, in lower case and without the file's name: `no such file or directory`.

    Arrow has the system's words in its own: `error writing bytes to file. detail: [errno 28] no space left on device`.
    """
    why = (error.strerror or one_line(error)).lower()
    return re.sub(r".*\[errno \d+\] ", "", why) + _ADVICE.get(error.errno or 0, "")


def exhausted(error: BaseException) -> str | None:
    """What this process has used up, as a message; None for an error of another kind."""
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    if isinstance(error, OSError):
        return os_reason(error) if error.errno in _ADVICE else None
    text = str(error).lower()
    return next((message for sign, message in _SIGNS.items() if sign in text), None)


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: `; did you mean 'gqa'?`, or all that could have been meant."""
    if close := difflib.get_close_matches(name, known, n=1):
        return f"; did you mean {close[0]!r}?"
    return f"; expected one of {', '.join(sorted(known))}" if known else ""
