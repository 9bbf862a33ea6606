"""Reading a request's body up to a bound, and the address that sent it."""

from starlette.requests import Request

from veilmart.errors import MalformedMessage, MessageTooLarge
from veilmart.transport.fair_work import owner_of

_DIGITS_MAX = 15


def asker(request: Request) -> str:
    """The owner of expensive work, as in `FairTurns`: the address that the request came from."""
    return owner_of(None if request.client is None else request.client.host)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body of at most `max_bytes` bytes.

    Raises `MessageTooLarge` (413) by its Content-Length before reading anything, or as soon as
    more has come, without reading on; `MalformedMessage` when the sender hangs up half-way.
    """
    announced = _content_length(request)
    if announced > max_bytes:
        raise MessageTooLarge(f"{announced} bytes, {max_bytes} at most.")
    blocks: list[bytes] = []
    total = 0
    while True:
        event = await request.receive()
        if event["type"] != "http.request":
            raise MalformedMessage("The connection ended before the message did.")
        block: bytes = event.get("body", b"")
        total += len(block)
        if total > max_bytes:
            raise MessageTooLarge(f"More than {max_bytes} bytes.")
        if not event.get("more_body", False):
            return block if not blocks else b"".join([*blocks, block])
        blocks.append(block)


def _content_length(request: Request) -> int:
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > _DIGITS_MAX:
                raise MalformedMessage("The Content-Length is not a number of bytes.")
            return int(value)
    return 0
