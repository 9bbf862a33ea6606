"""Purchases, and withdrawals of cash, as operators' pages list them."""

import os
from typing import Any

from tests.support.broker_market import Market
from tests.support.scripted_broker import ScriptedMerchant
from veilmart.protocol import customer_messages as messages, labels
from veilmart.protocol.signed_requests import WithdrawalRequest, sign_request
from veilmart.protocol.statement import (
    AskStatement,
    Statement,
    StatementPage,
    StatementRequest,
    check_page,
    open_page,
)


async def bought(market: Market, session: Any, settle: bool = True) -> bytes:
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    if settle:
        await market.ask(session, market.act(messages.Release, order))
        await market.ask(session, market.act(messages.Acknowledge, order))
    return order


def withdrawing(market: Market, amount: int, key: Any = None, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "broker": market.opened.fingerprint,
        "merchant": market.merchant.fingerprint,
        "id": os.urandom(16),
        "amount": amount,
        "note": "to the usual account",
        "at": market.clock(),
    }
    paper = WithdrawalRequest(**(fields | changes))
    signed = sign_request(key or market.merchant.key, labels.WITHDRAWAL, paper)
    return messages.AskToWithdraw(signed=signed)


def paper_of(merchant: ScriptedMerchant, at: int, after: int = 0, **other: Any) -> StatementRequest:
    fields: dict[str, Any] = {
        "broker": merchant.broker,
        "merchant": merchant.fingerprint,
        "after": after,
        "at": at,
    }
    return StatementRequest(**(fields | other))


def ask(merchant: ScriptedMerchant, paper: StatementRequest) -> AskStatement:
    return AskStatement(signed=sign_request(merchant.key, labels.STATEMENT_REQUEST, paper))


async def fetch(market: Market, after: int = 0) -> StatementPage:
    paper = paper_of(market.merchant, market.clock(), after)
    request = ask(market.merchant, paper)
    answer: Statement = await market.ask(market.session(), request)
    key = market.broker.state.own.newest.public.descriptor.signing_key
    page = open_page(key, answer.signed)
    check_page(page, paper, request.signed)
    return page
