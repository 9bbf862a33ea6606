"""Which of our errors cross the wire."""

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
    """The error itself if it may cross the wire, else a less specific one.

    A trust failure is our decision about the broker; a full disk or a bug is not described to a
    peer.
    """
    if isinstance(error, Refusal | NetworkFailure | PeerFault):
        return error
    if isinstance(error, TrustFailure):
        return NotYourBroker(f"{error.summary}")
    return ServerFault()
