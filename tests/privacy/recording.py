"""A client that writes down what leaves and what comes back: method, path, and lengths."""

from collections.abc import Callable
from types import TracebackType

from veilmart.errors import NetworkFailure
from veilmart.transport.client import HttpClient
from veilmart.transport.port import Client

Seen = tuple[str, str, int, int]
"""(method, path, bytes sent, bytes received)"""


class RecordingClient:
    """Over HTTP, one request after the other, as the broker sees them."""

    def __init__(self, client: HttpClient, seen: list[Seen]) -> None:
        self.exchanges = 0
        self._client = client
        self._seen = seen

    async def __aenter__(self) -> "RecordingClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        answer = await self._client.post(url_path, body, max_bytes=max_bytes)
        self._seen.append(("POST", url_path, len(body), len(answer)))
        return answer

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        answer = await self._client.get(url_path, max_bytes=max_bytes)
        self._seen.append(("GET", url_path, 0, len(answer)))
        return answer

    async def rest(self) -> None:
        await self._client.rest()

    async def aclose(self) -> None:
        self._seen.append(("CLOSE", "", 0, 0))
        await self._client.aclose()


def recording(seen: list[Seen]) -> Callable[[str, type[NetworkFailure]], Client]:
    """For `connect(open_client=...)`; every connection begins with a line of its own."""

    def open_client(address: str, failure: type[NetworkFailure]) -> Client:
        seen.append(("OPEN", "", 0, 0))
        return RecordingClient(HttpClient(address, failure), seen)

    return open_client
