"""The kinds of errors that a user can mend."""

import inspect

from docs.generator.tables import table
from mix665k.schemas import errors


def error_table() -> str:
    """Every kind of error with what it means."""
    rows = [[f"`{kind.__name__}`", inspect.cleandoc(kind.__doc__ or "")] for kind in error_kinds()]
    return table(["kind", "meaning"], rows)


def error_kinds() -> list[type[errors.UserError]]:
    """The kinds, in the order of their file."""
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.UserError)]
    return [kind for kind in kinds if kind is not errors.UserError]
