import sys

# Workers import this before the workload, with every start method: from here on, the module that switches the GIL back
# on can be named. With a GIL, and in the conductor, there is nothing to watch.
if __name__ == "orchestrator_runner" and not getattr(sys, "_is_gil_enabled", lambda: True)():
    from . import gil

    gil.watch()
