"""`mix` and `train` as they are started: no traceback while their code is still being loaded either.

That takes a tenth of a second, in which Ctrl-C may come, or memory or open files run out.
"""

import sys
from typing import TYPE_CHECKING

from mix665k.schemas.interrupts import EndingAtOnce

if TYPE_CHECKING:
    import typer

    mix: typer.Typer
    train: typer.Typer
else:

    def __getattr__(name: str) -> "typer.Typer":
        if name not in ("mix", "train"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with EndingAtOnce():
            try:
                from mix665k import apps
            except (MemoryError, OSError, ImportError) as error:
                from mix665k.schemas.errors import exhausted

                if (why := exhausted(error)) is None:
                    raise
                sys.exit(f"error: {why}")
        return getattr(apps, name)
