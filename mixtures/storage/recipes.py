"""Recipes on disk: shipped ones by name, others by path."""

from pathlib import Path

from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.handwritten import convert_yaml, read_handwritten
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
    if not path.exists() or path.is_dir():
        raise RecipeError(f"recipe {name}: neither a file nor a shipped recipe{did_you_mean(name, shipped())}")
    return path


def read_recipe(path: Path) -> str:
    """The text of a recipe.

    Raises:
        RecipeError: when it cannot be read, or is not text.
    """
    return read_handwritten(path, kind=RecipeError, where=path)


def load_recipe(text: str, *, where: str) -> Recipe:
    """The recipe in a YAML text; `where` names it in errors.

    Raises:
        RecipeError: for broken YAML, an unknown field or a wrong type, with its line and column.
    """
    return convert_yaml(text, Recipe, kind=RecipeError, where=where)
