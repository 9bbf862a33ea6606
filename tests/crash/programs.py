"""Programs of the market as real processes that can be doomed, forked from one with the imports."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import veilmart.broker.maintenance.upkeep as broker_upkeep
import veilmart.merchant.server.running as merchant_serving
from tests.crash.cheating import cheat
from tests.crash.points import watch
from tests.support.programs import DIE_WITH_PARENT, forkserver
from veilmart.cli import build_app

END_SECONDS = 120
SWEEP_SECONDS = 0.3  # a real one waits five
PORTS = range(20_000, 30_000)  # below those that the system gives to clients


def run_program(arguments: tuple[str, ...], folder: Path, name: str) -> None:
    """`veilmart ...` in a process of its own; its lines go to `folder`/`name`.log."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    log = folder / f"{name}.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    watch(folder, name)
    cheat(folder)
    broker_upkeep.SWEEP_EVERY_SECONDS = SWEEP_SECONDS  # type: ignore[assignment, attr-defined]
    merchant_serving.SWEEP_EVERY_SECONDS = SWEEP_SECONDS  # type: ignore[assignment, attr-defined]
    result = build_app()(arguments, result_action="return_value")
    sys.stdout.flush()
    sys.exit(result if isinstance(result, int) else 0)


def free_port(first: int) -> int:
    """A loopback port that nobody uses, at or after `first`."""
    for port in (*range(first, PORTS.stop), *range(PORTS.start, first)):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Programs:
    """Starts programs whose files lie in `folder`; dooms, traces and ends them by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._context = forkserver()
        self._number = 0

    def begin(self, name: str, *arguments: str) -> Any:
        """The started process of `veilmart ARGUMENTS`."""
        process = self._context.Process(target=run_program, args=(arguments, self.folder, name))
        process.start()
        return process

    async def run(self, name: str, *arguments: str) -> int:
        """A command, to its end: its exit code, -9 when it was killed."""
        (self.folder / f"{name}.log").unlink(missing_ok=True)
        process = await asyncio.to_thread(self.begin, name, *arguments)
        await asyncio.to_thread(process.join, END_SECONDS)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
            raise AssertionError(f"{arguments} did not end: {self.said(name)}")
        process.close()
        return int(code)

    def said(self, name: str) -> str:
        """What the program of this name has printed."""
        log = self.folder / f"{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    # ---- dooms ---------------------------------------------------------------------------

    def doom(self, name: str, point: str, occurrence: int) -> None:
        """Let the program die when it passes `point` for the `occurrence`-th time from now on."""
        self._number += 1
        self._file(name, "killed").unlink(missing_ok=True)
        self._order(name, f"kill {point} {occurrence} {self._number}")

    def trace(self, name: str) -> None:
        """Let the program note down every point that it passes."""
        self._file(name, "traced").unlink(missing_ok=True)
        self._order(name, "trace")

    def spare(self, name: str) -> None:
        """Let it live, and note down nothing."""
        self._file(name, "doom").unlink(missing_ok=True)

    def was_killed(self, name: str) -> bool:
        """Whether the present doom has come true."""
        return self._file(name, "killed").exists()

    def traced(self, name: str) -> list[str]:
        """The points that it passed, in order."""
        file = self._file(name, "traced")
        return file.read_text().splitlines() if file.exists() else []

    def _file(self, name: str, kind: str) -> Path:
        return self.folder / f"{name}.{kind}"

    def _order(self, name: str, text: str) -> None:
        fresh = self._file(name, "fresh")
        fresh.write_text(text)
        fresh.replace(self._file(name, "doom"))


class Server:
    """`veilmart ROLE run` on a fixed port, started again at once whenever it was killed.

    A merchant that `dials` listens nowhere; it is there when the broker has authenticated.
    """

    def __init__(self, programs: Programs, role: str, home: Path) -> None:
        self.role = role
        self.port = free_port(PORTS.start + int.from_bytes(os.urandom(2), "big") % len(PORTS))
        self.ends: list[int] = []  # exit codes of those that had to be started again
        self.restart_seconds: list[float] = []
        self._programs = programs
        self._arguments = (role, "run", "--home", str(home))
        self._port: tuple[str, ...] = ("--port", str(self.port))
        self._ready = " listening on "
        self._process: Any = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._begin()
        self._keeper = asyncio.create_task(self._keep())

    async def dial(self) -> None:
        """Stop listening: from now on the program dials."""
        await self.stop()
        self._port, self._ready = (), "Broker authenticated successfully."
        await self.start()

    async def stop(self) -> None:
        """As an operator does."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.join, END_SECONDS)

    async def back(self, starts: int) -> None:
        """Until it has been started again for the `starts`-th time."""
        async with asyncio.timeout(END_SECONDS):
            while len(self.restart_seconds) < starts:
                if self._keeper is not None and self._keeper.done():
                    self._keeper.result()
                await asyncio.sleep(0.01)

    async def _begin(self) -> None:
        log = self._programs.folder / f"{self.role}.log"
        log.unlink(missing_ok=True)
        words = (*self._arguments, *self._port)
        self._process = await asyncio.to_thread(self._programs.begin, self.role, *words)
        async with asyncio.timeout(END_SECONDS):
            while self._ready not in self._programs.said(self.role):
                assert self._process.is_alive(), self._programs.said(self.role)
                await asyncio.sleep(0.01)

    async def _keep(self) -> None:
        while True:
            if not self._process.is_alive():
                self.ends.append(int(self._process.exitcode))
                began = time.monotonic()
                self._programs.spare(self.role)
                await self._begin()
                self.restart_seconds.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
