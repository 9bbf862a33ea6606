"""PostgreSQL: what a second worker costs, and what a million old invoices cost."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from bench.purchases import CREDIT, PRODUCT_BYTES, PRODUCTS, Driver
from veilmart.demo.processes import Server, run_command

CUSTOMERS = 6
DRIVERS = 2
SECONDS = 5.0
ROUNDS = 3
OLD_INVOICES = 1_000_000

# Settled long ago, in books that are in order: bought by one customer, delivered and reported.
# References are not checked one by one: four million of them would take minutes.
OLD = """
SET session_replication_role = replica;
SET search_path = veilmart_broker;
INSERT INTO accounts (kind) VALUES ('customer');
CREATE TEMP TABLE made AS SELECT n, sha256(n::text::bytea) AS name,
    nextval(pg_get_serial_sequence('transactions', 'id')) AS hold,
    nextval(pg_get_serial_sequence('transactions', 'id')) AS settle
    FROM generate_series(1, {count}) AS n;
CREATE TEMP TABLE who AS SELECT m.fingerprint, m.account AS merchant,
    (SELECT max(id) FROM accounts) AS customer FROM merchants AS m LIMIT 1;
INSERT INTO transactions (id, kind, reference, at)
    SELECT hold, 'hold', name, 1 FROM made UNION ALL SELECT settle, 'settle', name, 1 FROM made;
WITH money AS (INSERT INTO transactions (kind, reference, at) VALUES ('credit', '', 1) RETURNING id)
    INSERT INTO postings (entry, account, amount)
    SELECT id, 1, -100 * {count} FROM money UNION ALL
    SELECT id, customer, 100 * {count} FROM money, who;
INSERT INTO postings (entry, account, amount)
    SELECT hold, customer, -100 FROM made, who UNION ALL SELECT hold, 2, 100 FROM made UNION ALL
    SELECT settle, 2, -100 FROM made UNION ALL SELECT settle, merchant, 100 FROM made, who;
UPDATE accounts SET balance = balance - 100 * {count} WHERE id = 1;
UPDATE accounts SET balance = balance + 100 * {count} WHERE id = (SELECT merchant FROM who);
INSERT INTO invoices ("order", merchant, signed, amount, order_key, deliver_within, settle_within,
    state, due, held_at, hold)
    SELECT name, fingerprint, decode(repeat('5a', 420), 'hex'), 100, name, 86400, 259200,
    'settled', 1, 1, hold FROM made, who;
INSERT INTO operations (id, "order", body, answer, at)
    SELECT sha256(name), name, name, name, extract(epoch FROM now()) FROM made;
INSERT INTO reports (merchant, sequence, "order", event, at, delivered)
    SELECT fingerprint, n - {count}, name, 'settled', extract(epoch FROM now()), 1 FROM made, who;
SET search_path = veilmart_merchant;
INSERT INTO orders ("order", broker, product, root, shelf, size, suite, content_key, key_set, price,
    state, offered_at, pay_by, paid_at, ended_at)
    SELECT m.name, b.id, substring(m.name FOR 16), m.name, 1, 16384, 1, m.name, 1, 100, 'settled',
    1, 2, 2, 3 FROM made AS m, brokers AS b;
ANALYZE;
"""


def tree_cpu_seconds(pid: int) -> float:
    """User and system time of a process, its ended children and its running descendants."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own = sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(tree_cpu_seconds(int(child)) for child in children)


@dataclass
class Place:
    """A market and the process whose descendants are its database server."""

    folder: Path
    broker: Server
    merchant: Server
    link: str
    database: int
    customers: int = 0

    def cpu_seconds(self) -> float:
        """Of broker, merchant and PostgreSQL together."""
        pids = (self.broker.pid, self.merchant.pid, self.database)
        return sum(tree_cpu_seconds(pid) for pid in pids)

    async def measure(self) -> dict[str, float]:
        """Purchases per second and CPU seconds per purchase, customers not counted."""
        self.customers += CUSTOMERS
        names = [f"customer{self.customers}-{n}" for n in range(CUSTOMERS)]
        drivers = [
            await Driver.start(self.link, self.folder, SECONDS, names[n::DRIVERS])
            for n in range(DRIVERS)
        ]
        for driver in drivers:
            await driver.line()
        for name in names:
            home = str(self.folder / "broker")
            await run_command("broker", "credit", name, CREDIT, "--home", home)
        for driver in drivers:
            await driver.go()
        for driver in drivers:
            await driver.line()
        before = self.cpu_seconds()
        for driver in drivers:
            await driver.go()
        results = [await driver.result() for driver in drivers]
        spent = self.cpu_seconds() - before
        bought = sum(result["purchases"] for result in results)
        seconds = max(result["seconds"] for result in results)
        return {"per_second": bought / seconds, "cpu_seconds": spent / bought}


@asynccontextmanager
async def place(folder: Path, workers: int, old: int = 0) -> AsyncIterator[Place]:
    """A market with a PostgreSQL server of its own, durable as in earnest."""
    from tests.support.postgres import PostgresServer

    server = PostgresServer(durable=True)
    try:
        url = server.new_database()
        async with AsyncExitStack() as stack:
            found = await _market(folder, url, workers, stack)
            broker, merchant, link = found
            if old:
                _insert_old(url, old)
            yield Place(folder, broker, merchant, link, server.pid)
    finally:
        server.remove()


async def _market(
    folder: Path, url: str, workers: int, stack: AsyncExitStack
) -> tuple[Server, Server, str]:
    goods = folder / "goods"
    goods.mkdir(parents=True)
    for number in range(PRODUCTS):
        (goods / f"product-{number:02}.bin").write_bytes(os.urandom(PRODUCT_BYTES))
    broker_home, merchant_home = str(folder / "broker"), str(folder / "merchant")
    several = ("--port", "0", "--workers", str(workers))
    await run_command("broker", "init", "--home", broker_home, "--database", url)
    broker = Server("broker", "run", "--home", broker_home, *several)
    await stack.enter_async_context(broker)
    joining = ("merchant", "init", "--broker", broker.url, "--yes", "--home", merchant_home)
    await run_command(*joining, "--database", url)
    await run_command("merchant", "add", str(goods), "--price", "1.00", "--home", merchant_home)
    merchant = Server("merchant", "run", "--home", merchant_home, *several)
    await stack.enter_async_context(merchant)
    await run_command("broker", "merchant", "admit", merchant.url, "--yes", "--home", broker_home)
    await merchant.wait_for_line("authenticated")
    link = (await run_command("merchant", "link", "--home", merchant_home)).split()[0]
    return broker, merchant, link


def _insert_old(url: str, count: int) -> None:
    parts = make_url(url)
    with psycopg.connect(
        host=str(parts.query["host"]), user=parts.username, dbname=parts.database
    ) as connection:
        for statement in OLD.format(count=count).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
    with psycopg.connect(
        host=str(parts.query["host"]), user=parts.username, dbname=parts.database, autocommit=True
    ) as connection:
        connection.execute("VACUUM")


@dataclass(frozen=True)
class Compared:
    """A figure of two markets: the round with the median ratio, and the ratios' spread."""

    ours: float
    theirs: float
    spread: tuple[float, float]

    @property
    def ratio(self) -> float:
        return round(self.ours / self.theirs, 3)


async def compare(first: Place, second: Place, figure: str) -> Compared:
    """The figure of both, taken in turns."""
    pairs = []
    for _ in range(ROUNDS):
        one, other = await first.measure(), await second.measure()
        pairs.append((one[figure], other[figure]))
    pairs.sort(key=lambda pair: pair[0] / pair[1])
    (least, most), middle = ((p[0] / p[1] for p in (pairs[0], pairs[-1])), pairs[len(pairs) // 2])
    return Compared(*middle, (round(least, 2), round(most, 2)))


async def measure_workers() -> dict[str, object]:
    """CPU seconds per purchase: two workers per role against one. Smaller is better."""
    with tempfile.TemporaryDirectory() as name:
        async with place(Path(name) / "two", 2) as two, place(Path(name) / "one", 1) as one:
            found = await compare(two, one, "cpu_seconds")
    return {
        "name": "CPU per purchase, two workers / one",
        "ratio": found.ratio,
        "spread": found.spread,
        "reach": 1.2,
        "at_most": True,
        "ours_cpu_ms": round(found.ours * 1000, 2),
        "theirs_cpu_ms": round(found.theirs * 1000, 2),
    }


async def measure_old_invoices(count: int = OLD_INVOICES) -> dict[str, object]:
    """Purchases per second: with a million old invoices against none."""
    with tempfile.TemporaryDirectory() as name:
        async with (
            place(Path(name) / "full", 1, count) as full,
            place(Path(name) / "empty", 1) as empty,
        ):
            found = await compare(full, empty, "per_second")
    return {
        "name": "purchases per second, 1,000,000 old invoices / none",
        "ratio": found.ratio,
        "spread": found.spread,
        "reach": 0.85,
        "ours_per_second": round(found.ours, 1),
        "theirs_per_second": round(found.theirs, 1),
    }


def rows() -> list[dict[str, Any]]:
    """Both measurements, as rows like those of `bench.ciphers`."""
    return [asyncio.run(measure_workers()), asyncio.run(measure_old_invoices())]


if __name__ == "__main__":
    # `python -m bench.postgres workers` leaves the million old invoices out.
    wanted = [asyncio.run(measure_workers())] if sys.argv[1:] == ["workers"] else rows()
    for row in wanted:
        print(row)
