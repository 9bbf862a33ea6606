"""A market of real broker and merchant processes that can be killed, with proxies on both links."""

import asyncio
import multiprocessing
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bad_input.roles import Clock, Roles, Template
from tests.bad_input.tampering_proxy import TamperingProxy, tampering_proxy
from veilmart.broker import merchants
from veilmart.broker.home import open_home
from veilmart.broker.operator.admission import fetch_candidate
from veilmart.cli import build_app

START_SECONDS = 180


def run_command(arguments: tuple[str, ...], log: Path) -> None:
    """`veilmart ...` in a process that has imported it already; its lines go to `log`."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.exit(build_app()(arguments, result_action="return_value"))


class Program:
    """`veilmart ROLE run` on a home; every start listens on a new port, which `proxy` follows.

    Started by a fork server that has the imports behind it: a real process, but a quick one.
    """

    def __init__(self, role: str, home: Path, proxy: TamperingProxy) -> None:
        self._arguments = (role, "run", "--home", str(home), "--port", "0")
        self._log = home.parent / f"{role}.log"
        self._proxy = proxy
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["veilmart.broker.cli.root", "veilmart.merchant.cli.root"]
        )
        self._process: Any = None
        self.address = ""

    async def start(self) -> None:
        self._log.unlink(missing_ok=True)
        self._process = self._context.Process(target=run_command, args=(self._arguments, self._log))
        await asyncio.to_thread(self._process.start)
        async with asyncio.timeout(START_SECONDS):
            while not (address := self._listening()):
                assert self._process.is_alive() or self._listening(), self._log.read_text()
                await asyncio.sleep(0.01)
        self.address = self._proxy.target = address

    def _listening(self) -> str:
        """host:port as the program printed it, or ""."""
        said = self._log.read_text() if self._log.exists() else ""
        found = re.search(r" listening on (\S+)\n", said)
        return "" if found is None else found.group(1)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.join, START_SECONDS)
            self._process.close()
            self._process = None

    def kill(self) -> None:
        """At once (SIGKILL), as a power cut would; `stop` before the next start cleans up."""
        self._process.kill()

    async def restart(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def running_programs(template: Template, folder: Path) -> AsyncIterator[Roles]:
    """Like `running_roles`, in processes; `broker` and `merchant` are `Program`s."""
    clock = Clock()
    broker_home = Path(shutil.copytree(template.broker, folder / "broker"))
    merchant_home = Path(shutil.copytree(template.merchant, folder / "merchant"))
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(tampering_proxy())
        inside = await stack.enter_async_context(tampering_proxy())
        broker = Program("broker", broker_home, outside)
        merchant = Program("merchant", merchant_home, inside)
        opened = open_home(broker_home)
        stack.push_async_callback(opened.database.aclose)
        stack.push_async_callback(merchant.stop)
        await merchant.start()
        found = await fetch_candidate(opened, f"http://{inside.address}", clock())
        await opened.database.run(merchants.admit, found.descriptor, found.address)
        stack.push_async_callback(broker.stop)
        await broker.start()
        closing = await stack.enter_async_context(AsyncExitStack())
        yield Roles(
            folder,
            clock,
            opened,
            merchant_home,
            template.merchant_print,
            outside,
            inside,
            broker,
            merchant,
            [],
            [],
            [],
            closing,
        )
