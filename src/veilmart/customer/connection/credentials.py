"""What a username and a password have to be, checked before anything is sent."""

from veilmart.characters import is_plain
from veilmart.errors import AuthenticationFailed, BadArgument, WeakPassword
from veilmart.limits import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES, USERNAME_MAX_BYTES
from veilmart.protocol.typed_text import is_opaque

PASSWORD_RULE = (
    f"A password has {PASSWORD_MIN_BYTES} to {PASSWORD_MAX_BYTES} characters "
    "(letters beyond a to z count twice or more)."
)


def check_username(username: str) -> None:
    """Raises BadArgument unless it has 1 to 64 bytes, all printable."""
    if not is_plain(username) or not 1 <= len(username.encode()) <= USERNAME_MAX_BYTES:
        raise BadArgument(f"A username has 1 to {USERNAME_MAX_BYTES} bytes of printable text.")


def check_password(password: str) -> str:
    """The password itself.

    Raises WeakPassword unless it has 8 to 128 bytes of characters that can be typed again.
    """
    if not PASSWORD_MIN_BYTES <= len(password.encode()) <= PASSWORD_MAX_BYTES:
        raise WeakPassword
    if not is_opaque(password):
        raise WeakPassword("It has a character that cannot be seen.")
    return password


def check_possible(password: str) -> None:
    """Raises AuthenticationFailed for what is no account's password; it is not sent."""
    if not PASSWORD_MIN_BYTES <= len(password.encode()) <= PASSWORD_MAX_BYTES:
        raise AuthenticationFailed(PASSWORD_RULE)
