"""A merchant's signed descriptors, requested from the broker inside the customer's session."""

from veilmart.customer.connection.session import BrokerSession
from veilmart.protocol.customer_messages import GetMerchant, MerchantDescriptor

NEWEST = 0
"""In GetMerchant, the newest descriptor: serials begin at 1."""


class MerchantDescriptors:
    """Unchecked descriptors of one merchant. Raises the broker's refusals and NetworkFailures."""

    def __init__(self, session: BrokerSession, merchant: bytes) -> None:
        self._session = session
        self._merchant = merchant
        self._shown: bytes | None = None

    async def show(self) -> bytes:
        """The newest descriptor, for a person to look at; the next `newest` returns it again."""
        self._shown = await self.numbered(NEWEST)
        return self._shown

    async def newest(self) -> bytes:
        shown, self._shown = self._shown, None
        return shown if shown is not None else await self.numbered(NEWEST)

    async def numbered(self, serial: int) -> bytes:
        """The descriptor with this serial."""
        request = GetMerchant(fingerprint=self._merchant, serial=serial)
        answer: MerchantDescriptor = await self._session.ask(request, MerchantDescriptor)
        return answer.signed
