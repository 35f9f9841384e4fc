"""Rebuild LLaVA-1.5's instruction-tuning mixture from the raw datasets, prove it, change it, and train on it.

What `__all__` lists is the public Python interface, documented in docs/python.md; all else is private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mix665k.builders.funnel import Dropped, StepFunnel
    from mix665k.builders.licences import Licence
    from mix665k.builders.raw import RawFiles
    from mix665k.builders.registry import About, Download, ImageFolder, Lookup, RawFile, by_origin, source, step
    from mix665k.builders.steps.derive import derive
    from mix665k.mixtures.api import build, inspect, select, verify
    from mix665k.mixtures.inspect.findings import Inspection
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.verify.verification import Verification
    from mix665k.schemas.conversation import Conversation, Pair, Record
    from mix665k.schemas.errors import UserError
    from mix665k.schemas.recipe import Block, Expect, Recipe, Select

__all__ = [
    "About",
    "Block",
    "Conversation",
    "Download",
    "Dropped",
    "Expect",
    "ImageFolder",
    "Inspection",
    "Licence",
    "Lookup",
    "Mixture",
    "Pair",
    "RawFile",
    "RawFiles",
    "Recipe",
    "Record",
    "Select",
    "StepFunnel",
    "UserError",
    "Verification",
    "build",
    "by_origin",
    "derive",
    "inspect",
    "select",
    "source",
    "step",
    "verify",
]

# Loaded when first asked for: every command imports this module, and polars and pyarrow alone take half a second, more
# than `mix --help` may.
_HOMES = {
    "About": "builders.registry",
    "Block": "schemas.recipe",
    "Conversation": "schemas.conversation",
    "Download": "builders.registry",
    "Dropped": "builders.funnel",
    "Expect": "schemas.recipe",
    "ImageFolder": "builders.registry",
    "Inspection": "mixtures.inspect.findings",
    "Licence": "builders.licences",
    "Lookup": "builders.registry",
    "Mixture": "mixtures.mixture",
    "Pair": "schemas.conversation",
    "RawFile": "builders.registry",
    "RawFiles": "builders.raw",
    "Recipe": "schemas.recipe",
    "Record": "schemas.conversation",
    "Select": "schemas.recipe",
    "StepFunnel": "builders.funnel",
    "UserError": "schemas.errors",
    "Verification": "mixtures.verify.verification",
    "build": "mixtures.api",
    "by_origin": "builders.registry",
    "derive": "builders.steps.derive",
    "inspect": "mixtures.api",
    "select": "mixtures.api",
    "source": "builders.registry",
    "step": "builders.registry",
    "verify": "mixtures.api",
}


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
