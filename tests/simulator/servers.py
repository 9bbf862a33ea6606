"""Broker and merchant as processes that are killed and started again over the same disks."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from tests.simulator.cheating_merchant import CheatingMerchantApp
from tests.simulator.office import market_of
from tests.simulator.store import Disk
from tests.simulator.template import BROKER_ADDRESS, MERCHANT_ADDRESS
from tests.simulator.world import World
from tests.support.simulated_process import Process
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.home import BrokerHome
from veilmart.broker.server.running import RunningBroker
from veilmart.errors import VeilmartError
from veilmart.merchant.server.http_app import MerchantApp
from veilmart.merchant.server.running import open_shop, sweep, sweep_for_all, watch
from veilmart.merchant.server.state import MerchantState
from veilmart.storage.files.home import Home

LOOK_FIRST_SECONDS, LOOK_MAX_SECONDS = 40.0, 8 * 3600.0


class CheapPasswords(Passwords):
    """Argon2's 20 ms are tested elsewhere; here a hash with a salt does."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random

    async def hash(self, password: str, owner: str = "") -> str:
        salt = self._random(8).hex()
        return salt + hashlib.sha256((salt + password).encode()).hexdigest()

    async def verify(self, hashed: str | None, password: str, owner: str = "") -> bool:
        if hashed is None:
            return False
        return hashed == hashed[:16] + hashlib.sha256((hashed[:16] + password).encode()).hexdigest()


async def live_as_broker(world: World, process: Process, disk: Disk) -> None:
    """One incarnation of the broker, until it is killed."""
    made, random = world.template, world.source()
    home = Home(made.folder / "broker")
    opened = BrokerHome(home, made.broker_key, made.broker_print, world.store_for(disk, process))
    broker = RunningBroker(
        opened,
        world.clock,
        random,
        world.operator_sees,
        open_client=world.network.opener(process),
        passwords=CheapPasswords(random),
    )
    world.network.listen(BROKER_ADDRESS, process, broker.app.asgi)

    reached = False

    async def look(busy: bool) -> None:
        # In quiet times nobody needs the links that it would make anew every hour; one is enough.
        nonlocal reached
        reached = not busy and (reached or broker.links.linked(made.merchant_print))
        if not reached:
            await broker.look()
        await broker.sweep()

    await _look_again_and_again(world, "broker", look)


async def live_as_merchant(world: World, process: Process, disk: Disk) -> None:
    """One incarnation of the merchant, until it is killed."""
    made, random = world.template, world.source()
    market = market_of(world, process, disk)
    shop = await open_shop(market, world.clock, random)
    observe = world.story.observer("merchant")
    state = MerchantState(shop, made.merchant_key, world.clock, random, observe)
    honest = not world.merchant_cheats
    app = MerchantApp(market, state) if honest else CheatingMerchantApp(market, state, world.known)
    world.network.listen(MERCHANT_ADDRESS, process, app.asgi)

    async def look(busy: bool) -> None:
        await watch(market, state)
        await sweep(market, state)
        await sweep_for_all(market, state)

    await _look_again_and_again(world, "merchant", look)


async def _look_again_and_again(
    world: World, who: str, look: Callable[[bool], Awaitable[None]]
) -> None:
    """Often while something is going on; less and less often when nothing is.

    The real programs look every few seconds; here a quiet night must not cost thousands of looks.
    """
    pause, seen = LOOK_FIRST_SECONDS, -1
    while True:
        busy = world.network.asked != seen
        seen = world.network.asked
        try:
            await look(busy)
        except VeilmartError as error:
            world.story.tell(who, error)
        pause = LOOK_FIRST_SECONDS if busy else min(pause * 8, LOOK_MAX_SECONDS)
        await asyncio.sleep(pause * world.random.uniform(0.5, 1.5))
