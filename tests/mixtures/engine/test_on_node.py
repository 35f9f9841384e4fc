"""What a node lacks is one line, before anything is done there; without a cluster."""

import pickle
import platform
import sys
from pathlib import Path

import pytest

from mix665k.mixtures.engine import on_ray
from mix665k.mixtures.engine.on_node import Heard, versions, work_on_node
from mix665k.mixtures.engine.on_ray import connect
from mix665k.mixtures.engine.tasks import OnRay
from mix665k.schemas.errors import MixtureError, UserError


def work(packed: bytes, *, folder: Path) -> tuple[str, str]:
    """What the node lacks, and its name."""
    node, lacks, _, _ = work_on_node(packed, expected=versions(), folder=str(folder), label="a", heard=None)
    return node, lacks


def test_a_node_without_the_folder_says_so(tmp_path: Path) -> None:
    node, lacks = work(b"", folder=tmp_path / "gone")
    assert node == platform.node()
    assert (
        lacks == f"{tmp_path / 'gone'} is not there; raw files, images and --out have to be where every node sees them"
    )


def test_a_node_without_the_plugin_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, lacks = work(b"cno_such_plugin\nname\n.", folder=tmp_path)
    assert lacks == "No module named 'no_such_plugin'; install there what the plugin of the recipe is from, or needs"


def test_what_was_not_reported_yet_comes_with_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packed = pickle.dumps(_reporting)
    _, _, found, unsaid = work_on_node(packed, expected={}, folder=str(tmp_path), label="a", heard=None)
    assert (pickle.loads(found), unsaid) == ("done", [5, 2])


def _reporting(report: object) -> str:
    assert callable(report)
    report(3, 1)
    report(2, 1)
    return "done"


def test_reports_are_added_up_until_they_are_taken() -> None:
    heard = Heard()
    heard.moved("a", 1, 2)
    heard.moved("a", 3, 4)
    assert heard.take() == {"a": [4, 6]}
    assert heard.take() == {}


def test_without_ray_one_line_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"^--engine ray: Ray is not installed; pip install -e '\.\[ray\]'$"):
        connect(OnRay())


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:1", "cannot be reached: .*refused; start it there with `ray start --head`"),
        ("head", "expected HOST:PORT, as `ray start --head` shows it, or auto"),
        ("ray://head:10001", "expected HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line_at_once(
    address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="without the extra mix665k[ray]")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(MixtureError, match=f"^--engine ray --address {address}: {why}"):
        connect(OnRay(address))


def test_what_ray_says_of_other_versions_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="without the extra mix665k[ray]")

    def refuse(**_: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.1.0\n    Python: 3.9.1")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(on_ray, "_silence", lambda: None)
    with pytest.raises(MixtureError, match=r"^--engine ray: Version mismatch: .*Ray: 2\.1\.0 Python: 3\.9\.1; is `ray"):
        connect(OnRay())
