"""Page 4.7: the same calls over one stream, with RFC 6455 written down from its own text."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct

from .client import BODY_LIMIT, Http, HttpRefusal
from .notation import Refused, decode, require

ACCEPT_TEXT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
BINARY, CLOSE, PING, PONG = 0x2, 0x8, 0x9, 0xA
KINDS = {
    ("POST", "/v1/session"): 0x01,
    ("POST", "/v1/request"): 0x02,
}
GET, ANSWER, ERROR = 0x05, 0x80, 0x81


class Stream(Http):
    """What `Http` does, over a stream; one question at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=60)
        self._held = b""
        self._number = 0
        key = base64.b64encode(os.urandom(16))
        lines = (
            b"GET /v1/stream HTTP/1.1",
            f"Host: {host}:{port}".encode(),
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Key: " + key,
            b"Sec-WebSocket-Version: 13",
            b"",
            b"",
        )
        self._socket.sendall(b"\r\n".join(lines))
        while b"\r\n\r\n" not in self._held:
            self._held += self._more()
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        status, *headers = head.split(b"\r\n")
        require(status.startswith(b"HTTP/1.1 101 "), "status of the stream's opening")
        accept = base64.b64encode(hashlib.sha1(key + ACCEPT_TEXT, usedforsecurity=False).digest())
        said = {
            name.lower(): value.strip() for name, _, value in (h.partition(b":") for h in headers)
        }
        require(said.get(b"sec-websocket-accept") == accept, "Sec-WebSocket-Accept")
        require(b"sec-websocket-extensions" not in said, "extensions")

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of the answer; Refused where an error is named."""
        self._number += 1
        if method == "GET":
            question = bytes([GET]) + path.encode()
        else:
            question = bytes([KINDS[method, path]]) + (body or b"")
        self._send(BINARY, struct.pack("<I", self._number) + question)
        frame = self._receive()
        require(len(frame) >= 5 and frame[:4] == struct.pack("<I", self._number), "correlation")
        require(frame[4] in (ANSWER, ERROR), "kind of the answer")
        if frame[4] == ERROR:
            named = decode(frame[5:], HttpRefusal)
            raise Refused(named.code, named.detail)
        return frame[5:]

    def close(self) -> None:
        """End the stream."""
        self._send(CLOSE, struct.pack(">H", 1000))
        self._socket.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        """One masked frame (RFC 6455, 5.2 and 5.3)."""
        size = len(payload)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        mask = os.urandom(4)
        pad = mask * (size // 4 + 1)
        masked = bytes(a ^ b for a, b in zip(payload, pad, strict=False))
        self._socket.sendall(head + mask + masked)

    def _receive(self) -> bytes:
        """The next binary message, which comes in one frame."""
        while True:
            first, second = self._take(2)
            size = second & 0x7F
            require(not second & 0x80 and first & 0xF0 == 0x80, "a whole frame without a mask")
            if size == 126:
                (size,) = struct.unpack(">H", self._take(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._take(8))
            require(size <= BODY_LIMIT + 5, "length of a frame")
            payload = self._take(size)
            if first & 0x0F == PING:
                self._send(PONG, payload)
                continue
            require(first & 0x0F == BINARY, "a binary message")
            return payload

    def _take(self, size: int) -> bytes:
        parts, have = [self._held], len(self._held)
        while have < size:
            parts.append(self._more())
            have += len(parts[-1])
        whole = b"".join(parts)
        self._held = whole[size:]
        return whole[:size]

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 18)
        require(bool(data), "the stream goes on")
        return data
