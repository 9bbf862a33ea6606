"""What an error says of money when the answer to a request did not come."""

import os
from typing import Any

import pytest

from veilmart.crypto.suite import all_suites
from veilmart.errors import MONEY_UNCERTAIN, BrokerUnreachable
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import GetAccount, Redeem
from veilmart.protocol.dispute_messages import RefundOrder
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.token_messages import Deposit, Issue
from veilmart.transport.broker_channel import exchange

REDEEM = Redeem(code="x" * 20)


class Deaf:
    """A client whose requests arrive, and whose answers do not."""

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        raise BrokerUnreachable


async def lost(request: BrokerRequest) -> BrokerUnreachable:
    keys = SessionKeys(os.urandom(16), all_suites()[0], *(os.urandom(32) for _ in range(4)))
    client: Any = Deaf()
    with pytest.raises(BrokerUnreachable) as caught:
        await exchange(client, keys, request, object, os.urandom)
    return caught.value


async def test_an_answer_about_money_that_is_lost_says_so() -> None:
    assert (await lost(REDEEM)).money_now == MONEY_UNCERTAIN
    assert (await lost(GetAccount())).money_now != MONEY_UNCERTAIN


def test_these_requests_move_money_and_have_no_rule_that_says_it() -> None:
    def kinds(of: type[BrokerRequest]) -> set[type[BrokerRequest]]:
        return {*of.__subclasses__(), *(kind for sub in of.__subclasses__() for kind in kinds(sub))}

    moving = {kind for kind in kinds(BrokerRequest) if kind.moves_money}
    assert moving == {Redeem, Issue, Deposit, RefundOrder}
