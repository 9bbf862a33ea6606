"""What every customer → broker request has in common (docs/protocol/05-customer-broker.md)."""

from typing import ClassVar

from veilmart.protocol.encoding import Message


class BrokerRequest(Message, tag_field="kind", frozen=True):
    """A customer's request to the broker inside their session.

    cells: of the request's record, 1 KiB each. answer_cells: of its answer's. moves_money: whether
    money may have moved when no answer came (a purchase's rule says this of its own requests).
    """

    cells: ClassVar[int] = 1
    answer_cells: ClassVar[int] = 1
    moves_money: ClassVar[bool] = False
