"""`veilmart broker ...`: set-up and serving; the other commands are in cli_operator.py."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.broker import settings
from veilmart.broker.cli_operator import register_operator
from veilmart.broker.home import initialise, is_initialised, open_home, renew_descriptor
from veilmart.broker.narration import Narrator
from veilmart.broker.serving import serve_opened
from veilmart.broker.state import system_clock, system_random
from veilmart.crypto.identity import format_fingerprint
from veilmart.protocol.address import DEFAULT_PORT, Link
from veilmart.storage.home import default_home
from veilmart.terminal.command import Common, run
from veilmart.terminal.memory import serve_from_here

DEFAULT_HOST = "127.0.0.1"

app = App(name="broker", help="Carry sealed messages and money, without learning what is bought.")
register_operator(app)


def home_of(common: Common) -> Path:
    """The broker's home folder for this command."""
    return common.home or default_home("broker")


@app.command
def init(
    *,
    currency: Annotated[str, Parameter(help="The one currency of all accounts.")] = "EUR",
    name: Annotated[str, Parameter(help="The name customers and merchants see.")] = "broker",
    common: Common = Common(),
) -> int:
    """Make this broker's identity, price points and empty books."""
    return run(lambda: _init(currency, name, common), common)


def _init(currency: str, name: str, common: Common) -> None:
    opened = initialise(home_of(common), system_random, name=name, currency=currency)
    with opened:
        renew_descriptor(opened, system_clock(), system_random)
        shown = format_fingerprint(opened.fingerprint)
        common.terminal().result(
            {"name": name, "currency": currency, "fingerprint": shown},
            lambda console: console.print(
                f"Broker {name} is set up. Currency: {currency}.\nFingerprint: {shown}\n"
                "Start it with `veilmart broker run`.",
                markup=False,
            ),
        )


@app.command(name="run")
def run_server(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[int, Parameter(help="Port; 0 lets the system choose.")] = DEFAULT_PORT,
    narrate: Annotated[bool, Parameter(help="Tell every step of every purchase.")] = False,
    common: Common = Common(),
) -> int:
    """Serve until Ctrl-C; sets the broker up first if that was not done."""
    return run(_run(host, port, narrate, common), common, serving=True)


async def _run(host: str, port: int, narrate: bool, common: Common) -> None:
    home = home_of(common)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    opened = open_home(home) if is_initialised(home) else initialise(home, system_random)
    with opened:
        decimals = opened.database.run_now(settings.load).decimals
        narrator = Narrator(
            lambda line: print(line, flush=True), narrate=narrate, decimals=decimals
        )
        await serve_opened(
            opened,
            host,
            port,
            clock=system_clock,
            random=system_random,
            observe=narrator,
            stop=stop,
            on_started=lambda _port: serve_from_here(),
        )


@app.command
def descriptor(
    *,
    host: Annotated[str, Parameter(help="Where customers reach this broker.")] = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    common: Common = Common(),
) -> int:
    """Show this broker's fingerprint, descriptor serial and link."""
    return run(lambda: _descriptor(host, port, common), common)


def _descriptor(host: str, port: int, common: Common) -> None:
    with open_home(home_of(common)) as opened:
        newest = renew_descriptor(opened, system_clock(), system_random).newest
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
                f"Fingerprint: {shown}\nSerial: {newest.serial}\nLink: {link}", markup=False
            ),
        )
