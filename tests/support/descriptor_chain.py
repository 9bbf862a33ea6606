"""A test broker's descriptors, one after another, and what an identity makes of them."""

import asyncio
from typing import Any

from tests.support.scripted_customer import Keys
from veilmart.customer.trust.seen_descriptors import View, seen_of
from veilmart.customer.trust.two_views import check_views
from veilmart.customer.wallet.wallet import Wallet
from veilmart.protocol.descriptor import SignedDescriptor


class Chain:
    """Descriptors 1 ... n of the test broker, and the source that serves them."""

    def __init__(self, keys: Keys, count: int, **changes: Any) -> None:
        self.keys = keys
        self.asked: list[int] = []
        self.papers: list[SignedDescriptor] = []
        for serial in range(1, count + 1):
            previous = self.papers[-1].hash if self.papers else bytes(32)
            paper = keys.descriptor("broker", [], serial=serial, previous=previous, **changes)
            self.papers.append(paper)

    def __getitem__(self, serial: int) -> SignedDescriptor:
        return self.papers[serial - 1]

    async def newest(self) -> bytes:
        return self.papers[-1].signed

    async def numbered(self, serial: int) -> bytes:
        self.asked.append(serial)
        return self[serial].signed


def check(wallet: Wallet, view: View, fresh: SignedDescriptor, chain: Chain) -> None:
    seen = wallet.database.run_now(seen_of, fresh.fingerprint)
    asyncio.run(check_views(wallet, view, fresh, chain, seen))
