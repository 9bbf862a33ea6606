"""`veilmart ROLE run` for as long as a block lasts, for tests in an event loop."""

import asyncio
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.support.programs import Program, environment
from veilmart.errors import ServerFault

START_SECONDS = 180
LOOK_EVERY_SECONDS = 0.01


class Server:
    """Its lines are kept; its address is read from the first of them."""

    def __init__(
        self, *words: str, module: str = "veilmart", ready: str = " listening on "
    ) -> None:
        """ready: what it prints when it has started; a merchant that dials listens nowhere."""
        self._words, self._module, self._ready = words, module, ready
        self._program: Program | None = None
        self._file: IO[bytes] | None = None
        self._skipped = 0
        self.address = ""

    async def __aenter__(self) -> "Server":
        # Opened for appending: the program and its reader share no offset.
        self._file = tempfile.NamedTemporaryFile("ab")  # noqa: SIM115 - closed at the end
        self._program = await asyncio.to_thread(self._start, self._file)
        await self.wait_for_line(self._ready)
        for line in self.lines:
            if " listening on " in line:
                self.address = line.rsplit(" ", 1)[1]
        return self

    def _start(self, file: IO[bytes]) -> Program:
        env = environment()
        return Program(*self._words, env=env, module=self._module, stdout=file, stderr=file)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._program is not None:
            await asyncio.to_thread(self._program.stop)
        if self._file is not None:
            self._file.close()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        """Process id while it runs, else 0."""
        return self._program.pid if self._program is not None else 0

    @property
    def lines(self) -> list[str]:
        """What it has printed since `forget`, whole lines."""
        assert self._file is not None
        said = Path(self._file.name).read_text(errors="replace")
        return said.split("\n")[:-1][self._skipped :]

    def forget(self) -> None:
        """Let `lines` begin anew."""
        self._skipped += len(self.lines)

    async def wait_for_line(self, text: str, seconds: float = START_SECONDS) -> None:
        """Until a line with `text` was printed. Raises ServerFault when none comes."""
        ends = asyncio.get_running_loop().time() + seconds
        while not any(text in line for line in self.lines):
            ended = self._program is None or self._program.poll() is not None
            if ended or asyncio.get_running_loop().time() > ends:
                raise ServerFault("\n".join([f"No line with {text!r}:", *self.lines]))
            await asyncio.sleep(LOOK_EVERY_SECONDS)
