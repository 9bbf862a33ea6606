"""The peer on the command line: `python -m tests.peer.cli --help`."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path

from .client import BrokerSession, Http, Tunnel
from .descriptors import read_link
from .notation import PeerError
from .purchase import buy
from .suites import suite_of


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.peer.cli")
    parser.add_argument("link")
    parser.add_argument("--username", required=True)
    parser.add_argument("--password-file", required=True, type=Path)
    parser.add_argument("--register", action="store_true", help="make the account first")
    parser.add_argument("--product", default="", help="title; none: stop after the login")
    parser.add_argument("--suite", type=int, choices=(1, 2), default=1)
    parser.add_argument("--out", type=Path, default=Path())
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Log in and buy."""
    now = int(time.time())
    link = read_link(options.link)
    password = options.password_file.read_text().rstrip("\n")
    with closing(Http(link.host, link.port)) as http:
        session = BrokerSession(http, suite_of(options.suite), link.broker, now)
        kind = "register" if options.register else "login"
        welcome = session.start(kind, options.username, password)
        title = options.product or link.product
        if title:
            merchant = session.merchant(link.merchant, now)
            tunnel = Tunnel(session, merchant, welcome.request_number)
            bought = buy(session, tunnel, title, options.out, now)
            bought.path.with_name(bought.path.name + ".receipt").write_bytes(bought.receipt)
            print(f"{bought.path} ({bought.state})")


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
