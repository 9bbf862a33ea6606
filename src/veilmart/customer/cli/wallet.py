"""`veilmart customer wallet create|show-seed|restore`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.customer.cli.connect import visited
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.passphrase import PassphraseFile, new_passphrase, with_passphrase
from veilmart.customer.cli.prompts import Person, ensure_login
from veilmart.customer.tokens.restore import Restored, restore_tokens
from veilmart.customer.trust.pins import current_broker
from veilmart.customer.wallet.seed import (
    create_seed,
    draw_words,
    has_seed,
    restore_seed,
    seed_words,
)
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import AlreadyInitialised, Declined, NotInitialised
from veilmart.terminal.command import Common, Subject, command, command_about
from veilmart.terminal.console import Console
from veilmart.terminal.numbers import one_of

WORDS_ASKED_BACK = 3
WORDS_PER_LINE = 6

NoPassphrase = Annotated[
    bool,
    Parameter(
        name="--no-passphrase",
        negative="",
        help="Anybody who can read the wallet's files can spend its tokens.",
    ),
]


_WORDS = Subject(
    interrupted="The words above are worth nothing. Run it again: it draws others, unless it says "
    "that this wallet has its words."
)


@command_about(_WORDS)
def create(
    *,
    words: Annotated[int, Parameter(converter=one_of(12, 24), help="How many: 12 or 24.")] = 12,
    passphrase_file: PassphraseFile = None,
    no_passphrase: NoPassphrase = False,
    common: Common = Common(),
) -> None:
    """Draw this wallet's words. Write them down: only they can restore the wallet."""
    person = Person(common.terminal())
    with opened_wallet(common, fresh=True) as wallet, wallet.purchasing():
        drawn = make_seed(wallet, person, words, passphrase_file, none=no_passphrase)[1]
    person.terminal.result({"words": drawn}, lambda console: None)


def make_seed(
    wallet: Wallet, person: Person, count: int, file: Path | None, *, none: bool
) -> tuple[Wallet, str]:
    """Words drawn, shown, some asked back where there is a person; then the sealed file."""
    if has_seed(wallet):
        raise AlreadyInitialised("This wallet has its words already.")
    passphrase = new_passphrase(person, file, none=none)
    words = draw_words(wallet, count)
    person.terminal.say("Write these words down, in their order, and keep them as safe as money:")
    _show_words(person, words)
    if person.terminal.interactive:
        _ask_back(wallet, person, words.split())
    made = create_seed(wallet, words, passphrase)
    person.terminal.say("The words were tried: they give back this wallet.")
    return made, words


def _show_words(person: Person, words: str) -> None:
    listed = words.split()
    for start in range(0, len(listed), WORDS_PER_LINE):
        line = listed[start : start + WORDS_PER_LINE]
        numbered = (f"{start + place:>2} {word:<9}" for place, word in enumerate(line, 1))
        person.terminal.say("  ".join(numbered).rstrip())


def _ask_back(wallet: Wallet, person: Person, words: list[str]) -> None:
    """Ask for a few of the words, to make sure that they were written down.

    Raises Declined after three tries.
    """
    places = sorted(range(len(words)), key=lambda place: wallet.random(8))[:WORDS_ASKED_BACK]
    person.terminal.say("To be sure, type some of them.")
    for place in places:
        for _ in range(3):
            if person.ask(f"Word {place + 1}: ").strip().lower() == words[place]:
                break
            person.terminal.say("That is another word. Check what you wrote down.")
        else:
            raise Declined("No words were stored; start again when you have written them down.")


@command
def show_seed(*, passphrase_file: PassphraseFile = None, common: Common = Common()) -> None:
    """Show the words again."""
    person = Person(common.terminal())
    with opened_wallet(common) as wallet:
        words = with_passphrase(
            wallet, person, passphrase_file, lambda passphrase: seed_words(wallet, passphrase)
        )
    person.terminal.result({"words": words}, lambda console: _show_words(person, words))


# ---- restoring -----------------------------------------------------------------------------------


@command
async def restore(
    *,
    words_file: Annotated[
        Path | None,
        Parameter(
            help="Read the words from this file; - is standard input.", allow_leading_hyphen=True
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    no_passphrase: NoPassphrase = False,
    common: Common = Common(),
) -> None:
    """Restore a wallet from its words: tokens and the list of its orders.

    Log in first. The earlier machine can then no longer withdraw.
    """
    person = Person(common.terminal())
    with opened_wallet(common) as wallet, wallet.purchasing():
        if wallet.database.run_now(current_broker) is None:
            raise NotInitialised("Join the broker of this wallet first.")
        async with visited(wallet, person, mention=False) as shopper:
            await ensure_login(shopper, person, None)
        words = person.terminal.secret_text("Words: ", words_file)

        def seed(passphrase: str) -> Wallet:
            return restore_seed(wallet, words, passphrase)

        if has_seed(wallet):
            seeded = with_passphrase(wallet, person, passphrase_file, seed)
        else:
            seeded = seed(new_passphrase(person, passphrase_file, none=no_passphrase))
        async with visited(seeded, person, mention=False) as shopper:
            await ensure_login(shopper, person, None)
            restored = await restore_tokens(shopper)
    person.terminal.result(restored, lambda console: _draw(console, restored))


def _draw(console: Console, restored: Restored) -> None:
    console.print(f"Unspent tokens: {restored.unspent} of {restored.withdrawn} withdrawn.")
    if restored.foreign:
        console.print(f"{restored.foreign} withdrawals of the account came from other words.")
    if restored.orders:
        console.print(
            f"Orders known by their keys: {restored.orders}. See `veilmart customer orders`."
        )


wallet_app = App(name="wallet", help="The words from which tokens and order keys are derived.")
wallet_app.command(create)
wallet_app.command(show_seed)
wallet_app.command(restore)
