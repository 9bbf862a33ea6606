"""The other side, made of the protocol's own functions: a broker and a customer in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from veilmart.crypto import identity, signing
from veilmart.crypto.suite import Suite, all_suites
from veilmart.merchant.effects import AnswerTunnel, ReadPiece, ReadPieceList, Reply, SealPiece
from veilmart.merchant.events import Event
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.snapshot import load_shop
from veilmart.merchant.server.http_app import read_piece, seal_piece
from veilmart.merchant.server.link_rules import answer
from veilmart.merchant.server.state import MerchantState
from veilmart.merchant.server.tunnels import Link
from veilmart.merchant.stocking.adding import Added, add_now
from veilmart.merchant.stocking.packing import sources_in
from veilmart.protocol import labels
from veilmart.protocol.descriptor import (
    FIRST_PREVIOUS,
    Descriptor,
    SignedDescriptor,
    TunnelKey,
    read_descriptor,
    sign_descriptor,
)
from veilmart.protocol.effects import Transact
from veilmart.protocol.handshake import (
    CertifiedInitiator,
    SessionKeys,
    answer_certified,
    prologue,
)
from veilmart.protocol.link import LinkInitiator, answer_link
from veilmart.protocol.link_messages import LinkProof, TunnelOpen, TunnelRelay
from veilmart.protocol.merchant_messages import Select
from veilmart.protocol.perform import perform_now
from veilmart.protocol.tunnel import PendingRequest

NOW = 1_800_000_000
BROKER_URL = "http://127.0.0.1:8000"
PRICES = [100, 200, 500, 1000]


class FakeBroker:
    """A broker's identity and descriptor. `renew` makes the next serial."""

    def __init__(self, key: identity.IdentityKey) -> None:
        self.key = key
        self.seed = bytes(range(32))
        first = Descriptor(
            role="broker",
            name="broker",
            identity=identity.public_spki(key),
            tunnel_keys=[TunnelKey(suite=1, public=(9).to_bytes(32, "little"))],
            signing_key=signing.public_key(self.seed),
            shelves=[],
            price_points=PRICES,
            currency="EUR",
            decimals=2,
            brokers=[],
            serial=1,
            previous=FIRST_PREVIOUS,
            not_before=NOW,
            not_after=NOW + 7 * 24 * 3600,
            extensions={},
        )
        self.known: SignedDescriptor = read_descriptor(sign_descriptor(first, key))

    @property
    def fingerprint(self) -> bytes:
        return self.known.fingerprint

    def renew(self, **changes: Any) -> SignedDescriptor:
        old = self.known
        fresh = msgspec.structs.replace(
            old.descriptor,
            serial=old.descriptor.serial + 1,
            previous=old.hash,
            **changes,
        )
        self.known = read_descriptor(sign_descriptor(fresh, self.key))
        return self.known


@dataclass
class Customer:
    """One side of one tunnel."""

    keys: SessionKeys
    number: bytes
    descriptor: SignedDescriptor
    order_seed: bytes


@dataclass
class Stall:
    """The merchant's rules driven synchronously, with a clock that tests turn."""

    market: MerchantHome
    broker: FakeBroker
    state: MerchantState
    added: Added
    now: int
    random: Callable[[int], bytes]
    events: list[Event] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        market: MerchantHome,
        broker: FakeBroker,
        goods: Path,
        now: int,
        random: Callable[[int], bytes],
    ) -> Stall:
        added = add_now(market, tuple(sources_in(goods)), price=500, now=now, random=random)
        shop = load_shop(market.database, market.identity, market.fingerprint, now, random)
        events: list[Event] = []
        state = MerchantState(shop, market.identity, lambda: now, random, events.append)
        stall = cls(market, broker, state, added, now, random, events)
        state.clock = lambda: stall.now
        return stall

    @classmethod
    def open_again(cls, before: Stall, market: MerchantHome) -> Stall:
        """The same merchant on another home: one that was restored."""
        shop = load_shop(
            market.database, market.identity, market.fingerprint, before.now, before.random
        )
        events: list[Event] = []
        state = MerchantState(shop, market.identity, lambda: 0, before.random, events.append)
        stall = cls(market, before.broker, state, before.added, before.now, before.random, events)
        state.clock = lambda: stall.now
        return stall

    def reload(self) -> None:
        self.state.shop = load_shop(
            self.market.database,
            self.market.identity,
            self.market.fingerprint,
            self.now,
            self.random,
        )

    def ask(self, link: Link, message: Any) -> Reply:
        performers = {
            Transact: lambda effect: self.market.database.run_now(effect.function, *effect.args),
            SealPiece: lambda effect: seal_piece(self.market.store, effect),
            AnswerTunnel: lambda effect: answer_certified(
                effect.suite,
                effect.prologue,
                effect.static,
                effect.number,
                effect.message1,
                self.state.random,
            ),
            ReadPiece: lambda effect: read_piece(self.market.store, effect),
            ReadPieceList: lambda effect: self.market.store.piece_list(effect.root),
        }
        return perform_now(answer(self.state, link, message), performers)

    def unproved(self, suite: Suite | None = None) -> tuple[Link, LinkInitiator, SessionKeys]:
        suite = suite or all_suites()[0]
        mine = self.market.fingerprint
        initiator = LinkInitiator(suite, self.broker.fingerprint, mine, self.random)
        message2, theirs = answer_link(
            suite,
            self.broker.fingerprint,
            mine,
            self.market.identity,
            self.random(16),
            initiator.message1,
            self.random,
        )
        keys = initiator.finish(message2, identity.public_spki(self.market.identity))
        self.state.links.open(theirs, self.broker.fingerprint, self.now)
        return self.state.links.find(keys.session_id, self.now), initiator, keys

    def proof(self, initiator: LinkInitiator, keys: SessionKeys) -> LinkProof:
        return LinkProof(
            signature=initiator.proof(keys, self.broker.key),
            descriptor=self.broker.known.signed,
        )

    def link(self) -> Link:
        link, initiator, keys = self.unproved()
        self.ask(link, self.proof(initiator, keys))
        return link

    def customer(
        self, link: Link, suite: Suite | None = None, number: bytes | None = None
    ) -> Customer:
        suite = suite or all_suites()[0]
        number = number or self.random(16)
        known = self.state.shop.newest.known
        bound = prologue(labels.PROLOGUE_CUSTOMER_MERCHANT, suite, known.hash, number)
        initiator = CertifiedInitiator(
            suite, bound, known.descriptor.tunnel_key(suite), self.random
        )
        opened: Any = self.ask(
            link,
            TunnelOpen(
                request_number=number,
                suite=suite.id,
                descriptor=known.hash,
                message=initiator.message1,
            ),
        ).message
        keys = initiator.finish(number, opened.message)
        return Customer(keys, number, known, self.random(32))

    def tell(
        self, link: Link, customer: Customer, message: Any, kinds: Any
    ) -> tuple[Any, bytes, bytes]:
        """(answer, invoice, the answer's record) of one request inside the tunnel."""
        pending = PendingRequest(customer.keys, message, message.cells, self.random)
        relayed: Any = self.ask(
            link, TunnelRelay(request_number=customer.number, record=pending.record)
        ).message
        return pending.open_answer(kinds, relayed.record), relayed.invoice, relayed.record

    def selection(self, customer: Customer, title: str = "alpha.txt") -> Select:
        product = next(found for found in self.state.shop.products.values() if found.title == title)
        shelf = self.state.shop.shelves[product.shelf]
        return Select(
            broker=self.broker.fingerprint,
            shelf=shelf.id,
            product=product.id,
            root=product.root,
            price=shelf.price,
            order_key=signing.public_key(customer.order_seed),
        )
