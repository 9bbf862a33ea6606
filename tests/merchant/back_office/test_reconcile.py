"""Our books against a statement: each way in which a cheating broker's differs is found."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from veilmart.merchant.back_office.compare_books import OwnOrder, reconcile
from veilmart.protocol.order_states import OrderState
from veilmart.protocol.statement import StatementEntry, StatementTotals

RATE = 250
PRICE, FEE = 500, 500 * RATE // 10_000
FIELDS = StatementTotals.__struct_fields__


def name(number: int) -> bytes:
    return number.to_bytes(32, "big")


@dataclass
class Books:
    """What both say; a cheat changes one side."""

    entries: list[StatementEntry]
    totals: StatementTotals
    orders: dict[bytes, OwnOrder]
    fees: frozenset[int] = frozenset({0, RATE})
    reported: int = 0
    told: list[str] = field(default_factory=list)

    def differences(self) -> set[str]:
        found = reconcile(self.entries, self.totals, self.fees, self.orders, self.reported)
        assert all(one.row and one.what.endswith(".") for one in found)
        return {one.name for one in found}

    def entry(self, index: int, **changed: Any) -> None:
        self.entries[index] = msgspec.structs.replace(self.entries[index], **changed)

    def total(self, **added: int) -> None:
        """Change totals by so much."""
        changed = {key: getattr(self.totals, key) + more for key, more in added.items()}
        self.totals = msgspec.structs.replace(self.totals, **changed)


def entry(sequence: int, order: int, event: Any = "settled") -> StatementEntry:
    return StatementEntry(
        sequence=sequence,
        order=name(order),
        event=event,
        at=1,
        amount=PRICE,
        fee=FEE if event == "settled" else 0,
    )


@pytest.fixture
def books() -> Books:
    """Sales 1 to 4, of which 4 was given back; 5 was refunded, 6 is under way, 7 expired."""
    entries = [*(entry(n, n) for n in (1, 2, 3, 4)), entry(5, 5, "refunded")]
    entries.append(entry(6, 4, "returned"))
    states = {
        **dict.fromkeys((1, 2, 3), OrderState.SETTLED),
        **dict.fromkeys((4, 5), OrderState.REFUNDED),
        6: OrderState.PAID,
        7: OrderState.EXPIRED,
    }
    totals = StatementTotals(
        settled=4 * PRICE,
        fees=4 * FEE,
        refunded=PRICE,
        given_back=PRICE,
        paid_out=200,
        credited=0,
        held=PRICE,
        released=0,
        balance=3 * PRICE - 4 * FEE - 200,
    )
    orders = {name(n): OwnOrder(PRICE, state) for n, state in states.items()}
    return Books(entries, totals, orders, reported=6)


def test_books_that_agree(books: Books) -> None:
    assert books.differences() == set()


def leave_a_sale_out(books: Books) -> None:
    """And number the others as if it had never been."""
    del books.entries[1]
    books.entries = [
        msgspec.structs.replace(one, sequence=n) for n, one in enumerate(books.entries, start=1)
    ]
    books.total(settled=-PRICE, fees=-FEE, balance=FEE - PRICE)


def leave_a_number_out(books: Books) -> None:
    del books.entries[1]


def leave_a_refund_out(books: Books) -> None:
    del books.entries[4]
    books.entry(4, sequence=5)
    books.total(refunded=-PRICE)


def invent_a_sale(books: Books) -> None:
    books.entries.append(entry(7, 99))
    books.total(settled=PRICE, fees=FEE, balance=PRICE - FEE)


def lower_an_amount(books: Books) -> None:
    books.entry(0, amount=100, fee=2)
    books.total(settled=100 - PRICE, fees=2 - FEE, balance=100 - 2 - PRICE + FEE)


def raise_a_fee(books: Books) -> None:
    books.entry(0, fee=FEE + 5)
    books.total(fees=5, balance=-5)


def take_a_fee_of_a_refund(books: Books) -> None:
    books.entry(4, fee=5)
    books.total(fees=5, balance=-5)


def refund_what_was_sold(books: Books) -> None:
    books.entry(0, event="refunded", fee=0)
    books.total(settled=-PRICE, fees=-FEE, refunded=PRICE, balance=FEE - PRICE)


def give_back_what_was_sold(books: Books) -> None:
    """By a report that it claims to have sent."""
    books.entries.append(entry(7, 1, "returned"))
    books.reported = 7
    books.total(given_back=PRICE, balance=-PRICE)


def sell_what_was_refunded(books: Books) -> None:
    books.entry(4, event="settled", fee=FEE)
    books.total(settled=PRICE, fees=FEE, refunded=-PRICE, balance=PRICE - FEE)


def end_an_order_twice(books: Books) -> None:
    books.entries.append(entry(7, 5, "refunded"))
    books.total(refunded=PRICE)


def lower_the_balance(books: Books) -> None:
    books.total(balance=-1)


def claim_a_payout_in_the_balance_only(books: Books) -> None:
    books.total(balance=-200)


def lower_what_is_settled(books: Books) -> None:
    books.total(settled=-1, balance=-1)


def raise_fees_in_total(books: Books) -> None:
    books.total(fees=10, balance=-10)


def raise_what_was_given_back(books: Books) -> None:
    books.total(given_back=PRICE, balance=-PRICE)


def raise_what_was_refunded(books: Books) -> None:
    books.total(refunded=PRICE)


def hide_what_is_held(books: Books) -> None:
    books.total(held=-PRICE)


CHEATS: list[tuple[Callable[[Books], None], str]] = [
    (leave_a_sale_out, "sale-missing"),
    (leave_a_number_out, "number-missing"),
    (leave_a_refund_out, "refund-missing"),
    (invent_a_sale, "unknown-sale"),
    (lower_an_amount, "amount-differs"),
    (raise_a_fee, "fee-differs"),
    (take_a_fee_of_a_refund, "fee-differs"),
    (refund_what_was_sold, "refund-unexplained"),
    (give_back_what_was_sold, "refund-unexplained"),
    (sell_what_was_refunded, "outcome-differs"),
    (end_an_order_twice, "ended-twice"),
    (lower_the_balance, "balance-differs"),
    (claim_a_payout_in_the_balance_only, "balance-differs"),
    (lower_what_is_settled, "total-differs"),
    (raise_fees_in_total, "total-differs"),
    (raise_what_was_given_back, "total-differs"),
    (raise_what_was_refunded, "total-differs"),
    (hide_what_is_held, "open-differs"),
]


@pytest.mark.parametrize(("cheat", "found"), CHEATS, ids=[cheat.__name__ for cheat, _ in CHEATS])
def test_a_broker_that(books: Books, cheat: Callable[[Books], None], found: str) -> None:
    cheat(books)
    assert found in books.differences()


def test_what_has_not_reached_us_yet_is_no_difference(books: Books) -> None:
    books.entries.append(entry(7, 6))
    books.total(settled=PRICE, fees=FEE, held=-PRICE, balance=PRICE - FEE)
    assert books.differences() == set()


def test_a_restored_brokers_numbers_jump(books: Books) -> None:
    books.entry(5, sequence=1_000_006)
    assert books.differences() == set()


def test_offers_that_were_forgotten_may_have_been_refunded(books: Books) -> None:
    books.entries.append(entry(7, 50, "refunded"))
    books.total(refunded=PRICE)
    assert books.differences() == set()


def test_a_credit_of_the_operator_is_part_of_the_balance(books: Books) -> None:
    books.total(paid_out=-200, credited=100, balance=300)
    assert books.differences() == set()


def test_a_hundred_thousand_orders_take_seconds() -> None:
    count = 100_000
    entries = [entry(n, n) for n in range(1, count + 1)]
    orders = {one.order: OwnOrder(PRICE, OrderState.SETTLED) for one in entries}
    totals = StatementTotals(**dict.fromkeys(FIELDS, 0))
    totals = msgspec.structs.replace(
        totals, settled=count * PRICE, fees=count * FEE, balance=count * (PRICE - FEE)
    )
    began = time.process_time()
    assert Books(entries, totals, orders).differences() == set()
    assert time.process_time() - began < 10
