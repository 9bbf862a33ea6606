"""The merchants this broker carries: stored rows, and what a running broker keeps of them."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, func, insert, select, update

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
from veilmart.storage.database.columns import insert as upsert

ADMITTED = "admitted"
SUSPENDED = "suspended"

_all = select(
    tables.merchants.c.fingerprint,
    tables.merchants.c.name,
    tables.merchants.c.address,
    tables.merchants.c.state,
    tables.merchants.c.account,
).order_by(tables.merchants.c.fingerprint)
_d, _newer = tables.merchant_descriptors.c, tables.merchant_descriptors.alias("newer")
_newest_end = (
    select(func.max(_newer.c.not_after)).where(_newer.c.merchant == _d.merchant).scalar_subquery()
)
# One that ended before the newest can have begun serves nobody; it is kept for the audit.
_recent_descriptors = (
    select(_d.merchant, _d.signed)
    .where(_d.not_after > _newest_end - DESCRIPTOR_SECONDS - CLOCK_SKEW_SECONDS)
    .order_by(_d.merchant, _d.serial.desc())
)
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
    """Every merchant with its recent descriptors, ordered by fingerprint."""
    descriptors: dict[bytes, list[SignedDescriptor]] = {}
    for merchant, signed in conn.execute(_recent_descriptors):
        descriptors.setdefault(merchant, []).append(read_descriptor(signed))
    return [
        MerchantView(row[0], row[1], row[2], row[3], row[4], tuple(descriptors[row[0]]))
        for row in conn.execute(_all)
    ]


def admit(conn: Connection, merchant: SignedDescriptor, address: str) -> None:
    """Carry a merchant, or again under a new address. Its account is opened once."""
    known = {view.fingerprint for view in load_merchants(conn)}
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


def suspend(conn: Connection, view: MerchantView) -> None:
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
    """Keep a newer descriptor. None ever goes: invoices verify under the keys they name.

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


def find_merchant(conn: Connection, text: str) -> MerchantView:
    """By name, or by the beginning of the fingerprint. Raises NoSuchMerchant if not just one."""
    wanted = text.strip().lower()
    found = [
        view
        for view in load_merchants(conn)
        if view.name == text or (wanted and format_fingerprint(view.fingerprint).startswith(wanted))
    ]
    if len(found) != 1:
        raise NoSuchMerchant(f"{len(found)} merchants are called {text[:80]!r}.")
    return found[0]


def _set(conn: Connection, fingerprint: bytes, name: str, address: str, state: str) -> None:
    change = {"of": fingerprint, "new_name": name, "new_address": address, "new_state": state}
    conn.execute(_change, change)
