"""A measurement: a wrong password and an unknown user are refused in the same time.

Attempts in pairs against the running broker, each with a name that was not tried before. The median
difference of a pair is at most 1 ms, in wall time as a stranger measures it and in processor time,
which other programs on the machine hardly change. Three standard errors of that median are allowed
as well: they are a fraction of a millisecond on a quiet machine, and grow with its noise. A broker
that hashed nothing for an unknown name would fail by the 20 ms of processor time that a hash takes.
"""

import gc
import math
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

PAIRS = 60
TRIES = 3
WITHIN_SECONDS = 0.001
STANDARD_ERRORS = 3
OF_A_MEDIAN = 1.2533 * 1.4826  # of a normal distribution, times its median absolute deviation


@dataclass(frozen=True)
class Seconds:
    """wall: as a stranger measures it. busy: processor time of this process, broker included."""

    wall: float
    busy: float


@dataclass(frozen=True)
class Difference:
    """The median of what a wrong password takes longer than an unknown user, in seconds."""

    median: float
    error: float

    @property
    def negligible(self) -> bool:
        return abs(self.median) <= WITHIN_SECONDS + STANDARD_ERRORS * self.error

    def __str__(self) -> str:
        return f"{self.median * 1e3:.2f} ms, standard error {self.error * 1e3:.2f} ms"


def difference(samples: list[float]) -> Difference:
    middle = statistics.median(samples)
    deviation = statistics.median(abs(sample - middle) for sample in samples)
    return Difference(middle, OF_A_MEDIAN * deviation / math.sqrt(len(samples)))


async def refused_after(shopper: Shopper, username: str) -> Seconds:
    """From the login's request to its refusal, in a session of its own."""
    keys = await shopper.session._handshake()
    request = Login(username=username, password="not the password", device=b"")
    begun, idle = time.perf_counter(), time.process_time()
    with pytest.raises(AuthenticationFailed):
        await shopper.session._exchange(keys, request, Welcome, False)
    return Seconds(time.perf_counter() - begun, time.process_time() - idle)


def hash_seconds() -> float:
    """Processor time of one hash."""
    passwords = Passwords(os.urandom)
    begun = time.process_time()
    passwords.hash_now("the password")
    return time.process_time() - begun


async def refusals(roles: Roles, shopper: Shopper, run: int) -> list[tuple[Seconds, Seconds]]:
    """Pairs: of a wrong password, of an unknown user."""
    known = [f"known {run} {number}" for number in range(PAIRS)]
    hashed = Passwords(os.urandom).hash_now("the password")

    def register(conn: Connection) -> None:
        for name in known:
            customers.add_customer(conn, name, hashed, os.urandom(32), roles.clock())

    await roles.database.run(register)
    pairs: list[tuple[Seconds, Seconds]] = []
    for number, name in enumerate(known):
        ghost = f"ghost {run} {number}"
        if number % 2:
            wrong, unknown = [await refused_after(shopper, who) for who in (name, ghost)]
        else:
            unknown, wrong = [await refused_after(shopper, who) for who in (ghost, name)]
        pairs.append((wrong, unknown))
    return pairs


async def test_refusals_take_the_same_time(shared: Roles) -> None:
    shopper = await shared.connect("watch")
    said: list[str] = []
    gc.disable()
    try:
        for run in range(TRIES):
            pairs = await refusals(shared, shopper, run)
            for refused in zip(*pairs, strict=True):
                assert statistics.median(one.busy for one in refused) > hash_seconds() / 4
            wall = difference([wrong.wall - unknown.wall for wrong, unknown in pairs])
            busy = difference([wrong.busy - unknown.busy for wrong, unknown in pairs])
            if wall.negligible and busy.negligible:
                return
            said.append(f"wall {wall}; busy {busy}")
        pytest.fail(" / ".join(said))
    finally:
        gc.enable()
