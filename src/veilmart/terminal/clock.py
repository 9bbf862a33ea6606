"""The clock that programs pass in; rules never ask for the time themselves."""

import time


def unix_now() -> int:
    """Unix seconds."""
    return int(time.time())


def elapsed() -> float:
    """Seconds that only grow, also while the machine sleeps, whatever happens to the wall clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
