"""From a template and its values to a page. Everything that is filled in is escaped.

Texts of catalogues, descriptors and peers are hostile. Three things happen to whatever text a
template fills in, without the template saying so: control and direction characters are taken out
(`visible`), markup is escaped (Jinja2's autoescape, for every template), and neither markup nor
text is ever put into a script, a style or an event attribute (the content security policy would
refuse to run it).
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import VeilmartError
from veilmart.protocol import moments
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.names import visible

_SHARED = "veilmart.web"
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@dataclass(frozen=True)
class MenuEntry:
    """One entry of the navigation."""

    href: str
    label: str


class Pages:
    """Draws the pages of one face. Titles are constant: browsers keep them in their history."""

    def __init__(
        self,
        title: str,
        package: str,
        menu: Sequence[MenuEntry],
        hints: Mapping[type[VeilmartError], str] = MappingProxyType({}),
    ) -> None:
        """package: where the role's folder `templates` lies, for example veilmart.customer.web.

        hints: what to do next on this face, in place of an error's own hint.
        """
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(package), PackageLoader(_SHARED)]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            title=title,
            menu=tuple(menu),
            notices=list,
            hint=lambda error: _hint(error, hints),
        )
        self._environment.filters.update(
            amount=format_amount,
            fingerprint=format_fingerprint,
            size=format_size,
            moment=format_moment,
            day=format_day,
            duration=format_duration,
            base64=format_base64,
        )

    def show_notices(self, notices: Callable[[], list[str]]) -> None:
        """Lines that stand above every unlocked page, asked for each time."""
        self._environment.globals["notices"] = notices

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A whole page. `here` is the request's path, for the navigation."""
        return HTMLResponse(self.part(template, here=request.url.path, **values), status)

    def part(self, template: str, **values: Any) -> str:
        """A template's text, for example a piece that is swapped into a page."""
        return self._environment.get_template(template).render(values)

    def fragment(self, template: str, **values: Any) -> Response:
        """A piece of a page as an answer of its own."""
        return HTMLResponse(self.part(template, **values))

    def error(self, request: Request, error: VeilmartError) -> Response:
        """What happened, whether money moved, what to do next."""
        return self.page(request, "error.html", status=error.http_status, error=error)


def go_to(path: str) -> Response:
    """303 after a form: a reload asks for the page again, not for the deed."""
    return RedirectResponse(path, 303)


def asked_by_htmx(request: Request) -> bool:
    """Whether only a piece of the page is wanted."""
    return request.headers.get("hx-request") == "true"


def _hint(error: VeilmartError, hints: Mapping[type[VeilmartError], str]) -> str:
    """The face's hint for that error, unless this one occurrence has one that names no command."""
    own = "hint" in vars(error) and "`veilmart " not in error.hint
    return error.hint if own else hints.get(type(error), error.hint)


def _finalize(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return visible(value)
    return "" if value is None else value


def format_size(length: int) -> str:
    """Bytes for people: 12 bytes, 3.4 MiB."""
    for unit, name in _UNITS:
        if length >= unit:
            return f"{length / unit:.1f} {name}"
    return f"{length} bytes"


def format_base64(data: bytes) -> str:
    """For an address `data:...;base64,`."""
    return base64.b64encode(data).decode()


def format_moment(seconds: int) -> Markup:
    """Unix seconds as an HTML time element, in UTC."""
    moment = moments.moment(seconds)
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(), moment.strftime("%Y-%m-%d %H:%M UTC")
    )


def format_day(seconds: int) -> str:
    """Unix seconds as a date in UTC."""
    return moments.moment(seconds).strftime("%Y-%m-%d")


def format_duration(seconds: int) -> str:
    """About how long: 40 s, 12 min, 3 h, 5 days."""
    for unit, name in ((2 * 86400, "days"), (2 * 3600, "h"), (120, "min")):
        size = {"days": 86400, "h": 3600, "min": 60}[name]
        if seconds >= unit:
            return f"{round(seconds / size)} {name}"
    return f"{seconds} s"
