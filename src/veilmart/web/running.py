"""A face as a process: a loopback socket, a name nobody can guess, a way in, an orderly end."""

import asyncio
import secrets
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter
from markupsafe import Markup

from veilmart.errors import BadArgument
from veilmart.limits import WEB_TICKET_SECONDS
from veilmart.storage.files.home import Home
from veilmart.storage.files.names import visible
from veilmart.terminal.console import Terminal
from veilmart.terminal.numbers import Port
from veilmart.terminal.serving import stop_on_signals
from veilmart.transport.server import listen, serve_on
from veilmart.web.face import build_app
from veilmart.web.guard import ENTRY_PATH, Doorplate
from veilmart.web.plan import Plan, Web, build_web
from veilmart.web.sessions import Entrance

LOOPBACK = "127.0.0.1"
NAME_BYTES = 10
REDIRECT_FILE = "open-in-browser.html"
STOP_SECONDS = 2
_LOOK_EVERY_SECONDS = 5.0


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WebOptions:
    """Options of every `web` command."""

    port: Port = 0
    address: Annotated[
        str | None,
        Parameter(help="127.0.0.1 for browsers that do not know names below localhost."),
    ] = None
    origin: Annotated[
        str | None,
        Parameter(help="http://NAME:PORT as your browser reaches it, through an SSH tunnel."),
    ] = None
    open: Annotated[bool, Parameter(help="Open the page in the browser.", negative="--no-open")] = (
        True
    )
    show: Annotated[
        bool, Parameter(help="Print the one-time address too, valid for a minute.", negative="")
    ] = False


async def run_face(plan: Plan, home: Home, terminal: Terminal, options: WebOptions) -> None:
    """Serve until a signal comes. Raises PortInUse, BadArgument, CannotWrite."""
    stop = stop_on_signals()
    listener = await listen(LOOPBACK, options.port)
    door = Doorplate.of(_origin(options, listener.getsockname()[1]))
    web = build_web(plan, stop)
    way_in = WayIn(home, door, web.entrance, terminal, options)
    tasks = [asyncio.create_task(_lock_idle(web)), asyncio.create_task(way_in.tidy())]
    _on_enter_key(terminal, way_in.offer)
    try:
        await serve_on(
            build_app(plan, web, door),
            listener,
            on_started=lambda _port: way_in.offer(),
            stop=stop,
            stop_seconds=STOP_SECONDS,
        )
    finally:
        for task in tasks:
            task.cancel()
        way_in.remove()
        await web.jobs.stop()


class WayIn:
    """The redirect file: who can read it may enter, once, within a minute."""

    def __init__(
        self,
        home: Home,
        door: Doorplate,
        entrance: Entrance,
        terminal: Terminal,
        options: WebOptions,
    ) -> None:
        self._home, self._door, self._entrance = home, door, entrance
        self._terminal, self._options = terminal, options
        self._written = asyncio.Event()

    @property
    def file(self) -> Path:
        return self._home.file(REDIRECT_FILE)

    def offer(self) -> None:
        """Write a fresh file of mode 0600 and open it. The ticket is in no process list."""
        ticket = self._entrance.issue_ticket()
        address = f"{self._door.origin.decode()}{ENTRY_PATH}?ticket={ticket}"
        self._home.write_secret(REDIRECT_FILE, _redirect(address).encode())
        self._written.set()
        result = {"origin": self._door.origin.decode(), "file": self.file}
        if self._options.show:
            result["address"] = address
        self._terminal.result(result, lambda _console: self._say(address))
        if self._options.open:
            webbrowser.open(self.file.as_uri())

    async def tidy(self) -> None:
        """Remove the file when its ticket has ended."""
        while True:
            await self._written.wait()
            self._written.clear()
            await asyncio.sleep(WEB_TICKET_SECONDS)
            if not self._written.is_set():
                self.remove()

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)

    def _say(self, address: str) -> None:
        say = self._terminal.say
        say(f"Open in your browser, within a minute: {visible(self.file.as_uri())}")
        if self._options.show:
            say(f"Or: {address}")
        if self._terminal.interactive:
            say("Enter makes a new way in; Ctrl-C ends.")


async def _lock_idle(web: Web) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        web.entrance.look_at_all()


def _on_enter_key(terminal: Terminal, act: Callable[[], None]) -> None:
    """Call `act` whenever a line is typed where the command runs."""
    if not terminal.interactive:
        return
    loop = asyncio.get_running_loop()

    def read() -> None:
        if sys.stdin.readline():
            act()
        else:
            loop.remove_reader(sys.stdin)

    loop.add_reader(sys.stdin, read)


def _origin(options: WebOptions, port: int) -> str:
    """Where the browser will find this process. Raises BadArgument."""
    if options.origin is not None:
        return _checked_origin(options.origin)
    if options.address is not None:
        if options.address != LOOPBACK:
            raise BadArgument(f"A face answers on this machine only: --address {LOOPBACK}.")
        return f"http://{LOOPBACK}:{port}"
    # On a name that a page elsewhere can guess, its requests would count as the same site.
    return f"http://{secrets.token_hex(NAME_BYTES)}.localhost:{port}"


def _checked_origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as fault:
        raise BadArgument("--origin is like http://localhost:8080.") from fault
    name = parts.hostname
    plain = name is not None and f"{parts.scheme}://{name}" + (f":{port}" if port else "")
    if parts.scheme not in ("http", "https") or plain != text:
        raise BadArgument("--origin is like http://localhost:8080, in small letters, no path.")
    return text


def _redirect(address: str) -> str:
    return Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>veilmart</title>'
        '<meta name="referrer" content="no-referrer">'
        '<meta http-equiv="refresh" content="0; url={0}"><p><a href="{0}">Open veilmart</a>'
    ).format(address)
