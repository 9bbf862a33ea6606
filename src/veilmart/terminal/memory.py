"""How this process keeps freed memory.

Sealing works on 1 MiB pieces. glibc by default gives freed blocks of that size back to the kernel
at once and faults every page in anew for the next piece; on a virtual machine that costs three
times what sealing does (measured: 0.6 against 2.1 GB/s). Programs therefore keep a bounded amount.
"""

import ctypes
import gc

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
KEPT_BYTES = 32 * 1024 * 1024
FROM_HEAP_BYTES = 8 * 1024 * 1024
COLLECT_AFTER_OBJECTS = 20_000


def keep_freed_memory() -> bool:
    """Keep up to 32 MiB of freed memory for the next piece. False where the C library cannot."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    kept = mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    return bool(kept and mallopt(_M_MMAP_THRESHOLD, FROM_HEAP_BYTES))


def collect_seldom() -> None:
    """Collect garbage less often: imports make a hundred thousand objects, all of which stay."""
    gc.set_threshold(COLLECT_AFTER_OBJECTS)


def end_soon() -> None:
    """The process is about to end: its last collections need not look through what is left."""
    gc.freeze()


def serve_from_here() -> None:
    """Leave what start-up made out of every later garbage collection, and collect less often.

    Modules, routes and statements live as long as the process, and a request's objects form few
    cycles: looking through all of them every 700 objects is a twentieth of a server's time.
    """
    gc.collect()
    gc.freeze()
    collect_seldom()
