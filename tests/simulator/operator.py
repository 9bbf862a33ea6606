"""The broker's operator: takes cash, hands out vouchers, pays out, and reads the log."""

from collections.abc import Sequence
from random import Random

from tests.simulator.customers import Person
from tests.simulator.known import Known
from tests.simulator.store import Disk
from tests.simulator.story import Story
from tests.simulator.template import START
from tests.simulator.verdict import Violated, is_bug
from tests.support.virtual_loop import VirtualLoop
from veilmart.broker.accounts.vouchers import issue_vouchers
from veilmart.broker.events import CustomerAuthenticated, Event, TaskFailed
from veilmart.broker.ledger.booking import balance_of
from veilmart.broker.operator.bookkeeping import credit, payout
from veilmart.broker.settings import set_fee
from veilmart.errors import NoSuchAccount
from veilmart.protocol.code import code_hash, parse_code

CREDIT, LITTLE = 12_000, 1_200
FEES_BASIS_POINTS = (0, 0, 250)


class Operator:
    """Its commands are carried out at once and never interrupted."""

    def __init__(
        self,
        disk: Disk,
        people: Sequence[Person],
        known: Known,
        story: Story,
        loop: VirtualLoop,
        random: Random,
    ) -> None:
        self._disk = disk
        self._people = {person.name: person for person in people}
        self._known = known
        self._story = story
        self._loop = loop
        self._random = random
        self._funded: set[str] = set()

    def set_up(self) -> None:
        """What is decided before the broker starts."""
        self._disk.run(set_fee, self._random.choice(FEES_BASIS_POINTS))

    def sees(self, event: Event) -> None:
        """Anyone who logs in for the first time gets money. TaskFailed without a name is a bug."""
        self._story.tell("broker", event)
        if isinstance(event, TaskFailed) and is_bug(event.error):
            self._loop.fail(Violated(f"The broker ran into {event.error}: {event.task}."))
        if isinstance(event, CustomerAuthenticated) and event.username not in self._funded:
            self._funded.add(event.username)
            self._loop.call_later(0.1, self._fund, self._people[event.username])

    def pay_out(self) -> None:
        """The merchant gets some of its balance in cash."""
        query = "SELECT account FROM merchants"
        account = int(self._disk.raw.execute(query).fetchone()[0])
        amount = self._random.randint(0, self._disk.run(balance_of, account))
        if amount:
            reference = f"transfer {self._known.paid_out}"
            self._disk.run(payout, "merchant", amount, self._now(), reference)
            self._known.paid_out += amount
            self._story.tell("operator", f"pays the merchant {amount}")

    def _fund(self, person: Person) -> None:
        """By a credit, or by a voucher that the person redeems."""
        amount = self._random.choice((CREDIT, CREDIT, CREDIT, LITTLE))
        if self._random.random() < 0.3 and person.kind == "customer":
            self._give_voucher(person, amount)
            return
        try:
            self._disk.run(credit, person.name, amount, False, self._now())
        except NoSuchAccount:
            # The broker died before the account was on its disk.
            self._funded.discard(person.name)
            return
        self._known.credited[person.name] = amount
        self._story.tell("operator", f"credits {person.name} with {amount}")

    def _give_voucher(self, person: Person, value: int) -> None:
        random = Random(self._random.randbytes(16)).randbytes
        issued = self._disk.run(issue_vouchers, 1, value, self._now(), random)
        person.voucher = issued.codes[0]
        self._known.vouchers[code_hash(parse_code(person.voucher))] = (person.name, value)
        self._story.tell("operator", f"gives {person.name} a voucher of {value}")

    def _now(self) -> int:
        return START + int(self._loop.time())
