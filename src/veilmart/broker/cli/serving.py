"""`veilmart broker ...`: set-up and serving; other commands are in the files of their subject."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.broker import settings
from veilmart.broker.events import Identified, Listening, TaskFailed
from veilmart.broker.home import (
    BrokerHome,
    initialise,
    open_home,
    open_or_initialise,
    renew_descriptor,
)
from veilmart.broker.server.narration import Narrator
from veilmart.broker.state import Observe
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import NotInitialised
from veilmart.protocol.address import DEFAULT_PORT, Link
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import elapsed, unix_now
from veilmart.terminal.command import ServerCommon as Common, command, server_command
from veilmart.terminal.logs import configure_logs, event_log
from veilmart.terminal.memory import serve_from_here
from veilmart.terminal.numbers import Listener, Port, ReachedPort, Workers, whole
from veilmart.terminal.service import Log, StatusPort, Telling
from veilmart.terminal.serving import (
    require_workers,
    stop_on_signals,
    worker_command,
    worker_environment,
    worker_started,
)
from veilmart.terminal.streams import tell
from veilmart.transport.server import listen
from veilmart.transport.workers import inherited_listener, run_workers, stop_with_parent

DEFAULT_HOST = "127.0.0.1"


def home_of(common: Common) -> Path:
    """The broker's home folder for this command."""
    return common.home or default_home("broker")


@command
def init(
    *,
    currency: Annotated[
        str, Parameter(help="The one currency of all accounts: a code of ISO 4217, or your own.")
    ] = "EUR",
    decimals: Annotated[
        int | None,
        Parameter(converter=whole(), help="Minor digits of a currency that is not in ISO 4217."),
    ] = None,
    name: Annotated[str, Parameter(help="The name customers and merchants see.")] = "broker",
    common: Common = Common(),
) -> None:
    """Make this broker's identity, price points and empty books."""
    opened = initialise(
        home_of(common),
        os.urandom,
        name=name,
        currency=currency,
        decimals=decimals,
        database=common.database,
    )
    with opened:
        renew_descriptor(opened, unix_now(), os.urandom)
        shown = format_fingerprint(opened.fingerprint)
        common.terminal().result(
            {"name": name, "currency": currency, "fingerprint": shown},
            lambda console: console.print(
                f"Broker {name} is set up. Currency: {currency}.\nFingerprint: {shown}\n"
                "Start it with `veilmart broker run`."
            ),
        )


@server_command
async def run_server(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    narrate: Annotated[bool, Parameter(help="Print every step of every purchase.")] = False,
    status_port: StatusPort = None,
    log: Log = False,
    workers: Workers = 1,
    listener: Listener = None,
    common: Common = Common(),
) -> None:
    """Serve until Ctrl-C; set the broker up first if needed (not with --home)."""
    telling = Telling(narrate, log, status_port)
    if listener is not None:
        await _work(listener, telling, common)
        return
    await _run(host, port, telling, workers, common)


async def _run(host: str, port: int, telling: Telling, workers: int, common: Common) -> None:
    from veilmart.broker.server.running import serve_opened, shared_sessions

    home = home_of(common)
    stop = stop_on_signals()
    if common.home is not None and not home.exists():
        # A mistyped folder must not become another broker with another fingerprint.
        raise NotInitialised(str(home))
    fit = partial(require_workers, workers)
    opened = open_or_initialise(home, os.urandom, common.database, fit)
    with opened:
        fit(opened.database)
        narrator = _narrator(opened, telling)
        if workers != 1:
            shared_sessions(opened, os.urandom).make_table()
            renew_descriptor(opened, unix_now(), os.urandom)
            with opened.home.lock("server", wait=False):
                opened.database.close()
                own = opened.fingerprint
                await _supervise(host, port, telling, workers, common, narrator, stop, own)
            return
        await serve_opened(
            opened,
            host,
            port,
            clock=unix_now,
            elapsed=elapsed,
            random=os.urandom,
            observe=narrator,
            stop=stop,
            on_started=lambda _port: serve_from_here(),
            status=telling.place(),
        )


async def _supervise(
    host: str,
    port: int,
    telling: Telling,
    workers: int,
    common: Common,
    narrator: Observe,
    stop: asyncio.Event,
    fingerprint: bytes,
) -> None:
    socket = await listen(host, port)

    def started() -> None:
        narrator(Listening(host, socket.getsockname()[1]))
        narrator(Identified(fingerprint))

    with socket:
        await run_workers(
            worker_command("broker", home_of(common), telling.words()),
            workers,
            socket,
            environment=worker_environment(common),
            stop=stop,
            on_started=started,
            on_ended=lambda number, code: narrator(
                TaskFailed(f"Worker {number}", f"it ended with {code}")
            ),
        )


async def _work(listener: int, telling: Telling, common: Common) -> None:
    """One of several workers; the parent has set the home up and holds its lock."""
    from veilmart.broker.server.running import serve_worker

    stop = stop_on_signals()
    watching = asyncio.create_task(stop_with_parent(stop))
    with open_home(home_of(common), common.database) as opened:
        await serve_worker(
            opened,
            inherited_listener(listener),
            clock=unix_now,
            elapsed=elapsed,
            random=os.urandom,
            observe=_narrator(opened, telling),
            stop=stop,
            on_started=worker_started,
            status=telling.place(),
        )
    watching.cancel()


def _narrator(opened: BrokerHome, telling: Telling) -> Observe:
    if telling.log:
        configure_logs()
        return event_log("broker")
    decimals = opened.database.run_now(settings.load).decimals
    return Narrator(tell, narrate=telling.narrate, decimals=decimals)


@command
def descriptor(
    *,
    host: Annotated[str, Parameter(help="Where customers reach this broker.")] = DEFAULT_HOST,
    port: ReachedPort = DEFAULT_PORT,
    common: Common = Common(),
) -> None:
    """Show this broker's fingerprint, descriptor serial and link."""
    with open_home(home_of(common), common.database) as opened:
        newest = renew_descriptor(opened, unix_now(), os.urandom).newest
        shown = format_fingerprint(opened.fingerprint)
        link = str(Link(host, port, opened.fingerprint, None, None))
        common.terminal().result(
            {
                "fingerprint": shown,
                "serial": newest.serial,
                "not_after": newest.not_after,
                "link": link,
            },
            lambda console: console.print(
                f"Fingerprint: {shown}\nSerial: {newest.serial}\nLink: {link}"
            ),
        )
