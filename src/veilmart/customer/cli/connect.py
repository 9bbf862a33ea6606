"""What every command does first: open the wallet, reach the broker, mention open orders."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from veilmart.crypto.identity import format_fingerprint
from veilmart.crypto.suite import suite_by_name
from veilmart.customer.cli.opened_wallet import mention_unfinished
from veilmart.customer.cli.prompts import Person
from veilmart.customer.events import Observer, ignore
from veilmart.customer.trust.pins import broker_named, pinned_merchants
from veilmart.customer.wallet.account_use import TOKEN_USED_LATELY, token_used_lately
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    BadArgument,
    FingerprintChanged,
    NoSuchMerchant,
    NotInitialised,
    NotPinned,
)
from veilmart.protocol.address import Link
from veilmart.protocol.customer_messages import MerchantEntry
from veilmart.protocol.descriptor import read_descriptor
from veilmart.storage.files.names import visible

if TYPE_CHECKING:
    from veilmart.customer.connection.shopper import Shopper


@asynccontextmanager
async def visited(
    wallet: Wallet,
    person: Person,
    address: str | Link | None = None,
    *,
    suite: str | None = None,
    observe: Observer = ignore,
    mention: bool = True,
    anonymous: bool = False,
    recovering: bool = False,
) -> AsyncIterator["Shopper"]:
    """A shopper at the broker; unfinished purchases are mentioned in one line."""
    if mention:
        mention_unfinished(wallet, person.terminal)
        if not anonymous:
            mention_token_use(wallet, person)
    wanted = None if suite is None else suite_by_name(suite)
    from veilmart.customer.connection.shopper import connect

    shopper = await connect(
        wallet,
        address,
        approve=person.approve,
        suite=wanted,
        observe=observe,
        anonymous=anonymous,
        recovering=recovering,
    )
    async with shopper:
        yield shopper


def broker_url(wallet: Wallet, broker: bytes) -> str:
    """Where the broker with that fingerprint is. Raises NotInitialised."""
    pin = wallet.database.run_now(broker_named, broker)
    if pin is None:
        raise NotInitialised("The order's broker is not pinned here.")
    return pin.url


def mention_token_use(wallet: Wallet, person: Person) -> None:
    """Before the account is used: a person who has just bought with a token is told."""
    if wallet.database.run_now(token_used_lately, wallet.clock()):
        for line in TOKEN_USED_LATELY:
            person.terminal.say(line)


async def choose_merchant(shopper: "Shopper", person: Person, wanted: str | None) -> bytes:
    """The fingerprint (32 bytes) of the merchant meant, pinned.

    wanted: name or beginning of the fingerprint; None is the merchant pinned last, or the only one
    that the broker carries. Raises NoSuchMerchant, BadArgument, NotPinned.
    """
    pinned = await shopper.wallet.database.run(pinned_merchants, shopper.broker.fingerprint)
    # Asked for in any case: whether a list is needed would tell what was bought before.
    entries = await shopper.merchants()
    if wanted is None and pinned:
        return pinned[0].fingerprint
    if wanted is not None:
        entries = [entry for entry in entries if _matches(entry, wanted)]
    if not entries:
        raise NoSuchMerchant
    if len(entries) > 1:
        names = ", ".join(
            f"{visible(entry.name)} ({format_fingerprint(entry.fingerprint)[:14]})"
            for entry in entries[:10]
        )
        raise BadArgument(f"Choose one with --merchant: {names}.")
    chosen = entries[0].fingerprint
    if chosen not in {pin.fingerprint for pin in pinned}:
        await meet_merchant(shopper, person, chosen)
    return chosen


def _matches(entry: MerchantEntry, wanted: str) -> bool:
    compact = wanted.replace("-", "").replace(" ", "").lower()
    shown = format_fingerprint(entry.fingerprint).replace("-", "")
    return entry.name == wanted or (len(compact) >= 8 and shown.startswith(compact))


async def meet_merchant(shopper: "Shopper", person: Person, fingerprint: bytes) -> None:
    """Pin a merchant that the broker named, after a look at its fingerprint."""
    shown = read_descriptor(await shopper.descriptors_of(fingerprint).show())
    if shown.fingerprint != fingerprint:
        raise FingerprintChanged(format_fingerprint(shown.fingerprint))
    if not person.approve("merchant", shown):
        raise NotPinned(format_fingerprint(fingerprint))
    await shopper.pin_merchant(fingerprint)
