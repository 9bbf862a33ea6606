"""`veilmart ...` on a machine whose clock is wrong, by Debian's libfaketime.

The library is loaded by an interpreter of its own, which forks one process for each command: the
clock stays wrong in it, and its imports are paid for once.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.programs import Finished, Start, become, environment

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
        return Finished(*self._ask("run", words, typed))

    @contextmanager
    def serving(self, *words: str, log: Path) -> Iterator[None]:
        """A command for as long as the block lasts; it prints into `log`."""
        server = self._ask("start", words, str(log))
        try:
            yield
        finally:
            self._ask("stop", [], str(server))

    def _ask(self, what: str, words: Sequence[str], given: str) -> Any:
        commands, answers = self._interpreter.stdin, self._interpreter.stdout
        assert commands is not None and answers is not None
        print(json.dumps([what, words, given]), file=commands, flush=True)
        return json.loads(answers.readline())


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
    """In the interpreter: read what is asked, act, answer in one line of JSON."""
    import tests.support.imported  # noqa: F401 - what every command would import again

    for line in sys.stdin:
        what, words, given = json.loads(line)
        print(json.dumps({"run": _run, "start": _start, "stop": _stop}[what](words, given)))
        sys.stdout.flush()


def _run(words: list[str], typed: str) -> list[Any]:
    """Exit code, output, errors."""
    with ExitStack() as files:
        given, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(typed.encode())
        given.seek(0)
        child = _fork(words, [file.fileno() for file in (given, out, err)], END_SECONDS)
        _, status = os.waitpid(child, 0)
        return [os.waitstatus_to_exitcode(status), *(_read(file) for file in (out, err))]


def _start(words: list[str], log: str) -> int:
    """Process id."""
    with Path(os.devnull).open("rb") as nothing, Path(log).open("wb") as said:
        return _fork(words, [nothing.fileno(), said.fileno(), said.fileno()], 0)


def _stop(_words: list[str], server: str) -> int:
    """Exit code."""
    os.kill(int(server), signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(int(server), 0)[1])


def _fork(words: list[str], fds: list[int], seconds: int) -> int:
    """A process that is `veilmart WORDS`. seconds: how long it may live; 0: as long as we."""
    if child := os.fork():
        return child
    signal.alarm(seconds)
    try:
        become(Start("veilmart", words, dict(os.environ), Path.cwd()), fds)
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
