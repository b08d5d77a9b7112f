"""The plugin of a Dask worker: it unpacks the bundle, and forwards requests to an agent.

It is pickled by value, so the worker does not need this package; it imports the standard library and distributed only.
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

PATIENCE_S = 10.0  # how long an agent may take to end its runners


class AgentPlugin(WorkerPlugin):
    """Starts the agent with the first request, and ends it with the worker or when the plugin is removed."""

    def __init__(self, bundle: bytes) -> None:
        self.bundle = bundle
        self.directory = ""
        self.agent: Any = None
        """The agent's process, if it runs."""
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
        """End the agent and all its processes."""
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def transition(self, key: object, start: str, finish: str, **kwargs: Any) -> None:
        """Stop a block that is no longer needed: it was cancelled, or its client is gone."""
        if key == self.key and start == "executing" and finish in ("cancelled", "released", "forgotten"):
            self.send({"op": "stop"})

    def ask(self, key: object, request: str) -> str:
        """Forward a request and return the answer; raises RuntimeError when the agent ends instead."""
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
                if status != 0 or is_last:  # 0: it has just ended after a long time without requests
                    raise RuntimeError(f"the agent ended with status {status}")
            raise RuntimeError("the agent was ended")
        finally:
            self.key = None

    def start(self) -> None:
        """Start the agent; it ends when its stdin closes, also when this process is killed."""
        self.agent = subprocess.Popen(
            [sys.executable, "-c", BOOT, f"{self.directory}/source"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=f"{self.directory}/work",
        )

    def send(self, request: dict[str, Any]) -> None:
        """Write a request; if the agent is gone, the wait for its answer fails."""
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
    """Forward a request from a task to the agent of this worker."""
    worker = get_worker()
    plugin: Any = worker.plugins[name]
    return str(plugin.ask(worker.get_current_task(), request))
