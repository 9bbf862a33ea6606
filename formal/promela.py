"""Promela made from the protocol's own state tables.

`src/veilmart/protocol/*_states.py` are the tables that the programs run on, so the model cannot
drift away from them. `formal/spin/purchase.pml` includes the text made here and adds what the
tables do not say: who sends what and when, and what network, clocks and crashes do to it.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from veilmart.protocol.invoice_states import INVOICE, InvoiceEffect, InvoiceEvent, InvoiceState
from veilmart.protocol.order_states import ORDER, OrderEvent, OrderState
from veilmart.protocol.wallet_states import WALLET, WalletEvent, WalletState

# Keys are (state, event) of one of the three enumerations; Mapping is invariant in its keys.
Table: TypeAlias = Mapping[tuple[Any, Any], Any]

TABLES: Mapping[str, Table] = {"wallet": WALLET, "invoice": INVOICE, "order": ORDER}
# Prefix of the constants of each enumeration: wallet_is_HELD, invoice_on_PAY, effect_do_HOLD.
PREFIXES: Mapping[str, type[StrEnum]] = {
    "wallet_is": WalletState,
    "wallet_on": WalletEvent,
    "invoice_is": InvoiceState,
    "invoice_on": InvoiceEvent,
    "order_is": OrderState,
    "order_on": OrderEvent,
    "effect_do": InvoiceEffect,
}


def promela(tables: Mapping[str, Table]) -> str:
    """Constants of every state, event and effect, and one inline step for each table."""
    parts = ["/* Written by formal/promela.py from src/veilmart/protocol/*_states.py. */"]
    parts.extend(_constants(prefix, members) for prefix, members in PREFIXES.items())
    parts.extend(_step(machine, table) for machine, table in tables.items())
    return "\n\n".join(parts) + "\n"


def _constants(prefix: str, members: type[StrEnum]) -> str:
    return "\n".join(
        f"#define {prefix}_{member.name} {number}" for number, member in enumerate(members)
    )


def _step(machine: str, table: Table) -> str:
    """A pair that is not in the table changes nothing and makes `possible` false."""
    rows = "\n".join(_rows(machine, table))
    return (
        f"inline {machine}_step(event) {{\n  possible = true;\n  if\n{rows}\n"
        f"  :: else -> possible = false\n  fi\n}}"
    )


def _rows(machine: str, table: Table) -> Iterator[str]:
    for (state, event), target in table.items():
        after, effect = target if isinstance(target, tuple) else (target, None)
        row = (
            f"  :: {machine} == {machine}_is_{state.name} && event == {machine}_on_{event.name}"
            f" -> {machine} = {machine}_is_{after.name}"
        )
        yield row if effect is None else f"{row}; effect = effect_do_{effect.name}"
