"""Tickets open once; sessions lock."""

from veilmart.limits import WEB_IDLE_SECONDS, WEB_SESSIONS_MAX, WEB_TICKET_SECONDS
from veilmart.web.sessions import Entrance


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_opens_one_session_once() -> None:
    entrance = Entrance(Clock())
    ticket = entrance.issue_ticket()
    secret = entrance.enter(ticket)
    assert secret is not None and entrance.find(secret) is not None
    assert entrance.enter(ticket) is None
    assert entrance.enter("") is None and entrance.enter("\udcff") is None


def test_a_ticket_ends_after_a_minute_and_by_the_next_one() -> None:
    clock = Clock()
    entrance = Entrance(clock)
    old, fresh = entrance.issue_ticket(), entrance.issue_ticket()
    assert entrance.enter(old) is None
    clock.now += WEB_TICKET_SECONDS + 1
    assert entrance.enter(fresh) is None


def test_a_session_locks_after_ten_idle_minutes_and_forgets_what_was_decrypted() -> None:
    clock, locked = Clock(), []
    entrance = Entrance(clock, lambda: locked.append(True))
    secret = entrance.enter(entrance.issue_ticket()) or ""
    session = entrance.find(secret)
    assert session is not None and not session.locked
    clock.now += WEB_IDLE_SECONDS
    entrance.look_at_all()
    assert not session.locked
    entrance.touch(session)
    clock.now += WEB_IDLE_SECONDS + 1
    entrance.look_at_all()
    assert session.locked and locked == [True]
    entrance.unlock(session)
    found = entrance.find(secret)
    assert found is not None and not found.locked


def test_one_browser_of_two_that_locks_does_not_forget_for_the_other() -> None:
    clock, locked = Clock(), []
    entrance = Entrance(clock, lambda: locked.append(True))
    first = entrance.find(entrance.enter(entrance.issue_ticket()) or "")
    second = entrance.find(entrance.enter(entrance.issue_ticket()) or "")
    assert first is not None and second is not None
    entrance.lock(first)
    assert locked == []
    entrance.lock(second)
    assert locked == [True]


def test_sessions_are_bounded_and_the_oldest_gives_way() -> None:
    clock = Clock()
    entrance = Entrance(clock)
    secrets = []
    for _ in range(WEB_SESSIONS_MAX + 1):
        clock.now += 1
        secrets.append(entrance.enter(entrance.issue_ticket()) or "")
    assert entrance.find(secrets[0]) is None
    assert all(entrance.find(secret) is not None for secret in secrets[1:])
