"""The workers of a Dask cluster as hosts; each block is one task that is pinned to a worker."""

from __future__ import annotations

import hashlib
import json
import pickle
import platform
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import cloudpickle
from anyio.abc import TaskGroup
from distributed.client import FutureCancelledError

from ..engine.hosts import BlockTask, Host, HostGone, HostsLost
from ..errors import first_of
from ..interpreters.identity import differences
from ..interpreters.probe import Probed
from ..journal.catalog import EVENTS
from ..journal.event import Event
from ..journal.raw_events import VariantUnavailable
from ..log import logger
from ..runner.problem import read
from ..spec.load import Source
from ..spec.plan import Plan
from ..spec.problem import SpecProblem
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt, Interrupted
from . import agent, bundle, worker_plugin
from .scheduler import CONNECT_S, RESOURCE, Cluster, connected, local_cluster, no_worker, refusal_of, workers_of

PREPARE_S = 600.0  # how long a host may take to prepare the experiment; it may have to build environments

POLL_S = 1.0  # how often the list of workers is polled

LOST_S = 5.0  # how long the scheduler may be unreachable before it counts as lost

LATE_S = 30.0  # how long a block may take after the end of the run's time, to end and to be sent

AGAIN_S = 10.0  # after this time a host that another run was holding is tried again

cloudpickle.register_pickle_by_value(worker_plugin)


class _Ask:
    """`worker_plugin.ask` for tasks; pickled once, as pickling by value takes milliseconds."""

    _pickled = cloudpickle.dumps(worker_plugin.ask)

    def __call__(self, name: str, request: str) -> str:
        """Forward a request, on the worker."""
        return worker_plugin.ask(name, request)

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return pickle.loads, (self._pickled,)


@asynccontextmanager
async def joined(
    cluster: Cluster, plan: Plan, source: Source, runner_env: RunnerEnvironment, interrupt: Interrupt
) -> AsyncIterator[tuple[Probed, DaskExecutor]]:
    """Yield what probing the experiment on the hosts found, and their executor; raises BadInput and Interrupted."""
    count = cluster.workers_here
    if count:
        what = f"{count} workers share this machine and do not lock it; use local:N only to try a cluster"
        logger().warning("cluster.local", note=what)
    async with AsyncExitStack() as opened:
        try:
            async with anyio.create_task_group() as setting_up:
                setting_up.start_soon(_raise_when_set, interrupt)
                started = await opened.enter_async_context(local_cluster(runner_env, count))
                client = await opened.enter_async_context(connected(started or cluster.name))
                hosts = DaskExecutor(client, cluster.name, plan, locks=not count)
                opened.push_async_callback(hosts.leave)
                probed = await hosts.prepare(source, count)
                setting_up.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise first_of(group) from None
        async with anyio.create_task_group() as watching:
            watching.start_soon(hosts.interrupt, interrupt)
            watching.start_soon(hosts.watch, watching)
            try:
                yield probed, hosts
            finally:
                watching.cancel_scope.cancel()


async def _raise_when_set(interrupt: Interrupt) -> None:
    await anyio.wait_readable(interrupt.fileno())
    raise Interrupted


class HostRefused(Exception):
    """A worker can't run the experiment; `problems` are those of the spec, if they are the reason."""

    def __init__(self, reason: str, problems: Iterable[SpecProblem] = ()) -> None:
        super().__init__(reason)
        self.problems = tuple(problems)


class DaskHost:
    """One host: a Dask worker that has prepared the experiment."""

    def __init__(self, hosts: DaskExecutor, address: str, name: str, prepared: Mapping[str, Any]) -> None:
        self._hosts = hosts
        self.address = address
        self.name: str | None = name
        self.about: Mapping[str, Any] = {"address": address, **prepared["about"]}
        self.gone = anyio.Event()

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        notify(f"on {self.name}")
        within_s = max(0.0, task.deadline - time.monotonic()) + LATE_S
        try:
            answer = await self._hosts.ask(self.address, agent.request(task), within_s, self.gone)
        except HostRefused as error:
            self._hosts.forget(self)
            raise HostGone(str(error), has_begun=True) from None
        if "busy" in answer:
            self._hosts.forget(self, AGAIN_S)
            why = answer["busy"]
            if self._hosts.run in why:
                why += ": two workers run on one machine; start only one"
            raise HostGone(why, has_begun=False)
        if "events" not in answer:
            self._hosts.forget(self)
            raise HostGone("it has restarted", has_begun=True)
        events = [EVENTS[fields["event"]].model_validate(fields) for fields in answer["events"]]
        return [event.model_copy(update={"host": self.name}) if hasattr(event, "point") else event for event in events]


class DaskExecutor:
    """The executor: follows which workers are there, and sends them requests."""

    def __init__(self, client: Any, cluster: str, plan: Plan, *, locks: bool) -> None:
        self._client = client
        self._cluster = cluster
        self._plan = plan
        self._locks = locks
        experiment = plan.experiment
        here = f"{Path.cwd()} {experiment.name}"
        self._plugin_name = f"orchestrator-{hashlib.sha256(here.encode()).hexdigest()[:12]}"
        self.run = f"{experiment.name} of {platform.node()}"
        self._plugin = cloudpickle.dumps(worker_plugin.AgentPlugin(bundle.pack(experiment, Path.cwd())))
        self._identity: Mapping[str, str] = {}
        self._there: dict[str, DaskHost | None] = {}
        """By address; None for a worker that is being prepared, or was refused."""
        self._with_plugin: set[str] = set()
        self._again_s: dict[str, float] = {}
        self._asked = 0
        self._coming, self._waiting = anyio.create_memory_object_stream[Host | Exception](10_000)

    async def next_host(self) -> Host | None:
        coming = await self._waiting.receive()
        if isinstance(coming, Exception):
            raise coming
        return coming

    async def interrupt(self, interrupt: Interrupt) -> None:
        """Raise Interrupted in `next_host` once the interrupt is set."""
        await anyio.wait_readable(interrupt.fileno())
        self._coming.send_nowait(Interrupted())

    async def prepare(self, source: Source, count: int) -> Probed:
        """Prepare all workers, and return the answer of the largest group that agrees; raises BadInput."""
        workers: Mapping[str, Mapping[str, Any]] = {}
        with anyio.move_on_after(PREPARE_S):
            while len(workers := await workers_of(self._client)) < count:
                await anyio.sleep(0.1)
        answers: dict[str, dict[str, Any]] = {}
        refused: dict[str, HostRefused] = {}

        async def ask(address: str, about: Mapping[str, Any]) -> None:
            try:
                answers[address] = await self._prepared(address, _name(address, about))
            except HostRefused as error:
                refused[address] = error

        async with anyio.create_task_group() as asking:
            for address, about in workers.items():
                asking.start_soon(ask, address, about)
        if not answers:
            problems = [problem for error in refused.values() for problem in error.problems]
            if problems:
                raise source.failure(*problems)
            raise no_worker(self._cluster, map(str, refused.values()))
        identities = [json.dumps(answers[address]["identity"], sort_keys=True) for address in sorted(answers)]
        self._identity = json.loads(Counter(identities).most_common(1)[0][0])
        for address, error in sorted(refused.items()):
            self._refuse(address, _name(address, workers[address]), str(error))
        for address, answer in sorted(answers.items()):
            self._admit(address, _name(address, workers[address]), answer)
        agreeing = next(answer for _, answer in sorted(answers.items()) if answer["identity"] == self._identity)
        unavailable = [VariantUnavailable.model_validate(fields) for fields in agreeing["unavailable"]]
        identity = {**self._identity, "host": "a cluster" if self._locks else "workers here"}
        return Probed(agreeing["pythons"], unavailable, identity, agreeing["environments"])

    async def watch(self, watching: TaskGroup) -> None:
        """Follow which workers come and go during the run."""
        seen_s = time.monotonic()
        while True:
            await anyio.sleep(POLL_S)
            workers: Mapping[str, Mapping[str, Any]] | None = None
            with suppress(Exception), anyio.move_on_after(LOST_S):  # any error means that there is no answer
                workers = await workers_of(self._client)
            if workers is None:
                if time.monotonic() - seen_s > LOST_S:
                    what = f"the scheduler of {self._cluster} is lost; the journal holds all finished blocks"
                    self._coming.send_nowait(HostsLost(what, remedy="run again to resume"))
                    return
                continue
            seen_s = time.monotonic()
            for address in [address for address in self._there if address not in workers]:
                worker = self._there.pop(address)
                if worker:
                    worker.gone.set()
            for address, about in workers.items():
                if address not in self._there and self._again_s.get(address, 0.0) <= seen_s:
                    self._there[address] = None
                    watching.start_soon(self._welcome, address, _name(address, about))

    async def _welcome(self, address: str, name: str) -> None:
        try:
            self._admit(address, name, await self._prepared(address, name))
        except HostRefused as error:
            self._refuse(address, name, str(error))

    def _admit(self, address: str, name: str, prepared: Mapping[str, Any]) -> None:
        """Let a worker take blocks if its identity equals that of the others, as results depend on it."""
        ours, theirs = self._identity, prepared["identity"]
        if differing := differences(ours, theirs):
            key = differing[0]
            self._refuse(address, name, f"its {key} is {theirs.get(key)}, and {ours.get(key)} on the others")
            return
        worker = self._there[address] = DaskHost(self, address, name, prepared)
        self._coming.send_nowait(worker)

    def _refuse(self, address: str, name: str, why: str) -> None:
        self._there[address] = None
        logger().warning("host.refused", host=name, address=address, reason=why)

    def forget(self, worker: DaskHost, again_s: float = POLL_S) -> None:
        """Remove a worker, and try it again later."""
        self._again_s[worker.address] = time.monotonic() + again_s
        if self._there.get(worker.address) is worker:
            del self._there[worker.address]

    async def _prepared(self, address: str, name: str) -> dict[str, Any]:
        """Return a worker's answer after it has prepared the experiment; raises HostRefused."""
        if why := await refusal_of(self._client, address):
            raise HostRefused(why)
        self._with_plugin.add(address)
        await self._send("plugin-add", address, plugin=self._plugin)
        experiment = self._plan.experiment
        spec = json.dumps(experiment.resolved())
        items = [vars(point.items) for point in self._plan.points if point.items]
        about = {
            "spec": spec,
            "items": items,
            "cores": self._plan.cores,
            "locks": self._locks,
            "run": self.run,
            "host": name,
        }
        answer = await self.ask(address, {"op": "prepare", **about}, PREPARE_S)
        if "lacks" in answer:
            remedy = "install this project with its extra `cluster` into the worker's environment, see docs/cluster.md"
            raise HostRefused(f"worker {address} can't run this program: {answer['lacks']}; {remedy}")
        if "problems" in answer:
            given = [(p["path"], read(p)) for p in answer["problems"]]
            found = [SpecProblem(tuple(at), p._replace(what=f"on host {name}: {p.what}")) for at, p in given]
            raise HostRefused("; ".join(f"{p.problem.what}; {p.problem.remedy}" for p in found), found)
        return answer

    async def _send(self, what: str, address: str, **arguments: Any) -> None:
        message = {"op": what, "name": self._plugin_name, **arguments}
        try:
            answers = await self._client.scheduler.broadcast(msg=message, workers=[address])
            answer = answers.get(address) or {}
        except Exception as error:  # the worker may be gone, in many ways
            raise HostRefused(f"worker {address} does not answer: {error}") from error
        if answer.get("status") != "OK":
            raise HostRefused(f"worker {address} can't load the plugin: {answer.get('exception_text') or answer}")

    async def ask(
        self, address: str, request: Mapping[str, Any], within_s: float, gone: anyio.Event | None = None
    ) -> dict[str, Any]:
        """Return the answer of a worker, which stops when this is cancelled; raises HostRefused without an answer."""
        self._asked += 1
        future = self._client.submit(
            _Ask(),
            *(self._plugin_name, json.dumps(request)),
            key=f"{self._plugin_name}-{request['op']}-{self._asked}-{time.monotonic_ns()}",
            resources={RESOURCE: 1},
            pure=False,
            retries=0,
            workers=[address],
            allow_other_workers=False,
        )
        answer: dict[str, Any] | None = None
        why = f"it has not answered within {within_s:.0f} s"
        try:
            with anyio.move_on_after(within_s):
                async with anyio.create_task_group() as waiting:
                    if gone:
                        waiting.start_soon(_cancel_when, gone, waiting)
                    try:
                        answer = json.loads(await future)
                    except FutureCancelledError:
                        why = "it is gone"
                    except Exception as error:  # of the worker, the connection or the agent
                        why = " ".join(str(error).split())
                    waiting.cancel_scope.cancel()
        finally:
            if answer is None:
                with anyio.CancelScope(shield=True), anyio.move_on_after(CONNECT_S), suppress(Exception):
                    await self._client.cancel([future], force=True)
            future.release()
        if answer is None:
            raise HostRefused("it is gone" if gone and gone.is_set() else why)
        return answer

    async def leave(self) -> None:
        """Remove the plugin from all workers, in parallel, as an unreachable one answers late or never."""

        async def remove(address: str) -> None:
            with suppress(HostRefused):
                await self._send("plugin-remove", address)

        with anyio.CancelScope(shield=True), anyio.move_on_after(worker_plugin.PATIENCE_S):
            async with anyio.create_task_group() as leaving:
                for address in self._with_plugin:
                    leaving.start_soon(remove, address)


async def _cancel_when(event: anyio.Event, group: TaskGroup) -> None:
    await event.wait()
    group.cancel_scope.cancel()


def _name(address: str, about: Mapping[str, Any]) -> str:
    """Return the name of a host: that of its worker if it has one, else the host of its address."""
    name = str(about["name"])
    return str(about["host"]) if name == address else name
