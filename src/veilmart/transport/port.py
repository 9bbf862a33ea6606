"""The port between roles and the network, over HTTP (client.py) or in a simulator's memory.

It sends and receives bytes and never repeats a request by itself.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from veilmart.errors import NetworkFailure


class Client(Protocol):
    """Exchanges with one server. exchanges: answers received so far."""

    exchanges: int

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        """POST `body` to "/v1/..."; the answer's body of at most `max_bytes` bytes.

        Raises what `from_unsigned` makes of a named error, `MessageTooLarge`, or the
        failure that the client was opened with.
        """
        ...

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        """GET; otherwise like `post`."""
        ...

    async def rest(self) -> None:
        """Read nothing, and so answer nothing, until the next request.

        For a program that is about to work: how soon it answers a ping, or takes more bytes, would
        tell the server what it works on.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


OpenClient = Callable[[str, type[NetworkFailure]], Client]
"""("host:port", what it means that the server is not reached) → a client."""
