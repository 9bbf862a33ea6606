"""Use cases: ask the broker's operator to be carried, or to be paid out."""

import msgspec

from veilmart.characters import is_plain
from veilmart.errors import BadAmount, BadArgument, BadLink, NetworkFailure, VeilmartError
from veilmart.limits import NOTE_MAX_CHARACTERS
from veilmart.merchant.back_office.broker_session import ask_operator
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import choose_broker
from veilmart.merchant.publishing.snapshot import load_shop
from veilmart.protocol import labels
from veilmart.protocol.address import parse_link
from veilmart.protocol.customer_messages import AskToJoin, AskToWithdraw
from veilmart.protocol.ports import Random
from veilmart.protocol.signed_requests import JoinRequest, WithdrawalRequest, sign_request

WITHDRAWAL_ID_BYTES = 16
ASKED_FILE = "withdrawal-asked"


class Asked(msgspec.Struct, frozen=True):
    """A withdrawal whose answer has not come: the broker may have noted it, or not."""

    id: bytes
    amount: int
    note: str


async def ask_to_join(
    market: MerchantHome, url: str | None, now: int, random: Random, which: str | None = None
) -> str:
    """Ask a pinned broker (`choose_broker`) to admit this merchant at `url`; returns host:port.

    url: None where the merchant dials; the address is empty then.

    Raises BadLink, NoSuchBroker, BrokerUnreachable, and what the broker refuses.
    """
    address = "" if url is None else _address(url)
    run = market.database.run_now
    shop = load_shop(market.database, market.identity, market.fingerprint, now, random)
    broker = run(choose_broker, which)
    request = JoinRequest(
        broker=broker.fingerprint,
        address=address,
        descriptor=shop.newest.known.signed,
        at=now,
    )
    signed = sign_request(market.identity, labels.JOIN_REQUEST, request)
    await ask_operator(broker, AskToJoin(signed=signed), now, random)
    return address


def _address(url: str) -> str:
    place = parse_link(url)
    if place.broker is not None:
        raise BadLink("Give this merchant's address as http://HOST:PORT.")
    return place.url.removeprefix("http://")


async def ask_to_withdraw(
    market: MerchantHome,
    amount: int,
    note: str,
    now: int,
    random: Random,
    which: str | None = None,
) -> None:
    """Ask a pinned broker (`choose_broker`) for `amount` (minor units) of the balance there.

    The request is stored until the answer comes: after an interruption the same amount and note
    repeat the same withdrawal, which the broker records once. Raises BadAmount, BadArgument,
    NoSuchBroker, InsufficientBalance, MerchantUnknown, BrokerUnreachable, CannotWrite, DiskFull.
    """
    if amount <= 0:
        raise BadAmount("It must be more than zero.")
    if len(note) > NOTE_MAX_CHARACTERS or not is_plain(note):
        raise BadArgument(f"A note has at most {NOTE_MAX_CHARACTERS} printable characters.")
    broker = market.database.run_now(choose_broker, which)
    kept = f"{ASKED_FILE}-{broker.fingerprint.hex()[:16]}"
    request = WithdrawalRequest(
        broker=broker.fingerprint,
        merchant=market.fingerprint,
        id=_same_or_new_id(market, kept, Asked(random(WITHDRAWAL_ID_BYTES), amount, note)),
        amount=amount,
        note=note,
        at=now,
    )
    signed = sign_request(market.identity, labels.WITHDRAWAL, request)
    try:
        await ask_operator(broker, AskToWithdraw(signed=signed), now, random)
    except NetworkFailure:
        raise
    except VeilmartError:
        market.home.file(kept).unlink(missing_ok=True)
        raise
    market.home.file(kept).unlink(missing_ok=True)


def _same_or_new_id(market: MerchantHome, kept: str, fresh: Asked) -> bytes:
    if market.home.has(kept):
        asked = msgspec.msgpack.decode(market.home.read(kept), type=Asked)
        if (asked.amount, asked.note) == (fresh.amount, fresh.note):
            return asked.id
    market.home.write_secret(kept, msgspec.msgpack.encode(fresh))
    return fresh.id
