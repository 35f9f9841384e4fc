"""What to type to install what is missing: from a checkout, which no registry has, or from a wheel."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The installed package, or the checkout that an editable install reads."""


def install(extra: str, *, root: Path = ROOT) -> str:
    """The command that adds an extra."""
    return f"pip install -e '.[{extra}]'" if is_checkout(root) else f"pip install 'mix665k[{extra}]'"


def upgrade(*, root: Path = ROOT) -> str:
    """The command that gets a newer version."""
    return "git pull && pip install -e ." if is_checkout(root) else "pip install --upgrade mix665k"


def is_checkout(root: Path) -> bool:
    """Whether the package is run from its repository."""
    return (root / "pyproject.toml").is_file()
