"""Recipes on disk: shipped ones by name, others by path."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.recipe import Recipe

FOLDER = Path(__file__).parent.parent / "recipes"


def shipped() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_recipe(name: str) -> Path:
    """The file of a recipe, given its path or the name of a shipped one.

    Raises:
        RecipeError: when there is no such file.
    """
    if name in shipped():
        return FOLDER / f"{name}.yaml"
    path = Path(name)
    if not path.is_file():
        raise RecipeError(f"recipe {name}: neither a file nor a shipped recipe{did_you_mean(name, shipped())}")
    return path


def load_recipe(text: str, *, where: str) -> Recipe:
    """The recipe in a YAML text; `where` names it in errors.

    Raises:
        RecipeError: for broken YAML, an unknown field or a wrong type, with the place.
    """
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return msgspec.convert(content, Recipe)
    except msgspec.ValidationError as error:
        why, _, at = str(error).replace("`", "").partition(" - at ")
        raise RecipeError(f"{where}: {at or '$'}: {why[:1].lower()}{why[1:]}") from None
