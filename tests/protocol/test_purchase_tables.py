"""The three state tables against page 9 (docs/protocol/09-purchase.md, 9.3), pair by pair."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from veilmart.errors import WrongOrderState
from veilmart.protocol.invoice_states import INVOICE, InvoiceEvent, InvoiceState
from veilmart.protocol.order_states import ORDER, OrderEvent, OrderState
from veilmart.protocol.purchase_steps import PURCHASE_STEPS
from veilmart.protocol.state_table import step
from veilmart.protocol.wallet_states import WALLET, WalletEvent, WalletState

# Written from page 9, in its words; the tables are not asked.
EXPECTED_INVOICE = {
    ("offered", "pay"): ("held", "hold"),
    ("offered", "pay deadline"): ("expired", "none"),
    ("held", "release"): ("released", "none"),
    ("held", "cancel"): ("refunded", "refund"),
    ("held", "deliver deadline"): ("refunded", "refund"),
    ("released", "acknowledge"): ("settled", "settle"),
    ("released", "settle deadline"): ("settled", "settle"),
    ("released", "release"): ("released", "none"),
    ("settled", "release"): ("settled", "none"),
    ("settled", "acknowledge"): ("settled", "none"),
    ("held", "merchant refund"): ("refunded", "refund"),
    ("released", "merchant refund"): ("refunded", "refund"),
    ("released", "dispute won"): ("refunded", "refund"),
    ("settled", "merchant refund"): ("refunded", "give back"),
    ("refunded", "merchant refund"): ("refunded", "none"),
}
EXPECTED_WALLET = {
    ("confirming", "paid"): "held",
    ("confirming", "offer lost"): "abandoned",
    ("confirming", "refund seen"): "refunded",
    ("held", "key came"): "released",
    ("held", "refund seen"): "refunded",
    ("released", "file ready"): "delivered",
    ("released", "refund seen"): "refunded",
    ("delivered", "settled"): "done",
    ("delivered", "refund seen"): "refunded",
    ("done", "refund seen"): "refunded",
}
EXPECTED_ORDER = {
    ("offered", "segment asked"): "paid",
    ("offered", "pay deadline"): "expired",
    ("offered", "report settled"): "settled",
    ("offered", "report refunded"): "refunded",
    ("paid", "segment asked"): "paid",
    ("paid", "report settled"): "settled",
    ("paid", "report refunded"): "refunded",
    ("settled", "segment asked"): "settled",
    ("settled", "report settled"): "settled",
    ("refunded", "report refunded"): "refunded",
    ("expired", "segment asked"): "paid",
    ("expired", "report settled"): "settled",
    ("expired", "report refunded"): "refunded",
    ("offered", "report returned"): "refunded",
    ("paid", "report returned"): "refunded",
    ("settled", "report returned"): "refunded",
    ("refunded", "report returned"): "refunded",
    ("expired", "report returned"): "refunded",
}

MACHINES: dict[str, tuple[Any, type[StrEnum], type[StrEnum], Mapping[Any, Any]]] = {
    "wallet": (WALLET, WalletState, WalletEvent, EXPECTED_WALLET),
    "invoice": (INVOICE, InvoiceState, InvoiceEvent, EXPECTED_INVOICE),
    "order": (ORDER, OrderState, OrderEvent, EXPECTED_ORDER),
}
PAIRS = [
    pytest.param(name, state, event, id=f"{name}: {state}, {event}")
    for name, (_, states, events, _) in MACHINES.items()
    for state in states
    for event in events
]
START = {"wallet": "confirming", "invoice": "offered", "order": "offered"}
ENDS = {
    "wallet": {"refunded", "abandoned"},
    "invoice": {"refunded", "expired"},
    "order": {"refunded"},
}
"""Done and settled purchases go no further unless the merchant gives the money back."""


@pytest.mark.parametrize(("name", "state", "event"), PAIRS)
def test_every_pair(name: str, state: Any, event: Any) -> None:
    table, _, _, expected = MACHINES[name]
    if (state, event) in expected:
        assert step(table, state, event) == expected[state, event]
    else:
        with pytest.raises(WrongOrderState) as caught:
            step(table, state, event)
        assert str(state) in caught.value.detail
        assert str(event) in caught.value.detail


def edges(name: str) -> set[tuple[str, str]]:
    """(from, to), without the money."""
    table = MACHINES[name][0]
    return {
        (state, target[0] if isinstance(target, tuple) else target)
        for (state, _), target in table.items()
    }


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_can_be_reached(name: str) -> None:
    reached = {START[name]}
    for _ in range(len(MACHINES[name][1])):
        reached |= {target for state, target in edges(name) if state in reached}
    assert reached == set(MACHINES[name][1])


@pytest.mark.parametrize("name", MACHINES)
def test_ends_are_ends_and_every_state_has_a_way_to_one(name: str) -> None:
    leaving = {state for state, target in edges(name) if state != target}
    assert set(MACHINES[name][1]) - leaving == ENDS[name]
    ending = set(ENDS[name])
    for _ in range(len(MACHINES[name][1])):
        ending |= {state for state, target in edges(name) if target in ending}
    assert ending == set(MACHINES[name][1])


def test_money_is_held_once_and_leaves_escrow_once() -> None:
    """Along every path: hold once, then refund or settle once, or neither yet; a settled one may be
    given back once.
    """
    paths: list[tuple[str, tuple[str, ...]]] = [("offered", ())]
    while paths:
        state, effects = paths.pop()
        if state == "offered" or state == "expired":
            assert effects == ()
        elif state in ("held", "released"):
            assert effects == ("hold",)
        elif state == "settled":
            assert effects == ("hold", "settle")
        else:
            assert effects in (("hold", "refund"), ("hold", "settle", "give back"))
        for (source, _), (target, effect) in INVOICE.items():
            if source == state and source != target:
                paths.append((target, effects if effect == "none" else (*effects, str(effect))))
    loops = {effect for (source, _), (target, effect) in INVOICE.items() if source == target}
    assert loops == {"none"}


def test_after_the_key_is_out_only_evidence_or_the_merchant_refunds() -> None:
    for (state, event), (_, effect) in INVOICE.items():
        if effect in ("refund", "give back") and state != "held":
            assert event in ("dispute won", "merchant refund")
        if effect == "give back":
            assert (state, event) == ("settled", "merchant refund")


def test_the_tables_cannot_be_mistaken_for_each_other() -> None:
    with pytest.raises(WrongOrderState):
        step(INVOICE, InvoiceState.HELD, WalletEvent.KEY_CAME)  # type: ignore[misc]


def test_the_steps_of_a_purchase_have_names_of_their_own() -> None:
    assert len(set(PURCHASE_STEPS)) == len(PURCHASE_STEPS)
    assert PURCHASE_STEPS[0] == "session"
    assert PURCHASE_STEPS[-1] == "report"
