"""Rebuild LLaVA-1.5's instruction-tuning mixture from the raw datasets, prove it, change it, and train on it.

What `__all__` lists is the public Python interface, documented in docs/python.md; all else is private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mix665k.mixtures.api import build, inspect, select, verify
    from mix665k.mixtures.inspect.findings import Inspection
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.verify.verification import Verification
    from mix665k.schemas.conversation import Record
    from mix665k.schemas.errors import UserError
    from mix665k.schemas.recipe import Block, Expect, Recipe, Select

__all__ = [
    "Block",
    "Expect",
    "Inspection",
    "Mixture",
    "Recipe",
    "Record",
    "Select",
    "UserError",
    "Verification",
    "build",
    "inspect",
    "select",
    "verify",
]

# Loaded when first asked for: every command imports this module, and polars and pyarrow alone take half a second, more
# than `mix --help` may.
_HOMES = {
    "Block": "schemas.recipe",
    "Expect": "schemas.recipe",
    "Inspection": "mixtures.inspect.findings",
    "Mixture": "mixtures.mixture",
    "Recipe": "schemas.recipe",
    "Record": "schemas.conversation",
    "Select": "schemas.recipe",
    "UserError": "schemas.errors",
    "Verification": "mixtures.verify.verification",
    "build": "mixtures.api",
    "inspect": "mixtures.api",
    "select": "mixtures.api",
    "verify": "mixtures.api",
}


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
