"""Tasks on a Ray cluster: a Ray task each, started once more when its process or node is lost."""

import logging
import os
import pickle
import socket
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mix665k.mixtures.engine import on_node
from mix665k.mixtures.engine.on_node import versions
from mix665k.mixtures.engine.tasks import Done, Failed, Listener, OnRay, Report, Task, outcome, pieces
from mix665k.schemas.errors import MixtureError, UserError, one_line
from mix665k.schemas.install import install

Item = TypeVar("Item")
Result = TypeVar("Result")
_POLL_S = 0.2
_FAREWELL_S = 2.0
_REACH_S = 5.0
_LOOK_S = 60.0
_PIECE = 64
_TRIES = 2
_PER_CPU = 4
"""Tasks that Ray is given for each processor of the cluster; the others wait here, so that little is called back."""
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Ray tells its makers nothing about a cluster that is started here, and does not warn of its next version."""


def connect(cluster: OnRay) -> Any:
    """The module `ray`, connected to a cluster; one of this machine's own is started where there is none.

    Raises:
        UserError: when Ray is not installed, or the cluster cannot be reached or is of another version.
    """
    try:
        import ray
    except ImportError:
        raise UserError(f"--engine ray: Ray is not installed; {install('ray')}") from None
    if ray.is_initialized():
        return ray
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    asked = f"--engine ray{f' --address {cluster.address}' if cluster.address else ''}"
    _require_reachable(cluster.address, asked)
    _silence()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(
                address=cluster.address, log_to_driver=False, logging_level=logging.CRITICAL, include_dashboard=False
            )
    except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        why = one_line(error)[:400]
        raise MixtureError(
            f"{asked}: {why}; is `ray start --head` running there, with the same versions of Ray and Python?"
        ) from None
    return ray


def _require_reachable(address: str | None, asked: str) -> None:
    """Say at once what Ray says after a minute."""
    host, _, port = (address or "").rpartition(":")
    if address is None or address in ("auto", "local"):
        return
    if not port.isdecimal() or "/" in host:
        raise MixtureError(f"{asked}: expected HOST:PORT, as `ray start --head` shows it, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError) as error:
        why = one_line(error).lower()
        raise MixtureError(f"{asked}: cannot be reached: {why}; start it there with `ray start --head`") from None


def _silence() -> None:
    """What Ray prints of dead workers in a page each is said here in one line."""
    from ray._private import worker

    with suppress(AttributeError):  # a version that prints elsewhere prints
        worker.print_to_stdstream  # noqa: B018
        worker.print_to_stdstream = lambda *_, **__: None


class _Part(NamedTuple):
    """Something to be done on a node: its name in messages and in progress, and what is sent."""

    label: str
    packed: bytes


class _Cluster:
    """Parts on a cluster: given to it some at a time, each result once, everything called back at the end."""

    def __init__(self, cluster: OnRay, *, own_process: bool) -> None:
        self.ray = ray = connect(cluster)
        ray.cloudpickle.register_pickle_by_value(on_node)  # works where our package does not
        # no retries of Ray's own: those are counted here; a process that ends gives its memory back
        options: dict[str, Any] = {"num_cpus": 1, "max_retries": 0} | ({"max_calls": 1} if own_process else {})
        self._work = ray.remote(**options)(on_node.work_on_node)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        self._heard = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(on_node.Heard).remote()
        self._always = {"expected": versions(), "folder": str(Path.cwd())}
        self._running: dict[Any, _Part] = {}
        self._taking: Any = None
        self._several = len(ray.nodes()) > 1

    @property
    def at_once(self) -> int:
        """How many tasks the cluster can do at a time; a node may have come or gone."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def run(self, parts: Sequence[_Part], *, moved: Callable[[str, int, int], None]) -> Iterator[tuple[_Part, Any]]:
        """What each part gives, as it comes.

        Raises:
            UserError: for a node that lacks something, and for a part whose process or node was lost twice.
        """
        waiting, tries = list(reversed(parts)), dict.fromkeys((part.label for part in parts), 0)
        try:
            while waiting or self._running:
                while waiting and len(self._running) < _PER_CPU * self.at_once:
                    part = waiting.pop()
                    tries[part.label] += 1
                    ref = self._work.remote(part.packed, label=part.label, heard=self._heard, **self._always)
                    self._running[ref] = part
                ready, _ = self.ray.wait(list(self._running), timeout=_POLL_S)
                self._hear(moved)
                for ref in ready:
                    part = self._running.pop(ref)
                    if (found := self._result(ref, part, last=tries[part.label] == _TRIES, moved=moved)) is None:
                        waiting.append(part)
                    else:
                        yield part, found.result
        finally:
            self._end()

    def _result(self, ref: Any, part: _Part, *, last: bool, moved: Callable[[str, int, int], None]) -> "_Found | None":
        """What a part gave; None when it was lost and is to be tried again."""
        errors = self.ray.exceptions
        try:
            node, lacks, packed, unsaid = self.ray.get(ref)
        except errors.RayTaskError as error:  # of Ray's own, before or after our code ran
            raise MixtureError(f"{part.label}: a node cannot do it: {one_line(error.cause or error)[-400:]}") from None
        except errors.RayError as error:
            if not last:
                return None
            why = _why_lost(errors, error)
            raise MixtureError(f"{part.label}: was lost twice, the second time because {why}") from None
        moved(part.label, *unsaid)
        where = f" (on node {node})" if self._several else ""
        if lacks:
            raise MixtureError(f"--engine ray: node {node}: {lacks}")
        found = pickle.loads(packed)
        if isinstance(found, Failed) and found.error is not None and where:
            found = Failed(type(found.error)(f"{found.error}{where}"), "")
        return _Found(found)

    def _hear(self, moved: Callable[[str, int, int], None]) -> None:
        """Pass on what tasks have reported; nothing waits for it, and of a lost node it may be missing."""
        if self._taking is None:
            self._taking = self._heard.take.remote()
            return
        if not self.ray.wait([self._taking], timeout=0)[0]:
            return
        with suppress(self.ray.exceptions.RayError):
            running = {part.label for part in self._running.values()}
            for label, sums in self.ray.get(self._taking).items():
                if label in running:
                    moved(label, *sums)
        self._taking = None

    def _end(self) -> None:
        """Call back what is left: each has a moment to remove what it was writing."""
        left = list(self._running)
        for ref in left:
            self.ray.cancel(ref, force=False)
        until = time.monotonic() + _FAREWELL_S
        if left:
            _, left = self.ray.wait(left, num_returns=len(left), timeout=max(until - time.monotonic(), 0))
        for ref in left:
            self.ray.cancel(ref, force=True)
        self.ray.kill(self._heard)


def look(cluster: OnRay) -> tuple[str, list[str]]:
    """The nodes and processors of a cluster in words, and what its nodes lack; nothing is started on them that works.

    Raises:
        UserError: when the cluster cannot be reached.
    """
    ray = connect(cluster)
    ray.cloudpickle.register_pickle_by_value(on_node)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    asked = {"expected": versions(), "folder": str(Path.cwd()), "label": "doctor", "heard": None}
    refs = [
        ray.remote(num_cpus=0, scheduling_strategy=affinity(node, soft=False))(on_node.work_on_node).remote(
            pickle.dumps(_nothing), **asked
        )
        for node in nodes
    ]
    lacking = []
    for number, ref in enumerate(refs, 1):
        try:
            node, lacks, _, _ = ray.get(ref, timeout=_LOOK_S)
        except ray.exceptions.RayError as error:
            node, lacks = f"{number} of {len(nodes)}", f"does not answer: {one_line(error)[:200]}"
        lacking += [f"node {node}: {lacks}"] if lacks else []
    processors = int(ray.cluster_resources().get("CPU", 0))
    return f"{len(nodes)} nodes with {processors} processors, Ray {ray.__version__}", lacking


def _nothing(report: Report) -> None:
    """What a node that is looked at has to do."""


class _Found(NamedTuple):
    result: Any


def _why_lost(errors: Any, error: Exception) -> str:
    if isinstance(error, errors.OutOfMemoryError):
        return "its node ran out of memory; give each node more, or fewer processors"
    if isinstance(error, errors.OutOfDiskError | errors.ObjectStoreFullError):
        return "the disk of its node is full; make room in Ray's temporary folder"
    if isinstance(error, errors.NodeDiedError | errors.LocalRayletDiedError | errors.ObjectLostError):
        return "its node was lost; `ray status` shows which are left"
    return f"its process was killed ({type(error).__name__}); out of memory? give each node fewer processors"


def run_on_ray(tasks: Sequence[Task], *, cluster: OnRay, listener: Listener) -> dict[str, Done]:
    """What every task gives, by its label, see `parallel.run_tasks`.

    Raises:
        UserError: as soon as one of them fails, or a node is not as it has to be; the others are stopped.
    """
    finished: dict[str, Done] = {}
    if not tasks:
        return finished
    parts = [_Part(task.label, pickle.dumps(partial(outcome, task))) for task in tasks]
    for part, found in _Cluster(cluster, own_process=True).run(parts, moved=listener.moved):
        if isinstance(found, Failed):
            raise found.raised
        finished[part.label] = found
        listener.finished(found)
    return finished


def map_on_ray(
    work: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    *,
    cluster: OnRay,
    advance: Callable[[float], None],
) -> list[Result]:
    """What `work` gives for each item, in their order, see `parallel.map_in_processes`.

    Raises:
        MixtureError: when the process, or node, of some of them is lost twice.
    """
    if not items:
        return []
    nodes = _Cluster(cluster, own_process=False)
    chunks = pieces(items, at_once=nodes.at_once, most=_PIECE)
    parts = [
        _Part(f"piece {i} of {len(chunks)}", pickle.dumps(partial(_map, work, one))) for i, one in enumerate(chunks, 1)
    ]
    done: dict[str, list[Result]] = {}
    for part, found in nodes.run(parts, moved=lambda *_: None):
        if isinstance(found, Exception):
            raise found
        done[part.label] = found
        advance(1 / len(chunks))
    return [result for part in parts for result in done[part.label]]


def _map(work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], report: Report) -> Any:  # noqa: ARG001, nothing is reported
    warnings.simplefilter("ignore")  # Pillow's remarks on single files
    try:
        return work(items)
    except Exception as error:  # noqa: BLE001, raised where the results are put together
        error.add_note(traceback.format_exc())
        return error
