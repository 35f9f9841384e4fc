from pathlib import Path

from mix665k.schemas.install import install, upgrade


def test_a_hint_installs_from_the_checkout_that_is_used_or_from_a_registry(tmp_path: Path) -> None:
    assert install("train", root=tmp_path) == "pip install 'mix665k[train]'"
    assert upgrade(root=tmp_path) == "pip install --upgrade mix665k"
    (tmp_path / "pyproject.toml").touch()
    assert install("train", root=tmp_path) == "pip install -e '.[train]'"
    assert upgrade(root=tmp_path) == "git pull && pip install -e ."


def test_this_is_a_checkout() -> None:
    assert install("report") == "pip install -e '.[report]'"
