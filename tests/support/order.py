"""Which files are run first: those that take longest, so that no worker begins one at the end.

Read off `--durations`; a file that is missing here costs a few seconds at most.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LONGEST = (
    "bad_input/test_messages_between_customer_and_broker.py",
    "web/test_live_demo.py",
    "web/test_killed_face.py",
    "web/test_customer_face.py",
    "bad_input/test_messages_between_broker_and_merchant.py",
    "web/test_broker_face.py",
    "web/test_merchant_face.py",
    "escrow/test_deadlines.py",
    "broker/maintenance/test_wrong_clock.py",
    "privacy/test_trained_attacker.py",
    "bad_input/test_messages_between_customer_and_merchant.py",
    "bad_input/test_tokens_of_a_wallet.py",
    "broker/audit/test_audit.py",
    "crash/test_killed.py",
    "customer/cli/test_first_steps.py",
    "terminal/test_streams.py",
    "privacy/test_products_alike.py",
    "terminal/test_text_as_it_is.py",
    "soak/test_soak.py",
    "web/test_money_back.py",
    "hostile/test_hostile.py",
    "privacy/test_transcripts.py",
    "system/test_big_products.py",
    "simulator/test_simulator.py",
    "simulator/test_finds_bugs.py",
    "system/test_failover_market.py",
    "storage/database/test_failover.py",
    "web/test_restored_wallet.py",
    "web/test_first_sale.py",
    "system/test_transcripts.py",
    "system/test_interrupted.py",
    "system/test_reconcile.py",
)


def longest_first(items: list[pytest.Item]) -> None:
    """The rest stays in its order."""
    place = {TESTS / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
