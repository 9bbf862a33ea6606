"""The pages that every face has: the way in, the lock, and the progress of a job."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from veilmart.errors import PageOutdated
from veilmart.limits import WEB_IDLE_SECONDS
from veilmart.web.forms import query, read_form
from veilmart.web.guard import ENTRY_PATH, Doorplate
from veilmart.web.jobs import Job
from veilmart.web.plan import SESSION_KEY, Plan, Web, WebRoute, get, post
from veilmart.web.rendering import go_to

PIECES_APART_SECONDS = 0.2


class SharedPages:
    """Endpoints of one face."""

    def __init__(self, plan: Plan, web: Web, door: Doorplate) -> None:
        self._plan, self._web, self._door = plan, web, door

    def routes(self) -> list[WebRoute]:
        return [
            get(ENTRY_PATH, self.enter),
            post("/lock", self.lock),
            get("/locked", self.locked),
            get("/unlock", self.locked),
            post("/unlock", self.unlock),
            post("/seen", self.seen),
            get("/jobs/{job}", self.job),
            get("/jobs/{job}/stream", self.job_stream),
        ]

    async def enter(self, request: Request) -> Response:
        """Take the ticket, set the cookie, and load the start page from here.

        A redirect would keep the redirect file as its source, and the browser would send no
        cookie that is SameSite=Strict; a page of ours that refreshes itself is the source.
        """
        secret = self._web.entrance.enter(query(request, "ticket"))
        if secret is None:
            return HTMLResponse(self._web.pages.part("closed.html", here=""), 403)
        answer = HTMLResponse(self._web.pages.part("entered.html", here=""))
        answer.set_cookie(self._door.cookie, secret, path="/", httponly=True, samesite="strict")
        return answer

    async def lock(self, request: Request) -> Response:
        """The person goes away."""
        self._web.entrance.lock(request.scope[SESSION_KEY])
        return go_to("/")

    async def locked(self, request: Request) -> Response:
        """What a locked session sees, whatever it asks for."""
        if not request.scope[SESSION_KEY].locked:
            return go_to("/")
        return self._locked_page(request, "")

    async def unlock(self, request: Request) -> Response:
        """Open a locked session with the role's passphrase."""
        session = request.scope[SESSION_KEY]
        form = await read_form(request)
        if session.locked:
            check = self._unlock()
            if check is None or not await check(form.secret("passphrase")):
                return self._locked_page(request, "That is not the passphrase.")
            self._web.entrance.unlock(session)
        return go_to("/")

    async def seen(self, request: Request) -> Response:
        """A key or a button was pressed: the person is there."""
        return Response(status_code=204)

    async def job(self, request: Request) -> Response:
        """How a job stands; without scripts the page reloads itself."""
        job = self._find(request)
        return self._web.pages.page(request, "job.html", job=job)

    async def job_stream(self, request: Request) -> Response:
        """The same, whenever it changes."""
        job = self._find(request)
        return self._web.streams.response(self._pieces(job), self._web.still_open(request))

    async def _pieces(self, job: Job) -> AsyncIterator[str]:
        while True:
            # Both before the piece is drawn: the job may end while the piece is being sent.
            seen, running = job.changes, job.running
            yield self._web.pages.part("job_state.html", job=job)
            if not running:
                return
            await asyncio.sleep(PIECES_APART_SECONDS)
            await job.wait_changed(seen)

    def _find(self, request: Request) -> Job:
        job = self._web.jobs.find(request.path_params["job"])
        if job is None:
            raise PageOutdated("That work is over and forgotten.")
        return job

    def _unlock(self) -> Callable[[str], Awaitable[bool]] | None:
        return self._plan.unlock if self._plan.unlockable() else None

    def _locked_page(self, request: Request, problem: str) -> Response:
        return self._web.pages.page(
            request,
            "locked.html",
            status=403,
            problem=problem,
            by_passphrase=self._unlock() is not None,
            minutes=WEB_IDLE_SECONDS // 60,
        )

    async def not_found(self, request: Request, _fault: Exception) -> Response:
        """No such page, or not with that method."""
        return self._web.pages.error(request, PageOutdated("There is no such page."))
