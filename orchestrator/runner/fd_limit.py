"""The limit of open files of this process (RLIMIT_NOFILE)."""

from __future__ import annotations


def soft_limit() -> int | None:
    """Return the number of files that may be open; None where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return None
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def raise_to(files: int) -> int | None:
    """Raise the limit to at least `files`; return the limit where it stays lower, else None."""
    soft = soft_limit()
    if soft is None or soft >= files:
        return None
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    within = files if hard == resource.RLIM_INFINITY else min(hard, files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))
    return within if within < files else None
