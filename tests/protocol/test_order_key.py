"""What the order key signs (docs/protocol/05-customer-broker.md, 5.5) and operation ids (5.6)."""

from hashlib import sha256

import pytest

from tests.protocol.protocol_samples import ORDER_KEY, flipped
from veilmart.crypto import signing
from veilmart.errors import OrderKeyInvalid
from veilmart.protocol import labels
from veilmart.protocol.order_key import Action, check_action, operation_id, sign_action

SEED = b"o" * 32
ORDER = b"O" * 32
ACTIONS: list[Action] = ["segment", "release", "acknowledge", "cancel", "status"]


@pytest.mark.parametrize("action", ACTIONS)
def test_signed_and_checked(action: Action) -> None:
    for index in (0, 1, 16383):
        signature = sign_action(SEED, ORDER, action, index)
        check_action(ORDER_KEY, ORDER, action, signature, index)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_signature_is_good_for_one_thing(action: Action) -> None:
    signature = sign_action(SEED, ORDER, action, 3)
    others = [other for other in ACTIONS if other != action]
    attempts: list[tuple[bytes, bytes, Action, bytes, int]] = [
        *((ORDER_KEY, ORDER, other, signature, 3) for other in others),
        (ORDER_KEY, ORDER, action, signature, 4),
        (ORDER_KEY, b"?" * 32, action, signature, 3),
        (signing.public_key(b"?" * 32), ORDER, action, signature, 3),
        (ORDER_KEY, ORDER, action, flipped(signature, 0), 3),
        (ORDER_KEY, ORDER, action, flipped(signature, 63), 3),
        (ORDER_KEY, ORDER, action, b"", 3),
        (ORDER_KEY, ORDER, action, bytes(64), 3),
        (b"short", ORDER, action, signature, 3),
        (bytes(32), ORDER, action, signature, 3),
    ]
    for public, order, claimed, given, index in attempts:
        with pytest.raises(OrderKeyInvalid):
            check_action(public, order, claimed, given, index)


def test_other_signatures_of_the_key_say_nothing() -> None:
    data = ORDER + bytes(8) + b"release"
    check_action(ORDER_KEY, ORDER, "release", signing.sign(SEED, labels.ORDER_ACTION, data))
    for label in (labels.OFFER, labels.SEGMENT):
        with pytest.raises(OrderKeyInvalid):
            check_action(ORDER_KEY, ORDER, "release", signing.sign(SEED, label, data))


def test_operation_ids() -> None:
    ids = {operation_id(order, action) for order in (ORDER, b"?" * 32) for action in ACTIONS}
    assert len(ids) == 2 * len(ACTIONS)
    expected = sha256(b"veilmart 2026 operation\0" + ORDER + b"pay").digest()[:16]
    assert operation_id(ORDER, "pay") == operation_id(ORDER, "pay") == expected
