"""`veilmart ...` in processes of its own, forked from one server that has the imports behind it.

A fresh interpreter takes 0.6 s of processor time until a command begins; a fork takes 0.02 s. What
is forked is a whole process all the same, with its own streams, environment and end. Tests of what
an interpreter does before `main` (bytes in arguments, `/dev/full`) start one with
`tests.support.real_program`.
"""

import asyncio
import ctypes
import fcntl
import multiprocessing
import multiprocessing.reduction
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

import msgspec

from tests.support import migrated_once, prepared_keys
from tests.support.made_once import SHARED
from veilmart.errors import ServerFault

END_SECONDS = 300
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG: nothing outlives an interrupted run
IMPORTED = ("tests.support.imported", "tests.support.programs")  # before the first fork


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


def forkserver() -> Any:
    """The context whose processes have the imports behind them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def environment(**more: str) -> dict[str, str]:
    """Ours, without a home that would override --home, and with plain text output."""
    kept = {name: value for name, value in os.environ.items() if name != "VEILMART_HOME"}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", **more}


class Program:
    """A started `veilmart WORDS`; as `subprocess.Popen`, as far as tests need it.

    module: another one to run. Streams are open files; None is /dev/null. piped: `stdout` reads
    what the program writes. controlled: stdin is a terminal that becomes the controlling one of a
    new session.
    """

    def __init__(
        self,
        *words: str,
        env: Mapping[str, str],
        module: str = "veilmart",
        cwd: Path | None = None,
        stdin: IO[Any] | None = None,
        stdout: IO[Any] | None = None,
        stderr: IO[Any] | None = None,
        piped: bool = False,
        controlled: bool = False,
    ) -> None:
        self.stdout: TextIO | None = None
        with ExitStack() as files:
            nothing = files.enter_context(Path(os.devnull).open("r+b", buffering=0))
            if piped:
                reading, writing = os.pipe()
                self.stdout = os.fdopen(reading)
                stdout = files.enter_context(os.fdopen(writing, "wb"))
            streams = [(given or nothing).fileno() for given in (stdin, stdout, stderr)]
            started = Start(module, words, dict(env), cwd or Path.cwd(), controlled)
            self._process = forkserver().Process(
                target=become, args=(started, [_Stream(fd) for fd in streams])
            )
            self._process.start()

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """The exit code, None while it runs; minus the signal that ended it."""
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float = END_SECONDS) -> int:
        """Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """At once (SIGKILL), as a power cut would."""
        self.send_signal(signal.SIGKILL)

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM, as an operator does; SIGKILL where it does not end. Returns the exit code."""
        self.terminate()
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait()


def run(
    *words: str,
    env: Mapping[str, str],
    module: str = "veilmart",
    cwd: Path | None = None,
    typed: str = "",
    seconds: float = END_SECONDS,
) -> Finished:
    """A command to its end; `typed` is its standard input."""
    with ExitStack() as files:
        given, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(typed.encode())
        given.seek(0)
        program = Program(
            *words, env=env, module=module, cwd=cwd, stdin=given, stdout=out, stderr=err
        )
        try:
            code = program.wait(seconds)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
        return Finished(code, _said(out), _said(err))


async def run_command(
    *words: str, secret: str = "", cwd: Path | None = None, seconds: float = END_SECONDS
) -> str:
    """Standard output of a command. Raises ServerFault with its words where it fails."""
    done = await asyncio.to_thread(
        run, *words, env=environment(), cwd=cwd, typed=secret, seconds=seconds
    )
    if done.code:
        raise ServerFault(f"veilmart {' '.join(words[:2])}: {(done.err or done.out).strip()}")
    return done.out


async def run_json(*words: str, secret: str = "", cwd: Path | None = None) -> Any:
    """Like `run_command` with --json, parsed."""
    return msgspec.json.decode(await run_command(*words, "--json", secret=secret, cwd=cwd))


def _said(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class _Stream:
    """A file descriptor that is sent to the process while it starts."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __reduce__(self) -> Any:
        return _received, (multiprocessing.reduction.DupFd(self.fd),)


def _received(sent: Any) -> int:
    return int(sent.detach())


@dataclass(frozen=True)
class Start:
    """What a forked process is to be."""

    module: str
    words: Sequence[str]
    env: dict[str, str]
    cwd: Path
    controlled: bool = False


def become(start: Start, fds: Sequence[int]) -> None:
    """In the forked process: be `python -m MODULE WORDS`. fds: its three streams."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    for fd in set(fds):
        os.close(fd)
    if start.controlled:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open as long as the process lives
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(start.env)
    os.chdir(start.cwd)
    if SHARED in os.environ:
        prepared_keys.install()
        migrated_once.install()
    sys.argv = [start.module, *start.words]
    runpy.run_module(start.module, run_name="__main__", alter_sys=True)
