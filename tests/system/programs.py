"""A market of real broker and merchant processes that can be killed, with proxies on both links."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support import programs
from tests.support.roles import Clock, Roles, Template, linked_roles
from tests.support.tampering_proxy import TamperingProxy
from veilmart.broker.home import BrokerHome

START_SECONDS = 180


class Program:
    """`veilmart ROLE run` on a home; every start listens on a new port, which `proxy` follows."""

    def __init__(self, role: str, home: Path, proxy: TamperingProxy) -> None:
        self._arguments = (role, "run", "--home", str(home), "--port", "0")
        self._log = home.parent / f"{role}.log"
        self._proxy = proxy
        self._process: programs.Program | None = None
        self.address = ""

    async def start(self) -> None:
        self._log.unlink(missing_ok=True)
        self._process = await asyncio.to_thread(self._begin)
        async with asyncio.timeout(START_SECONDS):
            while not (address := self._listening()):
                assert self._process.poll() is None, self._log.read_text()
                await asyncio.sleep(0.01)
        self.address = self._proxy.target = address

    def _begin(self) -> programs.Program:
        with self._log.open("wb") as log:
            env = programs.environment()
            return programs.Program(*self._arguments, env=env, stdout=log, stderr=log)

    def _listening(self) -> str:
        """host:port as the program printed it, or ""."""
        said = self._log.read_text() if self._log.exists() else ""
        found = re.search(r" listening on (\S+)\n", said)
        return "" if found is None else found.group(1)

    async def stop(self) -> None:
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)
            self._process = None

    def kill(self) -> None:
        """At once (SIGKILL), as a power cut would; `stop` before the next start cleans up."""
        assert self._process is not None
        self._process.kill()

    async def restart(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def running_programs(template: Template, folder: Path) -> AsyncIterator[Roles]:
    """Like `running_roles`, in processes; `broker` and `merchant` are `Program`s."""

    def make(
        opened: BrokerHome, merchant_home: Path, outside: TamperingProxy, inside: TamperingProxy
    ) -> tuple[Program, Program]:
        broker = Program("broker", opened.home.path, outside)
        return broker, Program("merchant", merchant_home, inside)

    async with linked_roles(template, folder, Clock(), make) as roles:
        yield roles
