"""Honest customers: people with a wallet who buy, are interrupted, and come back."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.simulator.store import Disk
from tests.simulator.verdict import Violated
from tests.simulator.world import World
from tests.support.simulated_process import Process
from veilmart.crypto.suite import Suite
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.disputes.dispute_rules import dispute, examine
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.quote import Quote
from veilmart.customer.wallet.orders import Order, get_order
from veilmart.customer.wallet.parcels import Parcels
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    ContentKeyInvalid,
    Declined,
    EvidenceInvalid,
    InsufficientBalance,
    JudgedWrongly,
    NameTaken,
    PaddingInvalid,
    PieceMismatch,
    VeilmartError,
)
from veilmart.protocol.catalogue import Product
from veilmart.protocol.wallet_states import WalletState
from veilmart.storage.files.home import Home

COMPLAINS_OFTEN = 0.7
CHEATED = (ContentKeyInvalid, PieceMismatch, PaddingInvalid)
PAUSE_FIRST_SECONDS, PAUSE_MAX_SECONDS = 5.0, 3600.0
SMALL_OFTEN = 0.9


@dataclass
class Person:
    """Who sits in front of a wallet, and remembers what no program does. voucher: to be redeemed.
    kind: "customer", "cheater" or "holder" (of tokens).

    wants: purchases still to be made. begun: orders in the wallet. registered: has heard that the
    account is open. content: wants nothing more, and nothing is unfinished.
    """

    name: str
    disk: Disk
    folder: Path
    random: Random
    suite: Suite
    wants: int
    refuses: float
    gives_up: float
    kind: str = "customer"
    voucher: str = ""
    registered: bool = False
    content: bool = False
    begun: int = 0
    declined: list[bytes] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """Where the finished files go."""
        return self.folder / "out"

    def count_orders(self) -> None:
        """A purchase that was begun is one less to make, however it ends."""
        orders = self.disk.raw.execute("SELECT count(*) FROM orders").fetchone()[0]
        self.wants -= orders - self.begun
        self.begun = orders

    def agrees(self, quote: Quote) -> bool:
        """The answer to "Do you want to pay?"."""
        if self.random.random() >= self.refuses:
            return True
        self.declined.append(quote.order)
        return False


async def live_as_customer(world: World, process: Process, person: Person) -> None:
    """One incarnation: runs what a person would type, until there is nothing left to do."""
    wallet = wallet_of(world, process, person)
    pause = PAUSE_FIRST_SECONDS
    while not person.content:
        try:
            await _visit(world, process, person, wallet)
        except VeilmartError as error:
            world.story.tell(person.name, error)
        # Anyone who has no luck tries less and less often.
        await world.pause(person.random.uniform(1, pause))
        pause = min(pause * 2, PAUSE_MAX_SECONDS)
        process.check()


def wallet_of(world: World, process: Process, person: Person) -> Wallet:
    """The person's wallet, as this process opens it."""
    home = Home(person.folder)
    store, parcels = world.store_for(person.disk, process), Parcels(home.file("parcels"))
    return Wallet(home, store, parcels, world.clock, world.source())


async def _visit(world: World, process: Process, person: Person, wallet: Wallet) -> None:
    shopper = await connect(
        wallet,
        world.template.link,
        suite=person.suite,
        observe=world.network.observer(person.name),
        open_client=world.network.opener(process),
    )
    await enter(shopper, person)
    if person.voucher:
        await shopper.account.redeem(person.voucher)
        person.voucher = ""
    await _sync(world, shopper, person, wallet)
    if person.wants > 0:
        menu = await shopper.browse(world.template.merchant_print)
        while person.wants > 0:
            await _buy(world, shopper, person, menu)
    person.content = not to_sync(wallet)


async def enter(shopper: Shopper, person: Person) -> None:
    """Register or log in, as a person who does not know what became of the last attempt."""
    if shopper.logged_in:
        return
    if not person.registered:
        try:
            await shopper.account.register(person.name, _password(person))
        except NameTaken:
            # The account was opened, and the answer got lost.
            person.registered = True
        else:
            person.registered = True
            return
    await shopper.account.login(person.name, _password(person))


def _password(person: Person) -> str:
    return f"password of {person.name}"


def pick(person: Person, menu: Menu) -> Product:
    """Mostly something small: a large parcel takes the simulator long."""
    first = min(product.shelf for product in menu.products)
    small = [product for product in menu.products if product.shelf == first]
    return person.random.choice(small if person.random.random() < SMALL_OFTEN else menu.products)


async def _sync(world: World, shopper: Shopper, person: Person, wallet: Wallet) -> None:
    """`veilmart customer sync`, or `cancel` by somebody who has had enough."""
    for order in to_sync(wallet):
        tired = person.random.random() < person.gives_up
        try:
            if tired and order.state in (WalletState.CONFIRMING, WalletState.HELD):
                recovered = await shopper.cancel(order)
            else:
                recovered = await shopper.recover(order)
        except VeilmartError as error:
            world.story.tell(person.name, error)
            if isinstance(error, CHEATED) and person.random.random() < COMPLAINS_OFTEN:
                await _complain(world, shopper, person, order)
            continue
        number = world.story.number_of(order.order)
        world.story.tell(person.name, f"finds order #{number} {recovered.outcome}")


async def _complain(world: World, shopper: Shopper, person: Person, order: Order) -> None:
    """`veilmart customer dispute ORDER`."""
    number = world.story.number_of(order.order)
    try:
        stored = await shopper.wallet.database.run(get_order, order.order)
        found, complaint = await shopper.perform(examine(stored, world.clock))  # type: ignore[arg-type]
        world.story.tell(person.name, f"disputes order #{number}: {complaint.finding.value}")
        await shopper.perform(dispute(found, complaint, world.clock))
    except (EvidenceInvalid, JudgedWrongly) as error:
        world.story.tell(person.name, error)
        if order.order in world.known.crooked:
            raise Violated(f"{person.name} lost a dispute about a crooked order.") from error
    except VeilmartError as error:
        world.story.tell(person.name, error)
    else:
        world.story.tell(person.name, f"wins the dispute about order #{number}")


async def _buy(world: World, shopper: Shopper, person: Person, menu: Menu) -> None:
    product = pick(person, menu)
    try:
        await shopper.buy(menu, product, person.out, person.agrees)
    except InsufficientBalance:
        person.wants = 0
    except Declined:
        person.wants -= 1
        world.story.tell(person.name, "says no")
    finally:
        person.count_orders()
    await world.pause(person.random.uniform(1, 3))
