"""`run --interactive`: adding and removing goods by question and answer while the server serves.

Standard input is read in a thread of its own that does not keep the process from ending.
"""

import asyncio
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from veilmart.errors import AloneOnShelf, NeedsConfirmation, VeilmartError
from veilmart.merchant.cli.goods import report_added
from veilmart.merchant.cli.views import draw_products, product_views
from veilmart.merchant.goods.products import find_product, load_products, remove_product
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import Source, look_at, sources_in
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.home import expanded
from veilmart.terminal.console import Terminal

T = TypeVar("T")

QUESTION = "Do you want to add or remove files? (Enter: add/remove/no) "
END_OF_TEXT = "."


async def in_thread(work: Callable[[], T]) -> T:
    """Like asyncio.to_thread, but an unanswered question does not keep the process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as fault:
            error = fault
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=body, name="questions", daemon=True).start()
    return await future


async def converse(
    market: MerchantHome,
    terminal: Terminal,
    started: asyncio.Event,
    clock: Callable[[], int],
    random: Callable[[int], bytes],
) -> None:
    """Ask until the answer is no or the input ends. The server keeps running."""
    await started.wait()
    while await in_thread(lambda: ask_once(market, terminal, clock, random)):
        continue


def ask_once(
    market: MerchantHome,
    terminal: Terminal,
    clock: Callable[[], int],
    random: Callable[[int], bytes],
) -> bool:
    """One round of the conversation; False when there is nothing more to do. Blocks."""
    try:
        answer = terminal.ask(QUESTION).strip().lower()
        if answer in ("no", "n"):
            return False
        if answer == "add":
            _add(market, terminal, clock(), random)
        elif answer == "remove":
            _remove(market, terminal)
        else:
            terminal.say("Please answer add, remove or no.")
            return True
    except NeedsConfirmation:
        return False
    except VeilmartError as error:
        terminal.say(error.explain())
    show_menu(market, terminal)
    return True


def show_menu(market: MerchantHome, terminal: Terminal) -> None:
    """Everything on sale now, numbered."""
    views = market.database.read_now(product_views)
    terminal.result(views, lambda console: draw_products(console, views))


def _add(
    market: MerchantHome, terminal: Terminal, now: int, random: Callable[[int], bytes]
) -> None:
    text = terminal.ask("Path of a file or folder (Enter: type the content): ").strip()
    with typed_file_errors("The home folder"):
        folder = tempfile.TemporaryDirectory(dir=market.home.path, prefix="typed-")
    with folder:
        sources = _typed(terminal, Path(folder.name)) if not text else _named(expanded(text))
        decimals = market.database.run_now(read_shop).decimals
        try:
            added = add_now(market, sources, now=now, random=random)
        except AloneOnShelf as error:
            terminal.say(f"{error.summary} {error.detail}")
            if not terminal.confirm("Put it on sale anyway? (y/n) "):
                return
            added = add_now(market, sources, alone=True, now=now, random=random)
    report_added(terminal, added, decimals)


def _named(path: Path) -> tuple[Source, ...]:
    return tuple(sources_in(path)) if path.is_dir() else (look_at(path),)


def _typed(terminal: Terminal, folder: Path) -> tuple[Source, ...]:
    name = terminal.ask("File name: ").strip()
    terminal.say(f"Type the content; a line with a single {END_OF_TEXT} ends it.")
    path = folder / "content"
    with typed_file_errors("The home folder"), path.open("w", encoding="utf-8") as stream:
        while (line := terminal.ask("")) != END_OF_TEXT:
            stream.write(line + "\n")
    return (look_at(path, file_name=name),)


def _remove(market: MerchantHome, terminal: Terminal) -> None:
    show_menu(market, terminal)
    standing = market.database.read_now(load_products)
    product = find_product(standing, terminal.ask("Number to remove: ").strip())
    try:
        market.database.run_now(remove_product, product.id, False)
    except AloneOnShelf as error:
        terminal.say(f"{error.summary} {error.detail}")
        if not terminal.confirm("Remove it anyway? (y/n) "):
            return
        market.database.run_now(remove_product, product.id, True)
    terminal.say(f"{product.title} is no longer on sale.")
