"""The peer on the command line: `python -m tests.peer.cli --help`."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path

from .anonymous import buy_with_token, price_of, stock
from .client import BrokerSession, Http, Tunnel
from .descriptors import read_link
from .notation import PeerError
from .purchase import buy
from .stream import Stream
from .suites import suite_of
from .tokens import Account, issuing_key


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.peer.cli")
    parser.add_argument("link")
    parser.add_argument("--username", required=True)
    parser.add_argument("--password-file", required=True, type=Path)
    parser.add_argument("--register", action="store_true", help="make the account first")
    parser.add_argument("--product", default="", help="title; none: stop after the login")
    parser.add_argument("--seed-file", type=Path, help="64 digits: pay with a token of this seed")
    parser.add_argument("--suite", type=int, choices=(1, 2), default=1)
    parser.add_argument("--stream", action="store_true", help="one stream, no POST")
    parser.add_argument("--out", type=Path, default=Path())
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Log in and buy."""
    now = int(time.time())
    link = read_link(options.link)
    title = options.product or link.product
    how = Stream if options.stream else Http
    with closing(how(link.host, link.port)) as http:
        session = BrokerSession(http, suite_of(options.suite), link.broker, now)
        password = options.password_file.read_text().rstrip("\n")
        kind = "register" if options.register else "login"
        welcome = session.start(kind, options.username, password)
        if not title:
            return
        if options.seed_file is None:
            merchant = session.merchant(link.merchant, now)
            tunnel = Tunnel(session, merchant, welcome.request_number)
            bought = buy(session, tunnel, title, options.out, now)
        else:
            seed = bytes.fromhex(options.seed_file.read_text())
            price = price_of(link, session.suite, title, now, how)
            token = one_token(http, session, Account(session, seed, options.username), price, now)
            out = options.out
            bought = buy_with_token(link, session.suite, seed, token, title, out, now, how)
    bought.path.with_name(bought.path.name + ".receipt").write_bytes(bought.receipt)
    first = "with the receipt" if bought.first_came else "asked for"
    print(f"{bought.path} ({bought.state}); first segment: {first}")


def one_token(http: Http, session: BrokerSession, account: Account, price: int, now: int) -> bytes:
    """A token of this price: one that is there, or the first of a new pack of three."""
    found = stock(http, session, account, price, now)
    if found.tokens:
        return found.tokens[0]
    key = issuing_key(http, session.broker, price, now)
    return account.withdraw(key, found.next_counter, 3)[0][0]


def main() -> int:
    """Exit status 1 and one line when the text is not kept."""
    try:
        run(arguments())
    except (PeerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
