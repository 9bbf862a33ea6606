"""Memory of exports: `python -m bench exports`.

Each table of a broker, a merchant and a wallet has ROWS rows (`ROWS=1000000 python -m bench
exports`, the default is 200,000; `ROLES="merchant customer"` leaves the broker out). Each export is
a process of its own; the figure is its largest resident set, compared with that of an export of an
almost empty table, which is the program itself.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update
from tests.support.broker_exports import GROWING, fill
from tests.support.many_rows import multiply
from tests.support.shop_market import running_market

from veilmart.broker.home import initialise
from veilmart.customer.schema import tables as customer_tables
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.merchant.home import open_merchant
from veilmart.merchant.schema import tables as merchant_tables
from veilmart.terminal.clock import unix_now

ROWS = 200_000
ROLES = "broker merchant customer"
KINDS = {"broker": GROWING, "merchant": ("sales", "products"), "customer": ("",)}
Row = dict[str, Any]


def measure(role: str, home: Path, kind: str) -> tuple[float, float]:
    """(largest resident set in MiB, seconds) of one export. kind: "" where a role has but one."""
    began = time.perf_counter()
    target = home / f"table-{kind}.csv"
    words = [word for word in (role, "export", kind, str(target), "--home", str(home)) if word]
    with subprocess.Popen(
        [sys.executable, "-m", "veilmart", *words], stdout=subprocess.DEVNULL
    ) as program:
        largest = 0
        while program.poll() is None:
            largest = max(largest, _largest_kib(program.pid))
            time.sleep(0.02)
    assert program.returncode == 0
    target.unlink()
    return largest / 1024, time.perf_counter() - began


def _largest_kib(process: int) -> int:
    """Of its resident sets so far; 0 when it has ended. (getrusage also counts its parent's.)"""
    status = Path(f"/proc/{process}/status").read_text()
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) if found else 0


async def _one_purchase(folder: Path) -> dict[str, Path]:
    """The homes of a merchant that sold one file and of the wallet that bought it."""
    async with running_market(folder, narrate=False) as market:
        home = await market.customer("anna")
        await market.buy(home, "atlas.txt", folder / "out")
    return {"merchant": market.merchant_home, "customer": home}


def _fill_merchant(home: Path, count: int) -> None:
    def more(conn: Connection) -> None:
        orders, products = merchant_tables.orders, merchant_tables.products
        conn.execute(update(orders).values(state="settled", paid_at=1, ended_at=2))
        multiply(conn, orders, count, order="randomblob(32)", paid_at="n")
        unlike = {"id": "randomblob(16)", "file_name": "hex(randomblob(16))"}
        multiply(conn, products, count, **unlike)

    with open_merchant(home) as opened:
        opened.database.run_now(more)


def _fill_wallet(home: Path, count: int) -> None:
    wallet = open_wallet(home, unix_now, os.urandom)
    unlike = {"order": "randomblob(32)", "made_at": "n"}
    wallet.database.run_now(multiply, customer_tables.orders, count, **unlike)
    wallet.close()


FILL: dict[str, Callable[[Path, int], None]] = {
    "broker": fill,
    "merchant": _fill_merchant,
    "customer": _fill_wallet,
}


def rows() -> list[Row]:
    count = int(os.environ.get("ROWS", ROWS))
    found = []
    with tempfile.TemporaryDirectory() as name:
        homes = asyncio.run(_one_purchase(Path(name))) | {"broker": Path(name) / "books"}
        initialise(homes["broker"], os.urandom).close()
        for role in os.environ.get("ROLES", ROLES).split():
            home = homes[role]
            itself, _seconds = measure(role, home, "folds" if role == "broker" else KINDS[role][0])
            FILL[role](home, count)
            for kind in KINDS[role]:
                found.append(_row(role, home, kind, count, itself))
                print(found[-1], flush=True)
    return found


def _row(role: str, home: Path, kind: str, count: int, itself: float) -> Row:
    mib, seconds = measure(role, home, kind)
    return {
        "name": f"memory of {role} export {kind}, {count} rows, beyond the program's own",
        "figure": round(mib - itself, 1),
        "unit": "MiB",
        "reach": 32,
        "at_most": True,
        "mib": round(mib, 1),
        "seconds": round(seconds, 1),
    }
