"""A PostgreSQL URL taken apart as libpq does, and its password kept out of every sentence.

libpq takes the user's part up to the first "@". A password that holds one unquoted would end up
in the name of the host, and from there in error messages. So what is not quoted is refused before
libpq sees it, and no sentence of libpq is repeated that holds the password in any form.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from veilmart.errors import BadArgument

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://")
# RFC 3986, 3.2.1: what stands unquoted in the user's part of an authority.
_USER_INFO = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
_QUOTE = "In its user name and password, write every special character as % and two hex digits."
_UNUSABLE = "That is not a database URL."


@dataclass(frozen=True)
class PostgresAddress:
    """parameters: as libpq names them, for `psycopg.connect`. secrets: forms of the password."""

    parameters: dict[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def without_password(self, sentence: str) -> str:
        """The sentence, or a general one when it holds the password in any form."""
        if any(secret in sentence for secret in self.secrets):
            return "The connection failed."
        return sentence


def postgres_address(text: str) -> PostgresAddress:
    """Raises BadArgument, which neither repeats the text nor follows from an error that does."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise BadArgument(_UNUSABLE)
    rest = text[scheme.end() :]
    user_info, at, _place = rest.rpartition("@")
    if at and not _USER_INFO.fullmatch(user_info):
        raise BadArgument(f"{_UNUSABLE} {_QUOTE}")
    parameters = _parsed(f"postgresql://{rest}")
    if parameters is None:
        raise BadArgument(_UNUSABLE if at else f"{_UNUSABLE} {_QUOTE}")
    return PostgresAddress(parameters, _forms(user_info, str(parameters.get("password") or "")))


def _parsed(url: str) -> dict[str, Any] | None:
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        return None  # its words repeat parts of the URL


def _forms(user_info: str, password: str) -> tuple[str, ...]:
    """The password as it is, as it stood in the URL, and as it would be quoted."""
    written = user_info.partition(":")[2]
    forms = {password, written, unquote(written), quote(password, safe=""), quote_plus(password)}
    return tuple(form for form in forms if form)
