"""A broker and a merchant without a network, made from protocol functions, for the wallet's rules.

`Market` performs the effects of the customer's rules synchronously. The wallet's database and
parcel store are real. Hostility is written down as `Tricks`; a crash is a BaseException raised
before or after the n-th effect, which no rule can catch: like a killed process.
"""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from veilmart.crypto import identity, signing
from veilmart.crypto.padding import pack_product
from veilmart.crypto.suite import all_suites
from veilmart.customer import effects
from veilmart.customer.events import Event
from veilmart.customer.quote import Choice
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import InsufficientBalance, OrderUnknown, UnknownRequestNumber
from veilmart.limits import PIECE_BYTES
from veilmart.protocol import customer_messages as ask, handshake, labels, offer as offers, parcel
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import (
    FIRST_PREVIOUS,
    Descriptor,
    Shelf,
    SignedDescriptor,
    TunnelKey,
    read_descriptor,
    sign_descriptor,
)
from veilmart.protocol.effects import Rule, Transact
from veilmart.protocol.invoice_states import INVOICE, InvoiceEvent, InvoiceState
from veilmart.protocol.merchant_messages import CustomerTunnelRequest, Offered
from veilmart.protocol.order_key import check_action
from veilmart.protocol.perform import perform_now
from veilmart.protocol.state_table import step
from veilmart.protocol.tunnel import ReceivedRequest

NOW = 1_800_000_000
CONTENT = b"The stars of June.\n" * 3


class Killed(BaseException):
    """The process ended here."""


def counting_random(seed: bytes) -> Callable[[int], bytes]:
    """Deterministic bytes that never repeat."""
    counter = itertools.count()

    def draw(size: int) -> bytes:
        return hashlib.shake_256(seed + next(counter).to_bytes(8, "little")).digest(size)

    return draw


@dataclass
class Tricks:
    """What the other side does wrong. The functions get what is right and return what is sent."""

    offer: Callable[[offers.Offer], offers.Offer] = lambda offer: offer
    pieces: Callable[[bytes], bytes] = lambda pieces: pieces
    payable: Callable[[ask.Payable], ask.Payable | None] = lambda payable: payable
    receipt: Callable[[offers.PaymentReceipt], offers.PaymentReceipt] = lambda receipt: receipt
    invoice: Callable[[offers.Invoice], offers.Invoice] = lambda invoice: invoice
    piece: Callable[[int, bytes], bytes] = lambda index, piece: piece
    segment: Callable[[int, int, bytes], bytes] = lambda index, attempt, segment: segment


@dataclass
class Invoiced:
    """One order at the broker and the merchant."""

    state: InvoiceState
    signed: bytes = field(repr=False)
    offer: offers.Offer = field(repr=False)
    content_key: bytes = field(repr=False)
    receipt: bytes = b""
    attempts: dict[int, int] = field(default_factory=dict)


class Keys:
    """Two identities and their descriptors; slow to make, so shared by a test session."""

    def __init__(self) -> None:
        self.random = counting_random(b"keys")
        self.suites = all_suites()
        self.statics = {suite.id: suite.dh.generate(self.random) for suite in self.suites}
        self.seeds = {role: self.random(32) for role in ("broker", "merchant")}
        self.identities = {role: identity.generate_identity() for role in ("broker", "merchant")}

    def descriptor(self, role: Any, shelves: list[Shelf], **changes: Any) -> SignedDescriptor:
        plain = Descriptor(
            role=role,
            name=f"The {role}",
            identity=identity.public_spki(self.identities[role]),
            tunnel_keys=[
                TunnelKey(suite=suite.id, public=self.statics[suite.id].public)
                for suite in self.suites
            ],
            signing_key=signing.public_key(self.seeds[role]),
            shelves=shelves,
            price_points=[500],
            currency="EUR",
            decimals=2,
            brokers=[],
            serial=1,
            previous=FIRST_PREVIOUS,
            not_before=NOW - 60,
            not_after=NOW + 6 * 24 * 3600,
            extensions={},
        )
        changed = msgspec.structs.replace(plain, **changes)
        return read_descriptor(sign_descriptor(changed, self.identities[role]))


class Market:
    """Answers one wallet. `balance` and the invoices' states are the broker's books."""

    def __init__(
        self,
        wallet: Wallet,
        keys: Keys,
        *,
        content: bytes = CONTENT,
        name: str = "stars.txt",
        size: int = 4096,
        packed: bytes | None = None,
    ) -> None:
        self.wallet = wallet
        self.keys = keys
        self.random = counting_random(b"market")
        self.tricks = Tricks()
        self.now = NOW
        self.balance = 10_000
        self.agree = True
        self.invoices: dict[bytes, Invoiced] = {}
        self.told: list[Event] = []
        self.performed = 0
        self.first_comes = True
        self.kill_at: int | None = None
        self.kill_after = False
        self.given_back = 0
        shelf = Shelf(
            id=1,
            name="5.00",
            price=500,
            size=size,
            pay_within=900,
            deliver_within=86400,
            settle_within=259200,
        )
        self.broker = keys.descriptor("broker", [])
        self.merchant = keys.descriptor("merchant", [shelf], brokers=[self.broker.fingerprint])
        if packed is None:
            packed = pack_product(bytes(32), name, len(content)) + content
        self.packed = packed.ljust(size, b"\0")
        self.cut = [self.packed[i : i + PIECE_BYTES] for i in range(0, size, PIECE_BYTES)]
        self.piece_list = b"".join(parcel.piece_hash(piece) for piece in self.cut)
        self.product = Product(
            id=b"p" * 16,
            shelf=1,
            version=1,
            file_name=name,
            title="Stars",
            description="",
            size=len(content),
            root=parcel.piece_list_root(self.piece_list),
            available=True,
            tags=[],
        )
        self.tunnels: dict[bytes, handshake.SessionKeys] = {}

    def clock(self) -> int:
        return self.now

    def choice(self, out: Path, suite: int = 0) -> Choice:
        shelf = self.merchant.descriptor.shelves[0]
        return Choice(self.broker, self.merchant, self.product, shelf, self.keys.suites[suite], out)

    # ---- performing ------------------------------------------------------------------------

    def run(self, rule: Rule[Any]) -> Any:
        table: dict[Any, Callable[[Any], Any]] = {
            Transact: lambda e: self.wallet.database.run_now(e.function, *e.args),
            effects.Tell: lambda e: self.told.append(e.event),
            effects.AskBroker: lambda e: self.answer(e.request),
            effects.AskAttached: lambda e: self.attached(e.request),
            effects.TakeRequestNumber: lambda e: self.random(16),
            effects.NextRequestNumber: lambda e: None,
            effects.KnownBalance: lambda e: self.balance,
            effects.DrawOrderSeed: lambda e: signing.generate_signing_key(self.wallet.random),
            effects.Confirm: lambda e: self.agree,
            effects.Pace: lambda e: 0.0,
            effects.Later: lambda e: self.run(e.rule()),
            effects.BrokerDescriptor: lambda e: self.broker,
            effects.Together: lambda e: [self.run(e.rule(index)) for index in e.indices],
            effects.OnDisk: lambda e: e.function(self.wallet.parcels, *e.args),
        }
        return perform_now(
            rule, {kind: self._mortal(performer) for kind, performer in table.items()}
        )

    def _mortal(self, performer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def performed(effect: Any) -> Any:
            due = self.performed == self.kill_at
            self.performed += 1
            if due and not self.kill_after:
                raise Killed
            answer = performer(effect)
            if due:
                raise Killed
            return answer

        return performed

    # ---- the broker ------------------------------------------------------------------------

    def answer(self, request: Any) -> Any:
        match request:
            case ask.Open():
                return self._open(request)
            case ask.Relay():
                return self._relay(request)
            case ask.GetStatus():
                found = self._invoice(request, "status")
                return ask.OrderStatus(state=found.state.value, due=0)
            case ask.Release():
                found = self._invoice(request, "release")
                self._move(found, InvoiceEvent.RELEASE)
                return ask.Released(invoice=found.signed)
            case ask.Acknowledge():
                found = self._invoice(request, "acknowledge")
                self._move(found, InvoiceEvent.ACKNOWLEDGE)
                return ask.OrderStatus(state=found.state.value, due=0)
            case ask.Cancel():
                found = self._invoice(request, "cancel")
                self._move(found, InvoiceEvent.CANCEL)
                return ask.OrderStatus(state=found.state.value, due=0)
        raise AssertionError(request)

    def refund(self) -> None:
        """The delivery deadline passes for everything that is held."""
        for found in self.invoices.values():
            if found.state is InvoiceState.HELD:
                self._move(found, InvoiceEvent.DELIVER_DEADLINE)

    def give_back(self) -> None:
        """The merchant signs a refund for everything whose key is out."""
        for found in self.invoices.values():
            if found.state in (InvoiceState.RELEASED, InvoiceState.SETTLED):
                self._move(found, InvoiceEvent.MERCHANT_REFUND)
                self.given_back += 1

    def _invoice(self, request: Any, action: Any) -> Invoiced:
        found = self.invoices.get(request.order)
        if found is None:
            raise OrderUnknown
        check_action(found.offer.order_key, request.order, action, request.signature)
        return found

    def _move(self, found: Invoiced, event: InvoiceEvent) -> None:
        before = found.state
        found.state, _ = step(INVOICE, found.state, event)
        if found.state is InvoiceState.REFUNDED and before is InvoiceState.HELD:
            self.balance += found.offer.price

    def _pay(self, request: ask.Pay) -> ask.Paid:
        found = self.invoices.get(request.order)
        if found is None:
            raise OrderUnknown
        if found.receipt:
            return ask.Paid(receipt=found.receipt, balance=self.balance)
        if self.balance < request.amount:
            raise InsufficientBalance
        self._move(found, InvoiceEvent.PAY)
        self.balance -= request.amount
        receipt = offers.PaymentReceipt(
            broker=self.broker.fingerprint,
            merchant=self.merchant.fingerprint,
            order=request.order,
            invoice=offers.invoice_hash(found.signed),
            amount=request.amount,
            held_at=self.now,
        )
        found.receipt = offers.sign_object(
            self.keys.seeds["broker"], labels.PAYMENT_RECEIPT, self.tricks.receipt(receipt)
        )
        return ask.Paid(receipt=found.receipt, balance=self.balance)

    # ---- the merchant ----------------------------------------------------------------------

    def _open(self, request: ask.Open) -> ask.Opened:
        suite = next(suite for suite in self.keys.suites if suite.id == request.suite)
        prologue = handshake.prologue(
            labels.PROLOGUE_CUSTOMER_MERCHANT, suite, request.descriptor, request.request_number
        )
        message2, keys = handshake.answer_certified(
            suite,
            prologue,
            self.keys.statics[suite.id],
            request.request_number,
            request.message,
            self.random,
        )
        self.tunnels[request.request_number] = keys
        return ask.Opened(message=message2, next_request_number=self.random(16))

    def _relay(self, request: ask.Relay) -> ask.Relayed:
        keys = self.tunnels.get(request.request_number)
        if keys is None:
            raise UnknownRequestNumber
        received: ReceivedRequest[Any] = ReceivedRequest(
            keys, CustomerTunnelRequest, request.record, 65536
        )
        offered, payable = self._offer(keys, received.message)
        return ask.Relayed(record=received.seal_answer(offered, 4, self.random), payable=payable)

    def _offer(self, keys: Any, chosen: Any) -> tuple[Offered, ask.Payable | None]:
        shelf = self.merchant.descriptor.shelves[0]
        content_key, random = self.random(32), self.random(32)
        escrow = offers.escrow_key(keys.exporter, random)
        offer = self.tricks.offer(
            offers.Offer(
                merchant=self.merchant.fingerprint,
                broker=chosen.broker,
                descriptor=self.merchant.hash,
                random=random,
                suite=keys.suite.id,
                shelf=shelf.id,
                price=shelf.price,
                size=shelf.size,
                product=self.product.root,
                content_key_hash=offers.content_key_hash(content_key),
                escrow_key_hash=offers.escrow_key_hash(escrow),
                order_key=chosen.order_key,
                pay_by=self.now + shelf.pay_within,
                deliver_within=shelf.deliver_within,
                settle_within=shelf.settle_within,
            )
        )
        signed = offers.sign_object(self.keys.seeds["merchant"], labels.OFFER, offer)
        order = offers.order_of(signed)
        invoice = self.tricks.invoice(
            offers.Invoice(
                merchant=offer.merchant,
                broker=offer.broker,
                order=order,
                suite=offer.suite,
                amount=offer.price,
                order_key=offer.order_key,
                sealed_key=offers.seal_content_key(keys.suite, escrow, content_key, order),
                pay_by=offer.pay_by,
                deliver_within=offer.deliver_within,
                settle_within=offer.settle_within,
            )
        )
        signed_invoice = offers.sign_object(self.keys.seeds["merchant"], labels.INVOICE, invoice)
        self.invoices[order] = Invoiced(InvoiceState.OFFERED, signed_invoice, offer, content_key)
        payable = ask.Payable(
            order=order,
            amount=offer.price,
            order_key=offer.order_key,
            pay_by=offer.pay_by,
            deliver_within=offer.deliver_within,
            settle_within=offer.settle_within,
        )
        pieces = self.tricks.pieces(self.piece_list)
        return Offered(offer=signed, pieces=pieces), self.tricks.payable(payable)

    def attached(self, request: Any) -> tuple[Any, bytes]:
        """An answer, and the segment that comes with it: a payment's, if it is the first answer."""
        if isinstance(request, ask.GetSegment):
            segment = self.serve(request)
            return ask.SegmentFollows(length=len(segment)), segment
        found = self.invoices.get(request.order)
        fresh = found is not None and not found.receipt
        paid = self._pay(request)
        if found is None or not fresh or not self.first_comes:
            return paid, b""
        return paid, self._segment(found, request.order, 0)

    def serve(self, request: ask.GetSegment) -> bytes:
        found = self.invoices[request.order]
        check_action(
            found.offer.order_key, request.order, "segment", request.signature, request.index
        )
        return self._segment(found, request.order, request.index)

    def _segment(self, found: Invoiced, order: bytes, index: int) -> bytes:
        suite = next(suite for suite in self.keys.suites if suite.id == found.offer.suite)
        segment = parcel.seal_segment(
            suite,
            found.content_key,
            self.keys.seeds["merchant"],
            order,
            index,
            len(self.cut),
            self.tricks.piece(index, self.cut[index]),
        )
        attempt = found.attempts.get(index, 0)
        found.attempts[index] = attempt + 1
        return self.tricks.segment(index, attempt, segment)


def changed(message: Any, **changes: Any) -> Any:
    """A copy of a message with other fields."""
    return msgspec.structs.replace(message, **changes)


__all__ = ["CONTENT", "NOW", "Keys", "Killed", "Market", "changed", "replace"]
