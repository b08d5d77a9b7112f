"""The preloaded shim (`gil_shim.c`) that measures waits for the GIL and for locks: compiled once, tried before use.

Without it (no C compiler, another libc, a static interpreter) that time is estimated instead.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from ..files import cache_directory

SOURCE = Path(__file__).with_suffix(".c")

TIMEOUT_S = 20.0

_SELF_TEST = """
import ctypes, sys, threading, time
read = ctypes.PyDLL(None).orchestrator_read_clocks
def clocks():
    found = (ctypes.c_uint64 * 5)()
    read(found)
    return found[:]
def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end: pass
def waited():
    clocks()
    other = threading.Thread(target=spin, args=(0.03,))
    other.start()
    spin(0.03)
    other.join()
    return clocks()[3]
has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
sys.exit(not (clocks()[0] and (not has_gil or any(waited() for _ in range(3)))))
"""


class Shims:
    """The shim for each interpreter of a run, built and tried at most once."""

    def __init__(self, scratch: Path) -> None:
        """Compile into the user's cache directory, or into `scratch` where there is none."""
        self._scratch = scratch
        self._built: Path | str | None = None
        self._usable: dict[str, str | None] = {}

    def preload(self, python: str) -> str | None:
        """Return the library to preload into `python`; None where it does not work, see `reason`."""
        if python not in self._usable:
            self._built = self._built or _build(self._scratch)
            works = isinstance(self._built, Path) and _works(python, self._built)
            self._usable[python] = str(self._built) if works else None
        return self._usable[python]

    def reason(self, python: str) -> str | None:
        """Return why `python` runs without the shim, with the remedy; None when it has it, or was not tried."""
        if python not in self._usable or self._usable[python]:
            return None
        return self._built if isinstance(self._built, str) else f"the shim can't be preloaded into {python}"


def _build(scratch: Path) -> Path | str:
    """Return the path of the compiled shim, or why there is none."""
    source = SOURCE.read_bytes()
    name = f"shim-{hashlib.sha256(source).hexdigest()[:16]}-{platform.machine()}.so"
    kept = cache_directory(otherwise=scratch)
    if (kept / name).is_file():
        return kept / name
    for directory in (kept, scratch):
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory) as fresh:
                reason = _compile(Path(fresh) / name)
                if reason:
                    return reason
                (Path(fresh) / name).replace(directory / name)
            return directory / name
    return f"neither {kept} nor {scratch} is writable"


def _compile(target: Path) -> str | None:
    """Compile to `target`; return the error, or None."""
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl", "-pthread"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        return "there is no C compiler; install one as `cc`"
    except OSError as error:
        return f"cc can't be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"cc took more than {TIMEOUT_S:.0f} s"
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"cc failed: {lines[0] if lines else f'status {done.returncode}'}" if done.returncode else None


def _works(python: str, shim: Path) -> bool:
    """Return whether an interpreter starts with the shim, which then sees threads wait for the GIL."""
    env = {**os.environ, "LD_PRELOAD": str(shim)}
    try:
        done = subprocess.run(
            [python, "-S", "-E", "-c", _SELF_TEST],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
