"""Real programs as child processes: start, watch their lines, stop by their own ids."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from veilmart.errors import ServerFault

START_SECONDS = 30
STOP_SECONDS = 15
COMMAND_SECONDS = 120


def command_line(*arguments: str) -> list[str]:
    """This installation's `veilmart`, run by this interpreter."""
    return [sys.executable, "-m", "veilmart", *arguments]


def environment() -> Mapping[str, str]:
    """Ours, without a home that would override --home, and with plain text output."""
    kept = {name: value for name, value in os.environ.items() if name != "VEILMART_HOME"}
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"}


async def run_command(
    *arguments: str, secret: str = "", cwd: Path | None = None, seconds: float = COMMAND_SECONDS
) -> str:
    """Run a command to its end; its standard output. Raises ServerFault with its words.

    seconds: how long it may take; a product of gigabytes takes its time to be packed.
    """
    process = await asyncio.create_subprocess_exec(
        *command_line(*arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate(secret.encode())
    except TimeoutError as fault:
        process.kill()
        raise ServerFault(f"veilmart {' '.join(arguments[:2])} did not end.") from fault
    if process.returncode:
        said = (errors or output).decode(errors="replace").strip()
        raise ServerFault(f"veilmart {' '.join(arguments[:2])}: {said}")
    return output.decode()


async def run_json(*arguments: str, secret: str = "", cwd: Path | None = None) -> Any:
    """Like `run_command` with --json, parsed."""
    return msgspec.json.decode(await run_command(*arguments, "--json", secret=secret, cwd=cwd))


class Server:
    """A long-running command; its lines are kept, its address is read from the first of them."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.lines: list[str] = []
        self.address = ""

    async def __aenter__(self) -> "Server":
        self._process = await asyncio.create_subprocess_exec(
            *command_line(*self._arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(),
        )
        self._reader = asyncio.create_task(self._read(self._process))
        try:
            async with asyncio.timeout(START_SECONDS):
                self.address = await self._listening
        except TimeoutError as fault:
            await self._stop()
            raise ServerFault("A server did not start.") from fault
        except ServerFault:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        """Process id while it runs, else 0."""
        return self._process.pid if self._process is not None else 0

    async def wait_for_line(self, text: str, seconds: float = START_SECONDS) -> None:
        """Until a line with `text` was printed. Raises ServerFault when none comes."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not any(text in line for line in self.lines):
            if asyncio.get_running_loop().time() > deadline:
                raise ServerFault(f"Nothing was heard of: {text}")
            await asyncio.sleep(0.02)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        async for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.lines.append(line)
            if " listening on " in line and not self._listening.done():
                self._listening.set_result(line.rsplit(" ", 1)[1])
        if not self._listening.done():
            self._listening.set_exception(ServerFault("\n".join(self.lines)))

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
        if self._reader is not None:
            await self._reader
