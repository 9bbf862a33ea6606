"""Streams: the programs' own exchanges at the two ends of a simulated connection.

Frames arrive in order and late; a stream that is cut is lost to both ends. What is cut is counted
by the step of the purchase that it was part of.
"""

import asyncio
from collections import deque
from contextvars import Context, ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.support.simulated_process import Process
from veilmart.errors import NetworkFailure
from veilmart.limits import LINK_AT_ONCE, STREAM_AT_ONCE
from veilmart.protocol.stream_frames import Kind, decode_frame
from veilmart.transport.frame_exchange import FrameExchange, answer_nothing
from veilmart.transport.frame_turns import FrameTurns
from veilmart.transport.stream_client import StreamClient

if TYPE_CHECKING:
    from tests.simulator.network import Network

step_now: ContextVar[str] = ContextVar("step_now", default="report")
"""The step of a purchase that a task works on. What a server does by itself is to report."""


class End:
    """One end of a stream: the pipe of its exchange."""

    def __init__(self, stream: "Stream", process: Process) -> None:
        self.process = process
        self.exchange: FrameExchange
        self.other: End
        self.full = False
        self._stream = stream
        self._free_at = 0.0
        self._paused = False
        self._waiting: deque[bytes] = deque()
        process.at_end.append(self._process_ended)

    @property
    def idle_since(self) -> float | None:
        """As of a WebSocket's pipe; here streams are never too idle."""
        return None

    def send(self, frame: bytes) -> None:
        self._stream.send(self, frame)

    def close(self, code: int, reason: str = "") -> None:
        self._stream.cut()

    def trust(self) -> None:
        """Nobody dials a broker here."""

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            self.exchange.received(self._waiting.popleft())

    def arrives_at(self, delay: float) -> float:
        """When a frame sent now is here: never before the one sent last."""
        self._free_at = max(self._free_at, asyncio.get_running_loop().time() + delay)
        return self._free_at

    def receive(self, frame: bytes) -> None:
        if not self.process.alive or self._stream.gone:
            return
        if self._paused:
            self._waiting.append(frame)
        else:
            self.exchange.received(frame)

    def lost(self) -> None:
        if self.process.alive:
            self.exchange.lost("The connection ended.")

    def context(self, step: str) -> Context:
        """For what a frame sets off at this end."""
        context = self.process.context()
        context.run(step_now.set, step)
        return context

    def _process_ended(self) -> None:
        self._stream.cut()


class Stream:
    """A connection with its two ends. gone: nothing passes any more."""

    def __init__(self, network: "Network", asker: Process, server: Process, address: str) -> None:
        self.gone = False
        self._network = network
        self._line = (asker.name, address)
        self._loop = asyncio.get_running_loop()
        self.ends = End(self, asker), End(self, server)
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]

    def send(self, end: End, frame: bytes) -> None:
        """Carry a frame to the other end, with the weather that there is."""
        if self.gone or not end.process.alive:
            return
        network, step = self._network, self._step(end, frame)
        fate = network.weather.frame(step)
        if fate.cut == "before":
            self.cut()
            return
        if fate.corrupt:
            frame = network.weather.damaged(frame)
        loop, other = self._loop, end.other
        if fate.delay is not None and not network.weather.line_is_cut(*self._line, loop.time()):
            at, context = other.arrives_at(fate.delay), other.context(step)
            loop.call_at(at, partial(other.receive, frame), context=context)
            if fate.cut:
                loop.call_at(at, self.cut)
        else:
            # A connection that is dead and nobody has been told: both ends wait in vain.
            self.gone = True

    def _step(self, end: End, frame: bytes) -> str:
        step = self._network.steps.get(end.process.name, step_now.get())
        return "link" if decode_frame(frame).kind is Kind.LINK else step

    def cut(self) -> None:
        """Both ends hear of it a little later."""
        if self.gone:
            return
        self.gone = True
        for end in self.ends:
            self._loop.call_later(0.001, end.lost, context=end.process.context())


class SimulatedStreamClient(StreamClient):
    """The programs' own client over simulated streams."""

    def __init__(
        self, network: "Network", process: Process, address: str, failure: type[NetworkFailure]
    ) -> None:
        super().__init__(address, failure)
        self._network = network
        self._process = process

    async def _ask(self, method: str, path: str, kind: Kind, body: bytes, max_bytes: int) -> bytes:
        self._process.die_or_go_on(f"before it sends {path}")
        self._network.sends(self._process, self._address, method, path, body)
        try:
            return await super()._ask(method, path, kind, body, max_bytes)
        finally:
            self._process.die_or_go_on(f"after the answer to {path}")

    async def _dial(self) -> FrameExchange:
        self._drop("It was idle for too long.")
        found = await self._network.dial(self._process, self._address)
        if found is None:
            raise self._failure(f"{self._address} did not answer.")
        self._end, self._exchange = found  # type: ignore[assignment]
        return found[1]


Opened = tuple[End, FrameExchange]


def connected(
    network: "Network", asker: Process, server: Process, address: str, app: Any, turns: FrameTurns
) -> Opened:
    """A stream between two processes that live: the asker's end and its exchange."""
    own, its = Stream(network, asker, server, address).ends
    own.exchange = FrameExchange(own, answer_nothing, server.name, FrameTurns(), LINK_AT_ONCE)
    its.exchange = FrameExchange(its, app.answer_frame, asker.name, turns, STREAM_AT_ONCE)
    return own, own.exchange
