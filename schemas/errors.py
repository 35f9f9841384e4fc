"""Errors that a user can fix; the commands print them as one line and exit with 1."""

import difflib
from collections.abc import Collection


class UserError(Exception):
    """Something the user can fix.

    The message reads: where: what is wrong, what was expected; how to fix it.
    """


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
    """A stage names something that does not exist, or its numbers do not come out."""


class ModelError(UserError):
    """A model cannot be found, loaded or put together."""


class TrainingError(UserError):
    """A run cannot start, go on or be exported as asked."""


class ImageFileError(UserError):
    """An image that a record names is missing or cannot be decoded."""


class HubError(UserError):
    """The Hugging Face Hub cannot be reached, or refuses what is to be published."""


def one_line(error: BaseException) -> str:
    """The text of an error on one line, its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def os_reason(error: OSError) -> str:
    """Why the operating system refused, in lower case and without the file's name: `no such file or directory`."""
    return (error.strerror or one_line(error)).lower()


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: `; did you mean 'gqa'?`, or all that could have been meant."""
    if close := difflib.get_close_matches(name, known, n=1):
        return f"; did you mean {close[0]!r}?"
    return f"; expected one of {', '.join(sorted(known))}" if known else ""
