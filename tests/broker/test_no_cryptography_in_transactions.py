"""No transaction of a broker makes or verifies a signature: others wait for it meanwhile."""

from tests.broker.audit.audited_market import live
from tests.support.cryptography import in_transactions
from tests.support.engines import both_engines
from veilmart.broker.home import BrokerHome
from veilmart.broker.operator import admission, bookkeeping
from veilmart.crypto.identity import IdentityKey, sign_pss


@both_engines
async def test_a_broker_signs_and_verifies_outside_of_its_transactions(
    opened: BrokerHome, merchant_key: IdentityKey, other_key: IdentityKey
) -> None:
    with in_transactions() as found:
        life = await live(opened, merchant_key, other_key)
        assert life.tokens is not None
        await life.tokens.refund(life.orders["token back"])
        run, now = opened.database.run_now, life.market.clock()
        run(bookkeeping.credit, "shop", 100, True, now)
        run(admission.merchant_lines)
        run(admission.suspend_merchant, "shop")
    assert found == set()


def test_a_signature_within_a_transaction_is_seen(
    opened: BrokerHome, merchant_key: IdentityKey
) -> None:
    with in_transactions() as found:
        opened.database.run_now(lambda _conn: sign_pss(merchant_key, "test", b""))
        opened.database.read_now(lambda _conn: sign_pss(merchant_key, "test", b""))
        sign_pss(merchant_key, "test", b"")
    assert len(found) == 1
