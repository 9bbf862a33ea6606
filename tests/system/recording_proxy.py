"""A TCP proxy that writes down every byte that passes, message by message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.frame_tap import FrameTap

from tests.support.listening import listening
from veilmart.protocol.stream_frames import decode_frame

READ_BYTES = 1 << 20


@dataclass
class Recording:
    """What passed, in order: (direction, bytes). `address` is where the proxy listens."""

    address: str = ""
    passed: list[tuple[str, bytes]] = field(default_factory=list)
    frames: list[tuple[str, bytes, int]] = field(default_factory=list)

    def clear(self) -> None:
        self.passed.clear()
        self.frames.clear()

    def messages(self) -> list[tuple[str, bytes, int]]:
        """HTTP messages and frames in order: (direction, first line or kind, body length)."""
        return [*self._http_messages(), *self.frames]

    def answered(self) -> bool:
        """Whether nothing is on its way."""
        directions = [direction for direction, *_ in self.messages()]
        return directions.count("request") == directions.count("answer")

    def note(self, direction: str, data: bytes, tap: FrameTap) -> None:
        """Bytes of one connection that passed."""
        if not tap.opened:
            self.passed.append((direction, data))
        for message in tap.feed(data):
            frame = decode_frame(message)
            self.frames.append((direction, frame.kind.name.encode(), len(frame.body)))

    def _http_messages(self) -> list[tuple[str, bytes, int]]:
        whole: dict[str, bytearray] = {"request": bytearray(), "answer": bytearray()}
        found: list[tuple[str, bytes, int]] = []
        for direction, data in self.passed:
            held = whole[direction]
            held += data
            while b"\r\n\r\n" in held:
                head, _, rest = bytes(held).partition(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n")[1:]:
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                if len(rest) < length:
                    break
                found.append((direction, head.split(b"\r\n", 1)[0], length))
                del held[: len(head) + 4 + length]
        return found


@asynccontextmanager
async def recording_proxy(target: str) -> AsyncIterator[Recording]:
    """Listen on a free loopback port and forward to `target` ("host:port")."""
    host, port = target.rsplit(":", 1)
    recording = Recording()

    async def pump(
        direction: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        tap = FrameTap(from_client=direction == "request")
        try:
            while data := await source.read(READ_BYTES):
                recording.note(direction, data, tap)
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            recording.passed.append((direction, b""))
        finally:
            sink.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump("request", reader, back), pump("answer", onward, writer))

    async with listening(carry) as recording.address:
        yield recording
