"""One driver process: several real wallets, each buying again and again for a given time.

Started by `bench.purchases`. Reads one line to register, one to begin; prints one JSON object.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.protocol.address import parse_link
from veilmart.terminal.clock import unix_now
from veilmart.terminal.memory import keep_freed_memory, serve_from_here

PASSWORD = "bench password"
WARM_UP_PURCHASES = 3


async def open_shopper(home: Path, link: str, *, new: bool) -> tuple[Wallet, Shopper]:
    wallet = open_wallet(home, unix_now, os.urandom)
    shopper = await connect(wallet, link)
    if new:
        await shopper.account.register(home.name, PASSWORD)
    return wallet, shopper


async def buy_until(
    shopper: Shopper, menu: Menu, out: Path, ends_at: float, took: list[float]
) -> None:
    """Purchases one after another; the finished files are removed."""
    turn = 0
    while time.perf_counter() < ends_at:
        product = menu.products[turn % len(menu.products)]
        turn += 1
        began = time.perf_counter()
        bought = await shopper.buy(menu, product, out)
        took.append(time.perf_counter() - began)
        bought.path.unlink()


async def drive(link: str, folder: Path, names: list[str], seconds: float) -> dict[str, object]:
    homes = [folder / name for name in names]
    opened = [await open_shopper(home, link, new=True) for home in homes]
    print("registered", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    merchant = parse_link(link).merchant
    assert merchant is not None
    menus = [await shopper.browse(merchant) for _, shopper in opened]
    warm: list[float] = []
    for home, (_, shopper), menu in zip(homes, opened, menus, strict=True):
        (home / "out").mkdir()
        for turn in range(WARM_UP_PURCHASES):
            bought = await shopper.buy(menu, menu.products[turn], home / "out")
            warm.append(0)
            bought.path.unlink()
    serve_from_here()
    print("warm", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    took: list[float] = []
    cpu = time.process_time()
    began = time.perf_counter()
    await asyncio.gather(
        *(
            buy_until(shopper, menu, home / "out", began + seconds, took)
            for home, (_, shopper), menu in zip(homes, opened, menus, strict=True)
        )
    )
    elapsed = time.perf_counter() - began
    result = {
        "purchases": len(took),
        "seconds": elapsed,
        "cpu_seconds": time.process_time() - cpu,
        "durations": sorted(took),
        "exchanges": sum(shopper.http.exchanges for _, shopper in opened),
        "commits": sum(wallet.database.commits for wallet, _ in opened),
    }
    for wallet, shopper in opened:
        await shopper.aclose()
        await wallet.aclose()
    return result


def main() -> None:
    keep_freed_memory()
    link, folder, seconds, *names = sys.argv[1:]
    import uvloop

    result = uvloop.run(drive(link, Path(folder), names, float(seconds)))
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
