"""Trust (codes 61xx)."""

from veilmart.errors.families import PAID_AND_RELEASED, TrustFailure


class FingerprintChanged(TrustFailure):
    code = 6101
    summary = "The other side presents another identity than the one you pinned."
    hint = "Ask the other side over another channel. If it is right: `veilmart customer trust`."


class SerialLower(TrustFailure):
    code = 6102
    summary = "The descriptor is older than one seen before."
    hint = "Somebody replayed an old one, or the other side restored a backup."


class DescriptorExpired(TrustFailure):
    code = 6103
    summary = "The descriptor is not valid at this time."
    hint = "Check this machine's clock. If it is right, the other side's is wrong or it stopped."


class DescriptorForked(TrustFailure):
    code = 6104
    summary = "There are two different descriptors with one serial."
    hint = "Keep both: they prove that the other side gives people different descriptors."


class NotPinned(TrustFailure):
    code = 6105
    summary = "The other side's fingerprint has not been confirmed."
    hint = "Compare it with what its operator tells you, then confirm it or use a link."


class TokenKeysForked(TrustFailure):
    code = 6106
    summary = "The broker lists two token keys for one price and epoch."
    hint = "Keys made for individual customers tell them apart. See `veilmart customer proof`."


class ViewsForked(TrustFailure):
    code = 6107
    summary = "The account and the anonymous connection received contradicting documents."
    hint = "Nothing was spent. Both documents are kept: see `veilmart customer proof`."


class JudgedWrongly(TrustFailure):
    code = 6110
    summary = "The broker refused a dispute that its own rules decide against the merchant."
    money = PAID_AND_RELEASED
    hint = "Keep the proof: `veilmart customer dispute ORDER --save FILE`; anybody can verify it."
