"""The network: questions to the programs' own applications, and what goes wrong on the way.

By POST, as an HTTP server would put them to an ASGI application, or over streams (streams.py).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from tests.simulator.story import Story
from tests.simulator.streams import Opened, SimulatedStreamClient, connected
from tests.simulator.template import BROKER_ADDRESS
from tests.simulator.weather import Exchange, Weather
from tests.support.simulated_process import Process
from veilmart.customer.events import StepReached
from veilmart.errors import MessageTooLarge, NetworkFailure
from veilmart.limits import ANSWER_SECONDS, CONNECT_SECONDS
from veilmart.transport.client import named_error
from veilmart.transport.frame_turns import FrameTurns

Answer = Callable[[int, bytes], None]
_OK, _GONE = 200, 0


class Network:
    """Who listens where, and what is on its way.

    exchanges: requests sent so far. asked: those that came to the broker. steps: the step that
    each customer's purchase has reached.
    """

    def __init__(self, weather: Weather, story: Story, *, streams: bool) -> None:
        """streams: whether questions go over streams, else by POST."""
        self.weather = weather
        self.story = story
        self.exchanges = self.asked = 0
        self.steps: dict[str, str] = {}
        self._streams = streams
        self._servers: dict[str, tuple[Process, Any]] = {}
        self._turns: dict[str, FrameTurns] = {}

    def listen(self, address: str, process: Process, asgi: Any) -> None:
        """From now on `process` answers at `address`, until it dies."""
        self._servers[address] = (process, asgi)
        self._turns[address] = FrameTurns()

    def opener(self, process: Process) -> Callable[[str, type[NetworkFailure]], Any]:
        """What a process opens its clients with."""
        if self._streams:
            return lambda address, failure: SimulatedStreamClient(self, process, address, failure)
        return lambda address, failure: SimulatedClient(self, process, address, failure)

    def observer(self, who: str) -> Callable[[Any], None]:
        """Tells a program's events, and keeps the step that its purchase has reached."""
        tell = self.story.observer(who)

        def observe(event: Any) -> None:
            if isinstance(event, StepReached):
                self.steps[who] = event.step
            tell(event)

        return observe

    # ---- over streams ----------------------------------------------------------------------------

    async def dial(self, process: Process, address: str) -> Opened | None:
        """A new stream, or None: nobody is there, or nothing passes."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.weather.exchange_seconds())
        found = self._servers.get(address)
        if found is None or not found[0].alive:
            return None
        if self.weather.line_is_cut(process.name, address, loop.time()):
            return None
        server, app = found
        return connected(self, process, server, address, app, self._turns[address])

    def sends(self, process: Process, address: str, method: str, path: str, body: bytes) -> None:
        """A question leaves over a stream: count it; somebody may send copies of it by POST."""
        self._count(address)
        arrive = partial(self._arrive, process.name, address, method, path, body)
        for late in self.weather.copies(0.05):
            loop = asyncio.get_running_loop()
            loop.call_later(late, arrive, False, lambda _status, _content: None)

    def _count(self, address: str) -> None:
        self.exchanges += 1
        self.asked += address == BROKER_ADDRESS

    # ---- by POST ---------------------------------------------------------------------------------

    async def exchange(
        self, process: Process, address: str, method: str, path: str, body: bytes
    ) -> tuple[int, bytes]:
        """(status, body); status 0: no answer came. Raises Killed."""
        process.die_or_go_on(f"before it sends {path}")
        self._count(address)
        loop = asyncio.get_running_loop()
        fate = self.weather.exchange()
        if fate.corrupt == "request":
            body = self.weather.damaged(body)
        came: asyncio.Future[tuple[int, bytes]] = loop.create_future()

        def hear(status: int, content: bytes) -> None:
            if not came.done():
                came.set_result((status, content))

        def answered(status: int, content: bytes) -> None:
            """The server has answered; whether that reaches anybody is another matter."""
            if fate.answer is None:
                return
            if fate.cut == "answer":
                status, content = _GONE, b""
            elif fate.corrupt == "answer":
                content = self.weather.damaged(content)
            loop.call_later(fate.answer, hear, status, content)

        arrive = partial(self._arrive, process.name, address, method, path, body)
        self._send(loop, fate, arrive, answered)
        timeout = loop.call_later(CONNECT_SECONDS + ANSWER_SECONDS, hear, _GONE, b"")
        try:
            found = await came
        finally:
            timeout.cancel()
        process.die_or_go_on(f"after the answer to {path}")
        return found

    def _send(
        self, loop: asyncio.AbstractEventLoop, fate: Exchange, arrive: Any, answered: Answer
    ) -> None:
        if fate.request is not None:
            loop.call_later(fate.request, arrive, fate.cut == "request", answered)
        for late in fate.again:
            loop.call_later(late, arrive, False, lambda _status, _content: None)

    def _arrive(
        self,
        sender: str,
        address: str,
        method: str,
        path: str,
        body: bytes,
        halved: bool,
        answered: Answer,
    ) -> None:
        found = self._servers.get(address)
        now = asyncio.get_running_loop().time()
        if found is None or not found[0].alive or self.weather.line_is_cut(sender, address, now):
            answered(_GONE, b"")
            return
        process, asgi = found
        task = process.start(_serve(asgi, method, path, body, halved, answered))
        task.add_done_callback(partial(_ended, answered))


async def _serve(
    asgi: Any, method: str, path: str, body: bytes, halved: bool, answered: Answer
) -> None:
    """One request to an ASGI application, as an HTTP server would put it."""
    status, parts = 500, []

    async def receive() -> dict[str, Any]:
        if halved:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-length", b"%d" % len(body))],
    }
    await asgi(scope, receive, send)
    if not halved:
        answered(status, b"".join(parts))


def _ended(answered: Answer, task: "asyncio.Task[None]") -> None:
    """A server that dies leaves its connections broken. Anything else it raises is our bug."""
    if task.cancelled():
        answered(_GONE, b"")
    elif task.exception() is not None:
        raise task.exception()  # type: ignore[misc]


class SimulatedClient:
    """A `Client` of one process to one address."""

    def __init__(
        self, network: Network, process: Process, address: str, failure: type[NetworkFailure]
    ) -> None:
        self.exchanges = 0
        self._network = network
        self._process = process
        self._address = address
        self._failure = failure

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is kept open."""

    async def rest(self) -> None:
        """Nothing is read between requests."""

    async def aclose(self) -> None:
        """Nothing is kept open."""

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        return await self._exchange("POST", url_path, body, max_bytes)

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        return await self._exchange("GET", url_path, b"", max_bytes)

    async def _exchange(self, method: str, path: str, body: bytes, max_bytes: int) -> bytes:
        status, content = await self._network.exchange(
            self._process, self._address, method, path, body
        )
        if status == _GONE:
            raise self._failure(f"{self._address} did not answer.")
        self.exchanges += 1
        if status != _OK:
            raise named_error(status, content)
        if len(content) > max_bytes:
            raise MessageTooLarge(f"The answer has {len(content)} bytes.")
        return content
