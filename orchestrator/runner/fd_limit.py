"""The limit of open files of this process (RLIMIT_NOFILE)."""

from __future__ import annotations


def raise_to(files: int) -> int | None:
    """Raise the limit to at least `files`; return the limit where it stays lower, else None."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= files:
        return None
    within = files if hard == resource.RLIM_INFINITY else min(hard, files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))
    return within if within < files else None
