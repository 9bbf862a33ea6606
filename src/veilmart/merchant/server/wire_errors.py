"""Which of our errors the other side hears of."""

from veilmart.errors import (
    NetworkFailure,
    NotYourBroker,
    PeerFault,
    Refusal,
    ServerFault,
    TrustFailure,
    VeilmartError,
)


def wire_error(error: VeilmartError) -> VeilmartError:
    """The error itself if it may cross the wire, else one that says as much as is proper.

    A trust failure is our decision about the broker; a full disk or a bug is nobody's business.
    """
    if isinstance(error, Refusal | NetworkFailure | PeerFault):
        return error
    if isinstance(error, TrustFailure):
        return NotYourBroker(f"{error.summary}")
    return ServerFault()
