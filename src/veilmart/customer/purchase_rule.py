"""A purchase from the choice to the finished file (docs/protocol/09-purchase.md).

The order of things is the safety of the money:
1. Before the person's yes nothing is stored.
2. CONFIRMING is committed before Pay is sent: whatever happens to the answer, the wallet knows
   which order to ask about.
3. Every segment is fetched, verified and on the disk before HELD is committed; only then is the
   key asked for. Until then the whole amount can be refunded.
4. RELEASED is committed with the key before a byte is opened.
5. The file is in place before it is acknowledged; DONE is committed last.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from veilmart.crypto import signing
from veilmart.customer.effects import (
    AskBroker,
    AskSegment,
    BrokerPapers,
    Confirm,
    Deliver,
    DropParcel,
    MakeDurable,
    StoreSegment,
    Tell,
    Together,
)
from veilmart.customer.delivery import Delivered
from veilmart.customer.events import (
    Dropped,
    FileSaved,
    IntegrityChecked,
    KeyReleased,
    ParcelBegun,
    PaymentHeld,
    PurchaseDone,
    SegmentRefetched,
    SegmentStored,
    StepReached,
)
from veilmart.customer.order import Order, Terms, add_order, save_order, terms_of
from veilmart.customer.quote import Quote
from veilmart.errors import (
    MONEY_SAFE,
    NO_MONEY,
    ContentKeyInvalid,
    Declined,
    MalformedMessage,
    OfferMismatch,
    Refusal,
    SignatureInvalid,
    StoreDamaged,
    VeilmartError,
)
from veilmart.limits import SEGMENTS_IN_FLIGHT
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.customer_messages import (
    Acknowledge,
    GetSegment,
    OrderStatus,
    Paid,
    Pay,
    Release,
    Released,
)
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.effects import Rule, Transact
from veilmart.protocol.offer import Invoice, PaymentReceipt
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.parcel import check_segment, segment_length
from veilmart.protocol.purchase import WalletEvent, WalletState

SEGMENT_TRIES = 4
DELIVERY_TRIES = 3

Clock = Any


@dataclass(frozen=True)
class Bought:
    """order: as stored, DONE. path: the finished file. balance: after the payment, minor units."""

    order: Order
    path: Path
    balance: int | None
