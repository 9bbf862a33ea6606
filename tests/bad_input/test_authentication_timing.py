"""A measurement: a wrong password and an unknown user are refused in the same time.

Interleaved attempts against the running broker, each with a name that was not tried before; the
two medians lie within 1 ms of each other. A machine that is busy with something else can spoil a
run, so it may be repeated; a broker that looked a name up before it hashed would fail every one.
"""

import gc
import statistics
import time

import pytest
from sqlalchemy import Connection

from tests.bad_input.roles import Roles
from veilmart.broker import customers
from veilmart.broker.passwords import Passwords
from veilmart.broker.state import system_random
from veilmart.customer.shopper import Shopper
from veilmart.errors import AuthenticationFailed
from veilmart.protocol.customer_messages import Login, Welcome

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLES = 60
TRIES = 3
WITHIN_SECONDS = 0.001


async def refused_after(shopper: Shopper, username: str) -> float:
    """Seconds from the login's request to its refusal, in a session of its own."""
    keys = await shopper.session._handshake()
    request = Login(username=username, password="not the password", device=b"")
    begun = time.perf_counter()
    with pytest.raises(AuthenticationFailed):
        await shopper.session._exchange(keys, request, Welcome, False, request.answer_cells)
    return time.perf_counter() - begun


async def medians(roles: Roles, shopper: Shopper, run: int) -> tuple[float, float]:
    known = [f"known {run} {number}" for number in range(SAMPLES)]
    hashed = Passwords(system_random).hash_now("the password")

    def register(conn: Connection) -> None:
        for name in known:
            customers.add_customer(conn, name, hashed, system_random(32), roles.clock())

    await roles.database.run(register)
    wrong, unknown = [], []
    for number, name in enumerate(known):
        pair = [(wrong, name), (unknown, f"ghost {run} {number}")]
        for times, username in pair if number % 2 else reversed(pair):
            times.append(await refused_after(shopper, username))
    return statistics.median(wrong), statistics.median(unknown)


async def test_refusals_take_the_same_time(shared: Roles) -> None:
    shopper = await shared.connect("watch")
    found = []
    gc.disable()
    try:
        for run in range(TRIES):
            wrong, unknown = await medians(shared, shopper, run)
            found.append(f"wrong password {wrong * 1e3:.2f} ms, unknown {unknown * 1e3:.2f} ms")
            if abs(wrong - unknown) <= WITHIN_SECONDS:
                break
        else:
            pytest.fail("; ".join(found))
    finally:
        gc.enable()
    assert min(wrong, unknown) > 0.002, "a password was hashed for both"
