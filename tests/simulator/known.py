"""What a run knows to be true, independently of every book."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Known:
    """goods: file name → content. credited: username → cash the operator booked, minor units.

    paid_out: minor units. vouchers: hash → (username, value). released, settled, refunded: orders
    ever seen so. returned: orders that the merchant's signature may have refunded. crooked: order →
    how the merchant cheats with it. states: of every order, in the order they were first seen.
    cheated: order → the cheater who pays for it, without a wallet that keeps it. by_token: order →
    who has it in mind to pay for it by a token.
    """

    goods: dict[str, bytes] = field(repr=False)
    credited: dict[str, int] = field(default_factory=dict)
    paid_out: int = 0
    vouchers: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    released: set[bytes] = field(default_factory=set)
    settled: set[bytes] = field(default_factory=set)
    refunded: set[bytes] = field(default_factory=set)
    returned: set[bytes] = field(default_factory=set)
    crooked: dict[bytes, str] = field(default_factory=dict)
    states: dict[bytes, str] = field(default_factory=dict)
    cheated: dict[bytes, str] = field(default_factory=dict)
    by_token: dict[bytes, str] = field(default_factory=dict)

    def saw(self, order: bytes, state: str) -> None:
        """The broker has stored this state."""
        self.states[order] = state
        if state in ("released", "settled"):
            self.released.add(order)
            if state == "settled":
                self.settled.add(order)
        elif state == "refunded":
            self.refunded.add(order)

    def keeps_no_wallet(self, order: bytes) -> bool:
        """Whether its customer has no wallet that would go on with it."""
        return order in self.cheated or order in self.by_token

    def may_be_returned(self, order: bytes) -> bool:
        """Whether there is a reason to refund it after its key was out."""
        return order in self.returned or order in self.crooked

    def under_way(self) -> list[bytes]:
        """Orders of honest customers that are paid and not over."""
        return [
            order
            for order, state in self.states.items()
            if state in ("held", "released") and not self.keeps_no_wallet(order)
        ]
