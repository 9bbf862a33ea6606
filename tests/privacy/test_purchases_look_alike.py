"""Two purchases from one shelf that differ only in the product: what leaves the customer is equal.

On a clock that only the test moves: work on the disk takes as long as the file is, requests none.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_customer import NOW, Keys, Market, counting_random
from veilmart.customer import effects
from veilmart.customer.purchase.file_writer import deliver
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.purchase.purchase_rules import purchase
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.protocol.encoding import encode

SIZE = 512 * 1024
BYTES_PER_SECOND = 2_000_000  # a slow disk: a quarter of a second for the largest file


class Watched(Market):
    """A market that writes down what it is asked, how long that is, and when."""

    seconds = 0.0

    def watch(self, content: bytes) -> None:
        self.work_seconds = len(content) / BYTES_PER_SECOND
        self.seen: list[tuple[str, int, float]] = []

    def _mortal(self, performer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def performed(effect: Any) -> Any:
            match effect:
                case effects.AskBroker() | effects.AskAttached():
                    size = len(encode(effect.request))
                    self.seen.append((type(effect.request).__name__, size, round(self.seconds, 6)))
                case effects.OnDisk() if effect.function is deliver:
                    # Segments are stored sealed, as long as the shelf is; the file is not.
                    self.seconds += self.work_seconds
                case effects.Pace():
                    return self._pace(effect)
            return performer(effect)

        return performed

    def _pace(self, effect: effects.Pace) -> float:
        if effect.since is not None:
            passed = self.seconds - effect.since
            self.seconds = effect.since + (passed // effect.slot_seconds + 1) * effect.slot_seconds
        return self.seconds


def bought(
    tmp_path: Path, keys: Keys, content: bytes, name: str, suite: int, later: bool
) -> list[Any]:
    """What the broker sees of one purchase."""
    folder = tmp_path / f"{name}-{suite}"
    wallet = open_wallet(folder / "wallet", lambda: NOW, counting_random(b"wallet"))
    try:
        market = Watched(wallet, keys, content=content, name=name, size=SIZE)
        market.watch(content)
        choice = market.choice(folder / "out", suite)
        rule = purchase(choice, AccountPayment(), market.clock, wallet.random, later=later)
        market.run(rule)
        return market.seen
    finally:
        wallet.close()


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("suite", [0, 1])
def test_requests_sizes_and_times_are_those_of_the_shelf(
    tmp_path: Path, keys: Keys, suite: int, later: bool
) -> None:
    small = bought(tmp_path, keys, b"x", "a.txt", suite, later)
    large = bought(tmp_path, keys, b"y" * (SIZE - 300), "a-much-longer-name.pdf", suite, later)
    assert small == large
    names = [name for name, _, _ in small]
    assert names[-2:] == ["Release", "Acknowledge"]
    assert small[-1][2] > small[-2][2], "the acknowledgement waits for its slot"
