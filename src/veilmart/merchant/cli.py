"""`veilmart merchant ...`: set-up, serving, and the accounts' side; goods are in cli_goods.py."""

import asyncio
import io
import os
import signal
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from sqlalchemy import Connection

from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import CannotWrite, NotInitialised
from veilmart.merchant.brokers import load_brokers
from veilmart.merchant.cli_goods import register_goods
from veilmart.merchant.events import Event
from veilmart.merchant.market_home import SERVER_LOCK, MerchantHome, open_merchant
from veilmart.merchant.narration import narrated_lines, quiet_lines
from veilmart.merchant.products import find_product, load_products
from veilmart.merchant.revision import read_shop
from veilmart.merchant.views import balance_views, draw_table, sales_views
from veilmart.protocol.address import Link, parse_link
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.storage.disk_errors import file_error
from veilmart.storage.home import default_home
from veilmart.terminal.command import Common, run
from veilmart.terminal.console import Terminal
from veilmart.terminal.memory import serve_from_here

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8100
DEFAULTS = Common()

app = App(name="merchant", help="Sell files through a broker, without learning who buys.")
register_goods(app)


def home_of(common: Common) -> Path:
    """The merchant's home folder for this command."""
    return common.home or default_home("merchant")


def unix_now() -> int:
    """The clock port: Unix seconds."""
    return int(time.time())


@app.command
def init(
    *,
    broker: Annotated[str, Parameter(help="http://HOST:PORT, or a veilmart:// link.")],
    name: Annotated[str, Parameter(help="The name customers and broker see.")] = "merchant",
    yes: Annotated[bool, Parameter(help="Accept the broker's fingerprint unseen.")] = False,
    common: Common = DEFAULTS,
) -> int:
    """Make this merchant's identity and pin the broker it sells through."""
    return run(_init(broker, name, yes, common), common)


async def _init(broker: str, name: str, yes: bool, common: Common) -> None:
    from veilmart.merchant.joining import init_merchant

    terminal = common.terminal()
    link = parse_link(broker)

    def confirm(found: SignedDescriptor) -> bool:
        shown = format_fingerprint(found.fingerprint)
        terminal.say(f"The broker {found.descriptor.name!r} at {link.url} has the fingerprint")
        terminal.say(f"  {shown}")
        question = "Is that what its operator told you? (y/n) "
        return yes or terminal.confirm(question)

    fingerprint = await init_merchant(home_of(common), link, name, unix_now(), confirm)
    shown = format_fingerprint(fingerprint)
    terminal.result(
        {"name": name, "fingerprint": shown, "broker": link.url},
        lambda console: console.print(
            f"Merchant {name} is set up.\nFingerprint: {shown}\n"
            "Add goods with `veilmart merchant add`, then `veilmart merchant run`.",
            markup=False,
        ),
    )


@app.command(name="run")
def run_server(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[int, Parameter(help="Port; 0 lets the system choose.")] = DEFAULT_PORT,
    narrate: Annotated[bool, Parameter(help="Tell every step of every purchase.")] = False,
    interactive: Annotated[
        bool, Parameter(name=["--interactive", "-i"], help="Add and remove goods while serving.")
    ] = False,
    common: Common = DEFAULTS,
) -> int:
    """Serve until Ctrl-C. Changes by other commands take effect within a second."""
    return run(_run(host, port, narrate, interactive, common), common, serving=True)


async def _run(host: str, port: int, narrate: bool, interactive: bool, common: Common) -> None:
    terminal = common.terminal()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        opened = open_merchant(home_of(common))
        with opened as market, market.home.lock(SERVER_LOCK, wait=False):
            await _serve(market, host, port, narrate, interactive, terminal, stop)
    except NotInitialised as error:
        raise NotInitialised(
            f"{error.detail} A merchant needs a broker first: "
            "`veilmart merchant init --broker http://HOST:PORT`."
        ) from error


async def _serve(
    market: MerchantHome,
    host: str,
    port: int,
    narrate: bool,
    interactive: bool,
    terminal: Terminal,
    stop: asyncio.Event,
) -> None:
    from veilmart.merchant.interactive import converse
    from veilmart.merchant.serving import serve_opened

    decimals = market.database.run_now(read_shop).decimals

    def observe(event: Event) -> None:
        for line in narrated_lines(event, decimals) if narrate else quiet_lines(event):
            print(line, flush=True)

    started = asyncio.Event()

    def on_started(_port: int) -> None:
        serve_from_here()
        started.set()

    conversation: asyncio.Task[None] | None = None
    if interactive:
        conversation = asyncio.create_task(
            converse(market, terminal, started, unix_now, os.urandom)
        )
    try:
        await serve_opened(
            market,
            host,
            port,
            clock=unix_now,
            random=os.urandom,
            observe=observe,
            stop=stop,
            on_started=on_started,
        )
    finally:
        if conversation is not None:
            conversation.cancel()
            await asyncio.gather(conversation, return_exceptions=True)


@app.command
def balance(*, common: Common = DEFAULTS) -> int:
    """The merchant's account, as the broker last reported it."""
    return run(lambda: _balance(common), common)


def _balance(common: Common) -> None:
    with open_merchant(home_of(common)) as market:
        views = market.database.run_now(balance_views)
    common.terminal().result(
        views,
        lambda console: draw_table(
            console,
            ("broker", "balance", "currency"),
            [(view.broker, view.balance, view.currency) for view in views],
        ),
    )


@app.command
def sales(*, common: Common = DEFAULTS) -> int:
    """Orders by product and state."""
    return run(lambda: _sales(common), common)


def _sales(common: Common) -> None:
    with open_merchant(home_of(common)) as market:
        views = market.database.run_now(sales_views)
    common.terminal().result(
        views,
        lambda console: draw_table(
            console,
            ("title", "shelf", "state", "orders", "amount"),
            [(v.title, v.shelf, v.state, v.count, v.amount) for v in views],
        ),
    )


@app.command
def link(
    product: Annotated[str | None, Parameter(help="Number, title or id of a product.")] = None,
    *,
    svg: Annotated[Path | None, Parameter(help="Write the QR code to this file.")] = None,
    qr: Annotated[bool, Parameter(help="Show the QR code in the terminal.")] = False,
    common: Common = DEFAULTS,
) -> int:
    """The link that customers need: where the broker is and who both are."""
    return run(lambda: _link(product, svg, qr, common), common)


def shop_link(connection: Connection, merchant: bytes, product: str | None) -> Link:
    """Transaction: through the first pinned broker. Raises NoSuchProduct."""
    broker = load_brokers(connection)[0]
    place = parse_link(broker.url)
    found = None
    if product is not None:
        found = find_product(load_products(connection), product).id.hex()
    return Link(place.host, place.port, broker.fingerprint, merchant, found)


def _link(product: str | None, svg: Path | None, qr: bool, common: Common) -> None:
    import segno

    with open_merchant(home_of(common)) as market:
        text = str(market.database.run_now(shop_link, market.fingerprint, product))
    code = segno.make(text, micro=False)
    if svg is not None:
        try:
            code.save(str(svg), kind="svg", scale=4)
        except OSError as fault:
            raise file_error(fault, str(svg)) from fault
        except ValueError as fault:
            raise CannotWrite(str(svg)) from fault

    def draw(console: Console) -> None:
        console.print(text, markup=False)
        if qr:
            blocks = io.StringIO()
            code.terminal(out=blocks, compact=True)
            console.file.write(blocks.getvalue())

    common.terminal().result({"link": text, "svg": svg}, draw)
