"""The seam between commands and whoever does their work: processes of this machine, or a Ray cluster.

Ray is imported once it is asked for, and not before.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mix665k.mixtures.engine import processes
from mix665k.mixtures.engine.tasks import Done, Listener, OnRay, Report, Task, Totals

Workers = int | OnRay
"""So many processes of this machine, or a Ray cluster."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def run_tasks(tasks: Sequence[Task], *, jobs: Workers, preload: str, listener: Listener) -> dict[str, Done]:
    """What every task gives, by its label: the first ones first, as many at once as `jobs` says.

    Processes of this machine have imported the module `preload` when they begin.

    Raises:
        UserError: as soon as one of them fails; the others are stopped.
    """
    if isinstance(jobs, OnRay):
        from mix665k.mixtures.engine.on_ray import run_on_ray

        return run_on_ray(tasks, cluster=jobs, listener=listener)
    return processes.run_in_processes(tasks, jobs=jobs, preload=preload, listener=listener)


def gather(tasks: Sequence[Task], *, jobs: Workers, preload: str, report: Report) -> dict[str, Any]:
    """What every task gives, by its label, see `run_tasks`; `report` is called for all of them."""
    done = run_tasks(tasks, jobs=jobs, preload=preload, listener=Totals(report))
    return {label: one.result for label, one in done.items()}


def map_in_processes(
    work: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    *,
    jobs: Workers,
    preload: str,
    advance: Callable[[float], None],
) -> list[Result]:
    """What `work` gives for each item, in their order; it gets some of them at a time.

    Raises:
        MixtureError: when a process is killed.
    """
    if isinstance(jobs, OnRay):
        from mix665k.mixtures.engine.on_ray import map_on_ray

        return map_on_ray(work, items, cluster=jobs, advance=advance)
    return processes.map_in_processes(work, items, jobs=jobs, preload=preload, advance=advance)
