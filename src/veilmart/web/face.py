"""One face: the headers, the guard in front, then the pages of a role and those that all share.

A role's page never sees a request that the guard refused.
"""

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from veilmart.errors import ServerFault, VeilmartError
from veilmart.web.assets import load_assets
from veilmart.web.guard import ASSETS_PREFIX, ENTRY_PATH, Decision, Doorplate, Verdict, decide
from veilmart.web.headers import with_security_headers
from veilmart.web.plan import SESSION_KEY, Endpoint, Plan, Web
from veilmart.web.rendering import Pages
from veilmart.web.shared_pages import SharedPages

_STREAM_SUFFIX = "/stream"
_log = structlog.get_logger("veilmart.web")


def build_app(plan: Plan, web: Web, door: Doorplate) -> ASGIApp:
    """The ASGI application: headers, then the guard, then the routes."""
    shared = SharedPages(plan, web, door)
    routes = [*shared.routes(), *plan.routes(web)]
    inner = Starlette(
        routes=[
            Route(route.path, _answered(route.endpoint, web.pages), methods=[route.method])
            for route in routes
        ],
        exception_handlers={404: shared.not_found, 405: shared.not_found},
    )
    return with_security_headers(_Guarded(inner, web, door))


class _Guarded:
    """Refuses before routing; puts the session into the scope of what it lets through."""

    def __init__(self, inner: ASGIApp, web: Web, door: Doorplate) -> None:
        self._inner, self._web, self._door = inner, web, door
        self._assets = load_assets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = self._refusal_or_asset(scope)
        await (self._inner if answer is None else answer)(scope, receive, send)

    def _refusal_or_asset(self, scope: Scope) -> Response | None:
        decision = decide(scope, self._door)
        path = scope["path"]
        if decision.verdict is Verdict.PUBLIC:
            return None if path == ENTRY_PATH else self._asset(path.removeprefix(ASSETS_PREFIX))
        if decision.verdict is not Verdict.ADMITTED:
            return self._refused(decision)
        session = self._web.entrance.find(decision.secret)
        if session is None:
            return self._refused(Decision(Verdict.NO_COOKIE))
        scope[SESSION_KEY] = session
        if session.locked:
            # The path becomes that of the lock page; the address in the browser stays.
            scope["path"] = "/unlock" if path == "/unlock" else "/locked"
            scope["method"] = scope["method"] if path == "/unlock" else "GET"
        elif not path.endswith(_STREAM_SUFFIX):
            self._web.entrance.touch(session)
        return None

    def _asset(self, name: str) -> Response:
        asset = self._assets.get(name)
        if asset is None:
            return Response(status_code=404)
        return Response(asset.content, media_type=asset.media_type)

    def _refused(self, decision: Decision) -> Response:
        """A page that tells nothing: it may be read by the wrong one."""
        _log.info("request refused", what=decision.verdict.value)
        if decision.verdict is Verdict.NO_COOKIE:
            return HTMLResponse(self._web.pages.part("closed.html", here=""), 403)
        return Response("Refused.", 403, media_type="text/plain")


def _answered(endpoint: Endpoint, pages: Pages) -> Endpoint:
    """`endpoint`, with every exception drawn as a page."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except VeilmartError as error:
            return pages.error(request, error)
        except Exception as fault:
            # The text of an unexpected exception may quote a secret, so it is never shown.
            _log.error("page failed", kind=type(fault).__name__)
            return pages.error(request, ServerFault())

    return answered
