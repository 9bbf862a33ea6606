"""The network (codes 31xx)."""

from veilmart.errors.families import NetworkFailure


class BrokerUnreachable(NetworkFailure):
    code = 3101
    crosses = False
    summary = "The broker cannot be reached."
    hint = "Check the address and your connection, then try again."


class MerchantUnreachable(NetworkFailure):
    code = 3102
    summary = "The merchant cannot be reached by the broker."
    hint = "Try again later."


class SessionUnknown(NetworkFailure):
    code = 3103
    summary = "The session has ended."
    hint = "Trying again makes a new one."
    http_status = 410


class ServerBusy(NetworkFailure):
    code = 3104
    summary = "The other side is busy."
    hint = "Try again in a moment."
    http_status = 503


class ServerFault(NetworkFailure):
    code = 3105
    summary = "The other side has an internal fault."
    hint = "Try again; if that does not help, tell its operator the error code."
    http_status = 500


class ProxyFailed(NetworkFailure):
    code = 3106
    crosses = False
    summary = "The proxy cannot be reached, or does not let us through."
    hint = "Nothing was sent around it. Start it, or see `veilmart customer proxy`."


class UnsignedAnswer(NetworkFailure):
    code = 3107
    crosses = False
    summary = "An answer came that the other side neither signed nor sealed."
    hint = "Try again. If that fails, use another connection: a proxy or relay may interfere."
