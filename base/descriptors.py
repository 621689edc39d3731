"""Open files: how many this process may have, and how many connections that leaves room for."""

import resource
from contextlib import suppress

KEPT_FREE = 200  # for the spool, the stores, the copy of links, and what comes while closing


def connections(wanted: int) -> int:
    """Raise the limit of open files to the most the host allows; `wanted` or as many as fit.

    Hosts start processes with 1,024: a thousand idle sockets would close the door to everybody
    and keep the spool from opening its file.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems call it unlimited and then refuse that number.
    for limit in (hard, wanted + KEPT_FREE):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - KEPT_FREE))
