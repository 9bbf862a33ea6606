"""Damaged messages between customer and broker. See `faulty_purchases`."""

from pathlib import Path

import pytest

from tests.bad_input.faults import HttpTampering
from tests.bad_input.faulty_purchases import matrix, purchase_with_every_fault
from tests.support.roles import Roles

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("impatient"),
]

EXCHANGES = 11  # descriptor to acknowledgement


@matrix
async def test_messages_between_customer_and_broker(
    shared: Roles, tmp_path: Path, fault: str, direction: str
) -> None:
    def begin(at: int) -> HttpTampering:
        shared.outside.handler = HttpTampering(fault, direction, at)
        return shared.outside.handler

    name = f"outside {fault} {direction}"
    await purchase_with_every_fault(shared, name, tmp_path, begin, EXCHANGES)
