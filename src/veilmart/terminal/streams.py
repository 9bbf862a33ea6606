"""Standard input, output and error of this process, when one of them is closed, full or gone.

Writing to standard output raises OutputLost instead of an OSError that could be any file's, and
BrokenPipeError when the reader has gone. Lines on standard error that cannot be written are
dropped: nobody is left to tell.
"""

import io
import os
import select
import sys
from collections.abc import Callable
from typing import Any, TextIO

from veilmart.errors import OutputLost

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def guard_streams() -> None:
    """Make standard streams safe to use; called once, at the start of the program.

    Nothing that is opened later gets the number of a closed stream, and characters that cannot be
    encoded are written as escapes.
    """
    _occupy(_STDIN)
    out_lost, error_lost = _occupy(_STDOUT), _occupy(_STDERR)
    if sys.stdin is None:
        sys.stdin = open(_STDIN, closefd=False)  # noqa: SIM115
    _escape(sys.stdin, "surrogateescape")
    if sys.stdout is sys.__stdout__ or out_lost:
        sys.stdout = _text(_STDOUT, sys.stdout, _lost_output)
    if sys.stderr is sys.__stderr__ or error_lost:
        sys.stderr = _text(_STDERR, sys.stderr, None)


def tell(line: str) -> None:
    """Print a server's status line; the server continues when it cannot be written."""
    try:
        print(line, flush=True)
    except (OutputLost, BrokenPipeError):
        return


def _occupy(descriptor: int) -> bool:
    """Whether the descriptor was closed; it leads to /dev/null then, and fails where it was lost.

    Standard output is opened for reading, so that writing fails as it did before.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDONLY if descriptor != _STDERR else os.O_WRONLY)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        return True
    return False


def _escape(stream: TextIO, errors: str) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=errors)


def _text(
    descriptor: int, before: TextIO | None, on_lost: Callable[[OSError], Exception] | None
) -> TextIO:
    if before is not None:
        before.flush()
    encoding = "utf-8" if before is None else before.encoding
    raw = _Output(descriptor, on_lost)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=raw.isatty() or on_lost is None,
    )


def _lost_output(fault: OSError) -> Exception:
    if isinstance(fault, BrokenPipeError):
        return fault
    return OutputLost(f"{fault.strerror}.")


class _Output(io.RawIOBase):
    """A descriptor that is written whole. on_lost: what to raise; None to drop what is written."""

    def __init__(self, descriptor: int, on_lost: Callable[[OSError], Exception] | None) -> None:
        self._descriptor = descriptor
        self._on_lost = on_lost

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, block: Any, /) -> int:
        while True:
            try:
                return os.write(self._descriptor, block)
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError as fault:
                # What is still in the buffer goes nowhere, instead of failing again at the end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._descriptor)
                if self._on_lost is None:
                    return memoryview(block).nbytes
                raise self._on_lost(fault) from fault
