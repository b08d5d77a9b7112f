"""The limit on how many files this process may have open (RLIMIT_NOFILE)."""

from __future__ import annotations


def soft_limit() -> int | None:
    """Return how many files may be open; None where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return None
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def raise_to(files: int) -> int | None:
    """Allow at least so many, as far as that goes; return how many are allowed when they are fewer."""
    soft = soft_limit()
    if soft is None or soft >= files:
        return None
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    within = files if hard == resource.RLIM_INFINITY else min(hard, files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))
    return within if within < files else None
