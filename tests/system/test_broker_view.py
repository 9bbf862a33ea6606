"""What the broker receives and stores does not depend on which product of a shelf was bought."""

import re
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from tests.support.programs import run_command
from tests.support.shop_market import GOODS, running_market
from tests.support.waiting import until
from tests.system.recording_proxy import Recording, recording_proxy


def stored_sizes(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Per table: for every row the lengths of its values (numbers: whether there is one)."""
    connection = sqlite.connect(f"file:{database}?mode=ro", uri=True)
    names = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not row[0].startswith("sqlite_")
    ]
    sizes = {}
    for name in names:
        rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
        sizes[name] = [tuple(_size(value) for value in row) for row in rows]
    connection.close()
    return sizes


def _size(value: object) -> object:
    return len(value) if isinstance(value, bytes | str) else value is None


def new_rows(
    before: dict[str, list[tuple[object, ...]]], after: dict[str, list[tuple[object, ...]]]
) -> dict[str, list[tuple[object, ...]]]:
    """What each table gained, as row shapes."""
    return {name: _gained(before.get(name, []), rows) for name, rows in after.items()}


def _gained(
    before: list[tuple[object, ...]], after: list[tuple[object, ...]]
) -> list[tuple[object, ...]]:
    left = list(before)
    gained = []
    for row in after:
        if row in left:
            left.remove(row)
        else:
            gained.append(row)
    # Rows of one shape are alike: what counts is how many came and of which shape.
    return sorted([*gained, *[()] * (len(after) - len(before) - len(gained))], key=repr)


async def test_two_products_of_one_shelf_look_alike_to_the_broker(tmp_path: Path) -> None:
    async with running_market(tmp_path) as market:
        async with (
            recording_proxy(market.broker.address) as outside,
            recording_proxy(market.merchant.address) as inside,
        ):
            await reroute(market, outside, inside)
            home = await market.customer("observer", credit="100")
            # A first purchase warms caches (catalogue, link), so that the next two are alike.
            await market.buy(home, "almanac.txt", tmp_path / "out0")
            await market.merchant.wait_for_line("Transaction Done")
            market.merchant.forget()
            database = market.broker_home / "broker.sqlite"
            views = []
            for product in ("atlas.txt", "tables.txt"):
                await until(outside.answered)
                await until(inside.answered)
                before = stored_sizes(database)
                outside.clear()
                inside.clear()
                market.broker.forget()
                await market.buy(home, product, tmp_path / f"out-{product}")
                await market.merchant.wait_for_line("Transaction Done")
                market.merchant.forget()
                await until(outside.answered)
                await until(inside.answered)
                views.append(
                    (
                        outside.messages(),
                        inside.messages(),
                        new_rows(before, stored_sizes(database)),
                        [masked(line) for line in market.broker.lines],
                    )
                )
                delivered = (tmp_path / f"out-{product}" / product).read_bytes()
                assert delivered == GOODS[product]
        assert len(views[0][0]) > 10
        assert len(views[0][1]) > 6
        for first, second in zip(views[0], views[1], strict=True):
            assert first == second


async def test_nothing_that_names_a_product_is_in_the_brokers_home(tmp_path: Path) -> None:
    async with running_market(tmp_path) as market:
        home = await market.customer("observer", credit="100")
        await market.buy(home, "atlas.txt", tmp_path / "out")
        products = sqlite.connect(
            f"file:{market.merchant_home / 'merchant.sqlite'}?mode=ro", uri=True
        )
        names = [
            value if isinstance(value, bytes) else value.encode()
            for row in products.execute("SELECT id, root, file_name, title FROM products")
            for value in row
        ]
        products.close()
        assert len(names) == 4 * len(GOODS)
        for file in market.broker_home.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert not [name for name in names if name in content], file
        assert not [line for line in market.broker.lines if "atlas" in line]
        for file in market.merchant_home.rglob("*"):
            if file.is_file():
                assert b"observer" not in file.read_bytes(), file


def masked(line: str) -> str:
    """A line without what is random or counts up."""
    return re.sub(r"[0-9a-f]{16}|R\d+|\d\d:\d\d:\d\d", "*", line)


async def reroute(market: object, outside: Recording, inside: Recording) -> None:
    """Send customers and broker through the proxies."""
    from tests.support.shop_market import Market

    assert isinstance(market, Market)
    market.link = market.link.replace(market.broker.address, outside.address)
    # Before the command: the broker may link anew before the command has ended.
    market.merchant.forget()
    await run_command(
        "broker",
        "merchant",
        "admit",
        f"http://{inside.address}",
        "--yes",
        "--home",
        str(market.broker_home),
    )
    await market.merchant.wait_for_line("authenticated")
