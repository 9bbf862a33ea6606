"""Reads along one direction of a stream: which frames went by."""

from collections.abc import Iterator

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

_HEAD_ENDS = b"\r\n\r\n"
_OPENS = (b"GET /v1/stream ", b"HTTP/1.1 101 ")


class FrameTap:
    """Feed it the bytes of one direction of one connection, in order.

    opened: whether this is a stream, None while that is not known.
    """

    def __init__(self, *, from_client: bool) -> None:
        self.opened: bool | None = None
        self._head = b""
        self._websocket = Protocol(Side.SERVER if from_client else Side.CLIENT, max_size=None)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The binary messages that end with `data`."""
        if self.opened is None:
            self._head += data
            head, ends, data = self._head.partition(_HEAD_ENDS)
            if not ends:
                return
            self.opened = head.startswith(_OPENS)
        if self.opened and data:
            self._websocket.receive_data(data)
            for event in self._websocket.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                    yield bytes(event.data)
