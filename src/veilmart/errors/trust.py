"""Trust (codes 61xx)."""

from veilmart.errors.families import TrustFailure


class FingerprintChanged(TrustFailure):
    code = 6101
    summary = "The other side shows another identity than the one you pinned."
    hint = "Ask the other side on another way. If it is right: `veilmart customer trust`."


class SerialLower(TrustFailure):
    code = 6102
    summary = "The descriptor is older than one seen before."
    hint = "Somebody replays an old one, or the other side restored a backup."


class DescriptorExpired(TrustFailure):
    code = 6103
    summary = "The descriptor has expired."
    hint = "Check your clock; else the other side has to be started to renew it."


class DescriptorForked(TrustFailure):
    code = 6104
    summary = "Two different descriptors of one serial were shown."
    hint = "Keep both: they prove that the other side shows different people different things."


class NotPinned(TrustFailure):
    code = 6105
    summary = "The other side's fingerprint has not been confirmed."
    hint = "Compare it with what its operator tells you, then confirm it or use a link."
