"""What a page sends: fields of a form, read with a bound on everything."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from veilmart.errors import FormInvalid
from veilmart.limits import WEB_FORM_FIELDS_MAX, WEB_FORM_MAX_BYTES

FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form:
    """Fields in their order; a name may come several times."""

    fields: tuple[tuple[str, str], ...]

    def text(self, name: str, default: str = "") -> str:
        """The first value of that name, without space around it."""
        return next((value.strip() for key, value in self.fields if key == name), default)

    def secret(self, name: str) -> str:
        """The first value of that name as it was typed."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        """Whether a box with that name is ticked, or a button with it was pressed."""
        return any(key == name for key, _ in self.fields)


async def read_form(request: Request) -> Form:
    """The form in the body. Raises FormInvalid when it is too large or not a form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise FormInvalid("It is not a form.")
    body = b"".join([chunk async for chunk in bounded_body(request, WEB_FORM_MAX_BYTES)])
    return Form(_fields(body))


def query(request: Request, name: str, default: str = "") -> str:
    """A parameter of the address, cut at 200 characters."""
    return request.query_params.get(name, default)[:200]


async def bounded_body(request: Request, most_bytes: int) -> AsyncIterator[bytes]:
    """The body's bytes as they come. Raises FormInvalid above `most_bytes`."""
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > most_bytes:
            raise FormInvalid(f"It is larger than {most_bytes} bytes.")
        yield chunk


def _fields(body: bytes) -> tuple[tuple[str, str], ...]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=WEB_FORM_FIELDS_MAX,
        )
    except ValueError as fault:
        raise FormInvalid from fault
    return tuple(pairs)
