"""Sessions of customers: keys, who is logged in, and request numbers. Volatile, never in backups.

`SessionStore` is what the rest of the broker sees. `MemorySessions` is the one for a single worker,
shared_sessions.py the one for several.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

from veilmart.broker.sessions.request_numbers import RequestNumbers
from veilmart.broker.sessions.unpaid_room import Owner
from veilmart.errors import LoginRequired, SessionUnknown
from veilmart.limits import SESSION_SECONDS, SESSIONS_MAX
from veilmart.protocol.handshake import SessionKeys


@dataclass(slots=True)
class Login:
    """Who is logged in. device: 32 bytes, given again when the login is repeated."""

    account: int
    username: str
    device: bytes = field(repr=False)


@dataclass(slots=True)
class Session:
    """descriptor: serial of ours that the customer knows. unpaid: order → deadline.

    refused: orders in a row for which there was no room.
    asker: the address that its last request came from; it is kept in memory alone.
    claimed: wallet ids that were claimed in it, so that a claim that is sent again, by anyone who
    recorded it, does not bring an earlier wallet back.
    """

    keys: SessionKeys
    descriptor: int
    expires: int
    numbers: RequestNumbers = field(default_factory=RequestNumbers)
    unpaid: dict[bytes, int] = field(default_factory=dict)
    refused: int = 0
    login: Login | None = None
    claimed: tuple[bytes, ...] = ()
    asker: str = ""

    @property
    def owner(self) -> Owner:
        """The owner of this session's unpaid orders."""
        login = self.login
        return (False, self.asker) if login is None else (True, str(login.account))


class SessionStore(Protocol):
    """Where sessions live, for an hour at most.

    Rules call the synchronous methods; around each rule the application calls `fetch` and
    `publish`, which let other workers know.
    """

    async def fetch(self, session_id: bytes, now: int) -> Session:
        """`get`, also for a session that another worker has made. Raises SessionUnknown."""
        ...

    async def fetch_changed(self, session_id: bytes, now: int) -> bool:
        """Whether another worker has changed the session, which then is up to date here.

        Raises SessionUnknown.
        """
        ...

    async def publish(self, session: Session, now: int) -> None:
        """Share a rule's changes of sessions with other workers.

        Raises ServerBusy when two workers changed it at once too often.
        """
        ...

    async def tidy(self, now: int) -> None:
        """`sweep`, for all workers."""
        ...

    def add(self, session: Session) -> None:
        """Keep a new session; the oldest ones nobody logged in to make room."""
        ...

    def get(self, session_id: bytes, now: int) -> Session:
        """The session with that id (16 bytes). Raises SessionUnknown."""
        ...

    def log_in(self, session: Session, login: Login) -> None:
        """The session now speaks for an account."""
        ...

    def drop(self, session: Session) -> None:
        """End a session; ending one twice is fine."""
        ...

    def drop_account(self, account: int, keep: Session | None) -> None:
        """End every session of an account but `keep`."""
        ...

    def sweep(self, now: int) -> None:
        """End what has expired."""
        ...


class MemorySessions:
    """At most `capacity` sessions.

    Anonymous ones are dropped first: they cost an attacker least.
    """

    def __init__(self, capacity: int = SESSIONS_MAX) -> None:
        self._capacity = capacity
        self._anonymous: OrderedDict[bytes, Session] = OrderedDict()
        self._known: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._anonymous) + len(self._known)

    def add(self, session: Session) -> None:
        while len(self) >= self._capacity:
            (self._anonymous or self._known).popitem(last=False)
        self._anonymous[session.keys.session_id] = session

    async def fetch(self, session_id: bytes, now: int) -> Session:
        return self.get(session_id, now)

    async def fetch_changed(self, session_id: bytes, now: int) -> bool:
        """See `SessionStore`: nobody else changes them."""
        return False

    async def publish(self, session: Session, now: int) -> None:
        """Nobody else has to know."""

    async def tidy(self, now: int) -> None:
        self.sweep(now)

    def get(self, session_id: bytes, now: int) -> Session:
        session = self._known.get(session_id) or self._anonymous.get(session_id)
        if session is None:
            raise SessionUnknown
        if session.expires <= now:
            self.drop(session)
            raise SessionUnknown
        return session

    def log_in(self, session: Session, login: Login) -> None:
        session.login = login
        name = session.keys.session_id
        # Dropped while its password was being verified: it stays dropped.
        if self._anonymous.pop(name, None) is not None:
            self._known[name] = session

    def drop(self, session: Session) -> None:
        self._anonymous.pop(session.keys.session_id, None)
        self._known.pop(session.keys.session_id, None)

    def drop_account(self, account: int, keep: Session | None) -> None:
        ended = [
            session
            for session in self._known.values()
            if session is not keep and session.login and session.login.account == account
        ]
        for session in ended:
            self.drop(session)

    def sweep(self, now: int) -> None:
        for group in (self._anonymous, self._known):
            ended = [name for name, session in group.items() if session.expires <= now]
            for name in ended:
                del group[name]


def expiry(now: int) -> int:
    return now + SESSION_SECONDS


def require_login(session: Session) -> Login:
    """Raises LoginRequired."""
    if session.login is None:
        raise LoginRequired
    return session.login
