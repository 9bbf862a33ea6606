"""The root of every error, and the families: whose fault it was."""

from typing import ClassVar

DETAIL_MAX_CHARACTERS = 300
NO_MONEY = "No money moved."
MONEY_UNCERTAIN = "Money may have moved: the answer did not come. Nothing is lost or done twice."
MONEY_SAFE = "Your money is safe: the purchase finishes or is refunded in full."


class VeilmartError(Exception):
    """Root of every error that veilmart raises on purpose."""

    code: ClassVar[int] = 0
    summary: ClassVar[str] = "Something went wrong."
    money: ClassVar[str] = NO_MONEY
    hint: str = ""
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    crosses: ClassVar[bool] = False
    """Whether a peer may name it inside a session. Errors that bytes prove arise locally only."""

    def __init__(self, detail: str = "", *, money: str | None = None) -> None:
        """`detail` says what this one occurrence was about; it must hold no secret."""
        super().__init__(detail or self.summary)
        self.detail = detail
        self.money_now = self.money if money is None else money

    def say(self) -> str:
        """What happened, without code and advice, for a line of a log."""
        return f"{self.summary} {self.detail}".rstrip()

    def explain(self) -> str:
        """What happened, whether money moved, what to do next: one line each."""
        lines = [f"{self.say()} (error {self.code})", self.money_now, self.hint]
        return "\n".join(line for line in lines if line)


class Misuse(VeilmartError):
    """Our own code called something in the wrong order or with wrong lengths."""

    code = 1000
    summary = "An internal rule of veilmart was broken; this is a bug."
    hint = "Please report it together with the error code."
    exit_code = 70


class CannotDo(VeilmartError):
    """What the person asked for cannot be done as asked."""

    money = ""  # few of them have to do with money; those say so
    http_status = 400
    exit_code = 2


class PeerFault(VeilmartError):
    """The other side sent something the protocol does not allow."""

    crosses = True
    http_status = 400
    exit_code = 5


class NetworkFailure(VeilmartError):
    """The other side was not reached or did not answer."""

    crosses = True
    http_status = 502
    exit_code = 4


class Refusal(VeilmartError):
    """A rule of the other side refused.

    It crosses the wire as {code, detail}, like the peer's faults and network failures that the
    other side noticed.
    """

    crosses = True
    http_status = 403
    exit_code = 3


class TrustFailure(VeilmartError):
    """Something that must never change has changed."""

    http_status = 403
    exit_code = 6


class StorageFailure(VeilmartError):
    """The disk or the database failed."""

    money = ""  # it cannot know; the rule of a purchase that raises it says so
    exit_code = 7


PAID_AND_RELEASED = "You have paid; the money goes to the merchant when the time to settle ends."
