"""The merchant dials: it keeps streams to every process of every pinned broker.

docs/protocol/04-sessions.md, section 8. The broker then sends requests over them as if it had
dialled, so a shop needs no open port and no address. Nothing here authenticates: the link's
handshake does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from veilmart.errors import BrokerUnreachable, MalformedMessage, VeilmartError
from veilmart.limits import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    GRACEFUL_STOP_SECONDS,
    LINK_PING_SECONDS,
    LINK_SILENT_SECONDS,
    WORKERS_MAX,
)
from veilmart.merchant.events import BrokerAway, Observer
from veilmart.merchant.publishing.brokers import PinnedBroker
from veilmart.protocol.address import parse_link
from veilmart.protocol.ports import Random
from veilmart.protocol.stream_frames import Kind
from veilmart.transport.frame_exchange import GOING_AWAY, AnswerFrame, FrameExchange, StreamLost
from veilmart.transport.stream_client import NoStream, StreamEnd, open_stream

PROCESS_BYTES = 16
PAUSE_FIRST_SECONDS = 0.5
PAUSE_MAX_SECONDS = 30.0
PAUSE_AGAIN_SECONDS = 0.1
TRIES_IN_A_ROW = 32
"""Connections that look for a process which has not been reached yet, before a longer pause."""


@dataclass
class Held:
    """Streams to one broker, by the number of its process. wanted: how many it has."""

    streams: dict[int, tuple[StreamEnd, FrameExchange]] = field(default_factory=dict)
    wanted: int = 1


class Dialler:
    """Keeps streams to one broker. refused: called once, when it does not take us."""

    def __init__(
        self,
        broker: PinnedBroker,
        merchant: bytes,
        answer: AnswerFrame,
        random: Random,
        observe: Observer,
        refused: Callable[[PinnedBroker], Awaitable[None]],
    ) -> None:
        self._broker = broker
        self._address = parse_link(broker.url).url.removeprefix("http://")
        self._body = merchant + random(PROCESS_BYTES)
        self._random = random
        self._answer = answer
        self._observe = observe
        self._refused = refused
        self._asked = False
        self._held = Held()
        self._lost = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        pinging = asyncio.create_task(self._ping())
        try:
            await self._keep()
        finally:
            pinging.cancel()
            await self._stop()

    async def _stop(self) -> None:
        """Answer what the broker has asked, then hang up."""
        held = [exchange for _end, exchange in self._held.streams.values()]
        if tasks := [task for exchange in held for task in exchange.tasks()]:
            await asyncio.wait(tasks, timeout=GRACEFUL_STOP_SECONDS)
        for exchange in held:
            exchange.end(GOING_AWAY, "The merchant stops.")

    async def _keep(self) -> None:
        pause, tries, told = PAUSE_FIRST_SECONDS, 0, False
        while True:
            if len(self._held.streams) >= self._held.wanted:
                pause, tries, told = PAUSE_FIRST_SECONDS, 0, False
                self._lost.clear()
                await self._lost.wait()
                await self._pause(PAUSE_FIRST_SECONDS)
                continue
            try:
                fresh = await self._dial()
            except (VeilmartError, NoStream, StreamLost, OSError, TimeoutError) as fault:
                asked = isinstance(fault, VeilmartError) and await self._ask_to_join()
                if not told and not asked:
                    self._observe(BrokerAway(self._broker.known.descriptor.name, _reason(fault)))
                told = True
                await self._pause(pause)
                pause = min(PAUSE_MAX_SECONDS, pause * 2)
                continue
            tries = 0 if fresh else tries + 1
            if not fresh:
                await self._pause(PAUSE_AGAIN_SECONDS)
            if tries >= TRIES_IN_A_ROW:
                tries = 0
                await self._pause(PAUSE_MAX_SECONDS)

    async def _dial(self) -> bool:
        """Hold one more stream; whether it reached a process that none was held to."""
        async with asyncio.timeout(CONNECT_SECONDS):
            end, exchange = await open_stream(self._address, answer=self._answer)
        try:
            number, wanted = _reached(await exchange.ask(Kind.DIAL, self._body, ANSWER_SECONDS))
        except BaseException:
            exchange.end(GOING_AWAY, "It was not taken.")
            raise
        self._held.wanted = wanted
        before = self._held.streams.pop(number, None)
        self._held.streams[number] = end, exchange
        exchange.on_lost.append(lambda: self._gone(number, exchange))
        if before is not None:
            before[1].end(GOING_AWAY, "Another stream takes its place.")
        if exchange.lost_reason is not None:
            self._gone(number, exchange)
        return before is None

    async def _pause(self, seconds: float) -> None:
        """Between half and the whole of it, so that many shops do not come back at once."""
        share = int.from_bytes(self._random(2), "big") / 0xFFFF
        await asyncio.sleep(seconds * (1 + share) / 2)

    def _gone(self, number: int, exchange: FrameExchange) -> None:
        held = self._held.streams.get(number)
        if held is not None and held[1] is exchange:
            del self._held.streams[number]
            self._lost.set()

    async def _ping(self) -> None:
        """End a stream on which the broker is silent; another one is dialled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LINK_PING_SECONDS)
            for end, _exchange in list(self._held.streams.values()):
                if loop.time() - end.last_pong_at > LINK_SILENT_SECONDS:
                    end.cut()
                else:
                    end.ping()

    async def _ask_to_join(self) -> bool:
        """Once. Whether the operator was asked by this call."""
        if self._asked:
            return False
        self._asked = True
        try:
            await self._refused(self._broker)
        except VeilmartError as error:
            self._observe(BrokerAway(self._broker.known.descriptor.name, str(error)))
            return False
        return True


def _reached(answer: bytes) -> tuple[int, int]:
    """Which of how many processes answered. Raises MalformedMessage."""
    if len(answer) != 2 or not 1 <= answer[0] <= answer[1] <= WORKERS_MAX:
        raise MalformedMessage("The broker does not say which of its processes it is.")
    return answer[0], answer[1]


def _reason(fault: Exception) -> str:
    if isinstance(fault, VeilmartError):
        return fault.detail or fault.summary
    return str(BrokerUnreachable(str(fault) or type(fault).__name__))


Refused = Callable[[PinnedBroker], Awaitable[None]]


async def dial_brokers(
    brokers: Sequence[PinnedBroker],
    merchant: bytes,
    answer: AnswerFrame,
    random: Random,
    observe: Observer,
    refused: Refused,
    stop: asyncio.Event,
) -> None:
    """Keep streams to all of them until `stop` is set, then answer what is under way."""
    diallers = [Dialler(broker, merchant, answer, random, observe, refused) for broker in brokers]
    tasks = [asyncio.create_task(dialler.run()) for dialler in diallers]
    try:
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
