"""The command `orchestrator`, also as `python -m orchestrator`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the program; while it still loads, an interrupt ends it without a traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # in the background of a shell, interrupts are ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import main as run

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
