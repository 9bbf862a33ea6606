"""Tunnels and links that several workers share (storage/session_rows/sealed_rows.py).

Rules know only the worker's own memory. Around them the application fetches what another worker
has opened, and writes down what a rule did before its answer is sent. One order per tunnel holds
across workers: of two that answered a choice at once, only the first to write its answer down
sends it; the other one reads that and sends the same.
"""

from typing import Protocol

from veilmart.crypto.suite import suite_by_id
from veilmart.limits import CATALOGUE_PAGE_BYTES, SESSIONS_MAX
from veilmart.merchant.server.state import MerchantState
from veilmart.merchant.server.tunnels import LINKS_UNPROVED_MAX, Link, Tunnel
from veilmart.protocol.encoding import Message, decode, encode
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.merchant_messages import Offered, Select
from veilmart.storage.database.port import Database
from veilmart.storage.session_rows.hourly_keys import RowKeys
from veilmart.storage.session_rows.sealed_rows import Row, SealedRows

LINK_TABLE = "link_sessions"
TUNNEL_TABLE = "tunnels"
UNPROVED, PROVED = 0, 1
_ROW_MAX_BYTES = 8 * CATALOGUE_PAGE_BYTES


class Sharing(Protocol):
    """What the application does around the rules."""

    async def fetch_link(self, session_id: bytes) -> None:
        """Before a request on a link: know it if any worker does."""
        ...

    async def publish_link(self, session_id: bytes) -> None:
        """After a link was opened, proved or dropped."""
        ...

    async def fetch_tunnel(self, number: bytes, *, newest: bool = False) -> None:
        """Before a request in a tunnel: know it if any worker does. `newest`: look again."""
        ...

    async def publish_tunnel(self, number: bytes) -> None:
        """After a tunnel was opened."""
        ...

    async def publish_choice(self, number: bytes) -> bool:
        """After a choice: False if another worker answered it first; its answer is known now."""
        ...

    async def tidy(self) -> None:
        """End what has expired."""
        ...


class NotShared:
    """For the only worker: memory is all there is."""

    async def fetch_link(self, session_id: bytes) -> None: ...

    async def publish_link(self, session_id: bytes) -> None: ...

    async def fetch_tunnel(self, number: bytes, *, newest: bool = False) -> None: ...

    async def publish_tunnel(self, number: bytes) -> None: ...

    async def publish_choice(self, number: bytes) -> bool:
        return True

    async def tidy(self) -> None: ...


class _StoredKeys(Message, frozen=True):
    suite: int
    request_key: bytes
    answer_key: bytes
    exporter: bytes
    handshake_hash: bytes


class _StoredLink(Message, frozen=True):
    keys: _StoredKeys
    broker: bytes
    proved: bool


class _Choice(Message, frozen=True):
    request: Select
    answer: Offered
    invoice: bytes


class _StoredTunnel(Message, frozen=True):
    keys: _StoredKeys
    broker: bytes
    descriptor: bytes
    label: int
    chosen: _Choice | None


class SharedWithWorkers:
    """A `Sharing` for one of several workers."""

    def __init__(self, database: Database, keys: RowKeys, state: MerchantState) -> None:
        self._database = database
        self._state = state
        self._links = SealedRows(LINK_TABLE, keys)
        self._tunnels = SealedRows(TUNNEL_TABLE, keys)
        self._versions: dict[bytes, int] = {}

    async def fetch_link(self, session_id: bytes) -> None:
        known = self._state.links.known(session_id)
        if known is not None and known.proved:
            return  # nothing about it changes any more
        now = self._state.clock()
        row = await self._database.run(self._links.find, session_id, now)
        plain = None if row is None else self._links.open(row, now)
        if row is None or plain is None:
            if known is not None:
                self._state.links.drop(known)
            return
        stored = decode(_StoredLink, plain, _ROW_MAX_BYTES)
        if known is None or stored.proved:
            keys = _keys(session_id, stored.keys)
            self._state.links.take_over(Link(keys, stored.broker, row.expires, stored.proved))

    async def publish_link(self, session_id: bytes) -> None:
        link, now = self._state.links.known(session_id), self._state.clock()
        if link is None:
            await self._database.run(self._links.remove, session_id)
            return
        stored = _StoredLink(keys=_stored(link.keys), broker=link.broker, proved=link.proved)
        owner = PROVED if link.proved else UNPROVED
        row = self._links.seal(
            session_id, owner, link.expires_at, link.keys.suite, encode(stored), now
        )
        await self._database.run(self._links.put, row)
        if not link.proved:
            # Strangers can only push out each other.
            await self._database.run(self._links.sweep, now, UNPROVED, LINKS_UNPROVED_MAX)

    async def fetch_tunnel(self, number: bytes, *, newest: bool = False) -> None:
        known = self._state.tunnels.known(number)
        if known is not None and not newest:
            return
        now = self._state.clock()
        row = await self._database.run(self._tunnels.find, number, now)
        plain = None if row is None else self._tunnels.open(row, now)
        if row is None or plain is None:
            return
        stored = decode(_StoredTunnel, plain, _ROW_MAX_BYTES)
        published = self._state.shop.descriptors.get(stored.descriptor)
        if published is None:
            return
        tunnel = Tunnel(
            _keys(number, stored.keys), stored.broker, published, stored.label, row.expires
        )
        if stored.chosen is not None:
            chosen = stored.chosen
            tunnel.chosen = (chosen.request, chosen.answer, chosen.invoice)
        tunnel.used = tunnel.chosen is not None
        self._versions[number] = row.version
        self._state.tunnels.take_over(number, tunnel)

    async def publish_tunnel(self, number: bytes) -> None:
        tunnel = self._state.tunnels.known(number)
        if tunnel is not None:
            await self._database.run(self._tunnels.put, self._seal(number, tunnel))
            # A tunnel that was opened again has another version; anyone who chooses finds out.
            self._versions[number] = 0

    async def publish_choice(self, number: bytes) -> bool:
        tunnel = self._state.tunnels.known(number)
        if tunnel is None or tunnel.chosen is None:
            return True
        version = self._versions.get(number, 0)
        row = self._seal(number, tunnel)
        if await self._database.run(self._tunnels.replace, row, version):
            self._versions[number] = version + 1
            return True
        await self.fetch_tunnel(number, newest=True)
        return False

    async def tidy(self) -> None:
        now = self._state.clock()
        await self._database.run(self._links.sweep, now, UNPROVED, LINKS_UNPROVED_MAX)
        await self._database.run(self._tunnels.sweep, now, UNPROVED, SESSIONS_MAX)
        known = self._state.tunnels.known
        self._versions = {n: version for n, version in self._versions.items() if known(n)}

    def make_tables(self) -> None:
        """Before any worker starts."""
        self._database.run_now(self._links.make_table)
        self._database.run_now(self._tunnels.make_table)

    def _seal(self, number: bytes, tunnel: Tunnel) -> Row:
        chosen = None
        if tunnel.chosen is not None:
            request, answer, invoice = tunnel.chosen
            chosen = _Choice(request=request, answer=answer, invoice=invoice)
        stored = _StoredTunnel(
            keys=_stored(tunnel.keys),
            broker=tunnel.broker,
            descriptor=tunnel.published.known.hash,
            label=tunnel.label,
            chosen=chosen,
        )
        now = self._state.clock()
        suite = tunnel.keys.suite
        return self._tunnels.seal(number, UNPROVED, tunnel.expires_at, suite, encode(stored), now)


def _stored(keys: SessionKeys) -> _StoredKeys:
    return _StoredKeys(
        suite=keys.suite.id,
        request_key=keys.request_key,
        answer_key=keys.answer_key,
        exporter=keys.exporter,
        handshake_hash=keys.handshake_hash,
    )


def _keys(session_id: bytes, stored: _StoredKeys) -> SessionKeys:
    return SessionKeys(
        session_id=session_id,
        suite=suite_by_id(stored.suite),
        request_key=stored.request_key,
        answer_key=stored.answer_key,
        exporter=stored.exporter,
        handshake_hash=stored.handshake_hash,
    )
