"""Public data about tokens, fetched without a session (docs/protocol/11-tokens.md, 11.6).

Lists are read on separate connections, so requests do not wait for them, one after another, and
cached until they change: many requests cost no more than one.
"""

import asyncio
import time

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker.keys.descriptors import signed_by_serial
from veilmart.broker.keys.token_keys import find_key
from veilmart.broker.schema.token_tables import ORDER_KEYS
from veilmart.broker.tokens import published_prefixes
from veilmart.broker.tokens.key_totals import Solvency, key_totals
from veilmart.errors import DescriptorUnknown, TokenKeyEnded, TokenKeyUnknown
from veilmart.limits import PUBLIC_READS_WAITING_MAX, SOLVENCY_KEPT_SECONDS
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.ports import Clock
from veilmart.protocol.token_list import listed_keys
from veilmart.storage.database.port import Database
from veilmart.transport.answers import binary_answer
from veilmart.transport.body import asker
from veilmart.transport.fair_work import InThreads
from veilmart.transport.routes import GetEndpoint

_ID_DIGITS = 64
_PAGE_DIGITS_MAX = 9
_SERIAL_DIGITS_MAX = 15
_KEPT_PAGES_MAX = 8

_Page = tuple[tuple[int, int], bytes]
"""(version of the list, content)."""


class PublicLists:
    """GetEndpoints for GET; one for each process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._reads = InThreads(1, PUBLIC_READS_WAITING_MAX)
        self._pages: dict[tuple[int, int], _Page] = {}
        self._solvency: tuple[float, bytes] | None = None
        self._counting = asyncio.Lock()

    def routes(self) -> list[tuple[str, GetEndpoint]]:
        return [
            ("/v1/token-key/{id}", self._token_key),
            ("/v1/token-keys/{serial}", self._token_keys),
            ("/v1/spent/{id}/{page}", self._spent),
            ("/v1/order-keys/{page}", self._order_keys),
            ("/v1/solvency", self._solvency_line),
        ]

    async def _token_key(self, request: Request) -> Response:
        """SubjectPublicKeyInfo, DER, of any key there ever was."""
        key_id = _parse_id(request)
        key = await self._database.run(find_key, key_id)
        if key is None:
            raise TokenKeyUnknown
        return binary_answer(key.spki)

    async def _token_keys(self, request: Request) -> Response:
        """The keys that our descriptor of a serial lists, in its order, 342 bytes each."""
        text = str(request.path_params["serial"])
        if not (text.isascii() and text.isdigit() and len(text) <= _SERIAL_DIGITS_MAX):
            raise DescriptorUnknown
        return binary_answer(await self._database.run(_listed_spkis, int(text)))

    async def _spent(self, request: Request) -> Response:
        key_id = _parse_id(request)
        key = await self._database.run(find_key, key_id)
        if key is None:
            raise TokenKeyUnknown
        if key.retired_at is not None:
            raise TokenKeyEnded
        return await self._page(key.number, request)

    async def _order_keys(self, request: Request) -> Response:
        return await self._page(ORDER_KEYS, request)

    async def _page(self, list_number: int, request: Request) -> Response:
        text = str(request.path_params["page"])
        if not (text.isascii() and text.isdigit() and len(text) <= _PAGE_DIGITS_MAX):
            return binary_answer(b"")
        where = (list_number, int(text))
        kept = self._pages.get(where)
        version, content = await self._reads.run(
            asker(request), self._database.read_now, _read_page, where, kept
        )
        self._pages.pop(where, None)
        self._pages[where] = (version, content)
        while len(self._pages) > _KEPT_PAGES_MAX:
            del self._pages[next(iter(self._pages))]
        return binary_answer(content)

    async def _solvency_line(self, request: Request) -> Response:
        async with self._counting:
            kept = self._solvency
            if kept is None or time.monotonic() - kept[0] >= SOLVENCY_KEPT_SECONDS:
                at = self._clock()
                keys = await self._reads.run("", self._database.read_now, key_totals)
                body = msgspec.msgpack.encode(Solvency(at, keys))
                kept = self._solvency = (time.monotonic(), body)
        return binary_answer(kept[1])


def _read_page(conn: Connection, where: tuple[int, int], kept: _Page | None) -> _Page:
    """Read anew only when the list has changed."""
    version = published_prefixes.version(conn, where[0])
    if kept is not None and kept[0] == version:
        return kept
    return version, published_prefixes.read_page(conn, *where)


def _listed_spkis(conn: Connection, serial: int) -> bytes:
    """Raises DescriptorUnknown."""
    signed = signed_by_serial(conn, serial)
    if signed is None:
        raise DescriptorUnknown
    found = [find_key(conn, entry.key) for entry in listed_keys(read_descriptor(signed).descriptor)]
    return b"".join(key.spki for key in found if key is not None)


def _parse_id(request: Request) -> bytes:
    """Raises TokenKeyUnknown for what is not 64 hexadecimal digits."""
    text = str(request.path_params["id"])
    try:
        key_id = bytes.fromhex(text) if len(text) == _ID_DIGITS else b""
    except ValueError:
        key_id = b""
    if len(key_id) * 2 != _ID_DIGITS:
        raise TokenKeyUnknown
    return key_id
