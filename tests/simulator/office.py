"""The merchant's office: now and then somebody gives a customer the money back."""

from random import Random

from tests.simulator.store import Disk
from tests.simulator.world import World
from tests.support.simulated_process import Process
from veilmart.errors import VeilmartError
from veilmart.merchant.back_office.refunds import find_refundable, refund_order
from veilmart.merchant.home import MerchantHome
from veilmart.storage.files.home import Home

PAUSES_SECONDS = (30.0, 3600.0, 40 * 3600.0, 40 * 3600.0)
_SOLD = "SELECT \"order\" FROM orders WHERE state IN ('paid', 'settled')"


def market_of(world: World, process: Process, disk: Disk) -> MerchantHome:
    """The merchant's home, as this process opens it."""
    made = world.template
    home, store = Home(made.folder / "merchant"), world.store_for(disk, process)
    return MerchantHome(home, made.merchant_key, made.merchant_print, store, made.store)


async def live_in_the_office(world: World, process: Process, disk: Disk, random: Random) -> None:
    """`veilmart merchant refund ORDER`, for an order that happens to be there."""
    market, source = market_of(world, process, disk), world.source()
    while True:
        await world.pause(random.uniform(0, random.choice(PAUSES_SECONDS)))
        process.check()
        sold = [row[0] for row in disk.raw.execute(_SOLD)]
        if not sold or world.network.weather.calm:
            continue
        order = random.choice(sold)
        # From here on the paper may be on its way, whatever its sender hears.
        world.known.returned.add(order)
        world.story.tell("office", f"gives order #{world.story.number_of(order)} back")
        try:
            found = market.database.run_now(find_refundable, order.hex())
            opener = world.network.opener(process)
            await refund_order(market, found, world.clock(), source, opener)
        except VeilmartError as error:
            world.story.tell("office", error)
