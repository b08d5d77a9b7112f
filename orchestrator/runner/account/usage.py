"""What the processes of a runner have used of the machine: CPU time, context switches, memory."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from statistics import median
from typing import Any

from . import sensors
from .fold import mean

Worker = tuple[int, int]  # the process and the thread of a worker


class Usage:
    """One reading of the whole process tree; the difference of two is what was used in between."""

    def __init__(self, workers: list[dict[str, Any]], machinery: Set[int]) -> None:
        """Read; `workers` are their `sensors.usage()`, `machinery` the threads that came with the model."""
        self.workers: dict[Worker, dict[str, Any]] = {(each["pid"], each["thread"]): each for each in workers}
        self.own = sensors.usage()
        self.tree = {os.getpid(), *sensors.descendants()}
        self._tree_cpu_ns = sensors.cpu_ns(self.tree - {os.getpid()})
        self._machinery = {thread: sensors.thread_cpu_ns(thread) for thread in machinery}

    def _processes(self) -> dict[int, dict[str, Any]]:
        return {**{each["pid"]: each for each in self.workers.values()}, self.own["pid"]: self.own}

    def _cpu_ns(self) -> dict[Worker, int]:
        """Return the CPU time of the workers and of the submitting thread."""
        return {(each["pid"], each["thread"]): each["cpu_ns"] for each in (*self.workers.values(), self.own)}

    def _pairs(self, before: Usage) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return the readings of each process that is in both, the later first."""
        later, earlier = self._processes(), before._processes()
        return [(later[pid], earlier[pid]) for pid in later if pid in earlier]

    def run_queue_ns(self, before: Usage) -> int | None:
        """Return the time that workers waited for a core; None where the system does not report it."""
        readings = [
            (after["run_queue_ns"], before.workers[worker]["run_queue_ns"])
            for worker, after in self.workers.items()
            if worker in before.workers
        ]
        waits = [after - earlier for after, earlier in readings if after is not None and earlier is not None]
        return sum(waits) if waits else None

    def outside_cpu_ns(self, before: Usage) -> int:
        """Return the CPU time of threads and processes that are neither workers nor the model's."""
        known, known_before = self._cpu_ns(), before._cpu_ns()
        here = {thread for pid, thread in known if pid == os.getpid()}
        controlled_ns = sum(ns - known_before.get(worker, 0) for worker, ns in known.items())
        controlled_ns += sum(
            ns - before._machinery.get(thread, 0) for thread, ns in self._machinery.items() if thread not in here
        )
        # processes that have ended count among the children of their parent, if that is a worker
        ended_ns: int = sum(
            after["children_cpu_ns"] - earlier["children_cpu_ns"]
            for after, earlier in self._pairs(before)
            if after["pid"] != os.getpid()
        )
        return self._tree_cpu_ns - before._tree_cpu_ns + ended_ns - controlled_ns

    def counts(self, before: Usage, batches: int) -> dict[str, int]:
        """Return how much each count of the processes has grown per batch."""
        pairs = [(after["counts"], earlier["counts"]) for after, earlier in self._pairs(before)]
        return {
            name: mean(sum(after[name] - earlier[name] for after, earlier in pairs), batches)
            for name in self.own["counts"]
        }

    def memory(self, per_task: bool, of_ended: Sequence[tuple[int, int]]) -> dict[str, int | None]:
        """Return the peak memory of the tree, and a worker's own; `of_ended` is that of ended workers."""
        found = {pid: memory for pid in self.tree if (memory := sensors.memory(pid))}
        if per_task:
            workers = [private for _, private in of_ended]
        else:
            pids = {pid for pid, _ in self.workers} - {os.getpid()}
            workers = [found[pid][1] for pid in pids if pid in found]
        peak = sum(pss + sensors.beyond_now(pid) for pid, (pss, _) in found.items()) + sum(pss for pss, _ in of_ended)
        own = found.get(os.getpid())
        return {
            "peak_pss_bytes": peak if found else None,
            "worker_private_bytes": round(median(workers)) if workers else own[1] if own else None,
        }
