"""The merchants this broker carries: stored rows, and a running broker's directory."""

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, bindparam, insert, select, update

from veilmart.broker import settings
from veilmart.broker.ledger import booking
from veilmart.broker.schema import tables
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import (
    CannotDo,
    DescriptorForked,
    MerchantSuspended,
    MerchantUnknown,
    NoSuchMerchant,
    NotYourBroker,
    OfferMismatch,
)
from veilmart.limits import CLOCK_SKEW_SECONDS, DESCRIPTOR_SECONDS, MERCHANTS_PER_BROKER_MAX
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.descriptor import SignedDescriptor, descriptor_hash, read_descriptor
from veilmart.storage.database.columns import AnyRow, insert as upsert

ADMITTED = "admitted"
SUSPENDED = "suspended"

_all = select(
    tables.merchants.c.fingerprint,
    tables.merchants.c.name,
    tables.merchants.c.address,
    tables.merchants.c.state,
    tables.merchants.c.account,
).order_by(tables.merchants.c.fingerprint)
_d = tables.merchant_descriptors.c
_by_age = (
    select(_d.not_after, _d.signed)
    .where(_d.merchant == bindparam("of"))
    .order_by(_d.serial.desc())
    .limit(bindparam("most"))
)
RECENT_MAX = 200
"""Descriptors of a merchant that can still be good; seven days of one every hour are fewer."""
_newest_serial = (
    select(_d.serial, _d.signed)
    .where(_d.merchant == bindparam("of"))
    .order_by(_d.serial.desc())
    .limit(1)
)
_new_merchant = insert(tables.merchants)
_change = (
    update(tables.merchants)
    .where(tables.merchants.c.fingerprint == bindparam("of"))
    .values(
        name=bindparam("new_name"), address=bindparam("new_address"), state=bindparam("new_state")
    )
)
_new_descriptor = upsert(tables.merchant_descriptors).on_conflict_do_nothing()


@dataclass(frozen=True, slots=True)
class MerchantRow:
    """fingerprint: 32 bytes. address: host:port. account: its number."""

    fingerprint: bytes
    name: str
    address: str
    state: str
    account: int


@dataclass(frozen=True, slots=True)
class MerchantView:
    """fingerprint: 32 bytes. address: host:port. descriptors: newest first, at least one."""

    fingerprint: bytes
    name: str
    address: str
    state: str
    account: int
    descriptors: tuple[SignedDescriptor, ...] = field(repr=False)

    @property
    def newest(self) -> SignedDescriptor:
        return self.descriptors[0]

    def usable(self, now: int) -> list[SignedDescriptor]:
        """Those whose keys are still good."""
        return [known for known in self.descriptors if known.descriptor.not_after > now]


class MerchantDirectory:
    """The merchants in memory, by fingerprint; replaced whole when something changed."""

    def __init__(self) -> None:
        self._views: dict[bytes, MerchantView] = {}

    def replace(self, views: list[MerchantView]) -> None:
        self._views = {view.fingerprint: view for view in views}

    def learn(self, fresh: SignedDescriptor) -> None:
        """A merchant has a newer descriptor, which is stored."""
        view = self._views[fresh.fingerprint]
        if fresh.descriptor.serial > view.newest.descriptor.serial:
            recent = (fresh, *view.descriptors)[:RECENT_MAX]
            self._views[fresh.fingerprint] = replace(view, descriptors=recent)

    def known(self, fingerprint: bytes) -> MerchantView:
        """Also a suspended one, whose paid orders go on. Raises MerchantUnknown."""
        view = self._views.get(fingerprint)
        if view is None:
            raise MerchantUnknown
        return view

    def admitted(self, fingerprint: bytes) -> MerchantView:
        """Raises MerchantUnknown, MerchantSuspended."""
        view = self.known(fingerprint)
        if view.state != ADMITTED:
            raise MerchantSuspended
        return view

    def all(self) -> list[MerchantView]:
        """Ordered by fingerprint."""
        return list(self._views.values())


def load_merchants(conn: Connection) -> list[MerchantView]:
    """Every merchant with its recent descriptors, ordered by fingerprint. A reading.

    It verifies two signatures or more of each merchant, so it has no place in a transaction.
    """
    return [_view(conn, row) for row in conn.execute(_all).all()]


def shelves_without(views: list[MerchantView], points: tuple[int, ...]) -> list[tuple[str, int]]:
    """Merchants' names with the prices of their shelves that are none of these price points."""
    return [
        (view.name, price)
        for view in views
        if view.state == ADMITTED and view.descriptors
        for price in sorted({shelf.price for shelf in view.newest.descriptor.shelves})
        if price not in points
    ]


def _view(conn: Connection, row: AnyRow) -> MerchantView:
    """With its descriptors, but for those that ended before the newest can have begun.

    They are kept for the audit only.
    """
    found = conn.execute(_by_age, {"of": row.fingerprint, "most": RECENT_MAX}).all()
    since = found[0].not_after - DESCRIPTOR_SECONDS - CLOCK_SKEW_SECONDS
    recent = tuple(read_descriptor(each.signed) for each in found if each.not_after > since)
    return MerchantView(row.fingerprint, row.name, row.address, row.state, row.account, recent)


def admit(conn: Connection, merchant: SignedDescriptor, address: str) -> None:
    """Carry a merchant, or again under a new address. Its account is opened once."""
    known = set(conn.execute(select(tables.merchants.c.fingerprint)).scalars())
    name = merchant.descriptor.name
    if merchant.fingerprint in known:
        _set(conn, merchant.fingerprint, name, address, ADMITTED)
    else:
        if len(known) >= MERCHANTS_PER_BROKER_MAX:
            raise CannotDo(f"A broker carries {MERCHANTS_PER_BROKER_MAX} merchants at most.")
        row = {
            "fingerprint": merchant.fingerprint,
            "name": name,
            "address": address,
            "state": ADMITTED,
            "account": booking.open_account(conn, AccountKind.MERCHANT),
        }
        conn.execute(_new_merchant, row)
    add_descriptor(conn, merchant)
    settings.touch(conn)


def suspend(conn: Connection, view: MerchantRow | MerchantView) -> None:
    """No new tunnels and invoices; what is paid goes on."""
    _set(conn, view.fingerprint, view.name, view.address, SUSPENDED)
    settings.touch(conn)


def check_terms(fresh: SignedDescriptor, broker: bytes, ours: settings.Settings) -> None:
    """A descriptor that we may carry: it names us and sells for our currency.

    Raises NotYourBroker, OfferMismatch.
    """
    descriptor = fresh.descriptor
    if broker not in descriptor.brokers:
        raise NotYourBroker
    if (descriptor.currency, descriptor.decimals) != (ours.currency, ours.decimals):
        raise OfferMismatch(f"It sells for {descriptor.currency}, we book {ours.currency}.")


def add_descriptor(conn: Connection, fresh: SignedDescriptor) -> None:
    """Store a newer descriptor. None is ever deleted: invoices verify under the keys they name.

    One that came later than its successor is left out. Raises DescriptorForked for one that does
    not follow the newest that is stored, which another process may have stored just now.
    """
    newest = conn.execute(_newest_serial, {"of": fresh.fingerprint}).one_or_none()
    if newest is not None:
        if newest.serial >= fresh.descriptor.serial:
            return
        follows = newest.serial + 1 == fresh.descriptor.serial
        if follows and descriptor_hash(newest.signed) != fresh.descriptor.previous:
            raise DescriptorForked(f"Serial {fresh.descriptor.serial}.")
    row = {
        "merchant": fresh.fingerprint,
        "serial": fresh.descriptor.serial,
        "signed": fresh.signed,
        "not_after": fresh.descriptor.not_after,
    }
    conn.execute(_new_descriptor, row)


def merchant_rows(conn: Connection) -> list[MerchantRow]:
    """Every merchant without its descriptors, ordered by fingerprint."""
    return [MerchantRow(*row) for row in conn.execute(_all)]


def newest_serial(conn: Connection, fingerprint: bytes) -> int:
    """Of the newest stored descriptor of a merchant that is carried."""
    return int(conn.execute(_newest_serial, {"of": fingerprint}).one().serial)


def find_merchant(conn: Connection, text: str) -> MerchantRow:
    """By name, or by the beginning of the fingerprint. Raises NoSuchMerchant if not just one."""
    wanted = text.strip().lower()
    found = [
        row
        for row in merchant_rows(conn)
        if row.name == text or (wanted and format_fingerprint(row.fingerprint).startswith(wanted))
    ]
    if len(found) != 1:
        raise NoSuchMerchant(f"{len(found)} merchants are called {text[:80]!r}.")
    return found[0]


def _set(conn: Connection, fingerprint: bytes, name: str, address: str, state: str) -> None:
    change = {"of": fingerprint, "new_name": name, "new_address": address, "new_state": state}
    conn.execute(_change, change)
