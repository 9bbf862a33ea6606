"""Damaged messages between customer and merchant, who talk through the broker."""

from pathlib import Path

import pytest

from tests.bad_input.faults import TunnelTampering
from tests.bad_input.faulty_purchases import matrix, purchase_with_every_fault
from tests.support.roles import Roles

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("impatient"),
]

EXCHANGES = 5  # 2 tunnels, 2 records, segment


@matrix
async def test_messages_between_customer_and_merchant(
    shared: Roles, tmp_path: Path, fault: str, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def begin(at: int) -> TunnelTampering:
            patch.undo()
            patch.setattr("veilmart.customer.connection.retries.PAUSES_SECONDS", (0.01, 0.02, 0.05))
            tampering = TunnelTampering(fault, direction, at)
            patch.setattr("veilmart.broker.relay.links.LinkPool.ask", tampering.installed())
            return tampering

        name = f"tunnel {fault} {direction}"
        await purchase_with_every_fault(shared, name, tmp_path, begin, EXCHANGES)
