"""Questions and answers in both directions over one stream, in any order.

docs/protocol/04-sessions.md, section 7. Either end asks; a number names each question, in the
numbering of the end that asks, until it is answered. What is bounded, and by what:
- questions of the peer that are not answered: STREAM_FRAMES_MAX, by ending the stream;
- those of them that are being answered at once: `at_once`, the others wait here;
- bytes that wait here: STREAM_QUEUED_BYTES, by reading no further;
- answers that the peer does not take: none is begun while the pipe is full.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from veilmart.errors import (
    MalformedMessage,
    MessageTooLarge,
    PeerFault,
    UnexpectedAnswer,
    VeilmartError,
)
from veilmart.limits import STREAM_FRAMES_MAX, STREAM_QUEUED_BYTES
from veilmart.protocol.stream_frames import (
    CORRELATION_END,
    Frame,
    Kind,
    decode_frame,
    encode_frame,
)
from veilmart.transport.frame_turns import FrameTurns
from veilmart.transport.wire_error import encode_error, read_error

GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013


class StreamLost(Exception):
    """The stream ended before the answer came. The text says why, for people."""


class Pipe(Protocol):
    """What carries whole frames there: one WebSocket, or a simulator's."""

    @property
    def full(self) -> bool:
        """Whether the peer takes what it was sent too slowly."""
        ...

    def send(self, frame: bytes) -> None: ...
    def close(self, code: int, reason: str = "") -> None: ...
    def trust(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


Answered = tuple[bytes, bytes | memoryview | None]
AnswerFrame = Callable[["FrameExchange", Kind, bytes], Awaitable[Answered]]
"""(exchange, kind, body) → the answer and its attachment; never raises but typed errors."""


async def answer_nothing(exchange: "FrameExchange", kind: Kind, body: bytes) -> Answered:
    """What an end does that only asks."""
    raise MalformedMessage("Nobody is asked anything at this end.")


class FrameExchange:
    """One end of a stream. The pipe calls `received`, `writable` and `lost`."""

    def __init__(
        self,
        pipe: Pipe,
        answer: AnswerFrame,
        owner: str,
        turns: FrameTurns,
        at_once: int,
    ) -> None:
        """owner: whom work is done for, as in `FairTurns`. at_once: of the peer's questions."""
        self.owner = owner
        self.at_once = at_once
        self.on_lost: list[Callable[[], None]] = []
        self.lost_reason: str | None = None
        self.trusted = self.dialling = False
        self._pipe = pipe
        self._answer = answer
        self._turns = turns
        self._next = 0
        self._asked: dict[int, asyncio.Future[Frame]] = {}
        self._given_up: set[int] = set()
        self._room = asyncio.Semaphore(STREAM_FRAMES_MAX)
        self._answering: dict[int, asyncio.Task[None] | None] = {}
        self._queue: deque[Frame] = deque()
        self._queued_bytes = 0
        self._starting = 0
        self._running = 0
        self._reading = True

    @property
    def busy(self) -> bool:
        """Whether an answer is being waited for, or worked on."""
        return bool(self._asked or self._answering)

    @property
    def answering(self) -> bool:
        """Whether the peer waits for an answer of ours."""
        return bool(self._answering)

    @property
    def queued_bytes(self) -> int:
        return self._queued_bytes

    # ---- asking ----------------------------------------------------------------------------------

    async def ask(self, kind: Kind, body: bytes, seconds: float) -> bytes:
        """The answer's bytes. Raises StreamLost, TimeoutError, and the error that was named."""
        async with self._room:
            if self.lost_reason is not None:
                raise StreamLost(self.lost_reason)
            number = self._number()
            answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
            self._asked[number] = answer
            try:
                self._pipe.send(encode_frame(number, kind, body))
                async with asyncio.timeout(seconds):
                    frame = await answer
            except BaseException:
                if self._asked.pop(number, None) is not None and self.lost_reason is None:
                    # The answer may still come, and is then no fault of the peer's.
                    self._given_up.add(number)
                    if len(self._given_up) > STREAM_FRAMES_MAX:
                        self.end(TRY_AGAIN_LATER, "The answers did not come.")
                raise
        if frame.kind is Kind.ERROR:
            raise read_error(frame.body)
        return bytes(frame.body)

    def _number(self) -> int:
        while self._next in self._asked or self._next in self._given_up:
            self._next = (self._next + 1) % CORRELATION_END
        number, self._next = self._next, (self._next + 1) % CORRELATION_END
        return number

    # ---- what comes ------------------------------------------------------------------------------

    def received(self, message: bytes | bytearray) -> None:
        """A whole message of the peer's. One that breaks the protocol ends the stream."""
        try:
            frame = decode_frame(message)
            if frame.asks:
                self._take_question(frame)
            else:
                self._take_answer(frame)
        except PeerFault as fault:
            code = TOO_BIG if isinstance(fault, MessageTooLarge) else PROTOCOL_ERROR
            self.end(code, fault.detail)

    def _take_answer(self, frame: Frame) -> None:
        answer = self._asked.pop(frame.correlation, None)
        if answer is not None:
            if not answer.done():
                answer.set_result(frame)
        elif frame.correlation in self._given_up:
            self._given_up.discard(frame.correlation)
        else:
            raise UnexpectedAnswer("A frame answers what was not asked, or was answered.")

    def _take_question(self, frame: Frame) -> None:
        if frame.correlation in self._answering:
            raise MalformedMessage("A correlation number is in use.")
        if len(self._answering) >= STREAM_FRAMES_MAX:
            raise MalformedMessage(f"More than {STREAM_FRAMES_MAX} frames wait for an answer.")
        self._answering[frame.correlation] = None
        self._queue.append(frame)
        self._queued_bytes += len(frame.body)
        self._start()
        if self._queued_bytes > STREAM_QUEUED_BYTES and self._reading:
            self._reading = False
            self._pipe.pause_reading()

    def _start(self) -> None:
        """Have as many of the queue begun as may be."""
        while (
            self._starting < len(self._queue)
            and self._running + self._starting < self.at_once
            and not self._pipe.full
        ):
            self._starting += 1
            self._turns.take(self.owner, self._begin)

    def _begin(self) -> None:
        self._starting -= 1
        if self.lost_reason is not None or not self._queue:
            return
        frame = self._queue.popleft()
        self._queued_bytes -= len(frame.body)
        self._running += 1
        task = asyncio.get_running_loop().create_task(self._work(frame))
        self._answering[frame.correlation] = task
        if not self._reading and self._queued_bytes <= STREAM_QUEUED_BYTES // 2:
            self._reading = True
            self._pipe.resume_reading()

    async def _work(self, frame: Frame) -> None:
        number = frame.correlation
        try:
            content, attachment = await self._answer(self, frame.kind, bytes(frame.body))
            answer = encode_frame(number, Kind.ANSWER, content, attachment or b"")
        except VeilmartError as error:
            answer = encode_frame(number, Kind.ERROR, encode_error(error))
        finally:
            self._running -= 1
            self._answering.pop(number, None)
        if self.lost_reason is None:
            self._pipe.send(answer)
            self._start()

    def trust(self, at_once: int) -> None:
        """The peer has shown who it is. at_once: of its questions that are worked on from now."""
        self.trusted, self.at_once = True, at_once
        self._pipe.trust()

    # ---- the pipe's news -------------------------------------------------------------------------

    def writable(self) -> None:
        """The peer reads again."""
        self._start()

    def end(self, code: int, reason: str) -> None:
        """Close the stream: the peer broke the protocol, or we stop."""
        self._pipe.close(code, reason)
        self.lost(reason)

    def lost(self, reason: str) -> None:
        """The stream is gone: what was asked fails, what was being answered is dropped.

        An answer that is being worked on goes on to its end: a decision is never half made.
        """
        if self.lost_reason is not None:
            return
        self.lost_reason = reason
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(StreamLost(reason))
        self._queue.clear()
        self._queued_bytes = 0
        for call in self.on_lost:
            call()

    def tasks(self) -> list["asyncio.Task[Any]"]:
        """Answers being worked on."""
        return [task for task in self._answering.values() if task is not None]
