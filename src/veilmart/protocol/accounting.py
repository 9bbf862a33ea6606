"""Double entry (docs/protocol/09-purchase.md, section 6): pure rules, no database.

Amounts are integers in minor units of the broker's one currency. The postings of a transaction
sum to zero; nothing but cash may go below zero.
"""

from dataclasses import dataclass
from enum import StrEnum

from veilmart.errors import BadAmount, LedgerViolated
from veilmart.limits import INTEGER_MAX


class AccountKind(StrEnum):
    CUSTOMER = "customer"
    MERCHANT = "merchant"
    ESCROW = "escrow"
    TOKENS = "tokens"
    CASH = "cash"
    FEES = "fees"
    VOUCHERS = "vouchers"


@dataclass(frozen=True)
class Posting:
    """A change of one account's balance. Accounts are named by their number in the ledger."""

    account: int
    amount: int


def transfer(source: int, target: int, amount: int) -> tuple[Posting, Posting]:
    """Move a positive amount. Raises LedgerViolated."""
    if not 0 < amount <= INTEGER_MAX or source == target:
        raise LedgerViolated("A transfer needs a positive amount and two accounts.")
    return Posting(source, -amount), Posting(target, amount)


def share(source: int, parts: tuple[tuple[int, int], ...]) -> tuple[Posting, ...]:
    """Move money from one account to several: (account, amount) each; amounts of 0 are dropped.

    Raises LedgerViolated.
    """
    given = [Posting(target, amount) for target, amount in parts if amount]
    total = sum(posting.amount for posting in given)
    accounts = {source, *(posting.account for posting in given)}
    if not 0 < total <= INTEGER_MAX or any(posting.amount < 0 for posting in given):
        raise LedgerViolated("Sharing needs positive amounts.")
    if len(accounts) != len(given) + 1:
        raise LedgerViolated("Sharing needs different accounts.")
    return (Posting(source, -total), *given)


def fee_of(amount: int, basis_points: int) -> int:
    """The broker's share of a sale, rounded down. 10,000 basis points are the whole."""
    return amount * basis_points // 10_000


def check_transaction(postings: tuple[Posting, ...]) -> None:
    """Raises LedgerViolated unless the postings sum to zero."""
    if not postings or sum(posting.amount for posting in postings) != 0:
        raise LedgerViolated("The postings of a transaction do not sum to zero.")


def parse_amount(text: str, decimals: int) -> int:
    """ "5", "5.0", "5.00" → 500 for two decimals. Raises BadAmount."""
    whole, dot, fraction = text.strip().partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit() and whole) or len(fraction) > decimals:
        raise BadAmount(repr(text[:40]))
    if dot and not fraction:
        raise BadAmount(repr(text[:40]))
    if len(digits) > 16:
        raise BadAmount("It is too large.")
    unit: int = 10**decimals
    amount = int(whole) * unit + int(fraction.ljust(decimals, "0") or "0")
    if amount > INTEGER_MAX:
        raise BadAmount("It is too large.")
    return amount


def format_amount(amount: int, decimals: int) -> str:
    """500 → "5.00"."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"
