"""A Ray cluster of three nodes on this machine does what processes do, also when one of them is killed."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.engine import on_ray
from mix665k.mixtures.engine.on_node import versions
from mix665k.mixtures.engine.tasks import Done, OnRay, Task
from mix665k.mixtures.parallel import map_in_processes, run_tasks
from mix665k.schemas.errors import MixtureError, RawDataError
from tests.conftest import SilentWatcher
from tests.mixtures import work_to_do
from tests.mixtures.build.test_in_pieces import RECIPE as OWN
from tests.mixtures.build.test_in_pieces import STEPS, records, written

ray = pytest.importorskip("ray", reason="without the extra mix665k[ray]")
RECIPE = """
name: small
seed: 1
sources:
  - source: okvqa
    steps: [merge_by_image]
  - source: aokvqa
"""
_STORE = 80_000_000
_NODES = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one processor each; the head works too."""
    from ray.cluster_utils import Cluster

    one: dict[str, Any] = {"num_cpus": 1, "object_store_memory": _STORE, "include_dashboard": False}
    found: Any = Cluster(initialize_head=True, head_node_args=one)
    for _ in range(_NODES - 1):
        found.add_node(**one)
    yield found
    ray.shutdown()
    found.shutdown()


class Noted:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, int, int]] = []
        self.labels: list[str] = []

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        self.moves.append((label, num_bytes, records))

    def finished(self, done: Done) -> None:
        self.labels.append(done.label)


def run(cluster: Any, noted: Noted | None = None, **work: Any) -> dict[str, Done]:
    tasks = [Task(label, one, Path("where")) for label, one in work.items()]
    return run_tasks(tasks, jobs=OnRay(cluster.address), preload="json", listener=noted or Noted())


def test_every_result_is_there_under_its_label_and_what_was_reported_too(cluster: Any) -> None:
    noted = Noted()
    done = run(cluster, noted, a=partial(work_to_do.double, 1), b=partial(work_to_do.double, 2))
    assert {label: one.result for label, one in done.items()} == {"a": 2, "b": 4}
    assert sorted(noted.labels) == ["a", "b"]
    assert sorted(noted.moves) == [("a", 1, 1), ("b", 2, 1)]


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (work_to_do.refuse, RawDataError, r"^x\.json: empty file \(on node \S+\)$"),
        (partial(work_to_do.lack, "y.json"), MixtureError, r"^y\.json: no such file or directory \(on node"),
        (work_to_do.fill_up, MixtureError, r"^where: no space left on device \(on node \S+\)$"),
        (work_to_do.die, MixtureError, "^bad: was lost twice, the second time because its process was killed"),
        (work_to_do.stumble, RuntimeError, "(?s)in stumble.*KeyError: 'a defect'"),
    ],
    ids=["refuse", "lack", "fill_up", "die", "stumble"],
)
def test_a_failure_is_one_line_and_names_the_node_or_the_task(
    cluster: Any, work: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        run(cluster, bad=work)


def test_a_task_whose_process_dies_once_is_done_again(cluster: Any, tmp_path: Path) -> None:
    done = run(cluster, a=partial(work_to_do.die_once, str(tmp_path / "died")))
    assert done["a"].result == "done"


def test_a_node_of_other_versions_is_one_line(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "versions", lambda: versions() | {"pyarrow": "1.0"})
    with pytest.raises(MixtureError, match=r"^--engine ray: node \S+: pyarrow \S+, expected 1\.0 as on the machine"):
        run(cluster, a=partial(work_to_do.double, 1))


def test_many_small_things_come_in_their_order_and_a_defect_comes_out(cluster: Any) -> None:
    shares: list[float] = []
    found = map_in_processes(list, range(300), jobs=OnRay(cluster.address), preload="json", advance=shares.append)
    assert found == list(range(300))
    assert sum(shares) == pytest.approx(1.0)
    work: Any = sorted
    with pytest.raises(TypeError, match="'<' not supported"):
        map_in_processes(work, [1, "a"] * 60, jobs=OnRay(cluster.address), preload="json", advance=lambda _: None)


def test_a_mixture_has_the_rows_that_processes_give(cluster: Any, made_up_raw: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    found = []
    for name, jobs in (("here", 1), ("there", OnRay(cluster.address))):
        plan = make_plan(str(recipe), Options(made_up_raw, tmp_path / name))
        found.append(build(plan, jobs=jobs, overwrite=False, listener=SilentWatcher())[0])
    assert found[0] == found[1]


def test_the_doctor_looks_at_every_node(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found, lacking = on_ray.look(OnRay(cluster.address))
    assert (found, lacking) == (f"3 nodes with 3 processors, Ray {ray.__version__}", [])
    monkeypatch.setattr(on_ray, "versions", lambda: versions() | {"polars": "0.1"})
    _, lacking = on_ray.look(OnRay(cluster.address))
    assert len(lacking) == 3
    assert "expected 0.1 as on the machine" in lacking[0]


class Killer(SilentWatcher):
    """Kills a node of the cluster as soon as a build has moved."""

    def __init__(self, cluster: Any) -> None:
        super().__init__()
        self._cluster = cluster
        self.killed = False

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        if not self.killed:
            self.killed = True
            self._cluster.remove_node(list(self._cluster.worker_nodes)[-1], allow_graceful=False)


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_changes_no_row(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(OWN % (written(tmp_path / "raw", records(150), "lines"), STEPS))
    found = []
    killer = Killer(cluster)
    for name, jobs, listener in (
        ("one", 1, SilentWatcher()),
        ("four", 4, SilentWatcher()),
        ("nodes", OnRay(cluster.address), killer),
    ):
        options = Options(
            tmp_path / "raw", tmp_path / name, rows_per_shard=40, piece_bytes=10**9 if name == "one" else 12_000
        )
        found.append(build(make_plan(str(recipe), options), jobs=jobs, overwrite=False, listener=listener)[0])
    assert killer.killed
    assert found[0] == found[1] == found[2]
