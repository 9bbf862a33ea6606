"""The demonstration: a whole market in separate processes, two customers at once.

Everything runs in a temporary folder on free loopback ports, and is gone afterwards.
"""

import asyncio
import filecmp
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import msgspec

from veilmart.crypto.suite import all_suites
from veilmart.demo import records
from veilmart.demo.processes import Server, run_command, run_json
from veilmart.demo.stall import built_in_goods, folder_goods, stock
from veilmart.errors import BadArgument, ServerFault
from veilmart.merchant.stocking.packing import Source
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.names import shown_path

CUSTOMERS = ("maria", "tomas")
PASSWORDS = {"maria": "seven green lanterns", "tomas": "nine quiet harbours"}
CREDIT = "100"
TOKENS = 2


class Story(msgspec.Struct, frozen=True):
    """What happened, and what each party has afterwards."""

    shelves: list[str]
    purchases: list[records.Purchase]
    broker: list[records.BrokerRow]
    merchant: list[records.MerchantRow]
    broker_lines: list[str]
    merchant_lines: list[str]
    anonymous: list[records.AnonymitySet]
    broker_searched_bytes: int
    broker_found: list[str]
    merchant_searched_bytes: int
    merchant_found: list[str]
    seconds: float

    @property
    def as_promised(self) -> bool:
        """Every file identical, every order settled, nothing found where it must not be."""
        states = [row.state for row in self.broker] + [row.state for row in self.merchant]
        settled = set(states) == {"settled"}
        counts = {len(self.purchases), len(self.broker), len(self.merchant)}
        same = all(purchase.identical for purchase in self.purchases)
        among = all(row.k > 1 for row in self.merchant)
        hidden = [set(found.accounts) == set(CUSTOMERS) for found in self.anonymous]
        same = same and among and len(hidden) == 1 and all(hidden)
        return (
            same and settled and len(counts) == 1 and not (self.broker_found or self.merchant_found)
        )


async def run_market(
    products: Path | None, tell: Callable[[str], None], keep: Path | None = None
) -> Story:
    """Play the whole demonstration; `tell` hears of each step as it happens.

    keep: a folder that is made, and stays with everything that the parties have.
    """
    began = time.monotonic()
    with _folder(keep) as folder:
        goods = folder / "goods"
        goods.mkdir()
        sources = folder_goods(products, tell) if products else built_in_goods(goods)
        async with AsyncExitStack() as stack:
            stage = await open_market(folder, sources, stack, tell)
            bought = await _shop(stage, sources, tell)
            await stage.merchant.wait_for_line("Transaction Done")
            await _all_reported(stage, len(bought))
            story = _tell_story(stage, bought)
    return msgspec.structs.replace(story, seconds=round(time.monotonic() - began, 1))


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Raises BadArgument where `keep` is there already, CannotWrite where it cannot be made."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="veilmart-demo-") as name:
            yield Path(name)
        return
    with typed_file_errors(shown_path(keep)):
        if keep.exists():
            raise BadArgument(f"{shown_path(keep)} is there already.")
        keep.mkdir(mode=0o700, parents=True)
    yield keep.absolute()


class Stage:
    """The running programs and where they live."""

    def __init__(self, folder: Path, broker: Server, merchant: Server, shelves: list[str]) -> None:
        self.folder, self.broker, self.merchant, self.shelves = folder, broker, merchant, shelves
        self.link = ""
        self.merchant_home = folder / "merchant"
        self.broker_home = folder / "broker"


async def open_market(
    folder: Path, sources: list[Source], stack: AsyncExitStack, tell: Callable[[str], None]
) -> Stage:
    broker_home, merchant_home = str(folder / "broker"), str(folder / "merchant")
    # A broker named by --home sets itself up only in a folder that is there.
    (folder / "broker").mkdir(mode=0o700, exist_ok=True)
    broker = await stack.enter_async_context(
        Server("broker", "run", "--home", broker_home, "--port", "0", "--narrate")
    )
    tell(f"Broker:   {broker.lines[0]}")
    await run_command("merchant", "init", "--broker", broker.url, "--yes", "--home", merchant_home)
    placed = await asyncio.to_thread(stock, folder / "merchant", sources, tell)
    shelves = []
    for added in placed:
        shelf = added.shelf
        shelves.append(
            f"{shelf.price / 100:.2f}: {len(added.products)} products, each {shelf.size:,} bytes"
        )
        tell(f"Merchant: shelf at {shelves[-1]}")
    merchant = await stack.enter_async_context(
        Server("merchant", "run", "--home", merchant_home, "--port", "0", "--narrate")
    )
    tell(f"Merchant: {merchant.lines[0]}")
    await run_command("broker", "merchant", "admit", merchant.url, "--yes", "--home", broker_home)
    await merchant.wait_for_line("authenticated")
    tell("Broker and merchant have authenticated each other.")
    stage = Stage(folder, broker, merchant, shelves)
    stage.link = (await run_command("merchant", "link", "--home", merchant_home)).split()[0]
    return stage


async def _shop(
    stage: Stage, sources: list[Source], tell: Callable[[str], None]
) -> list[records.Purchase]:
    """Both customers at the same time, one in each suite; then one of them without an account."""
    suites = [suite.name for suite in all_suites()]
    baskets = _baskets(sources)
    found = await asyncio.gather(
        *(
            _one_customer(stage, name, suite, basket, tell)
            for name, suite, basket in zip(CUSTOMERS, suites, baskets, strict=True)
        )
    )
    bought = [purchase for purchases in found for purchase in purchases]
    return [*bought, await _without_account(stage, sources, bought[0], tell)]


async def _without_account(
    stage: Stage,
    sources: list[Source],
    example: records.Purchase,
    tell: Callable[[str], None],
) -> records.Purchase:
    """Both withdraw tokens of one price; the second one buys with one, without logging in."""
    for name in CUSTOMERS:
        at_home = ("--home", str(stage.folder / name))
        await run_command("customer", "wallet", "create", "--no-passphrase", *at_home)
        price, count = example.price, str(TOKENS)
        await run_command("customer", "tokens", "withdraw", price, "--count", count, *at_home)
        tell(f"{name.capitalize()}:    withdrew {TOKENS} tokens of {price}")
    name = CUSTOMERS[-1]
    home, out = stage.folder / name, stage.folder / f"{name}-files"
    # A day's rest between withdrawing and spending is what the wallet asks for; a demonstration
    # cannot wait for it.
    result = await run_json(
        *("customer", "buy", example.title, "--anonymous", "--now", "--yes", "--again"),
        *("--out", str(out), "--home", str(home)),
    )
    source = next(s for s in sources if (s.title or s.file_name) == example.title)
    path = Path(result["path"])
    same = filecmp.cmp(path, source.path, shallow=False)
    tell(f"Somebody: bought {example.title!r} with a token, identical: {same}")
    suite = all_suites()[0].name
    return records.Purchase(
        name, result["order"], example.title, result["price"], suite, path, identical=same
    )


def _baskets(sources: list[Source]) -> list[list[Source]]:
    """What each customer buys: the smallest and the largest; and two from between."""
    by_size = sorted(sources, key=lambda source: source.size)
    middle = len(by_size) // 2
    first = [by_size[0], by_size[-1]] if len(by_size) > 1 else by_size
    second = [by_size[middle], by_size[middle // 2]] if len(by_size) > 3 else by_size[:1]
    return [first, second]


async def _one_customer(
    stage: Stage,
    name: str,
    suite: str,
    basket: list[Source],
    tell: Callable[[str], None],
) -> list[records.Purchase]:
    home, out = stage.folder / name, stage.folder / f"{name}-files"
    out.mkdir()
    at_home = ("--home", str(home))
    secret = PASSWORDS[name] + "\n"
    await run_command("customer", "join", stage.link, "--yes", *at_home)
    await run_command("customer", "register", name, "--password-file", "-", *at_home, secret=secret)
    await run_command("broker", "credit", name, CREDIT, "--home", str(stage.broker_home))
    bought = []
    for source in basket:
        title = source.title or source.file_name
        result = await run_json(
            "customer", "buy", title, "--yes", "--suite", suite, "--out", str(out), *at_home
        )
        path = Path(result["path"])
        same = filecmp.cmp(path, source.path, shallow=False)
        bought.append(
            records.Purchase(
                name, result["order"], title, result["price"], suite, path, identical=same
            )
        )
        tell(f"{name.capitalize()}:    bought {title!r} in suite {suite}, identical: {same}")
    return bought


async def _all_reported(stage: Stage, count: int) -> None:
    """Until the merchant has heard of every order."""
    for _ in range(200):
        done = [line for line in stage.merchant.lines if "Transaction Done" in line]
        rows = records.merchant_rows(stage.merchant_home)
        if len(done) >= 1 and sum(row.state == "settled" for row in rows) >= count:
            return
        await asyncio.sleep(0.05)
    raise ServerFault("The merchant did not hear of every settled order.")


def _tell_story(stage: Stage, bought: list[records.Purchase]) -> Story:
    secrets = records.product_secrets(stage.merchant_home)
    names = [name.encode() for name in CUSTOMERS]
    broker_bytes, broker_found = records.search(stage.broker_home, stage.broker.lines, secrets)
    merchant_bytes, merchant_found = records.search(
        stage.merchant_home, stage.merchant.lines, names
    )
    return Story(
        shelves=stage.shelves,
        purchases=bought,
        broker=records.broker_rows(stage.broker_home),
        merchant=records.merchant_rows(stage.merchant_home),
        broker_lines=stage.broker.lines,
        merchant_lines=stage.merchant.lines,
        anonymous=records.anonymity_sets(stage.broker_home, stage.merchant_home),
        broker_searched_bytes=broker_bytes,
        broker_found=[word.hex() for word in broker_found],
        merchant_searched_bytes=merchant_bytes,
        merchant_found=[word.decode() for word in merchant_found],
        seconds=0,
    )
