"""Tickets and sessions: how the person who started the command gets in, and stays in.

A ticket opens one session, once, within 60 seconds. A session's secret is known to one browser
and, as a hash, to this process; after ten minutes without its person it is locked. Nothing of
this is on a disk, so a restart ends every session.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from veilmart.limits import WEB_IDLE_SECONDS, WEB_SESSIONS_MAX, WEB_TICKET_SECONDS

SECRET_BYTES = 32
Now = Callable[[], float]


@dataclass
class WebSession:
    """One browser. used_at: monotonic seconds; locked: the idle time was exceeded."""

    digest: bytes = field(repr=False)
    used_at: float
    locked: bool = False


class Entrance:
    """Issues tickets and knows the sessions of one process."""

    def __init__(self, now: Now, on_lock: Callable[[], None] = lambda: None) -> None:
        """now: monotonic seconds. on_lock: called when the last unlocked session locks."""
        self._now = now
        self._on_lock = on_lock
        self._tickets: dict[bytes, float] = {}
        self._sessions: dict[bytes, WebSession] = {}

    def issue_ticket(self) -> str:
        """A fresh ticket (43 characters); an unused older one becomes invalid."""
        ticket = secrets.token_urlsafe(SECRET_BYTES)
        self._tickets = {_digest(ticket): self._now() + WEB_TICKET_SECONDS}
        return ticket

    def enter(self, ticket: str) -> str | None:
        """The secret of a new session; None for a ticket that is unknown, used or too old."""
        ends_at = self._tickets.pop(_digest(ticket), None)
        if ends_at is None or self._now() > ends_at:
            return None
        if len(self._sessions) >= WEB_SESSIONS_MAX:
            oldest = min(self._sessions.values(), key=lambda session: session.used_at)
            del self._sessions[oldest.digest]
        secret = secrets.token_urlsafe(SECRET_BYTES)
        session = WebSession(_digest(secret), self._now())
        self._sessions[session.digest] = session
        return secret

    def find(self, secret: str) -> WebSession | None:
        """The session of a cookie, locked or not. Looked up by hash, so timing tells nothing."""
        session = self._sessions.get(_digest(secret))
        if session is not None:
            self._look(session)
        return session

    def touch(self, session: WebSession) -> None:
        """Its person did something."""
        session.used_at = self._now()

    def lock(self, session: WebSession) -> None:
        """Lock it now; the person asked for it."""
        self._set_locked(session)

    def unlock(self, session: WebSession) -> None:
        """The person proved to be there; the caller has checked how."""
        session.locked = False
        self.touch(session)

    def look_at_all(self) -> None:
        """Lock whatever is idle too long; called from time to time."""
        for session in list(self._sessions.values()):
            self._look(session)

    def _look(self, session: WebSession) -> None:
        if not session.locked and self._now() - session.used_at > WEB_IDLE_SECONDS:
            self._set_locked(session)

    def _set_locked(self, session: WebSession) -> None:
        session.locked = True
        if all(other.locked for other in self._sessions.values()):
            self._on_lock()


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "replace")).digest()
