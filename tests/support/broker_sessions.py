"""A customer's session at a broker as it is after the handshake, made without one."""

import os

from veilmart.broker.sessions.session import Session, expiry
from veilmart.crypto.suite import all_suites
from veilmart.protocol.handshake import SessionKeys


def begun_session(serial: int, now: int) -> Session:
    """Nobody is logged in. serial: of the broker's newest descriptor. now: Unix seconds."""
    keys = SessionKeys(os.urandom(16), all_suites()[0], *[bytes(32)] * 4)
    return Session(keys, serial, expiry(now))
