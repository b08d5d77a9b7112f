"""What runs in the process of a Dask worker: it unpacks the bundle, and passes requests on to an agent.

It is sent by value, so the worker needs nothing of this package; it imports the standard library and distributed only.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from contextlib import suppress
from typing import Any

from distributed import WorkerPlugin, get_worker

BOOT = """
import json, os, sys
sys.path.insert(0, sys.argv.pop(1))
try:
    from orchestrator.cluster.agent import main
except ImportError as error:
    print(json.dumps({"lacks": str(error)}), flush=True)
else:
    main()
"""

PATIENCE_S = 10.0
"""What an agent gets to end its runners once its requests have ended."""


class AgentPlugin(WorkerPlugin):
    """The plugin: starts the agent with the first request, ends it when the worker ends or the plugin is removed."""

    def __init__(self, bundle: bytes) -> None:
        self.bundle = bundle
        self.directory = ""
        self.agent: Any = None
        """The process, if there is one."""
        self.key: object = None
        self.writing: Any = None

    def setup(self, worker: Any) -> None:
        """Unpack the bundle."""
        self.writing = threading.Lock()
        self.directory = tempfile.mkdtemp(prefix="orchestrator-", dir=worker.local_directory)
        with zipfile.ZipFile(io.BytesIO(self.bundle)) as packed:
            packed.extractall(self.directory)
        self.bundle = b""

    def teardown(self, worker: Any) -> None:
        """End the agent, and with it all that it has started."""
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def transition(self, key: object, start: str, finish: str, **kwargs: Any) -> None:
        """Stop a block that nobody waits for any more: it was cancelled, or whoever asked for it is gone."""
        if key == self.key and start == "executing" and finish in ("cancelled", "released", "forgotten"):
            self.send({"op": "stop"})

    def ask(self, key: object, request: str) -> str:
        """Pass a request on and return the answer; raises RuntimeError when the agent ends instead."""
        self.key = key
        try:
            for is_last in (False, True):
                if self.agent is None or self.agent.poll() is not None:
                    self.start()
                self.send(json.loads(request))
                agent = self.agent
                if agent is None:
                    break
                line: bytes = agent.stdout.readline()
                if line:
                    return line.decode()
                status = agent.wait()
                self.agent = None
                if status != 0 or is_last:  # 0: it was idle for long, and has just ended
                    raise RuntimeError(f"the agent ended with status {status}")
            raise RuntimeError("the agent was ended")
        finally:
            self.key = None

    def start(self) -> None:
        """Start the agent; it is told to end by the end of its requests, also when this process is killed."""
        self.agent = subprocess.Popen(
            [sys.executable, "-c", BOOT, f"{self.directory}/source"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=f"{self.directory}/work",
        )

    def send(self, request: dict[str, Any]) -> None:
        """Write a request; that the agent is gone shows when the answer is awaited."""
        with self.writing, suppress(OSError, AttributeError):
            self.agent.stdin.write(json.dumps(request).encode() + b"\n")
            self.agent.stdin.flush()

    def end(self) -> None:
        """End the agent."""
        agent, self.agent = self.agent, None
        if agent is None:
            return
        with suppress(OSError):
            agent.stdin.close()
        try:
            agent.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()


def ask(name: str, request: str) -> str:
    """Pass a request on to the agent of this worker, from a task."""
    worker = get_worker()
    porter: Any = worker.plugins[name]
    answer: str = porter.ask(worker.get_current_task(), request)
    return answer
