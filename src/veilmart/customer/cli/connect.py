"""What every command does first: open the wallet, reach the broker, mention open orders."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from veilmart.crypto.identity import format_fingerprint
from veilmart.crypto.suite import suite_by_name
from veilmart.customer.cli.prompts import Person
from veilmart.customer.events import Observer, ignore
from veilmart.customer.library.holdings import ending_notes
from veilmart.customer.trust.pins import broker_named, current_broker, pinned_merchants
from veilmart.customer.wallet.account_use import TOKEN_USED_LATELY, token_used_lately
from veilmart.customer.wallet.proxy import read_proxy
from veilmart.customer.wallet.seed import has_seed
from veilmart.customer.wallet.wallet import DATABASE_FILE, Wallet, open_wallet, unfinished
from veilmart.errors import (
    BadArgument,
    FingerprintChanged,
    NoSuchMerchant,
    NotInitialised,
    NotPinned,
    VeilmartError,
)
from veilmart.protocol.address import Link
from veilmart.protocol.customer_messages import MerchantEntry
from veilmart.protocol.descriptor import read_descriptor
from veilmart.storage.files.home import Home, default_home, home_to_be
from veilmart.storage.files.names import shown_path, visible
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import Common
from veilmart.terminal.console import Terminal

if TYPE_CHECKING:
    from veilmart.customer.connection.shopper import Shopper

PROXY_VARIABLE = "VEILMART_PROXY"


@contextmanager
def opened_wallet(
    common: Common, proxy: str | None = None, *, fresh: bool = False
) -> Iterator[Wallet]:
    """The wallet of this command's home folder.

    fresh: make one where there is none; otherwise raises NotInitialised. proxy: for this command;
    else $VEILMART_PROXY, else the one stored by `customer proxy`.
    """
    home: Path = common.home or default_home("customer")
    chosen = proxy or os.environ.get(PROXY_VARIABLE)
    given = None if chosen is None else read_proxy(chosen)
    if not fresh and not (home / DATABASE_FILE).is_file():
        raise NotInitialised(f"There is no wallet in {shown_path(home)}.")
    with home_to_be(home, _is_used):
        wallet = open_wallet(home, unix_now, os.urandom)
        if chosen is not None:
            wallet = replace(wallet, proxy=given)
        try:
            for note in wallet.database.run_now(ending_notes, wallet.clock()):
                common.terminal().say(note)
            yield wallet
        finally:
            wallet.close()


def _is_used(home: Home) -> bool:
    """Whether a wallet has got anything that must not be lost with a command that failed."""
    try:
        wallet = open_wallet(home.path, unix_now, os.urandom)
    except VeilmartError:
        return True  # nobody can tell
    try:
        return has_seed(wallet) or wallet.database.run_now(current_broker) is not None
    finally:
        wallet.close()


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


def mention_unfinished(wallet: Wallet, terminal: Terminal) -> None:
    """Print one line if `sync` has something to do."""
    count = len(unfinished(wallet))
    if count:
        noun = "1 purchase is" if count == 1 else f"{count} purchases are"
        terminal.say(f"{noun} unfinished; `veilmart customer sync` takes care of it.")


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
