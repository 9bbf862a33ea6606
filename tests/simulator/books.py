"""Everything that the invariants look at, read from all disks at one moment, past all programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from tests.simulator.customers import Person
from tests.simulator.known import Known
from tests.simulator.store import Disk

Look = Callable[[str], Any]
"""Runs a query on a raw SQLite connection."""


class InvoiceLine(NamedTuple):
    """As the broker stores it."""

    merchant_account: int
    amount: int
    state: str
    due: int
    fee: int


class PostingLine(NamedTuple):
    """One posting with its transaction. entry: the transaction's number."""

    entry: int
    kind: str
    reference: bytes
    account: int
    amount: int


class WalletLine(NamedTuple):
    """An order as its wallet stores it."""

    owner: str
    state: str
    has_key: bool
    has_receipt: bool
    path: str | None
    file_name: str


class IssueLine(NamedTuple):
    """A withdrawal. account: of the key's outstanding tokens. price: of one."""

    username: str
    account: int
    count: int  # type: ignore[assignment]
    price: int


class TakenLine(NamedTuple):
    """A token that was taken, for an order or by its owner (then with a username).

    account, refund_account: of the outstanding tokens of its key, and of its refund's.
    """

    nonce: bytes
    order: bytes | None
    username: str | None
    account: int
    price: int
    reissued: int
    refund_account: int | None


@dataclass(frozen=True, slots=True)
class Books:
    """accounts: number → (kind, balance). names: username → account. redeemed: vouchers' hashes.

    now: Unix seconds.
    """

    accounts: dict[int, tuple[str, int]]
    postings: list[PostingLine]
    invoices: dict[bytes, InvoiceLine]
    names: dict[str, int]
    redeemed: set[bytes]
    issues: list[IssueLine]
    taken: list[TakenLine]
    sold: dict[bytes, str]
    wallets: dict[bytes, WalletLine]
    known: Known
    now: int


_POSTINGS = (
    "SELECT p.entry, t.kind, t.reference, p.account, p.amount "
    "FROM postings p JOIN transactions t ON t.id = p.entry ORDER BY p.id"
)
_INVOICES = (
    'SELECT i."order", m.account, i.amount, i.state, i.due, i.fee '
    "FROM invoices i JOIN merchants m ON m.fingerprint = i.merchant"
)
_ISSUES = (
    "SELECT c.username, k.account, i.count, k.price FROM token_issues i "
    "JOIN token_keys k ON k.number = i.key JOIN customers c ON c.account = i.account"
)
_TAKEN = (
    'SELECT s.nonce, s."order", c.username, k.account, k.price, s.reissued OR s.late, r.account '
    "FROM spent_tokens s JOIN token_keys k ON k.number = s.key "
    "LEFT JOIN token_keys r ON r.number = s.refund_key "
    "LEFT JOIN customers c ON c.account = s.account"
)
_WALLET = (
    'SELECT "order", state, content_key IS NOT NULL, receipt IS NOT NULL, file_path, file_name '
    "FROM orders"
)


class Reader:
    """Reads all disks; what has not changed since is not read again."""

    def __init__(
        self,
        broker: Disk,
        merchant: Disk,
        people: Sequence[Person],
        known: Known,
        clock: Callable[[], int],
    ) -> None:
        self._known = known
        self._clock = clock
        self._people = people
        self._broker = _Kept(broker, self._read_broker)
        self._merchant = _Kept(merchant, _read_sold)
        self._wallets = [_Kept(person.disk, partial(_read_wallet, person)) for person in people]

    def read(self) -> Books:
        """The books of this moment."""
        broker = self._broker.value()
        wallets: dict[bytes, WalletLine] = {}
        for wallet in self._wallets:
            wallets.update(wallet.value())
        sold, now = self._merchant.value(), self._clock()
        return Books(*broker, sold, wallets, self._known, now)  # type: ignore[call-arg]

    def _read_broker(self, look: Look) -> Any:
        invoices = {row[0]: InvoiceLine(*row[1:]) for row in look(_INVOICES)}
        for order, invoice in invoices.items():
            self._known.saw(order, invoice.state)
        return (
            {row[0]: (row[1], row[2]) for row in look("SELECT id, kind, balance FROM accounts")},
            [PostingLine(*row) for row in look(_POSTINGS)],
            invoices,
            dict(look("SELECT username, account FROM customers").fetchall()),
            {row[0] for row in look("SELECT hash FROM vouchers WHERE state = 'redeemed'")},
            [IssueLine(*row) for row in look(_ISSUES)],
            [TakenLine(*row) for row in look(_TAKEN)],
        )


class _Kept:
    """What was read from a disk, until something is written to it."""

    def __init__(self, disk: Disk, read: Callable[[Look], Any]) -> None:
        self._raw = disk.raw
        self._read = read
        self._changes = -1
        self._value: Any = None

    def value(self) -> Any:
        changes = self._raw.total_changes
        if changes != self._changes:
            self._changes, self._value = changes, self._read(self._raw.execute)
        return self._value


def _read_sold(look: Look) -> dict[bytes, str]:
    return dict(look('SELECT "order", state FROM orders').fetchall())


def _read_wallet(person: Person, look: Look) -> dict[bytes, WalletLine]:
    lines = {}
    for order, state, has_key, has_receipt, *names in look(_WALLET):
        path, file_name = (name and name.rstrip("\0") for name in names)  # stored padded
        lines[order] = WalletLine(person.name, state, has_key, has_receipt, path, file_name)
    return lines
