"""What a command that asks nobody does first: open the wallet, mention open orders.

Listings start with it, so it imports nothing of networks, sessions and purchases.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from veilmart.customer.wallet.held_tokens import has_tokens
from veilmart.customer.wallet.proxy import read_proxy
from veilmart.customer.wallet.wallet import (
    DATABASE_FILE,
    SEED_FILE,
    Wallet,
    open_wallet,
    unfinished,
)
from veilmart.errors import NotInitialised, VeilmartError
from veilmart.storage.files.home import Home, default_home, home_to_be
from veilmart.storage.files.names import shown_path
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import Common
from veilmart.terminal.console import Terminal

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
            if wallet.database.run_now(has_tokens):
                _tell_of_tokens(wallet, common.terminal())
            yield wallet
        finally:
            wallet.close()


def _tell_of_tokens(wallet: Wallet, terminal: Terminal) -> None:
    from veilmart.customer.library.holdings import ending_notes

    for note in wallet.database.run_now(ending_notes, wallet.clock()):
        terminal.say(note)


def _is_used(home: Home) -> bool:
    """Whether a wallet has got anything that must not be lost with a command that failed."""
    from veilmart.customer.trust.pins import current_broker

    try:
        wallet = open_wallet(home.path, unix_now, os.urandom)
    except VeilmartError:
        return True  # nobody can tell
    try:
        return wallet.home.has(SEED_FILE) or wallet.database.run_now(current_broker) is not None
    finally:
        wallet.close()


def mention_unfinished(wallet: Wallet, terminal: Terminal) -> None:
    """Print one line if `sync` has something to do."""
    count = len(unfinished(wallet))
    if count:
        noun = "1 purchase is" if count == 1 else f"{count} purchases are"
        terminal.say(f"{noun} unfinished; `veilmart customer sync` takes care of it.")
