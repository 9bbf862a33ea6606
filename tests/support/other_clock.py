"""`veilmart ...` on a machine whose clock is wrong, by Debian's libfaketime.

The library is loaded by an interpreter of its own, which forks one process for each command: the
clock stays wrong in it, and its imports are paid for once.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.programs import Finished, environment

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
END_SECONDS = 120


def wrong_clock(offset: str) -> dict[str, str]:
    """The environment of a program whose clock is off by `offset`, such as "-1h" or "+2d".

    The monotonic clock stays as it is, as on a real machine.
    """
    return environment(LD_PRELOAD=str(LIBRARY), FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1")


class Machine:
    """Runs commands, one after the other."""

    def __init__(self, interpreter: "subprocess.Popen[str]") -> None:
        self._interpreter = interpreter

    def run(self, *words: str, typed: str = "") -> Finished:
        """A command to its end; `typed` is its standard input."""
        commands, answers = self._interpreter.stdin, self._interpreter.stdout
        assert commands is not None and answers is not None
        print(json.dumps([words, typed]), file=commands, flush=True)
        return Finished(*json.loads(answers.readline()))


@contextmanager
def machine(offset: str) -> Iterator[Machine]:
    """One whose clock is off by `offset` for as long as the block lasts."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.other_clock"],
        env=wrong_clock(offset),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as interpreter:
        try:
            yield Machine(interpreter)
        finally:
            interpreter.kill()


def _serve() -> None:
    """In the interpreter: read commands, fork, answer with code, output and errors."""
    import tests.support.imported  # noqa: F401 - what every command would import again

    for line in sys.stdin:
        words, typed = json.loads(line)
        with ExitStack() as files:
            given, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(typed.encode())
            given.seek(0)
            child = os.fork()
            if child == 0:
                _become(words, [file.fileno() for file in (given, out, err)])
            _, status = os.waitpid(child, 0)
            said = [_read(file) for file in (out, err)]
        print(json.dumps([os.waitstatus_to_exitcode(status), *said]), flush=True)


def _become(words: list[str], fds: list[int]) -> None:
    """In the forked process: be `veilmart WORDS`."""
    import runpy
    import signal

    signal.alarm(END_SECONDS)
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open as long as the process lives
    sys.argv = ["veilmart", *words]
    try:
        runpy.run_module("veilmart", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _read(file: Any) -> str:
    file.seek(0)
    said: bytes = file.read()
    return said.decode()


if __name__ == "__main__":
    _serve()
