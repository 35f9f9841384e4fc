"""The wheel installs one package, holds what the commands need, and works beside packages of our folders' names."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "builders", "mixtures", "trainer")
GENERIC = (*PACKAGES, "cli")
"""Top-level names that other distributions on PyPI own; `trainer` is Coqui's."""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source archive of the repository and a wheel made from it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    [path] = dist.glob("*.whl")
    return path


def shipped() -> set[str]:
    """Every file of the packages that is not made by running them, as paths in the repository."""
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()]
    found = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    return found | {"__init__.py", "apps.py", "cli.py", "py.typed"}


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    # the Markdown in the packages is for readers of the repository
    assert names == {f"mix665k/{name}" for name in shipped() if not name.endswith(".md")}


@pytest.mark.slow
def test_the_source_archive_holds_them_too(dist: Path) -> None:
    [archive] = dist.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    needed = {name for name in shipped() if not name.endswith(".md")}
    assert needed | {"README.md", "LICENSE", "pyproject.toml"} <= names


@pytest.mark.slow
def test_the_archives_would_be_accepted_with_their_description(dist: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.count("PASSED") == 2


class Environment:
    """A bare environment: our wheel and a stranger's are installed by pip, the libraries come from this one."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        [self.site] = (folder / "lib").glob("python3*/site-packages")

    def pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), *arguments]
        subprocess.run([*command, "--quiet", "--disable-pip-version-check"], check=True)

    def borrow_libraries(self) -> None:
        """Make the libraries of the running environment importable, behind all that is installed here.

        Its editable install of this checkout is not among them: its `.pth` file is read for no borrowed folder.
        """
        libraries = sysconfig.get_paths()["purelib"]
        (self.site / "zz-libraries.pth").write_text(f"import sys; sys.path.append({libraries!r})\n")

    def run(self, command: str, where: Path, *, extra: Mapping[str, str] | None = None) -> str:
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        variables |= {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "CUDA_VISIBLE_DEVICES": "",
            **(extra or {}),
        }
        done = subprocess.run(
            command, shell=True, cwd=where, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


STRANGER = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "stranger"
version = "1.0"

[tool.setuptools]
packages = ["schemas", "builders", "mixtures", "trainer"]
py-modules = ["cli"]
"""


def write_strangers_modules(folder: Path) -> None:
    """Packages of our folders' names and a module `cli`; importing any of them ends the process."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise SystemExit('the stranger`s {name} was imported')\n")
    (folder / "cli.py").write_text("raise SystemExit('the stranger`s cli was imported')\n")


@pytest.fixture(scope="module")
def beside_a_stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Path]:
    """An environment with our wheel and the stranger's distribution, and a working folder with folders like its."""
    folder = tmp_path_factory.mktemp("environment")
    environment = Environment(folder / "venv")
    source = folder / "stranger"
    write_strangers_modules(source)
    (source / "pyproject.toml").write_text(STRANGER)
    environment.pip("install", "--no-deps", str(wheel))
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder / "dist"), str(source)],
        capture_output=True,
        check=True,
    )
    [strangers] = (folder / "dist").glob("stranger-*.whl")
    environment.pip("install", "--no-deps", str(strangers))
    environment.borrow_libraries()
    where = folder / "work"
    write_strangers_modules(where)
    return environment, where


@pytest.mark.slow
def test_the_wheel_installs_exactly_one_package(beside_a_stranger: tuple[Environment, Path]) -> None:
    environment, _ = beside_a_stranger
    [record] = environment.site.glob("mix665k-*.dist-info/RECORD")
    ours = {line.partition("/")[0] for line in record.read_text().splitlines() if not line.startswith(".")}
    assert {name for name in ours if not name.endswith(".dist-info")} == {"mix665k"}


@pytest.mark.slow
def test_the_installed_commands_work_beside_a_stranger(
    beside_a_stranger: tuple[Environment, Path], made_up_raw: Path
) -> None:
    environment, where = beside_a_stranger
    installed = environment.run("python -c 'import mix665k; print(mix665k.__file__)'", where).strip()
    assert Path(installed).is_relative_to(environment.site)

    assert "build" in environment.run("mix --help", where)
    built = environment.run(f"mix build tiny --raw '{made_up_raw}' --out mixture --source aokvqa", where)
    assert "wrote mixture" in built

    environment.run("python -P -m mix665k.trainer.tiny models --tokenizer tiny", where)
    environment.run("mix synth --out raw --scale 0.0005 --source llava_instruct --source sharegpt --draw-images", where)
    environment.run("mix build tiny --raw raw --out small --source llava_instruct --source sharegpt", where)
    data = "--mixture small --images raw/images --llm models/llm"
    environment.run(f"train check --stage pretrain {data} --vision models/vision", where)
    settings = "--set global_batch=4 --set per_device_batch=2 --set bf16=false --set workers=0 --max-steps 1"
    environment.run(
        f"train pretrain {data} --vision models/vision --out run --nproc 2 --report-to none {settings}", where
    )
    assert (where / "run" / "checkpoint-1").is_dir()


@pytest.mark.slow
def test_uninstalling_the_stranger_deletes_nothing_of_ours(beside_a_stranger: tuple[Environment, Path]) -> None:
    environment, where = beside_a_stranger
    environment.pip("uninstall", "--yes", "stranger")

    assert not (environment.site / "trainer").exists()
    assert "finetune" in environment.run("train --help", where)
    environment.run("python -c 'import mix665k.trainer.run.rank_main, mix665k.builders, mix665k.schemas.hub'", where)


@pytest.mark.slow
def test_a_type_checker_sees_the_types_of_the_installed_wheel(beside_a_stranger: tuple[Environment, Path]) -> None:
    environment, _ = beside_a_stranger
    user = environment.site.parents[3] / "user.py"
    user.write_text(
        "from mix665k import Mixture, Mixtur, build, inspect, verify\n"
        'reveal_type(build("tiny", raw="raw", out="out"))\n'
        'reveal_type(inspect(Mixture.open("out")).total.pairs)\n'
        'reveal_type([record.image for record in Mixture.open("out").records()])\n'
        'reveal_type(verify(Mixture.open("out")).ok)\n'
    )
    # the types of other libraries are none of ours, and reading them takes most of the time
    others = (
        "torch.*,transformers.*,datasets.*,pyarrow.*,polars.*,numpy.*,PIL.*,rich.*,typer.*,msgspec.*,huggingface_hub.*"
    )
    (user.parent / "mypy.ini").write_text(f"[mypy]\n[mypy-{others}]\nfollow_imports = skip\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        str(environment.bin / "python"),
        "user.py",
    ]
    shown = subprocess.run(command, cwd=user.parent, capture_output=True, text=True, check=False).stdout
    revealed = [re.sub(r"[\w.]+\.", "", one) for one in re.findall(r'Revealed type is "(.*)"', shown)]
    assert revealed == ["Mixture", "int", "list[str | None]", "bool"], shown
    [error] = [line for line in shown.splitlines() if "error: " in line]
    assert 'Module "mix665k" has no attribute "Mixtur"' in error
