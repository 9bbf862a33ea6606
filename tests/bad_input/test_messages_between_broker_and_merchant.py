"""Damaged messages between broker and merchant. See `faulty_purchases`."""

from pathlib import Path

import pytest

from tests.bad_input.faults import HttpTampering
from tests.bad_input.faulty_purchases import matrix, purchase_with_every_fault
from tests.support.roles import Roles

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("impatient"),
]

EXCHANGES = 7  # link, proof, 2 tunnels, 2 records, segment; and descriptors, reports


@matrix
async def test_messages_between_broker_and_merchant(
    shared: Roles, tmp_path: Path, fault: str, direction: str
) -> None:
    def begin(at: int) -> HttpTampering:
        shared.renew_link()
        shared.inside.handler = HttpTampering(fault, direction, at)
        return shared.inside.handler

    name = f"inside {fault} {direction}"
    await purchase_with_every_fault(shared, name, tmp_path, begin, EXCHANGES)
