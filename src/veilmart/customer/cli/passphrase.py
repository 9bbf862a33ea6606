"""Asking for the passphrase and unlocking the wallet with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter

from veilmart.customer.cli.prompts import Person
from veilmart.customer.wallet.seed import has_seed, is_protected, unlock
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import BadArgument, WalletLocked, WrongPassphrase

T = TypeVar("T")

PassphraseFile = Annotated[
    Path | None,
    Parameter(
        help="Read the wallet's passphrase from this file; - is standard input.",
        allow_leading_hyphen=True,
    ),
]


def unlocked(wallet: Wallet, person: Person, file: Path | None) -> Wallet:
    """The wallet with its seed; asks for the passphrase if there is one and a terminal.

    Raises NoSeed, WalletLocked, WrongPassphrase, SeedDamaged.
    """
    return with_passphrase(wallet, person, file, lambda passphrase: unlock(wallet, passphrase))


def with_passphrase(
    wallet: Wallet, person: Person, file: Path | None, use: Callable[[str], T]
) -> T:
    """What `use` makes of the passphrase; a wrong one that was typed is asked for again.

    Raises WalletLocked, and as `use`.
    """
    if not is_protected(wallet):
        return use("")
    if file is None and not person.terminal.interactive:
        raise WalletLocked
    while True:
        try:
            return use(person.secret("Passphrase: ", file))
        except WrongPassphrase as error:
            if not person.types(file):
                raise
            person.terminal.say(error.summary)


def unlocked_if_easy(wallet: Wallet, person: Person, file: Path | None) -> Wallet:
    """The wallet unlocked if that needs no question: no passphrase, or one in a file."""
    if has_seed(wallet) and (file is not None or not is_protected(wallet)):
        return unlocked(wallet, person, file)
    return wallet


def unlocked_if_seeded(wallet: Wallet, person: Person, file: Path | None) -> Wallet:
    """Unlock a wallet that has a seed, for its order keys; leave others as they are."""
    return unlocked(wallet, person, file) if has_seed(wallet) else wallet


def new_passphrase(person: Person, file: Path | None, *, none: bool) -> str:
    """The passphrase of a new seed, typed twice or from a file; none means no passphrase.

    Raises BadArgument for an empty or differing one, WalletLocked when there is nobody to ask.
    """
    if none:
        return ""
    if file is None and not person.terminal.interactive:
        raise WalletLocked(
            "Or pass --no-passphrase, if anybody who can read the file may spend the tokens."
        )
    passphrase = person.secret("New passphrase: ", file)
    if not passphrase:
        raise BadArgument("For an empty passphrase pass --no-passphrase.")
    if file is None and person.secret("Repeat it: ") != passphrase:
        raise BadArgument("The two passphrases differ.")
    return passphrase
