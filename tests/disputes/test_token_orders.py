"""Orders that a token paid: what goes back is a token, which pays for another purchase."""

import pytest

from tests.disputes.court import CREDIT, PRICE, Court
from tests.support.engines import both_engines
from tests.support.signed_orders import Cheats, Papers
from tests.support.token_wallet import TokenWallet
from veilmart.errors import NotRefunded
from veilmart.protocol.customer_messages import Acknowledge, Release

DAMAGED = Cheats(sealed_key=bytes(64))


async def paid_by_token(court: Court, cheats: Cheats | None = None) -> tuple[Papers, TokenWallet]:
    """RELEASED, by somebody whom the broker does not know."""
    papers = await court.offered(cheats=cheats)
    wallet = TokenWallet(court.market)
    (token,) = await wallet.withdraw(court.session)
    await wallet.spend(papers.order, token)
    await court.act(Release, papers)
    return papers, wallet


async def buys_again(court: Court, wallet: TokenWallet, papers: Papers) -> None:
    """The refund token is as good as any; asked for twice it is the same one."""
    token = await wallet.refund(papers.order)
    assert token == await wallet.refund(papers.order)
    other = await court.offered()
    await wallet.spend(other.order, token)
    assert await court.state(other) == "held"
    court.market.check_books()


@both_engines
async def test_a_dispute_brings_a_token_back(court: Court) -> None:
    papers, wallet = await paid_by_token(court, DAMAGED)
    with pytest.raises(NotRefunded):
        await wallet.refund(papers.order)
    assert (await court.dispute(papers, "key")).state == "refunded"
    assert court.money() == (CREDIT - PRICE, 0)
    assert court.reports() == [(papers.order, "returned")]
    await buys_again(court, wallet, papers)


async def test_a_refused_dispute_brings_nothing(court: Court) -> None:
    papers, wallet = await paid_by_token(court)
    await court.refused(papers, "key")
    with pytest.raises(NotRefunded):
        await wallet.refund(papers.order)


@both_engines
@pytest.mark.parametrize("settled", [False, True], ids=["released", "settled"])
async def test_a_merchant_gives_a_token_back(court: Court, settled: bool) -> None:
    papers, wallet = await paid_by_token(court)
    if settled:
        await court.act(Acknowledge, papers)
        assert court.money() == (CREDIT - PRICE, PRICE)
    await court.give_back(court.refund(papers))
    await court.give_back(court.refund(papers))
    assert court.money() == (CREDIT - PRICE, 0)
    await buys_again(court, wallet, papers)
