"""A market on PostgreSQL with several workers per role, for tests and measurements."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.support.programs import run_command
from tests.support.servers import Server
from tests.support.shop_market import Market, write_goods


@asynccontextmanager
async def shared_market(folder: Path, url: str, workers: int) -> AsyncIterator[Market]:
    """As operations.md says: init with --database, run with --workers."""
    goods = write_goods(folder)
    broker_home, merchant_home = str(folder / "broker"), str(folder / "merchant")
    url_file = folder / "database-url"
    url_file.write_text(url + "\n")
    several = ("--port", "0", "--workers", str(workers))
    async with AsyncExitStack() as stack:
        await run_command("broker", "init", "--home", broker_home, "--database", str(url_file))
        broker = await stack.enter_async_context(
            Server("broker", "run", "--home", broker_home, *several)
        )
        await run_command(
            *("merchant", "init", "--broker", broker.url, "--yes"),
            *("--home", merchant_home, "--database", url),
        )
        await run_command("merchant", "add", str(goods), "--price", "5.00", "--home", merchant_home)
        merchant = await stack.enter_async_context(
            Server("merchant", "run", "--home", merchant_home, *several)
        )
        await run_command(
            "broker", "merchant", "admit", merchant.url, "--yes", "--home", broker_home
        )
        await merchant.wait_for_line("authenticated")
        link = (await run_command("merchant", "link", "--home", merchant_home)).split()[0]
        yield Market(folder, broker, merchant, link)
