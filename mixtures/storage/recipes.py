"""Recipes on disk: shipped ones by name, others by path."""

from pathlib import Path

import msgspec

from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.files import fault, parse_yaml
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
    content = parse_yaml(text, kind=RecipeError, where=where)
    try:
        return msgspec.convert(content, Recipe)
    except msgspec.ValidationError as error:
        at, why = fault(error)
        raise RecipeError(f"{where}: {at or '$'}: {why}") from None
