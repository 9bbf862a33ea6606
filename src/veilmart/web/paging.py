"""Long lists, a page at a time, so that no page grows with what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from veilmart.limits import WEB_ROWS_PER_PAGE

T = TypeVar("T")
NUMBER = "page"
DIGITS_MAX = 6


@dataclass(frozen=True)
class Paged(Generic[T]):
    """Some rows of a list. number: from 1. count: rows of the whole list.

    previous, next: addresses of the pages beside it, "" where there is none.
    """

    rows: Sequence[T]
    number: int
    pages: int
    count: int
    previous: str
    next: str


def one_page(request: Request, rows: Sequence[T], size: int = WEB_ROWS_PER_PAGE) -> Paged[T]:
    """The page that the address asks for; the nearest one if there is none of that number."""
    pages = max(1, -(-len(rows) // size))
    asked = request.query_params.get(NUMBER, "1")
    valid = asked.isascii() and asked.isdigit() and len(asked) <= DIGITS_MAX
    number = min(max(int(asked) if valid else 1, 1), pages)

    def address(other: int) -> str:
        kept = [(k, v[:200]) for k, v in request.query_params.items() if k != NUMBER]
        return f"{request.url.path}?{urlencode([*kept, (NUMBER, str(other))])}"

    return Paged(
        rows=rows[(number - 1) * size : number * size],
        number=number,
        pages=pages,
        count=len(rows),
        previous=address(number - 1) if number > 1 else "",
        next=address(number + 1) if number < pages else "",
    )
