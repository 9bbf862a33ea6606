"""A customer's face in whose memory a hostile shop is open. `python -m ... HOME`."""

import asyncio
import os
import sys
from pathlib import Path

from tests.support.scripted_customer import Keys
from tests.web.hostile_shop import BIDI, BREAKOUT, MARKUP, hostile_menu, hostile_shop
from veilmart.customer.connection.directory import DirectoryEntry
from veilmart.customer.trust.pins import PinnedBroker, PinnedMerchant, pin_broker, pin_merchant
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.plan import customer_plan
from veilmart.protocol.address import Link
from veilmart.terminal.clock import unix_now
from veilmart.terminal.console import Terminal
from veilmart.web.running import WebOptions, run_face


def main(home: str) -> None:
    keys = Keys()
    menu = hostile_menu(keys)
    broker = keys.descriptor("broker", [], name=BREAKOUT[:64], not_before=1, not_after=2**40)
    wallet = open_wallet(Path(home), unix_now, os.urandom)
    pin = PinnedBroker(broker.fingerprint, "http://127.0.0.1:1", broker.signed)
    wallet.database.run_now(pin_broker, pin, unix_now())
    merchant = menu.merchant
    known = PinnedMerchant(broker.fingerprint, merchant.fingerprint, merchant.signed)
    wallet.database.run_now(pin_merchant, known, unix_now())
    desk = Desk(wallet, Path(home) / "files")
    desk.shops[merchant.fingerprint] = hostile_shop(menu)
    link = Link("127.0.0.1", 1, broker.fingerprint, merchant.fingerprint, None)
    desk.directory = [DirectoryEntry(merchant.fingerprint, MARKUP, BIDI + BREAKOUT, str(link))]
    options = WebOptions(open=False)
    asyncio.run(run_face(customer_plan(desk, None), wallet.home, Terminal(json=True), options))


if __name__ == "__main__":
    main(sys.argv[1])
