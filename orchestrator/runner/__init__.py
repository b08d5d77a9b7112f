import sys

# Workers import this before the workload, however they were started: only from here on can it be told who switches the
# GIL back on. Where there is one, or it is the conductor that imports this, there is nothing to watch.
if __name__ == "orchestrator_runner" and not getattr(sys, "_is_gil_enabled", lambda: True)():
    from . import gil

    gil.watch()
