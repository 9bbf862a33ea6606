"""Honest customers in a process of their own: whole visits at a steady rate, and password logins.

Started by `market.py`. Reads "run SECONDS" lines, prints one JSON object for each: a visit is a
new connection, handshake, login with the device key, catalogue and purchase.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from veilmart.customer.connection.shopper import connect
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.errors import VeilmartError
from veilmart.protocol.address import parse_link
from veilmart.terminal.clock import unix_now

PASSWORD = "honest password"


@dataclass
class Seen:
    """Durations in seconds; failures by error code, whatever was tried again included."""

    visits: list[float] = field(default_factory=list)
    logins: list[float] = field(default_factory=list)
    failures: Counter[int] = field(default_factory=Counter)


class Honest:
    """Wallets that visit one after another, `per_second` visits together."""

    def __init__(self, link: str, folder: Path, wallets: int, per_second: float) -> None:
        self._link = link
        self._merchant = parse_link(link).merchant or b""
        self._folder = folder
        self._period = wallets / per_second
        self._wallets = [self._open(f"honest{number}") for number in range(wallets)]
        self._login = self._open("login")

    def _open(self, name: str) -> Wallet:
        return open_wallet(self._folder / name, unix_now, os.urandom)

    async def register(self) -> None:
        for wallet in (*self._wallets, self._login):
            async with await connect(wallet, self._link) as shopper:
                await shopper.account.register(wallet.home.path.name, PASSWORD)

    async def run(self, seconds: float) -> Seen:
        """Visit for `seconds`; what has begun is finished."""
        seen = Seen()
        ends = time.monotonic() + seconds
        gaps = self._period / len(self._wallets)
        await asyncio.gather(
            *(self._visit(wallet, n * gaps, ends, seen) for n, wallet in enumerate(self._wallets)),
            self._log_in(ends, seen),
        )
        return seen

    async def _visit(self, wallet: Wallet, delay: float, ends: float, seen: Seen) -> None:
        await asyncio.sleep(delay)
        while (began := time.monotonic()) < ends:
            try:
                await self._buy(wallet)
                seen.visits.append(time.monotonic() - began)
            except VeilmartError as error:
                seen.failures[error.code] += 1
            await asyncio.sleep(max(0.0, began + self._period - time.monotonic()))

    async def _buy(self, wallet: Wallet) -> None:
        async with await connect(wallet, self._link) as shopper:
            for order in to_sync(wallet):
                await shopper.recover(order)
            menu = await shopper.browse(self._merchant)
            bought = await shopper.buy(menu, menu.products[0], self._folder / "files")
            bought.path.unlink()

    async def _log_in(self, ends: float, seen: Seen) -> None:
        while (began := time.monotonic()) < ends:
            try:
                async with await connect(self._login, self._link) as shopper:
                    await shopper.account.login(self._login.home.path.name, PASSWORD)
                seen.logins.append(time.monotonic() - began)
            except VeilmartError as error:
                seen.failures[error.code] += 1
            await asyncio.sleep(max(0.0, began + 1.0 - time.monotonic()))


async def serve(link: str, folder: Path, wallets: int, per_second: float) -> None:
    honest = Honest(link, folder, wallets, per_second)
    await honest.register()
    _tell({"names": [*(f"honest{number}" for number in range(wallets)), "login"]})
    while line := await asyncio.to_thread(sys.stdin.readline):
        _tell(await honest.run(float(line.split()[1])))


def _tell(value: Any) -> None:
    print(msgspec.json.encode(value).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
