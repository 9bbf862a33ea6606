"""`veilmart customer join|register|login|passwd|balance|trust`."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.crypto.identity import format_fingerprint, parse_fingerprint
from veilmart.customer.cli.connect import visited
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.prompts import Person, login_person, register_person
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.trust.descriptors import (
    http_client,
    replace_broker,
    replace_merchant,
)
from veilmart.customer.trust.pins import PinnedBroker, broker_at, current_broker, pinned_merchant
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import AuthenticationFailed, BadArgument, Declined, NotInitialised
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.address import parse_link
from veilmart.protocol.descriptor import SignedDescriptor, check_descriptor, read_descriptor
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.command import Common, command
from veilmart.terminal.console import Console
from veilmart.transport.broker_channel import BrokerDescriptors

Yes = Annotated[bool, Parameter(help="Answer every question with yes.")]
PasswordFile = Annotated[
    Path | None,
    Parameter(
        help="Read the password from this file; - is standard input.", allow_leading_hyphen=True
    ),
]
InvitationCode = Annotated[
    str | None, Parameter(help="A code from the operator, if registration needs an invitation.")
]
Username = Annotated[str | None, Parameter(help="Asked for when it is not given.")]


@command
async def join(address: str, *, yes: Yes = False, common: Common = Common()) -> None:
    """Pin a broker (and a merchant) from a veilmart:// link or a URL."""
    person = Person(common.terminal(), yes)
    with opened_wallet(common, fresh=True) as wallet:
        async with visited(wallet, person, address) as shopper:
            name = shopper.broker.descriptor.name
            shown = format_fingerprint(shopper.broker.fingerprint)
            result = {"broker": name, "fingerprint": shown, "url": shopper.url}

    def draw(console: Console) -> None:
        console.print(f"Joined {visible(name)} at {result['url']}")
        console.print(f"Fingerprint: {shown}")

    person.terminal.result(result, draw)


@command
async def register(
    username: Username = None,
    *,
    password_file: PasswordFile = None,
    invitation: InvitationCode = None,
    common: Common = Common(),
) -> None:
    """Open an account with the broker."""

    async def enter(shopper: Shopper, person: Person) -> str:
        return await register_person(shopper, person, username, password_file, invitation)

    await _enter(enter, common)


@command
async def login(
    username: Username = None,
    *,
    password_file: PasswordFile = None,
    common: Common = Common(),
) -> None:
    """Log in; this machine stays logged in."""

    async def enter(shopper: Shopper, person: Person) -> str:
        return await login_person(shopper, person, username, password_file)

    await _enter(enter, common)


async def _enter(enter: Callable[[Shopper, Person], Awaitable[str]], common: Common) -> None:
    person = Person(common.terminal())
    with opened_wallet(common) as wallet:
        async with visited(wallet, person) as shopper:
            name = await enter(shopper, person)
            decimals = shopper.broker.descriptor.decimals
            shown = format_amount(shopper.session.balance or 0, decimals)
    person.terminal.result(
        {"username": name, "balance": shown},
        lambda console: console.print(f"Balance: {shown}"),
    )


@command
async def passwd(
    *,
    password_file: PasswordFile = None,
    new_password_file: PasswordFile = None,
    common: Common = Common(),
) -> None:
    """Change the password; all other machines are logged out."""
    person = Person(common.terminal())
    with opened_wallet(common) as wallet:
        async with visited(wallet, person) as shopper:
            old = person.secret("Current password: ", password_file)
            new = person.new_password(new_password_file, "New password: ")
            while True:
                try:
                    await shopper.account.change_password(old, new)
                    break
                except AuthenticationFailed:
                    if not person.types(password_file):
                        raise
                    person.terminal.say("That is not the current password. Type it again.")
                    old = person.secret("Current password: ")
    person.terminal.result(
        {"changed": True}, lambda console: console.print("The password was changed.")
    )


@command
async def balance(*, common: Common = Common()) -> None:
    """Show the account's balance."""
    person = Person(common.terminal())
    with opened_wallet(common) as wallet:
        async with visited(wallet, person) as shopper:
            account = await shopper.account.read()
            broker = shopper.broker.descriptor
    amount = format_amount(account.balance, broker.decimals)
    result = {"username": account.username, "balance": amount, "currency": broker.currency}
    line = f"{visible(account.username)}: {amount} {visible(broker.currency)}"
    person.terminal.result(result, lambda console: console.print(line))


@command
async def trust(
    address: Annotated[
        str | None, Parameter(help="The broker's URL; default: the one used last.")
    ] = None,
    *,
    merchant: Annotated[
        str | None, Parameter(help="A merchant's fingerprint instead of the broker's.")
    ] = None,
    yes: Yes = False,
    common: Common = Common(),
) -> None:
    """Accept a changed fingerprint or an older descriptor, after you have verified it."""
    person = Person(common.terminal(), yes)
    with opened_wallet(common) as wallet:
        if merchant is None:
            fresh = await _trust_broker(wallet, person, address)
        else:
            fresh = await _trust_merchant(wallet, person, parse_fingerprint(merchant))
    shown = format_fingerprint(fresh.fingerprint)
    person.terminal.result(
        {"fingerprint": shown, "serial": fresh.descriptor.serial},
        lambda console: console.print(f"Trusted: {shown}"),
    )


async def _trust_broker(wallet: Wallet, person: Person, address: str | None) -> SignedDescriptor:
    pin = await _pin_for(wallet, address)
    async with http_client(wallet, pin.url) as http:
        fresh = read_descriptor(await BrokerDescriptors(http).newest())
    fresh = check_descriptor(
        fresh.signed,
        role="broker",
        fingerprint=fresh.fingerprint,
        now=wallet.clock(),
        known=None,
    )
    _ask_to_trust(person, read_descriptor(pin.descriptor), fresh)
    await replace_broker(wallet, pin.url, fresh)
    return fresh


async def _pin_for(wallet: Wallet, address: str | None) -> PinnedBroker:
    if address is None:
        pin = await wallet.database.run(current_broker)
    else:
        pin = await wallet.database.run(broker_at, parse_link(address).url)
    if pin is None:
        raise NotInitialised
    return pin


async def _trust_merchant(wallet: Wallet, person: Person, merchant: bytes) -> SignedDescriptor:
    async with visited(wallet, person) as shopper:
        broker = shopper.broker.fingerprint
        signed = await shopper.descriptors_of(merchant).newest()
        fresh = check_descriptor(
            signed, role="merchant", fingerprint=merchant, now=wallet.clock(), known=None
        )
        pin = await wallet.database.run(pinned_merchant, broker, merchant)
        known = None
        if pin is not None and pin.descriptor is not None:
            known = read_descriptor(pin.descriptor)
        _ask_to_trust(person, known, fresh)
        await replace_merchant(wallet, broker, fresh)
        return fresh


def _ask_to_trust(person: Person, known: SignedDescriptor | None, fresh: SignedDescriptor) -> None:
    """Show both and ask. Raises Declined, and BadArgument without a terminal."""
    say = person.terminal.say
    if known is not None:
        old = format_fingerprint(known.fingerprint)
        say(f"Pinned so far: {old}, serial {known.descriptor.serial}")
    new = format_fingerprint(fresh.fingerprint)
    say(f"Shown now:     {new}, serial {fresh.descriptor.serial}")
    if not person.yes and not person.terminal.interactive:
        raise BadArgument("Verify the fingerprint, then pass --yes.")
    if not person.confirm("Have you verified it over another channel? (y/n) "):
        raise Declined("Nothing was changed.")
