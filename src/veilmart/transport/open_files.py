"""How many connections this process may have, by the system's limit of open files.

The usual soft limit is 1024 open files, and a process may raise it. Without a free file descriptor
a server can neither accept connections nor open its database.
"""

import resource

from veilmart.limits import CONNECTIONS_MAX, STREAMS_MAX

FILES_BESIDE = 512
"""Databases, connections to the other servers, and files being read."""
CONNECTIONS_MIN = 64


def connections_allowed() -> int:
    """CONNECTIONS_MAX, or fewer where the system does not let us open so many files.

    Raises the process's own limit as far as it may.
    """
    return max(CONNECTIONS_MIN, min(CONNECTIONS_MAX, (_files() - FILES_BESIDE) // 2))


def streams_allowed() -> int:
    """STREAMS_MAX, or fewer: what `connections_allowed` leaves."""
    left = _files() - FILES_BESIDE - connections_allowed()
    return max(CONNECTIONS_MIN, min(STREAMS_MAX, left))


def _files() -> int:
    """How many files this process may have open, once it has asked for as many as it wants."""
    wanted = CONNECTIONS_MAX + STREAMS_MAX + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return wanted if soft == resource.RLIM_INFINITY else soft
