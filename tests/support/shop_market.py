"""A whole market of real processes on loopback, for tests: broker, merchant, goods, customers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.programs import run_command, run_json
from tests.support.servers import Server

PASSWORD = "correct horse battery"
GOODS = {
    "atlas.txt": b"North is up.\n" * 100,
    "tables.txt": b"1 2 3 5 8 13 21\n" * 90,
    "almanac.txt": b"New moon on the first.\n" * 70,
}


@dataclass
class Market:
    """Homes, running servers and the link to the shop."""

    folder: Path
    broker: Server
    merchant: Server
    link: str
    customers: dict[str, Path] = field(default_factory=dict)

    @property
    def broker_home(self) -> Path:
        return self.folder / "broker"

    @property
    def merchant_home(self) -> Path:
        return self.folder / "merchant"

    async def customer(self, name: str, credit: str = "100") -> Path:
        """A registered customer with money; returns its home folder."""
        home = self.folder / name
        await run_command("customer", "join", self.link, "--yes", "--home", str(home))
        await run_command(
            "customer",
            "register",
            name,
            "--password-file",
            "-",
            "--home",
            str(home),
            secret=PASSWORD + "\n",
        )
        if credit:
            await run_command("broker", "credit", name, credit, "--home", str(self.broker_home))
        self.customers[name] = home
        return home

    async def buy(self, home: Path, product: str, out: Path, *options: str) -> dict[str, object]:
        out.mkdir(parents=True, exist_ok=True)
        result: dict[str, object] = await run_json(
            "customer", "buy", product, "--yes", "--out", str(out), "--home", str(home), *options
        )
        return result


def write_goods(folder: Path) -> Path:
    goods = folder / "goods"
    goods.mkdir()
    for name, content in GOODS.items():
        (goods / name).write_bytes(content)
    return goods


@asynccontextmanager
async def running_market(
    folder: Path, *, narrate: bool = True, dials: bool = False
) -> AsyncIterator[Market]:
    """Everything set up as the README says, on free ports. dials: as a merchant without any."""
    goods = write_goods(folder)
    broker_home, merchant_home = str(folder / "broker"), str(folder / "merchant")
    told = ("--narrate",) if narrate else ()
    async with AsyncExitStack() as stack:
        await run_command("broker", "init", "--home", broker_home)
        broker = await stack.enter_async_context(
            Server("broker", "run", "--home", broker_home, "--port", "0", *told)
        )
        await run_command(
            "merchant", "init", "--broker", broker.url, "--yes", "--home", merchant_home
        )
        await run_command("merchant", "add", str(goods), "--price", "5.00", "--home", merchant_home)
        run = ("merchant", "run", "--home", merchant_home, *told)
        server = Server(*run, ready="has been asked") if dials else Server(*run, "--port", "0")
        merchant = await stack.enter_async_context(server)
        which = "merchant" if dials else merchant.url  # the name that it asked to join under
        await run_command("broker", "merchant", "admit", which, "--yes", "--home", broker_home)
        await merchant.wait_for_line("authenticated")
        link = (await run_command("merchant", "link", "--home", merchant_home)).split()[0]
        yield Market(folder, broker, merchant, link)
