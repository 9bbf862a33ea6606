"""Use cases: ask the broker's operator to be carried, or to be paid out."""

import msgspec

from veilmart.characters import is_plain
from veilmart.errors import BadAmount, BadArgument, BadLink, NetworkFailure, VeilmartError
from veilmart.limits import NOTE_MAX_CHARACTERS
from veilmart.merchant.back_office.broker_session import ask_operator
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.publishing.snapshot import load_shop
from veilmart.protocol import labels
from veilmart.protocol.address import parse_link
from veilmart.protocol.customer_messages import AskToJoin, AskToWithdraw
from veilmart.protocol.merchant_papers import JoinPaper, WithdrawalPaper, sign_paper
from veilmart.protocol.ports import Random

WITHDRAWAL_ID_BYTES = 16
ASKED_FILE = "withdrawal-asked"


class Asked(msgspec.Struct, frozen=True):
    """A withdrawal whose answer has not come: the broker may have noted it, or not."""

    id: bytes
    amount: int
    note: str


async def ask_to_join(market: MerchantHome, url: str, now: int, random: Random) -> str:
    """Ask the first pinned broker to carry this merchant, reached at `url`; returns host:port.

    Raises BadLink, BrokerUnreachable, and what the broker refuses.
    """
    place = parse_link(url)
    if place.broker is not None:
        raise BadLink("Where this merchant listens is http://HOST:PORT.")
    address = place.url.removeprefix("http://")
    run = market.database.run_now
    shop = run(load_shop, market.identity, market.fingerprint, now, random)
    broker = run(load_brokers)[0]
    paper = JoinPaper(
        broker=broker.fingerprint,
        address=address,
        descriptor=shop.newest.known.signed,
        at=now,
    )
    signed = sign_paper(market.identity, labels.JOIN_REQUEST, paper)
    await ask_operator(broker, AskToJoin(signed=signed), now, random)
    return address


async def ask_to_withdraw(
    market: MerchantHome, amount: int, note: str, now: int, random: Random
) -> None:
    """Ask the first pinned broker for `amount` (minor units) of the balance.

    What is asked for is kept until the answer comes: after a cut the same words ask for the same
    withdrawal, which the broker notes once. Raises BadAmount, BadArgument, InsufficientBalance,
    MerchantUnknown, BrokerUnreachable, CannotWrite, DiskFull.
    """
    if amount <= 0:
        raise BadAmount("It has to be more than zero.")
    if len(note) > NOTE_MAX_CHARACTERS or not is_plain(note):
        raise BadArgument(f"A note has at most {NOTE_MAX_CHARACTERS} printable characters.")
    broker = market.database.run_now(load_brokers)[0]
    paper = WithdrawalPaper(
        broker=broker.fingerprint,
        merchant=market.fingerprint,
        id=_same_or_new_id(market, amount, note, random),
        amount=amount,
        note=note,
        at=now,
    )
    signed = sign_paper(market.identity, labels.WITHDRAWAL, paper)
    kept = market.home.file(ASKED_FILE)
    try:
        await ask_operator(broker, AskToWithdraw(signed=signed), now, random)
    except NetworkFailure:
        raise
    except VeilmartError:
        kept.unlink(missing_ok=True)
        raise
    kept.unlink(missing_ok=True)


def _same_or_new_id(market: MerchantHome, amount: int, note: str, random: Random) -> bytes:
    if market.home.has(ASKED_FILE):
        asked = msgspec.msgpack.decode(market.home.read(ASKED_FILE), type=Asked)
        if (asked.amount, asked.note) == (amount, note):
            return asked.id
    fresh = Asked(random(WITHDRAWAL_ID_BYTES), amount, note)
    market.home.write_secret(ASKED_FILE, msgspec.msgpack.encode(fresh))
    return fresh.id
