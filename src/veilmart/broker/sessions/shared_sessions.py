"""Customers' sessions that several workers share (storage/session_rows/sealed_rows.py).

Each worker keeps what it has seen in memory for a second: a session that was ended elsewhere, by a
new password say, ends here within that second. What a rule changed is written before its answer
is sent. Two workers that changed one session at once both keep what they did. How many unpaid
orders a session has is counted by each worker for itself.
"""

import time
from dataclasses import dataclass

from veilmart.broker.sessions.request_numbers import Number
from veilmart.broker.sessions.session import Login, MemorySessions, Session
from veilmart.crypto.suite import suite_by_id
from veilmart.errors import ServerBusy, SessionUnknown
from veilmart.limits import SESSIONS_MAX
from veilmart.protocol.customer_messages import Opened
from veilmart.protocol.encoding import Message, decode, encode
from veilmart.protocol.handshake import SessionKeys
from veilmart.storage.database.port import Database
from veilmart.storage.session_rows.hourly_keys import RowKeys
from veilmart.storage.session_rows.sealed_rows import Row, SealedRows

TABLE = "customer_sessions"
SEEN_SECONDS = 1.0
ANONYMOUS = 0
_ROW_MAX_BYTES = 64 * 1024
_TRIES = 4


class _StoredNumber(Message, frozen=True):
    number: bytes
    merchant: bytes | None
    opening: bytes | None
    answer: Opened | None


class _Stored(Message, frozen=True):
    suite: int
    request_key: bytes
    answer_key: bytes
    exporter: bytes
    handshake_hash: bytes
    descriptor: int
    numbers: list[_StoredNumber]
    account: int
    username: str
    device: bytes
    claimed: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Seen:
    """stored: what the row said when we last read or wrote it; None before it is written."""

    session: Session
    stored: _Stored | None
    version: int
    looked_at: float


class SharedSessions:
    """A `SessionStore` for one of several workers."""

    def __init__(self, database: Database, keys: RowKeys) -> None:
        self._database = database
        self._rows = SealedRows(TABLE, keys)
        self._memory = MemorySessions()
        self._seen: dict[bytes, _Seen] = {}
        self._ended: list[bytes] = []
        self._ended_accounts: list[tuple[int, bytes]] = []

    def make_table(self) -> None:
        """Before any worker starts."""
        self._database.run_now(self._rows.make_table)

    def add(self, session: Session) -> None:
        self._memory.add(session)
        self._seen[session.keys.session_id] = _Seen(session, None, 0, time.monotonic())

    def get(self, session_id: bytes, now: int) -> Session:
        return self._memory.get(session_id, now)

    def log_in(self, session: Session, login: Login) -> None:
        self._memory.log_in(session, login)

    def drop(self, session: Session) -> None:
        self._memory.drop(session)
        self._seen.pop(session.keys.session_id, None)
        self._ended.append(session.keys.session_id)

    def drop_account(self, account: int, keep: Session | None) -> None:
        self._memory.drop_account(account, keep)
        self._ended_accounts.append((account, b"" if keep is None else keep.keys.session_id))

    def sweep(self, now: int) -> None:
        self._memory.sweep(now)
        self._seen = {name: seen for name, seen in self._seen.items() if seen.session.expires > now}

    async def fetch(self, session_id: bytes, now: int) -> Session:
        seen = self._seen.get(session_id)
        if seen is None or time.monotonic() - seen.looked_at >= SEEN_SECONDS:
            await self.fetch_changed(session_id, now)
        return self._memory.get(session_id, now)

    async def fetch_changed(self, session_id: bytes, now: int) -> bool:
        row = await self._database.run(self._rows.find, session_id, now)
        seen = self._seen.get(session_id)
        if row is None:
            if seen is not None:
                self._memory.drop(seen.session)
                self._seen.pop(session_id, None)
            raise SessionUnknown
        if seen is None:
            self._take_over(row, self._open(row, now))
            return True
        changed = seen.version != row.version
        if changed:
            self._catch_up(seen, row, now)
        seen.looked_at = time.monotonic()
        return changed

    async def publish(self, session: Session, now: int) -> None:
        await self._publish_ended()
        seen = self._seen.get(session.keys.session_id)
        if seen is None or seen.session is not session:
            return  # it was ended
        for _try in range(_TRIES):
            mine = _stored(session)
            if mine == seen.stored:
                return
            row = self._seal(session, mine, now)
            if seen.stored is None:
                await self._database.run(self._rows.add, row)
                seen.stored = mine
                return
            if await self._database.run(self._rows.replace, row, seen.version):
                seen.stored, seen.version = mine, seen.version + 1
                seen.looked_at = time.monotonic()
                return
            latest = await self._database.run(self._rows.find, row.name, now)
            if latest is None:
                raise SessionUnknown
            self._catch_up(seen, latest, now)
        raise ServerBusy

    async def tidy(self, now: int) -> None:
        self.sweep(now)
        await self._publish_ended()
        await self._database.run(self._rows.sweep, now, ANONYMOUS, SESSIONS_MAX)

    async def _publish_ended(self) -> None:
        while self._ended:
            await self._database.run(self._rows.remove, self._ended[-1])
            self._ended.pop()
        while self._ended_accounts:
            await self._database.run(self._rows.remove_owned, *self._ended_accounts[-1])
            self._ended_accounts.pop()

    def _seal(self, session: Session, stored: _Stored, now: int) -> Row:
        keys = session.keys
        return self._rows.seal(
            keys.session_id,
            ANONYMOUS if session.login is None else session.login.account,
            session.expires,
            keys.suite,
            encode(stored),
            now,
        )

    def _open(self, row: Row, now: int) -> _Stored:
        plain = self._rows.open(row, now)
        if plain is None:
            raise SessionUnknown
        return decode(_Stored, plain, _ROW_MAX_BYTES)

    def _catch_up(self, seen: _Seen, row: Row, now: int) -> None:
        """In place: requests that are under way here hold the session."""
        theirs = self._open(row, now)
        _merge(seen.session, _stored(seen.session), seen.stored, theirs)
        seen.stored, seen.version = theirs, row.version
        ours = seen.session.claimed
        seen.session.claimed = ours + tuple(one for one in theirs.claimed if one not in ours)
        if theirs.account != ANONYMOUS and seen.session.login is None:
            login = Login(theirs.account, theirs.username, theirs.device)
            self._memory.log_in(seen.session, login)

    def _take_over(self, row: Row, stored: _Stored) -> Session:
        keys = SessionKeys(
            session_id=row.name,
            suite=suite_by_id(stored.suite),
            request_key=stored.request_key,
            answer_key=stored.answer_key,
            exporter=stored.exporter,
            handshake_hash=stored.handshake_hash,
        )
        session = Session(keys, stored.descriptor, row.expires)
        session.numbers.take_over(_numbers(stored))
        session.claimed = stored.claimed
        self._memory.add(session)
        if stored.account != ANONYMOUS:
            self._memory.log_in(session, Login(stored.account, stored.username, stored.device))
        self._seen[row.name] = _Seen(session, stored, row.version, time.monotonic())
        return session


def _stored(session: Session) -> _Stored:
    keys, login = session.keys, session.login
    return _Stored(
        suite=keys.suite.id,
        request_key=keys.request_key,
        answer_key=keys.answer_key,
        exporter=keys.exporter,
        handshake_hash=keys.handshake_hash,
        descriptor=session.descriptor,
        numbers=[
            _StoredNumber(
                number=number,
                merchant=entry.merchant,
                opening=entry.opening,
                answer=entry.answer,
            )
            for number, entry in session.numbers.items()
        ],
        claimed=session.claimed,
        account=ANONYMOUS if login is None else login.account,
        username="" if login is None else login.username,
        device=b"" if login is None else login.device,
    )


def _numbers(stored: _Stored) -> list[tuple[bytes, Number]]:
    return [
        (entry.number, Number(entry.merchant, entry.opening, entry.answer))
        for entry in stored.numbers
    ]


def _merge(session: Session, mine: _Stored, before: _Stored | None, theirs: _Stored) -> None:
    """What they wrote, and on top of it what we changed."""
    known = [] if before is None else before.numbers
    changed = {entry.number: entry for entry in mine.numbers if entry not in known}
    merged = [changed.pop(entry.number, entry) for entry in theirs.numbers]
    merged += changed.values()
    session.numbers.take_over(
        [(entry.number, Number(entry.merchant, entry.opening, entry.answer)) for entry in merged]
    )
