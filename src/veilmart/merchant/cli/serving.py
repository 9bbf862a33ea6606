"""`veilmart merchant ...`: set-up, serving, and the accounts' side; goods are in goods.py."""

import asyncio
import io
import os
import socket
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import BadArgument, CannotWrite, NotInitialised
from veilmart.merchant.back_office.operator_requests import ask_to_join
from veilmart.merchant.cli.views import balance_views, sales_views
from veilmart.merchant.events import AskedToJoin, Event, Faulted, Listening, Observer
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import SERVER_LOCK, MerchantHome, open_merchant
from veilmart.merchant.publishing.brokers import PinnedBroker
from veilmart.merchant.publishing.shop_link import shop_link
from veilmart.merchant.server.dialling import Refused
from veilmart.merchant.server.narration import narrated_lines, quiet_lines
from veilmart.protocol.address import parse_link
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.storage.files.disk_errors import file_error
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command, server_command
from veilmart.terminal.console import Console, Terminal
from veilmart.terminal.logs import configure_logs, event_log
from veilmart.terminal.memory import serve_from_here
from veilmart.terminal.numbers import PORT_MAX, Listener, Workers, whole
from veilmart.terminal.service import Log, StatusPort, Telling
from veilmart.terminal.serving import (
    require_workers,
    stop_on_signals,
    worker_command,
    worker_environment,
    worker_started,
)
from veilmart.terminal.streams import tell
from veilmart.terminal.tables import show_table
from veilmart.transport.server import listen
from veilmart.transport.workers import inherited_listener, run_workers, stop_with_parent

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8100
Place = tuple[str, int] | None
"""The listening address; None for a merchant that dials."""
ListenPort = Annotated[
    int | None,
    Parameter(converter=whole(0, PORT_MAX), help="Port to listen on; 0 lets the system choose."),
]
DEFAULTS = Common()


def home_of(common: Common) -> Path:
    """The merchant's home folder for this command."""
    return common.home or default_home("merchant")


@command
async def init(
    *,
    broker: Annotated[str, Parameter(help="http://HOST:PORT, or a veilmart:// link.")],
    name: Annotated[str, Parameter(help="The name customers and broker see.")] = "merchant",
    yes: Annotated[bool, Parameter(help="Accept the broker's fingerprint without asking.")] = False,
    store: Annotated[
        str | None,
        Parameter(help="s3://BUCKET/PREFIX for the products, instead of the home folder."),
    ] = None,
    common: Common = DEFAULTS,
) -> None:
    """Make this merchant's identity and pin the broker it sells through."""
    from veilmart.merchant.back_office.setup import init_merchant

    terminal = common.terminal()
    link = parse_link(broker)

    def confirm(found: SignedDescriptor) -> bool:
        shown = format_fingerprint(found.fingerprint)
        terminal.say(f"The broker {found.descriptor.name!r} at {link.url} has the fingerprint")
        terminal.say(f"  {shown}")
        question = "Is that the fingerprint that its operator gave you? (y/n) "
        return yes or terminal.confirm(question)

    fingerprint = await init_merchant(
        home_of(common),
        link,
        name,
        unix_now(),
        confirm,
        database=common.database,
        store=store,
    )
    shown = format_fingerprint(fingerprint)
    terminal.result(
        {"name": name, "fingerprint": shown, "broker": link.url},
        lambda console: console.print(
            f"Merchant {name} is set up.\nFingerprint: {shown}\n"
            "Add goods with `veilmart merchant add`, then `veilmart merchant run`."
        ),
    )


@server_command
async def run_server(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = DEFAULT_HOST,
    port: ListenPort = None,
    public_url: Annotated[
        str | None, Parameter(help="Listen, and ask to be carried at http://HOST:PORT.")
    ] = None,
    dial: Annotated[
        bool,
        Parameter(help="Dial the broker; the default without --host, --port and --public-url."),
    ] = False,
    narrate: Annotated[bool, Parameter(help="Print every step of every purchase.")] = False,
    interactive: Annotated[
        bool, Parameter(name=["--interactive", "-i"], help="Add and remove goods while serving.")
    ] = False,
    status_port: StatusPort = None,
    log: Log = False,
    workers: Workers = 1,
    listener: Listener = None,
    common: Common = DEFAULTS,
) -> None:
    """Serve until Ctrl-C. Changes by other commands take effect within a second."""
    telling = Telling(narrate, log, status_port)
    if listener is not None:
        await _work(listener, telling, common, dial=dial)
        return
    listens = port is not None or public_url is not None or host != DEFAULT_HOST
    if listens and dial:
        raise BadArgument("--dial does not go with --host, --port or --public-url.")
    place = (host, DEFAULT_PORT if port is None else port) if listens else None
    await _run(place, public_url, telling, interactive, workers, common)


async def _run(
    place: Place,
    public_url: str | None,
    telling: Telling,
    interactive: bool,
    workers: int,
    common: Common,
) -> None:
    terminal = common.terminal()
    stop = stop_on_signals()
    if workers != 1 and interactive:
        raise BadArgument("--interactive and --workers do not go together.")
    try:
        opened = open_merchant(home_of(common), common.database)
        with opened as market, market.home.lock(SERVER_LOCK, wait=False):
            require_workers(workers, market.database)
            if public_url is not None:
                await ask_to_join(market, public_url, unix_now(), os.urandom)
            if workers != 1:
                await _supervise(market, place, telling, workers, common, stop)
            else:
                await _serve(market, place, telling, interactive, terminal, stop)
    except NotInitialised as error:
        raise NotInitialised(
            f"{error.detail} A merchant needs a broker first: "
            "`veilmart merchant init --broker http://HOST:PORT`."
        ) from error


async def _serve(
    market: MerchantHome,
    place: Place,
    telling: Telling,
    interactive: bool,
    terminal: Terminal,
    stop: asyncio.Event,
) -> None:
    from veilmart.merchant.cli.interactive import converse
    from veilmart.merchant.server.running import serve_opened

    started = asyncio.Event()

    def on_started(_port: int) -> None:
        serve_from_here()
        started.set()

    conversation: asyncio.Task[None] | None = None
    if interactive:
        conversation = asyncio.create_task(
            converse(market, terminal, started, unix_now, os.urandom)
        )
    observe = _observer(market, telling)
    try:
        await serve_opened(
            market,
            *(place or (DEFAULT_HOST, 0)),
            clock=unix_now,
            random=os.urandom,
            observe=observe,
            refused=_join_on_refusal(market, observe) if place is None else None,
            stop=stop,
            on_started=on_started,
            status=telling.place(),
        )
    finally:
        if conversation is not None:
            conversation.cancel()
            await asyncio.gather(conversation, return_exceptions=True)


def _join_on_refusal(market: MerchantHome, observe: Observer) -> Refused:
    """Ask the operator of a broker that refuses us to admit us, once in a run."""

    async def refused(broker: PinnedBroker) -> None:
        which = format_fingerprint(broker.fingerprint)
        await ask_to_join(market, None, unix_now(), os.urandom, which)
        observe(AskedToJoin(broker.known.descriptor.name))

    return refused


def _observer(market: MerchantHome, telling: Telling) -> Observer:
    if telling.log:
        configure_logs()
        return event_log("merchant")
    decimals = market.database.run_now(read_shop).decimals

    def observe(event: Event) -> None:
        for line in narrated_lines(event, decimals) if telling.narrate else quiet_lines(event):
            tell(line)

    return observe


async def _supervise(
    market: MerchantHome,
    place: Place,
    telling: Telling,
    workers: int,
    common: Common,
    stop: asyncio.Event,
) -> None:
    from veilmart.merchant.server.running import prepare_workers

    await prepare_workers(market, unix_now, os.urandom)
    observe = _observer(market, telling)
    market.database.close()
    words = telling.words()
    # Workers that dial are given a socket that nobody listens on.
    if place is None:
        words.append("--dial")
    with socket.socket() if place is None else await listen(*place) as listener:

        def started() -> None:
            if place is not None:
                observe(Listening(place[0], listener.getsockname()[1]))

        await run_workers(
            worker_command("merchant", home_of(common), words),
            workers,
            listener,
            environment=worker_environment(common),
            stop=stop,
            on_started=started,
            on_ended=lambda number, code: observe(Faulted(f"Worker {number} ended with {code}.")),
        )


async def _work(listener: int, telling: Telling, common: Common, *, dial: bool) -> None:
    """One of several workers; the parent has set everything up and holds the home's lock."""
    from veilmart.merchant.server.running import serve_worker

    stop = stop_on_signals()
    watching = asyncio.create_task(stop_with_parent(stop))
    with open_merchant(home_of(common), common.database) as market:
        observe = _observer(market, telling)
        await serve_worker(
            market,
            inherited_listener(listener),
            clock=unix_now,
            random=os.urandom,
            observe=observe,
            stop=stop,
            status=telling.place(),
            on_started=worker_started,
            refused=_join_on_refusal(market, observe) if dial else None,
        )
    watching.cancel()


@command
def balance(*, common: Common = DEFAULTS) -> None:
    """Show the merchant's balance, as the broker last reported it."""
    with open_merchant(home_of(common), common.database) as market:
        views = market.database.read_now(balance_views)
    show_table(
        common.terminal(),
        views,
        ("broker", "balance", "currency"),
        [(view.broker, view.balance, view.currency) for view in views],
    )


@command
def sales(*, common: Common = DEFAULTS) -> None:
    """Show the number of orders by product and state."""
    with open_merchant(home_of(common), common.database) as market:
        views = market.database.read_now(sales_views)
    show_table(
        common.terminal(),
        views,
        ("title", "shelf", "state", "orders", "amount"),
        [(v.title, v.shelf, v.state, v.count, v.amount) for v in views],
    )


@command
def link(
    product: Annotated[str | None, Parameter(help="Number, title or id of a product.")] = None,
    *,
    svg: Annotated[Path | None, Parameter(help="Write the QR code to this file.")] = None,
    qr: Annotated[bool, Parameter(help="Show the QR code in the terminal.")] = False,
    common: Common = DEFAULTS,
) -> None:
    """Show the link for customers: the broker's address and both fingerprints."""
    import segno

    with open_merchant(home_of(common), common.database) as market:
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
        console.print(text)
        if qr:
            blocks = io.StringIO()
            code.terminal(out=blocks, compact=True)
            console.file.write(blocks.getvalue())

    common.terminal().result({"link": text, "svg": svg}, draw)
