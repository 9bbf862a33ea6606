"""A measurement: a wrong password and an unknown user are refused in the same time.

Interleaved attempts against the running broker, each with a name that was not tried before; the
two medians lie within 1 ms of each other. A machine that is busy with something else can spoil a
run, so it may be repeated; and where this process had to wait for a processor, the processor time
that it used is compared instead. A broker that hashed nothing for an unknown name would fail
either way, by the 20 ms that a hash takes.
"""

import gc
import os
import statistics
import time
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection

from tests.support.roles import Roles
from veilmart.broker.accounts import customers
from veilmart.broker.accounts.passwords import Passwords
from veilmart.customer.connection.shopper import Shopper
from veilmart.errors import AuthenticationFailed
from veilmart.protocol.customer_messages import Login, Welcome

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("real_passwords"),
]

SAMPLES = 60
TRIES = 3
WAITED = 1.5
WITHIN_SECONDS = 0.001


@dataclass(frozen=True)
class Seconds:
    """wall: as a stranger measures it. busy: processor time of this process, broker included."""

    wall: float
    busy: float


@dataclass(frozen=True)
class Medians:
    wrong: Seconds
    unknown: Seconds

    @property
    def waited(self) -> bool:
        """Whether other processes held us up: then the wall clock measures them, not us."""
        return self.wrong.wall + self.unknown.wall > WAITED * (self.wrong.busy + self.unknown.busy)

    @property
    def alike(self) -> bool:
        if abs(self.wrong.wall - self.unknown.wall) <= WITHIN_SECONDS:
            return True
        return self.waited and abs(self.wrong.busy - self.unknown.busy) <= WITHIN_SECONDS

    def __str__(self) -> str:
        return "; ".join(
            f"{name} {found.wall * 1e3:.2f} ms, busy {found.busy * 1e3:.2f} ms"
            for name, found in (("wrong password", self.wrong), ("unknown user", self.unknown))
        )


async def refused_after(shopper: Shopper, username: str) -> Seconds:
    """From the login's request to its refusal, in a session of its own."""
    keys = await shopper.session._handshake()
    request = Login(username=username, password="not the password", device=b"")
    begun, idle = time.perf_counter(), time.process_time()
    with pytest.raises(AuthenticationFailed):
        await shopper.session._exchange(keys, request, Welcome, False)
    return Seconds(time.perf_counter() - begun, time.process_time() - idle)


def median(samples: list[Seconds]) -> Seconds:
    walls, busy = [sample.wall for sample in samples], [sample.busy for sample in samples]
    return Seconds(statistics.median(walls), statistics.median(busy))


async def medians(roles: Roles, shopper: Shopper, run: int) -> Medians:
    known = [f"known {run} {number}" for number in range(SAMPLES)]
    hashed = Passwords(os.urandom).hash_now("the password")

    def register(conn: Connection) -> None:
        for name in known:
            customers.add_customer(conn, name, hashed, os.urandom(32), roles.clock())

    await roles.database.run(register)
    wrong: list[Seconds] = []
    unknown: list[Seconds] = []
    for number, name in enumerate(known):
        pair = [(wrong, name), (unknown, f"ghost {run} {number}")]
        for found, username in pair if number % 2 else reversed(pair):
            found.append(await refused_after(shopper, username))
    return Medians(median(wrong), median(unknown))


async def test_refusals_take_the_same_time(shared: Roles) -> None:
    shopper = await shared.connect("watch")
    found: list[Medians] = []
    gc.disable()
    try:
        for run in range(TRIES):
            found.append(await medians(shared, shopper, run))
            if found[-1].alike:
                break
        else:
            pytest.fail(" / ".join(map(str, found)))
    finally:
        gc.enable()
    last = found[-1]
    assert min(last.wrong.busy, last.unknown.busy) > 0.002, "a password was hashed for both"
