"""A simulator that finds nothing proves nothing: each of these bugs has to be found by it.

Every test breaks one line of the programs and names the invariant that has to notice.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as replace_fields

from tests.simulator.run import Run
from tests.simulator.template import Template
from veilmart.broker.disputes import dispute_rules
from veilmart.broker.escrow import invoices, payment_rules, refunds, release_rules
from veilmart.broker.escrow.invoices import advance
from veilmart.broker.ledger import booking, stored_answers
from veilmart.broker.schema import tables
from veilmart.broker.tokens import spent_tokens
from veilmart.customer.purchase import payment_rules as wallet_payment
from veilmart.errors import EvidenceInvalid
from veilmart.merchant.server import tunnel_rules
from veilmart.protocol import invoice_states
from veilmart.protocol.accounting import Posting, transfer
from veilmart.protocol.evidence import Finding
from veilmart.protocol.invoice_states import InvoiceEffect, InvoiceEvent, InvoiceState

SEEDS_MAX = 200

Break = Callable[[pytest.MonkeyPatch], None]


def table(
    state: InvoiceState, event: InvoiceEvent, to: InvoiceState, effect: InvoiceEffect
) -> Break:
    """One more row of the broker's table, or another one."""
    return lambda patch: patch.setitem(invoice_states.INVOICE, (state, event), (to, effect))


def charges_again_on_replay(patch: pytest.MonkeyPatch) -> None:
    real = payment_rules._pay

    def pay(conn: Any, request: Any, account: int, *rest: Any) -> Any:
        stored, fresh = real(conn, request, account, *rest)
        if not fresh:
            moves = transfer(account, tables.FEES, request.amount)
            booking.book(conn, "credit", b"again", 0, moves)
        return stored, fresh

    patch.setattr(payment_rules, "_pay", pay)


def forgets_operations(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stored_answers, "remember", lambda *_args: None)


def alters_a_posting(patch: pytest.MonkeyPatch) -> None:
    def crooked(source: int, parts: Any) -> tuple[Posting, ...]:
        total = sum(amount for _, amount in parts)
        given = [Posting(target, amount - (amount > 1)) for target, amount in parts if amount]
        return (Posting(source, -total), *given)

    patch.setattr(invoices, "share", crooked)
    patch.setattr(booking, "check_transaction", lambda _moves: None)


def forgets_a_balance(patch: pytest.MonkeyPatch) -> None:
    real = booking._write_balances

    def half(conn: Any, kind: Any, moves: Any, *hot: Any) -> None:
        real(conn, kind, moves[:1], *hot)

    patch.setattr(booking, "_write_balances", half)


def refunds_too_little(patch: pytest.MonkeyPatch) -> None:
    def stingy(source: int, target: int, amount: int) -> tuple[Posting, ...]:
        if source == tables.ESCROW:
            return Posting(source, -amount), Posting(target, amount - 1), Posting(tables.FEES, 1)
        return transfer(source, target, amount)

    patch.setattr(refunds, "transfer", stingy)


def never_refunds_what_is_late(patch: pytest.MonkeyPatch) -> None:
    from veilmart.broker.maintenance import sweeper

    patch.setattr(sweeper, "due_invoices", lambda _conn, _now, _after: [])


def pays_before_the_wallet_knows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wallet_payment, "add_order", lambda _conn, _order: None)


def offers_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tunnel_rules, "store_order", lambda _conn, _order: None)


def believes_every_order_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release_rules, "check_action", lambda *_args: None)


def takes_any_amount(patch: pytest.MonkeyPatch) -> None:
    real = payment_rules._pay

    def pay(conn: Any, request: Any, *rest: Any) -> Any:
        owed = invoices.get_invoice(conn, request.order).amount
        return real(conn, replace_fields(request, amount=owed), *rest)

    patch.setattr(payment_rules, "_pay", pay)


def moves_money_without_its_state(patch: pytest.MonkeyPatch) -> None:
    def forgetful(conn: Any, row: Any, event: Any, now: int, *rest: Any, **named: Any) -> Any:
        reached = advance(conn, row, event, now, *rest, **named)
        if event is InvoiceEvent.RELEASE:
            change = invoices.update(tables.invoices).where(tables.invoices.c.order == row.order)  # type: ignore[attr-defined]
            conn.execute(change.values(state=row.state.value))
        return reached

    patch.setattr(invoices, "advance", forgetful)


def decides_every_dispute_for_the_customer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dispute_rules, "decide", lambda *_args, **_named: Finding.KEY)


def decides_every_dispute_for_the_merchant(patch: pytest.MonkeyPatch) -> None:
    def never(*_args: Any, **_named: Any) -> Any:
        raise EvidenceInvalid("No.")

    patch.setattr(dispute_rules, "decide", never)


def gives_back_out_of_the_fees(patch: pytest.MonkeyPatch) -> None:
    real = invoices._pay_back

    def pay_back(conn: Any, row: Any, kind: Any, source: int, *rest: Any) -> None:
        real(conn, row, kind, tables.FEES if kind == "give back" else source, *rest)

    patch.setattr(invoices, "_pay_back", pay_back)


def forgets_to_reissue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(refunds, "reissue", lambda _conn, _order: None)


def notes_another_token_down(patch: pytest.MonkeyPatch) -> None:
    real = spent_tokens.take

    def take(
        conn: Any, token: Any, key: Any, refund: Any, what: Any, *rest: Any, **named: Any
    ) -> None:
        real(conn, replace(token, nonce=what.order), key, refund, what, *rest, **named)

    patch.setattr(spent_tokens, "take", take)


S, E, F = InvoiceState, InvoiceEvent, InvoiceEffect
BUGS: dict[str, tuple[Break, str]] = {
    "refunds after release": (
        table(S.RELEASED, E.CANCEL, S.REFUNDED, F.REFUND),
        "never_released_and_refunded|cancelled with the key in hand"
        "|cancelled what was settled|got both the key and its money",
    ),
    "refunds what was released when its time is over": (
        table(S.RELEASED, E.SETTLE_DEADLINE, S.REFUNDED, F.REFUND),
        "never_released_and_refunded",
    ),
    "gives the key unpaid": (
        table(S.OFFERED, E.RELEASE, S.RELEASED, F.NONE),
        "escrow_is_what_orders_hold",
    ),
    "gives the key after a refund": (
        table(S.REFUNDED, E.RELEASE, S.RELEASED, F.NONE),
        "never_released_and_refunded|escrow_is_what_orders_hold"
        "|got the key of a refund|got both the key and its money",
    ),
    "settles without a word": (
        table(S.HELD, E.RELEASE, S.SETTLED, F.NONE),
        "escrow_is_what_orders_hold",
    ),
    "charges again on replay": (charges_again_on_replay, "no_order_is_charged_twice"),
    "forgets operations": (forgets_operations, "every_done_order_has_its_receipt"),
    "alters a posting": (alters_a_posting, "postings_sum_to_zero"),
    "forgets a balance": (forgets_a_balance, "replayed_ledger_is_stored_ledger"),
    "refunds too little": (refunds_too_little, "no_order_is_charged_twice|solvency_line_holds"),
    "never refunds what is late": (never_refunds_what_is_late, "every_purchase_has_ended"),
    "pays before the wallet knows": (pays_before_the_wallet_knows, "charged_means_deliverable"),
    "offers before it is stored": (offers_before_it_is_stored, "charged_means_deliverable"),
    "believes every order key": (believes_every_order_key, "of an order that is not its own"),
    "takes any amount": (takes_any_amount, "paid 1, and the broker went along"),
    "forgets to reissue": (forgets_to_reissue, "solvency_line_holds"),
    "notes another token down": (
        notes_another_token_down,
        "spent a token again|spent one token for two orders|ran into LedgerViolated",
    ),
    "decides every dispute for the customer": (
        decides_every_dispute_for_the_customer,
        "disputed a key that is right|never_released_and_refunded",
    ),
    "decides every dispute for the merchant": (
        decides_every_dispute_for_the_merchant,
        "lost a dispute about a crooked order",
    ),
    "gives back out of the fees": (
        gives_back_out_of_the_fees,
        "merchants_get_what_was_settled|ran into LedgerViolated",
    ),
    "releases without noting it": (
        moves_money_without_its_state,
        "a_key_is_out_only_when_released",
    ),
}


IN_EVERY_RUN = {
    "charges again on replay",
    "alters a posting",
    "forgets a balance",
    "forgets to reissue",
    "notes another token down",
    "pays before the wallet knows",
    "offers before it is stored",
    "never refunds what is late",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in IN_EVERY_RUN else [pytest.mark.long]) for name in BUGS],
)
def test_finds_a_broker_or_wallet_that(
    template: Template, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    break_it, noticed_by = BUGS[name]
    break_it(monkeypatch)
    for seed in range(SEEDS_MAX):
        broken = Run(template, seed, streams=False).play().broken
        if broken:
            assert any(part in line for part in noticed_by.split("|") for line in broken), broken
            print(f"{name}: seed {seed}: {broken[0]}")
            return
    pytest.fail(f"{SEEDS_MAX} seeds did not notice.")
