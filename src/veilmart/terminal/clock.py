"""The clock that programs pass in; rules never ask for the time themselves."""

import time


def unix_now() -> int:
    """Unix seconds."""
    return int(time.time())
