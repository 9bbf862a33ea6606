"""Searches in long lists. Browsers keep addresses, so an address names the words, not says them.

The form sends the words by POST; the answer leads to an address with an opaque name for them, so
that the pages of the list and the back button work as for any other list.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from veilmart.web.forms import query, read_form
from veilmart.web.plan import Web, WebRoute, post
from veilmart.web.rendering import go_to

FIELD = "find"
WORDS_MAX_CHARACTERS = 200


class Search:
    """The search of one list. kept: other fields of its form, whose values are no secret."""

    def __init__(self, web: Web, path: str, kept: tuple[str, ...] = ()) -> None:
        self._web, self._path, self._kept = web, path, kept

    def route(self) -> WebRoute:
        """Comes before the routes PATH/{...}."""
        return post(f"{self._path}/{FIELD}", self._find)

    def words(self, request: Request) -> str:
        """What is searched for, "" for the whole list. Raises PageOutdated."""
        name = query(request, FIELD)
        return self._web.names.value(FIELD, name).decode() if name else ""

    async def _find(self, request: Request) -> Response:
        form = await read_form(request)
        words = form.text(FIELD)[:WORDS_MAX_CHARACTERS]
        pairs = [(name, form.text(name)[:WORDS_MAX_CHARACTERS]) for name in self._kept]
        if words:
            pairs.append((FIELD, self._web.names.name(FIELD, words.encode())))
        asked = urlencode([(name, value) for name, value in pairs if value])
        return go_to(f"{self._path}?{asked}" if asked else self._path)
