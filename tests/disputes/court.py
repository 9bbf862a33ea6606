"""A real broker without a network: orders are led to a state, then disputed."""

import os
from dataclasses import dataclass
from typing import Any

from tests.support.broker_market import Market
from tests.support.scripted_broker import PRICE, SHELF
from tests.support.signed_orders import Papers, make_papers
from veilmart.broker.accounts.customers import find_customer
from veilmart.broker.escrow.outbox import next_reports
from veilmart.broker.ledger.booking import balance_of
from veilmart.crypto import identity
from veilmart.errors import EvidenceInvalid
from veilmart.protocol import labels
from veilmart.protocol.customer_messages import Acknowledge, OrderStatus, Relay, Release
from veilmart.protocol.dispute_messages import Evidence, Reason, RefundOrder, RefundRequest
from veilmart.protocol.signed_requests import sign_request

CREDIT = 20_00


@dataclass
class Court:
    """customer: whose account pays."""

    market: Market
    customer: str = "anna"
    session: Any = None

    async def offered(self, **how: Any) -> Papers:
        """An order that nobody has paid yet."""
        market = self.market
        papers = make_papers(market.merchant, market.clock(), **how)
        if self.session is None:
            self.session = await market.customer(self.customer, CREDIT)
        number = self.session.numbers.hand_out(os.urandom)
        await market.ask(self.session, market.opening(number))
        market.merchant.invoice = papers.invoice
        relayed = await market.ask(self.session, Relay(request_number=number, record=bytes(1100)))
        assert relayed.payable is not None
        market.seeds[papers.order] = papers.order_seed
        return papers

    async def held(self, **how: Any) -> Papers:
        """An order that the customer has paid."""
        papers = await self.offered(**how)
        await self.market.ask(self.session, self.market.pay(papers.order))
        return papers

    async def released(self, **how: Any) -> Papers:
        papers = await self.held(**how)
        await self.act(Release, papers)
        return papers

    async def settled(self, **how: Any) -> Papers:
        papers = await self.released(**how)
        await self.act(Acknowledge, papers)
        return papers

    async def act(self, kind: type[Any], papers: Papers) -> Any:
        return await self.market.ask(self.market.session(), self.market.act(kind, papers.order))

    async def send(self, papers: Papers, evidence: Evidence) -> None:
        for part in papers.parts(evidence):
            await self.market.ask(self.market.session(), part)

    async def dispute(
        self, papers: Papers, reason: Reason, evidence: Evidence | None = None, index: int = 0
    ) -> OrderStatus:
        """Send the evidence and have it decided, in sessions without a login."""
        evidence = papers.evidence() if evidence is None else evidence
        await self.send(papers, evidence)
        request = papers.dispute(evidence, reason, index)
        status: OrderStatus = await self.market.ask(self.market.session(), request)
        return status

    async def refused(
        self, papers: Papers, reason: Reason, evidence: Evidence | None = None, index: int = 0
    ) -> str:
        """What the broker says when the evidence fails; afterwards nothing has changed."""
        before = self.money()
        try:
            await self.dispute(papers, reason, evidence, index)
        except EvidenceInvalid as fault:
            assert self.money() == before
            assert await self.state(papers) == "released"
            self.market.check_books()
            return fault.detail
        raise AssertionError("The dispute was won.")

    async def state(self, papers: Papers) -> str:
        market = self.market
        return str((await market.ask(market.session(), market.status(papers.order))).state)

    def refund(
        self, papers: Papers, key: identity.IdentityKey | None = None, **other: Any
    ) -> RefundOrder:
        """The merchant's signed paper."""
        merchant = self.market.merchant
        fields: dict[str, Any] = {
            "broker": self.market.opened.fingerprint,
            "merchant": merchant.fingerprint,
            "order": papers.order,
            "at": self.market.clock(),
        } | other
        paper = RefundRequest(**fields)
        return RefundOrder(signed=sign_request(key or merchant.key, labels.MERCHANT_REFUND, paper))

    async def give_back(self, request: RefundOrder) -> None:
        await self.market.ask(self.market.session(), request)

    def balance(self) -> int:
        found = self.market.run(find_customer, self.customer)
        assert found is not None
        return int(found.balance)

    def merchants_balance(self) -> int:
        view = self.market.broker.state.merchants.known(self.market.merchant.fingerprint)
        return int(self.market.run(balance_of, view.account))

    def money(self) -> tuple[int, int]:
        return self.balance(), self.merchants_balance()

    def reports(self) -> list[tuple[bytes, str]]:
        """(order, event) of what the merchant is told."""
        batch = self.market.run(next_reports, self.market.merchant.fingerprint, 0)
        return [(entry.order, entry.event) for entry in batch.entries]


__all__ = ["CREDIT", "PRICE", "SHELF", "Court"]
