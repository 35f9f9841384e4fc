"""The wheel and the source archive hold what the commands need, and work away from the repository."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "builders", "mixtures", "trainer")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source archive of the repository and a wheel made from it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    return out


def shipped() -> set[str]:
    """Every file of the packages that is not made by running them."""
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()]
    found = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    return {f"mix665k/{name}" for name in found | {"__init__.py", "cli.py", "py.typed"}}


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_no_other(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == shipped()


@pytest.mark.slow
def test_the_source_archive_holds_them_too(built: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {name.removeprefix("mix665k/") for name in shipped()} | {"README.md", "LICENSE", "pyproject.toml"} <= names


@pytest.mark.slow
def test_the_wheel_builds_a_mixture_away_from_the_repository(built: Path, made_up_raw: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert run("from mix665k import cli; print(cli.__file__)").strip() == str(site / "mix665k" / "cli.py")
    arguments = ["mix", "build", "tiny", "--raw", str(made_up_raw), "--out", "mixture", "--only", "aokvqa"]
    assert "wrote mixture" in run(f"import sys; from mix665k import cli; sys.argv = {arguments!r}; cli.mix()")
    assert "--help" in run(
        "import sys; from mix665k import cli; sys.argv = ['train', 'finetune', '--help']; cli.train()"
    )
